import type pg from 'pg';
import { afterAll, expect, it } from 'vitest';
import { createPlaceOrder, type PlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
/** So few that a plan made now may well read a whole table for each of them. */
const FEW = 3;
const BATCH = 40;
const STORED = 2000;
const CALL = 250;

/** One connection that places, claims and records, and keeps its plans. */
interface Session {
  readonly pool: pg.Pool;
  readonly place: PlaceOrder;
}
const sessions: Session[] = [];

function openSession(): Session {
  const pool = createPool({
    databaseUrl: database().databaseUrl, size: 1, applicationName: 'test', onError: () => undefined,
  });
  const session = { pool, place: createPlaceOrder({ pool, onPlaced: () => undefined }) };
  sessions.push(session);
  return session;
}

afterAll(() => Promise.all(sessions.map(({ pool }) => pool.end())));

async function placeMany({ place }: Session, count: number): Promise<void> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const pricingVersion = Number(row?.version);
  // One call at a time: what would wait for others may be refused.
  for (let left = count; left > 0; left -= CALL) {
    const placed = await Promise.all(Array.from({ length: Math.min(left, CALL) }, () => (
      place(pricedOrder({ pricingVersion })))));
    expect(new Set(placed.map(({ verdict }) => verdict))).toEqual(new Set(['PLACED']));
  }
}

interface Claim {
  readonly client_id: number;
  readonly order_id: number;
  readonly route: number;
  readonly lease_token: string;
}

/** Claims all that is due and records the same of each; answers of how many it was accepted. */
async function fulfil({ pool }: Session, kind: 'REVIEW' | 'FAIL' | 'DELIVER'): Promise<number> {
  const { rows: claims } = await pool.query<Claim>({
    name: 'claim', text: 'select * from claim_orders($1, $2)', values: [STORED, '{}'],
  });
  const moves = claims.map(({ client_id, order_id, route, lease_token }, at) => ({
    ordinal: at + 1, client_id, order_id, route, lease_token, kind, next_in_ms: 0,
    failure_code: kind === 'FAIL' ? 'PRODUCT_UNAVAILABLE' : null,
  }));
  const { rows } = await pool.query<{ result: string }>({
    name: 'record', text: 'select * from record_moves($1)', values: [JSON.stringify(moves)],
  });
  return rows.filter(({ result }) => result === 'APPLIED').length;
}

/** All that orders go through, twice `count` of them. */
async function run(session: Session, count: number): Promise<void> {
  await placeMany(session, count);
  expect(await fulfil(session, 'REVIEW')).toBe(count);
  expect(await fulfil(session, 'FAIL')).toBe(count);
  await placeMany(session, count);
  expect(await fulfil(session, 'DELIVER')).toBe(count);
}

/**
 * Entries read so far: of primary keys, and of the index of all that is pending. That of what is
 * due is left out, it holds what was due before until a vacuum.
 */
async function countEntriesRead(): Promise<number> {
  // What a connection has counted is told at the end of a transaction, and not of each.
  for (const { pool } of sessions) await pool.query('select pg_stat_force_next_flush()');
  const [row] = await database().query<{ count: string }>(`
    select sum(idx_tup_read) as count from pg_stat_user_indexes
    where indexrelname like '%_pkey' or indexrelname = 'topup_order_pending'`);
  return Number(row?.count);
}

it('places, claims and records by key, by plans from when there were a few rows', async () => {
  const session = openSession();
  await run(session, FEW);
  await database().query('analyze');
  await run(session, FEW);

  await database().query(`
    insert into client (client_id, name)
      select n, 'Client ' || n from generate_series(1000, ${1000 + STORED}) n;
    insert into wallet (client_id, id, currency)
      select client_id, client_id, 'USD' from client where client_id >= 1000;
    select pg_stat_force_next_flush()`);
  await run(openSession(), STORED / 2);

  const before = await countEntriesRead();
  await run(session, BATCH);
  const perOrder = (await countEntriesRead() - before) / (2 * BATCH);
  expect(perOrder).toBeGreaterThan(1);
  expect(perOrder).toBeLessThan(60);
});
