import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RateLimits } from '../domain/rate-limits.ts';
import { PAGE_SIZE_MAX } from './paging.ts';
import { rateHeaders } from './rate-headers.ts';

/** What a page of any other list has at most: 10,000 take as much of the process as 20 of these. */
export const ITEMS_PER_TOKEN = PAGE_SIZE_MAX;

/** Tokens for so many items, of which each ITEMS_PER_TOKEN count as one request. */
export function tokensFor(itemCount: number): number {
  return Math.max(Math.ceil(itemCount / ITEMS_PER_TOKEN), 1);
}

/**
 * Reads a page for which the guard has taken tokens as for the longest that it may be; what is not
 * there is given back, and the answer tells what is left then.
 */
export async function readCharged<Page extends { readonly items: readonly unknown[] }>(
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  rateLimits: RateLimits,
  read: () => Promise<Page>,
): Promise<Page> {
  const { clientId, charge } = request;
  let itemCount = 0;
  try {
    const page = await read();
    itemCount = page.items.length;
    return page;
  } finally {
    const unused = (charge?.count ?? 0) - tokensFor(itemCount);
    if (charge !== null && unused > 0) {
      const { rateClass, verdict } = charge;
      const isBack = await rateLimits.giveBack({ clientId, class: rateClass, count: unused })
        .then(() => true, () => false);
      const remaining = verdict.remaining + (isBack ? unused : 0);
      reply.headers(rateHeaders(rateClass, { ...verdict, remaining }));
    }
  }
}
