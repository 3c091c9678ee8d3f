import type { FastifyReply } from 'fastify';
import { takeOrRefuse, type RateLimits } from '../domain/rate-limits.ts';
import { rateHeaders } from './rate-headers.ts';

interface Charged {
  readonly rateLimits: RateLimits;
  readonly clientId: number;
  /** So many items count as one request. */
  readonly itemsPerToken: number;
  /** More cannot be on the page; what is not there is given back. */
  readonly itemsMax: number;
}

/**
 * Reads a page that counts by what is on it, and tells on the answer what is left. The guard has
 * taken the first token, before the query was read.
 * @throws RateLimited where there are not enough for the longest such page
 */
export async function readCharged<Page extends { readonly items: readonly unknown[] }>(
  reply: FastifyReply,
  { rateLimits, clientId, itemsPerToken, itemsMax }: Charged,
  read: () => Promise<Page>,
): Promise<Page> {
  const beyondOne = (count: number): number => Math.max(Math.ceil(count / itemsPerToken) - 1, 0);
  const charge = { clientId, class: 'read', count: beyondOne(itemsMax) } as const;
  if (charge.count === 0) return read();
  const verdict = await takeOrRefuse(rateLimits, charge);
  let itemCount = 0;
  try {
    const page = await read();
    itemCount = page.items.length;
    return page;
  } finally {
    const unused = charge.count - beyondOne(itemCount);
    const isBack = unused === 0 || await rateLimits.giveBack({ ...charge, count: unused })
      .then(() => true, () => false);
    const remaining = verdict.remaining + (isBack ? unused : 0);
    reply.headers(rateHeaders(charge.class, { ...verdict, remaining }));
  }
}
