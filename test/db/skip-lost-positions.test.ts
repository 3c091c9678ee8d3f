import { afterAll, beforeAll, expect, it } from 'vitest';
import { prepareRestored } from '../../src/db/after-restore.ts';
import { numberEvents, removeFeedPositions } from '../../src/db/feed-numbers.ts';
import { findViolations } from '../../src/db/invariants.ts';
import type { PostgresOrderFeed } from '../../src/db/order-feed.ts';
import { createPool } from '../../src/db/pool.ts';
import type { PostgresWalletFeed } from '../../src/db/wallet-feed.ts';
import { writeCursor } from '../../src/domain/feed-cursor.ts';
import { followTopupOrder } from '../../src/domain/follow-topup-order.ts';
import { followTopupOrders, readTopupOrderLog } from '../../src/domain/follow-topup-orders.ts';
import { followWallets } from '../../src/domain/follow-wallets.ts';
import { systemClock } from '../../src/clock.ts';
import { useTestDatabase } from '../support/database.ts';
import { openTestFeed, placeOrders } from '../support/feed-writers.ts';

/** A cursor that was given in the time that a restored database has lost is good for nothing. */

const database = useTestDatabase();
const ALL = { filter: null, types: null };
const cursorKey = 'a key for cursors';
let feed: PostgresOrderFeed;
let walletFeed: PostgresWalletFeed;
let pool: ReturnType<typeof createPool>;
let close: () => Promise<void>;

beforeAll(() => {
  ({ feed, walletFeed, close } = openTestFeed(database(), { isDeaf: true }));
  const { databaseUrl } = database();
  pool = createPool({ databaseUrl, size: 1, applicationName: 'test', onError: () => undefined });
});
afterAll(async () => {
  await close();
  await pool.end();
});

const cursorAt = (clientId: number, sequence: number): string =>
  writeCursor([sequence], { clientId, kind: 'orders', id: 0, key: cursorKey });

/** The orders behind a sequence, page by page. */
async function read(clientId: number, sequence: number | null): Promise<readonly number[]> {
  const orderIds: number[] = [];
  let after = sequence === null ? null : cursorAt(clientId, sequence);
  for (let hasMore = true; hasMore;) {
    const from = { ...ALL, after, first: 2 };
    const page = await readTopupOrderLog(clientId, from, { feed, cursorKey });
    orderIds.push(...page.edges.map(({ node }) => node?.topupOrderId ?? 0));
    ({ hasMore, endCursor: after } = page);
  }
  return orderIds;
}

async function place(clientId: number, count: number): Promise<readonly number[]> {
  const orderIds = await placeOrders(database(), clientId, count);
  await numberEvents(pool, 1000);
  return orderIds;
}

it('refuses cursors of the lost time for good, and goes on from all others', async () => {
  const kept = [...await place(1, 4)];
  await prepareRestored(database().ownerDatabaseUrl);
  // Neither where nothing came yet nor once the feed has grown past the cursor.
  for (const events of [0, 6]) {
    kept.push(...await place(1, events));
    await place(2, events);
    for (const [clientId, lost] of [[1, 5], [1, 7], [2, 1], [2, 3]] as const) {
      const after = cursorAt(clientId, lost);
      await expect(read(clientId, lost)).rejects.toMatchObject({ detail: 'CURSOR_AHEAD' });
      await expect(followTopupOrders(clientId, { ...ALL, after }, {
        feed, clock: systemClock, cursorKey,
      })).rejects.toMatchObject({ detail: 'CURSOR_AHEAD' });
    }
  }
  for (const sequence of [0, 1, 2, 3, 4]) {
    expect(await read(1, sequence)).toEqual(kept.slice(sequence));
  }
  expect(await read(1, null)).toEqual(kept);
  expect(await read(2, 0)).toHaveLength(6);
  expect(await findViolations(database().query)).toEqual([]);
});

it("refuses an order's cursor of the lost time, however far the order has come again", async () => {
  const [orderId = 0] = await read(1, null);
  const found = await feed.snapshot(1, orderId);
  if (found === null) throw new Error('The order is not there');
  const { order } = found;
  const resumeAt = (sequence: number) => followTopupOrder(order, writeCursor(
    [sequence, order.version], { clientId: 1, kind: 'order', id: orderId, key: cursorKey },
  ), { feed, clock: systemClock, cursorKey });
  await expect(resumeAt(7)).rejects.toMatchObject({ detail: 'CURSOR_AHEAD' });
  for (const sequence of [1, found.sequence]) await (await resumeAt(sequence)).return?.();
});

