import { invalidParameter, type Query } from './query.ts';

export const PAGE_SIZE_DEFAULT = 50;
export const PAGE_SIZE_MAX = 500;

/** One page of a list by number, from 1. */
export interface Page {
  readonly number: number;
  readonly size: number;
  /** How many items stand before it. */
  readonly offset: number;
}

/**
 * The page that a query asks for: `page`, and `per_page` or its alias `limit`. `per_page` wins.
 * @throws Rejection VALIDATION_FAILURE
 */
export function pageIn(query: Query, sizeMax = PAGE_SIZE_MAX): Page {
  const number = query.id('page') ?? 1;
  const perPage = query.text('per_page') === null ? 'limit' : 'per_page';
  const size = query.id(perPage) ?? Math.min(PAGE_SIZE_DEFAULT, sizeMax);
  if (size > sizeMax) throw invalidParameter(perPage, `${perPage} must be at most ${sizeMax}`);
  // A page so far behind is empty, wherever exactly it would begin.
  const offset = Math.min((number - 1) * size, Number.MAX_SAFE_INTEGER);
  return { number, size, offset };
}

/** What the headers tell of an answered page. */
export interface Paging {
  /** Items of the whole list. */
  readonly totalCount: number;
  /** Items of this page. */
  readonly itemCount: number;
  /** Known to be so, or not; without it the count decides. */
  readonly hasMore?: boolean;
}

/** The documented headers of a list. */
export function pagingHeaders(page: Page, paging: Paging): Readonly<Record<string, string>> {
  const { totalCount, itemCount } = paging;
  const hasMore = paging.hasMore ?? page.offset + itemCount < totalCount;
  return {
    'x-page': String(page.number),
    'x-per-page': String(page.size),
    'x-total-count': String(totalCount),
    'x-total-pages': String(Math.ceil(totalCount / page.size)),
    'x-page-size': String(itemCount),
    'x-has-more': String(hasMore && itemCount > 0),
  };
}
