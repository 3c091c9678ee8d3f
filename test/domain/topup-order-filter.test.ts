import { describe, expect, it } from 'vitest';
import { parseCursor } from '../../src/domain/feed-cursor.ts';
import { readTopupOrderLog } from '../../src/domain/follow-topup-orders.ts';
import type { OrderFeed } from '../../src/domain/ports.ts';
import { matchesFilter, type TopupOrderFilter } from '../../src/domain/topup-order-filter.ts';
import type { FeedEvent } from '../../src/domain/topup-order.ts';

const EVENT = {
  status: 'FAILED',
  failureCode: 'INVALID_RECIPIENT',
  order: {
    productId: 4218, countryCode: 'GLO', walletId: 1,
    createdAt: new Date('2026-03-01T12:00:05.400Z'),
  },
} as FeedEvent;

const at = (time: string): Date => new Date(`2026-03-01T${time}Z`);

describe('a filter', () => {
  it.each<[boolean, string, TopupOrderFilter]>([
    [true, 'nothing at all', {}],
    [true, 'nothing that is said', {
      statuses: null, productIds: null, countryCodes: null, walletIds: null, failureCodes: null,
      createdFrom: null, createdTo: null,
    }],
    [true, 'its status', { statuses: ['DELIVERED', 'FAILED'] }],
    [false, 'another status', { statuses: ['DELIVERED'] }],
    [true, 'its product', { productIds: [4218] }],
    [false, 'another product', { productIds: [1] }],
    [true, 'its country', { countryCodes: ['FRA', 'GLO'] }],
    [false, 'another country', { countryCodes: ['FRA'] }],
    [true, 'its wallet', { walletIds: [1] }],
    [false, 'another wallet', { walletIds: [2] }],
    [true, 'its failure', { failureCodes: ['INVALID_RECIPIENT'] }],
    [false, 'another failure', { failureCodes: ['UNKNOWN'] }],
    [false, 'no value of a key', { productIds: [] }],
    [true, 'a span from its second', { createdFrom: at('12:00:05') }],
    [false, 'a span from the next second', { createdFrom: at('12:00:06') }],
    [true, 'a span to its second, of which it has all', { createdTo: at('12:00:05') }],
    [false, 'a span to the second before', { createdTo: at('12:00:04') }],
    [true, 'both ends of its second', {
      createdFrom: at('12:00:05'), createdTo: at('12:00:05'),
    }],
    [false, 'one key that matches and one that does not', {
      failureCodes: ['INVALID_RECIPIENT'], walletIds: [2],
    }],
  ])('passes: %s, an event by %s', (passes, _name, filter) => {
    expect(matchesFilter(EVENT, filter)).toBe(passes);
  });
});

describe('a page of the log under a filter that nothing passes', () => {
  const CURSOR_KEY = 'key of the test';
  const LAST_SEQUENCE = 12_000;
  const feed = {
    extent: async () => ({ removedThrough: 0, lastSequence: LAST_SEQUENCE, skipped: [] }),
    readClient: async (_clientId: number, { afterSequence, limit }: {
      readonly afterSequence: number; readonly limit: number;
    }) => Array.from({ length: Math.min(limit, LAST_SEQUENCE - afterSequence) }, (_, index) => (
      { ...EVENT, sequence: afterSequence + index + 1 })),
  } as unknown as OrderFeed;

  it('looks at so much only, and says from where the next one goes on', async () => {
    const seen: unknown[] = [];
    let after: string | null = null;
    for (let hasMore = true; hasMore;) {
      const page = await readTopupOrderLog(1, {
        filter: { productIds: [1] }, types: null, first: 5, after,
      }, { feed, cursorKey: CURSOR_KEY });
      ({ hasMore, endCursor: after } = page);
      const address = { clientId: 1, kind: 'orders', id: 0, key: CURSOR_KEY } as const;
      seen.push([...parseCursor(after, address), page.edges.length, hasMore]);
    }
    expect(seen).toEqual([[5_000, 0, true], [10_000, 0, true], [LAST_SEQUENCE, 0, false]]);
  });
});
