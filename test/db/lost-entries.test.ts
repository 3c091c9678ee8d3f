import { afterAll, beforeAll, expect, it } from 'vitest';
import { openFeeds, type Feeds } from '../../src/db/feeds.ts';
import { numberEvents } from '../../src/db/feed-numbers.ts';
import { createPool } from '../../src/db/pool.ts';
import { openWakeUps, type WakeUps } from '../../src/db/wake-ups.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { useTestDatabase } from '../support/database.ts';
import { placeOrders } from '../support/feed-writers.ts';

/** A standby that was promoted lacks what had not reached it, and gives its places again. */

const database = useTestDatabase();
const faults: Error[] = [];
let checkCount = 0;
let pool: ReturnType<typeof createPool>;
let wakeUps: WakeUps;
let feeds: Feeds;

beforeAll(() => {
  const { databaseUrl } = database();
  const onError = (error: Error): void => void faults.push(error);
  pool = createPool({ databaseUrl, size: 4, applicationName: 'feed', onError });
  const query = pool.query.bind(pool) as (config: { readonly name?: string }) => unknown;
  Object.assign(pool, {
    query: (config: { readonly name?: string }) => {
      if (config.name === 'is_entry_there') checkCount += 1;
      return query(config);
    },
  });
  wakeUps = openWakeUps({ databaseUrl, pool, onError });
  feeds = openFeeds({ pool, wakeUps, retentionDays: 30, onError });
});
afterAll(async () => {
  // Whole again, as every test leaves it.
  await database().query(`delete from feed_entry; delete from feed_position;
    insert into feed_inbox (client_id, topup_order_id, version)
      select client_id, topup_order_id, version from topup_order_event`);
  await numberEvents(pool, 1000);
  await feeds.close();
  await wakeUps.close();
  await pool.end();
});

async function place(count: number): Promise<void> {
  await placeOrders(database(), 1, count);
  await numberEvents(pool, 1000);
}

const NEW_WATCH = { walletId: null, positions: new Map<number, number>() };
const lost = new TemporarilyUnavailable('Events were lost, please resume', 1000);

it('ends every watch with an error where events are gone that were read', async () => {
  await place(3);
  const watch = feeds.feed.watchClient(1, 0);
  const wallets = feeds.walletFeed.watchWallets(1, NEW_WATCH);
  for (let n = 1; n <= 3; n += 1) expect((await watch.next()).value?.sequence).toBe(n);
  await wallets.next();
  await place(1);
  expect((await watch.next()).value?.sequence).toBe(4);
  const next = watch.next();
  await database().query(`delete from feed_entry where sequence > 2;
    update feed_position set last_sequence = 2 where client_id = 1`);
  await expect(next).rejects.toEqual(lost);
  await expect((async () => {
    for await (const event of wallets) expect(event.wallet.id).toBe(1);
  })()).rejects.toEqual(lost);
  expect(faults.map(({ message }) => message)).toEqual([
    expect.stringContaining('npm run restored'),
  ]);
  expect([feeds.feed.watchCount(), feeds.walletFeed.watchCount()]).toEqual([0, 0]);
});

it('tells new watches what comes then, and nothing is wrong any more', async () => {
  const watch = feeds.feed.watchClient(1, 2);
  const next = watch.next();
  await place(1);
  expect((await next).value?.sequence).toBe(3);
  expect(faults).toHaveLength(1);
  await watch.return();
});

it('leaves watches alone where old entries go', async () => {
  const watch = feeds.feed.watchClient(1, 3);
  const next = watch.next();
  await expect.poll(() => feeds.feed.watchCount()).toBe(1);
  await database().query('delete from feed_entry');
  const before = checkCount;
  await expect.poll(() => checkCount, { timeout: 30_000 }).toBeGreaterThan(before + 1);
  await place(1);
  expect((await next).value?.sequence).toBe(4);
  expect(faults).toHaveLength(1);
  await watch.return();
});
