import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
const DUE = 40;
const WAITING = 2000;
/** Enough for the plans of a session to be made and kept. */
const ROUNDS = 8;
let session: pg.Client;

beforeAll(async () => {
  session = new pg.Client({ connectionString: database().ownerDatabaseUrl });
  await session.connect();
});
afterAll(() => session.end());

async function place(count: number): Promise<void> {
  const pool = createPool({
    databaseUrl: database().databaseUrl, size: 1, applicationName: 'test', onError: () => undefined,
  });
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const placeOrder = createPlaceOrder({ pool, onPlaced: () => undefined });
  await Promise.all(Array.from({ length: count }, () =>
    placeOrder(pricedOrder({ pricingVersion: Number(row?.version) }))));
  await pool.end();
}

/** Entries of the index that `run` followed to a row, as PostgreSQL counted them. */
async function countReads(index: string, run: () => Promise<unknown>): Promise<number> {
  await session.query('begin');
  await run();
  const { rows: [row] } = await session.query<{ count: string }>(
    'select pg_stat_get_xact_tuples_fetched($1::regclass) as count', [index]);
  await session.query('commit');
  return Number(row?.count);
}

const claim = (limit: number): Promise<pg.QueryResult> =>
  session.query('select order_id from claim_orders($1, $2)', [limit, '{}']);

it('claims without reading what is not due, by plans from when nothing waited', async () => {
  for (let round = 0; round < ROUNDS; round += 1) await claim(10);
  await place(WAITING);
  await database().query("update topup_order set next_action_at = now() + interval '1 hour'");
  await place(DUE);
  let claimed = 0;
  const reads = await countReads('topup_order_due', async () => {
    claimed = (await claim(2 * DUE)).rows.length;
  });
  expect(claimed).toBe(DUE);
  expect(reads).toBeGreaterThanOrEqual(DUE);
  expect(reads).toBeLessThan(4 * DUE);
});
