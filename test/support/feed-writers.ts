import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EntryReader } from '../../src/db/entry-reader.ts';
import { PostgresOrderFeed } from '../../src/db/order-feed.ts';
import { createPool } from '../../src/db/pool.ts';
import { openWakeUps, type WakeUps } from '../../src/db/wake-ups.ts';
import { PostgresWalletFeed } from '../../src/db/wallet-feed.ts';
import type { TestDatabase } from './database.ts';

const SEQUENCER = new URL('sequencer-process.ts', import.meta.url).pathname;

/** A process that numbers events and does nothing else. */
export async function startSequencerProcess(database: TestDatabase): Promise<ChildProcess> {
  const child = fork(SEQUENCER, [], {
    env: { PATH: process.env['PATH'] ?? '', DATABASE_URL: database.databaseUrl },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await once(child, 'message');
  return child;
}

/** Kills it in the middle of whatever it does, and waits until it is gone. */
export async function killProcess(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** Orders that only the tests of the feed move; by client. */
export async function placeOrders(
  database: TestDatabase,
  clientId: number,
  count: number,
): Promise<readonly number[]> {
  const rows = await database.query<{ order_id: string }>(
    `select order_id from place_orders((select json_agg(o) from (select n as ordinal,
        $1::bigint as client_id, gen_random_uuid() as request_id, '' as input_digest,
        4218 as product_id, 2 as variant_id, 'P' as product_name, 'V' as variant_name,
        'GLO' as country_code, 1 as face_value, 'USD' as face_currency, 0 as discount_percent,
        0.0001 as charge, w.currency, w.id as wallet_id, '{}'::json as input_data, 'r' as recipient,
        1 as input_fields_version, false as fulfils_in_request,
        (select version from pricing_version) as pricing_version
      from generate_series(1, $2::int) n, wallet w
      where w.client_id = $1 and w.is_default) o))`, [clientId, count],
  );
  // Nobody works on them, and an order that is overdue would be one that was forgotten.
  await database.query(
    `update topup_order set next_action_at = now() + interval '1 hour'
      where client_id = $1 and id = any($2)`, [clientId, rows.map((row) => row.order_id)],
  );
  return rows.map((row) => Number(row.order_id));
}

/**
 * Writers that move orders as the program does: the order's row, its event and the inbox in one
 * transaction, which commits whenever it likes. Resolves when `eventCount` events are committed.
 */
export async function writeEvents(database: TestDatabase, options: {
  readonly clientId: number;
  readonly orderIds: readonly number[];
  readonly writerCount: number;
  readonly eventCount: number;
}): Promise<void> {
  let left = options.eventCount;
  await Promise.all(Array.from({ length: options.writerCount }, async () => {
    const writer = new pg.Client(database.ownerDatabaseUrl);
    await writer.connect();
    while (left > 0) {
      left -= 1;
      const orderId = options.orderIds[Math.floor(Math.random() * options.orderIds.length)];
      await writer.query('begin');
      await writer.query({
        name: 'move',
        text: `with moved as (update topup_order set version = version + 1
            where client_id = $1 and id = $2 returning version),
          told as (insert into topup_order_event (client_id, topup_order_id, version, type,
            previous_status, status)
            select $1, $2, version, 'RETRY_SCHEDULED', 'PENDING', 'PENDING' from moved)
          insert into feed_inbox (client_id, topup_order_id, version)
            select $1, $2, version from moved`,
        values: [options.clientId, orderId],
      });
      // Commits overtake each other.
      if (Math.random() < 0.3) await sleep(Math.random() * 5);
      await writer.query('commit');
    }
    await writer.end();
  }));
}

/** Puts many events of one order into the inbox, committed at once. */
export async function floodInbox(
  database: TestDatabase,
  of: { readonly clientId: number; readonly orderId: number; readonly count: number },
): Promise<void> {
  await database.query(
    `with moved as (update topup_order set version = version + $3::int
        where client_id = $1 and id = $2 returning version),
      told as (insert into topup_order_event (client_id, topup_order_id, version, type,
          previous_status, status)
        select $1, $2, v, 'RETRY_SCHEDULED', 'PENDING', 'PENDING'
          from moved, generate_series(version - $3::int + 1, version) v
        returning client_id, topup_order_id, version)
    insert into feed_inbox (client_id, topup_order_id, version)
      select * from told order by version`, [of.clientId, of.orderId, of.count],
  );
}

const DEAF: WakeUps = {
  on: () => () => undefined, send: () => undefined, close: () => Promise.resolve(),
};

/** The feed of a process that does nothing else; `isDeaf`: no notification ever reaches it. */
export function openTestFeed(
  database: TestDatabase,
  { isDeaf = false } = {},
): {
  readonly feed: PostgresOrderFeed;
  readonly walletFeed: PostgresWalletFeed;
  close(): Promise<void>;
} {
  const { databaseUrl } = database;
  const onError = (): void => undefined;
  const pool = createPool({ databaseUrl, size: 4, applicationName: 'feed', onError });
  const wakeUps = isDeaf ? DEAF : openWakeUps({ databaseUrl, pool, onError });
  const entries = new EntryReader({ pool, wakeUps, onError });
  const feed = new PostgresOrderFeed(pool, entries);
  const walletFeed = new PostgresWalletFeed(pool, entries, onError);
  return {
    feed,
    walletFeed,
    async close() {
      feed.close();
      await walletFeed.close();
      await entries.close();
      await wakeUps.close();
      await pool.end();
    },
  };
}

export interface Seen {
  readonly sequence: number;
  readonly orderId: number;
  readonly version: number;
  readonly atMs: number;
}

/**
 * A subscriber of a client's feed, up to a sequence. It is cut at random where `cutShare` says, and
 * goes on behind the last event that it saw.
 */
export async function follow(feed: PostgresOrderFeed, options: {
  readonly clientId: number;
  readonly through: () => number;
  readonly cutShare?: number;
  readonly pauseMs?: number;
}): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  const last = (): number => seen.at(-1)?.sequence ?? 0;
  while (last() < options.through()) {
    const events = feed.watchClient(options.clientId, last());
    for await (const { sequence, topupOrderId: orderId, version } of events) {
      seen.push({ sequence, orderId, version, atMs: performance.timeOrigin + performance.now() });
      if (last() >= options.through() || Math.random() < (options.cutShare ?? 0)) break;
      if (options.pauseMs !== undefined) await sleep(options.pauseMs);
    }
  }
  return seen;
}

/** What every subscriber has to have seen: the feed of the database. */
export async function loggedFeed(
  database: TestDatabase,
  clientId: number,
): Promise<readonly Omit<Seen, 'atMs'>[]> {
  const rows = await database.query<{ sequence: string; order_id: string; version: number }>(
    `select sequence, topup_order_id as order_id, version from feed_entry
      where client_id = $1 order by sequence`, [clientId],
  );
  return rows.map(({ sequence, order_id: orderId, version }) =>
    ({ sequence: Number(sequence), orderId: Number(orderId), version }));
}

export const withoutTime = (seen: readonly Seen[]): readonly Omit<Seen, 'atMs'>[] =>
  seen.map(({ sequence, orderId, version }) => ({ sequence, orderId, version }));
