import { z } from 'zod';
import { COUNTED_MAX } from '../domain/list-page.ts';
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from './paging.ts';

/** The parameters that `pageIn` reads. */
export function pageParameters(sizeMax = PAGE_SIZE_MAX) {
  const size = (description: string) => z.int().min(1).max(sizeMax).optional()
    .meta({ description, default: PAGE_SIZE_DEFAULT, examples: [20] });
  return z.object({
    page: z.int().min(1).optional()
      .meta({ description: 'Which page, from 1.', default: 1, examples: [1] }),
    per_page: size('Items of a page.'),
    limit: size('The same as `per_page`, which wins where both are given.'),
  });
}

const count = (description: string) => ({ description, schema: { type: 'integer', minimum: 0 } });

/** The headers that `pagingHeaders` makes, as `x-answer-headers` of a route. */
export const PAGING_HEADERS = {
  'X-Page': count('The page.'),
  'X-Per-Page': count('Items of a page at most.'),
  'X-Total-Count': count(
    `Items of the whole list. A list narrowed by filters is counted up to ${COUNTED_MAX}.`,
  ),
  'X-Total-Pages': count('Pages of so many items.'),
  'X-Page-Size': count('Items of this page.'),
  'X-Has-More': {
    description: 'Whether another page follows.',
    schema: { type: 'string', enum: ['true', 'false'] },
  },
};
