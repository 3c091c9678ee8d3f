import type { ListPage, OffsetPage } from '../domain/list-page.ts';
import { invalidParameter, type Query } from './query.ts';

export const PAGE_SIZE_DEFAULT = 50;
export const PAGE_SIZE_MAX = 500;

/** One page of a list by number, from 1. */
export interface Page extends OffsetPage {
  readonly number: number;
}

/**
 * The page that a query asks for: `page`, and `per_page` or its alias `limit`. `per_page` wins.
 * @throws Rejection VALIDATION_FAILURE
 */
export function pageIn(query: Query, sizeMax = PAGE_SIZE_MAX): Page {
  const number = query.id('page') ?? 1;
  const perPage = query.text('per_page') === null ? 'limit' : 'per_page';
  const limit = query.id(perPage) ?? PAGE_SIZE_DEFAULT;
  if (limit > sizeMax) throw invalidParameter(perPage, `${perPage} must be at most ${sizeMax}`);
  // A page so far behind is empty, wherever exactly it would begin.
  const offset = Math.min((number - 1) * limit, Number.MAX_SAFE_INTEGER);
  return { number, limit, offset };
}

/** The documented headers of a page that was found. */
export function pagingHeaders(
  page: Page,
  { items, totalCount, hasMore }: ListPage<unknown>,
): Readonly<Record<string, string>> {
  return {
    'x-page': String(page.number),
    'x-per-page': String(page.limit),
    'x-total-count': String(totalCount),
    'x-total-pages': String(Math.ceil(totalCount / page.limit)),
    'x-page-size': String(items.length),
    'x-has-more': String(hasMore),
  };
}

/** The page of a list that is wholly at hand. */
export function pageOut<Item>(page: Page, list: readonly Item[]): ListPage<Item> {
  const end = page.offset + page.limit;
  return {
    items: list.slice(page.offset, end),
    totalCount: list.length,
    hasMore: end < list.length,
  };
}
