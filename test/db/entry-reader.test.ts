import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EntryReader } from '../../src/db/entry-reader.ts';
import { PostgresOrderFeed } from '../../src/db/order-feed.ts';
import { createPool } from '../../src/db/pool.ts';
import { openWakeUps, type WakeUps } from '../../src/db/wake-ups.ts';
import { useTestDatabase } from '../support/database.ts';
import { placeOrders } from '../support/feed-writers.ts';

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
});
