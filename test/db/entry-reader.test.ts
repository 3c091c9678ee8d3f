import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EntryReader, type FeedEntry } from '../../src/db/entry-reader.ts';
import { PostgresOrderFeed } from '../../src/db/order-feed.ts';
import { createPool } from '../../src/db/pool.ts';
import { openWakeUps, type WakeUps } from '../../src/db/wake-ups.ts';
import { useTestDatabase } from '../support/database.ts';
import { floodInbox, placeOrders } from '../support/feed-writers.ts';

const database = useTestDatabase();
const asked: string[] = [];
let pool: pg.Pool;
let wakeUps: WakeUps;
let entries: EntryReader;
let feed: PostgresOrderFeed;

beforeAll(() => {
  const { databaseUrl } = database();
  const onError = (): void => undefined;
  pool = createPool({ databaseUrl, size: 4, applicationName: 'entries', onError });
  const query = pool.query.bind(pool) as (config: unknown) => Promise<unknown>;
  Object.assign(pool, {
    query: (config: pg.QueryConfig) => {
      asked.push(config.name ?? '');
      return query(config);
    },
  });
  wakeUps = openWakeUps({ databaseUrl, pool, onError });
  entries = new EntryReader({ pool, wakeUps, onError });
  feed = new PostgresOrderFeed(pool, entries);
});

afterAll(async () => {
  feed.close();
  await entries.close();
  await wakeUps.close();
  await pool.end();
});

const countAsked = (name: string): number => asked.filter((each) => each === name).length;
const number = (): Promise<unknown> => database().query('select number_events(1000)');

describe('the log', () => {
  it('is read once for all subscribers of a process', async () => {
    const watches = [1, 2].flatMap((clientId) =>
      Array.from({ length: 20 }, () => feed.watchClient(clientId, 0)));
    const firsts = watches.map((watch) => watch.next());
    // Each has looked at the log for itself, and waits for what comes.
    await expect.poll(() => countAsked('client_events')).toBe(40);
    const ids = [...await placeOrders(database(), 1, 3), ...await placeOrders(database(), 2, 3)];
    asked.length = 0;
    await number();

    const seen = await Promise.all(firsts.map(async (first, index) => [
      (await first).value, (await watches[index]?.next())?.value,
      (await watches[index]?.next())?.value,
    ].map((event) => event?.topupOrderId)));
    expect(seen.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => ids.slice(0, 3)));
    expect(seen.slice(20)).toEqual(Array.from({ length: 20 }, () => ids.slice(3)));
    expect([countAsked('events_of_entries'), countAsked('orders_of_events')]).toEqual([1, 1]);
    expect(countAsked('client_events')).toBe(0);
    await Promise.all(watches.map((watch) => watch.return()));
    expect(feed.watchCount()).toBe(0);
  });

  it('is read to its end by a subscriber that comes from far behind', async () => {
    const [orderId = 0] = await placeOrders(database(), 3, 1);
    await floodInbox(database(), { clientId: 3, orderId, count: 600 });
    await number();
    const watch = feed.watchClient(3, 0);
    const versions: (number | undefined)[] = [];
    while (versions.length < 601) versions.push((await watch.next()).value?.version);
    expect(versions).toEqual(Array.from({ length: 601 }, (_, index) => index + 1));
    await watch.return();
  });

  it('is read to its end at one wake-up', async () => {
    // No clock comes to its help.
    vi.useFakeTimers({ toFake: ['setInterval'] });
    let wake = (): void => expect.fail('Nobody listens');
    const reader = new EntryReader({
      pool,
      wakeUps: {
        on(_channel, listener) {
          wake = listener;
          return () => undefined;
        },
        send: () => undefined,
        close: async () => undefined,
      },
      onError: (error) => { throw error; },
    });
    vi.useRealTimers();
    const counts: number[] = [];
    reader.serve({
      isFollowing: () => true,
      handOut: async (found: readonly FeedEntry[]) => void counts.push(found.length),
      lose: (fault) => { throw fault; },
    });
    await reader.begin();
    const [orderId = 0] = await placeOrders(database(), 3, 1);
    await floodInbox(database(), { clientId: 3, orderId, count: 500 });
    await number();
    wake();
    await expect.poll(() => counts).toEqual([500, 1]);
    await reader.close();
  });
});