it('goes on over two restores, and removes what is old on both sides', async () => {
  const kept = await read(1, null);
  const { lastSequence } = await feed.extent(1);
  await prepareRestored(database().ownerDatabaseUrl);
  await prepareRestored(database().ownerDatabaseUrl);
  const fresh = await place(1, 3);
  expect(await read(1, 2)).toEqual([...kept.slice(2), ...fresh]);
  expect(await read(1, lastSequence)).toEqual(fresh);

  await database().query("update feed_entry set entered_at = entered_at - interval '2 days'");
  await database().query("update feed_position set kept_since = kept_since - interval '2 days'");
  const events = await place(1, 2);
  for (const left of [[...kept.slice(4), ...fresh], fresh, []]) {
    while ((await read(1, null)).length > left.length + events.length) {
      expect(await removeFeedPositions(pool, 1, 2)).toBeGreaterThan(0);
      expect(await findViolations(database().query)).toEqual([]);
    }
  }
  expect(await read(1, null)).toEqual(events);
});

it("refuses a wallet's cursors of the lost time, however far it has moved again", async () => {
  const standing = async () => (await walletFeed.standings(2))[0];
  const before = await standing();
  if (before === undefined) throw new Error('Client 2 has no wallet');
  const { wallet: { id: walletId }, lastTransferId: kept } = before;
  const resumeAt = (position: number) => followWallets(2, {
    walletId,
    after: writeCursor([walletId, position],
      { clientId: 2, kind: 'wallets', id: walletId, key: cursorKey }),
  }, { walletFeed, clock: systemClock, cursorKey });
  for (const restores of [1, 2]) {
    await prepareRestored(database().ownerDatabaseUrl);
    for (const orders of [0, restores]) {
      await place(2, orders);
      for (const lost of [1, 2, 1000]) {
        await expect(resumeAt(kept + lost)).rejects.toMatchObject({ detail: 'CURSOR_AHEAD' });
      }
      await (await resumeAt(kept)).return?.();
      await (await resumeAt(0)).return?.();
    }
    const after = await standing();
    expect(after?.lastTransferId).toBeGreaterThan(kept + 1_000_000);
    await (await resumeAt(after?.lastTransferId ?? 0)).return?.();
  }
});

it('refuses cursors of a wallet that the backup lacks, once its id is given again', async () => {
  const resumeAt = (position: number) => followWallets(2, {
    walletId: 900,
    after: writeCursor([900, position], { clientId: 2, kind: 'wallets', id: 900, key: cursorKey }),
  }, { walletFeed, clock: systemClock, cursorKey });
  await prepareRestored(database().ownerDatabaseUrl);
  await database().query(`insert into wallet (client_id, id, currency) values (2, 900, 'KES')`);
  await expect(resumeAt(7)).rejects.toMatchObject({ detail: 'CURSOR_AHEAD' });
  const [moved] = await database().query<{ id: string }>(`with w as (update wallet
      set balance = 1 where client_id = 2 and id = 900 returning client_id, id, currency)
    insert into transfer (client_id, reason, debit_account, credit_account, wallet_id, amount,
        currency, balance_after)
      select client_id, 'FUNDING', 'EXTERNAL', 'WALLET', id, 1, currency, 1 from w returning id`);
  await expect(resumeAt(7)).rejects.toMatchObject({ detail: 'CURSOR_AHEAD' });
  await (await resumeAt(Number(moved?.id))).return?.();
});

it('takes nothing that is missing for lost, but where its own feed skipped just that', async () => {
  const { query } = database();
  const { lastSequence: last } = await feed.extent(1);
  await place(1, 2);
  const move = (from: number, to: number) => query(
    `update feed_entry set sequence = ${to} where client_id = 1 and sequence = ${from}`);
  await move(last + 1, last + 7);
  for (const [clientId, through] of [[2, last + 1], [1, last + 2]] as const) {
    await query(`insert into feed_skip (client_id, skipped_after, skipped_through)
      values (${clientId}, ${last}, ${through})`);
    await expect(read(1, last)).rejects.toMatchObject({ detail: 'CURSOR_EXPIRED' });
  }
  await query(`delete from feed_skip where skipped_after = ${last}`);
  await move(last + 7, last + 1);
});

it('goes on from where a feed stands right after a restore', async () => {
  await prepareRestored(database().ownerDatabaseUrl);
  const { lastSequence } = await feed.extent(1);
  const after = cursorAt(1, lastSequence);
  await (await followTopupOrders(1, { ...ALL, after }, {
    feed, clock: systemClock, cursorKey,
  })).return?.();
  const fresh = await place(1, 2);
  expect(await read(1, lastSequence)).toEqual(fresh);
});
