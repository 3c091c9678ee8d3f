import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RateLimits } from '../domain/rate-limits.ts';
import { rateHeaders } from './rate-headers.ts';

/** Tokens for so many items, of which each so many count as one request. */
export function tokensFor(itemCount: number, itemsPerToken: number): number {
  return Math.max(Math.ceil(itemCount / itemsPerToken), 1);
}

/**
 * Reads a page for which the guard has taken tokens as for the longest that it may be; what is not
 * there is given back, and the answer tells what is left then.
 */
export async function readCharged<Page extends { readonly items: readonly unknown[] }>(
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  { rateLimits, itemsPerToken }: {
    readonly rateLimits: RateLimits; readonly itemsPerToken: number;
  },
  read: () => Promise<Page>,
): Promise<Page> {
  const { clientId, charge } = request;
  let itemCount = 0;
  try {
    const page = await read();
    itemCount = page.items.length;
    return page;
  } finally {
    const unused = (charge?.count ?? 0) - tokensFor(itemCount, itemsPerToken);
    if (charge !== null && unused > 0) {
      const { rateClass, verdict } = charge;
      const isBack = await rateLimits.giveBack({ clientId, class: rateClass, count: unused })
        .then(() => true, () => false);
      const remaining = verdict.remaining + (isBack ? unused : 0);
      reply.headers(rateHeaders(rateClass, { ...verdict, remaining }));
    }
  }
}
