import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';

/** However much is sold: what is read of the catalogue for an order is what the order names. */

const database = useTestDatabase();
const VARIANTS = 20_000;
const ORDERS = 20;
let pool: pg.Pool;
let orderIds: readonly number[];

beforeAll(async () => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 1, applicationName: 'test', onError: () => undefined,
  });
  await database().query(`
    insert into product select (json_populate_record(p, json_build_object('id', 100000 + n))).*
      from product p, generate_series(1, ${VARIANTS / 10}) n where p.id = 4218`);
  await database().query(`
    insert into variant select (json_populate_record(v, json_build_object('id', 100000 + n,
        'product_id', 100001 + n % ${VARIANTS / 10}))).*
      from variant v, generate_series(1, ${VARIANTS}) n where v.id = 3`);
  await database().query(`
    insert into offer (variant_id, route, supplier_id, supplier_sku)
      select 100000 + n, route, route, 'sku' from generate_series(1, ${VARIANTS}) n,
        generate_series(1, 2) route`);
  await database().query('analyze');
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const place = createPlaceOrder({ pool, onPlaced: () => undefined });
  const placed = await Promise.all(Array.from({ length: ORDERS }, () => place(pricedOrder({
    pricingVersion: Number(row?.version),
    faceValue: { amount: '0.99', currency: 'USD' },
    charge: { amount: '0.01', currency: 'USD' },
    variantId: 3,
    variantName: '660 UC',
  }))));
  orderIds = placed.map((each) => {
    if (each.verdict !== 'PLACED') throw new Error(each.verdict);
    return each.order.id;
  });
}, 60_000);
afterAll(() => pool.end());

async function rowsRead(): Promise<number> {
  // Each connection tells what it has read within a second or so, or now; the owner's read much.
  const tellNow = 'select pg_stat_force_next_flush()';
  await database().query(tellNow);
  await pool.query(tellNow);
  const [row] = await database().query<{ count: string }>(`
    select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) as count from pg_stat_user_tables
    where relname in ('offer', 'variant', 'product')`);
  return Number(row?.count);
}

async function readOf(sql: string, values: readonly unknown[] = []): Promise<number> {
  const before = await rowsRead();
  const { rowCount } = await pool.query(sql, [...values]);
  expect(rowCount).toBeGreaterThan(0);
  return await rowsRead() - before;
}

const moves = (claims: readonly object[], move: object): string =>
  JSON.stringify(claims.map((claim, at) => ({ ...claim, ordinal: at + 1, ...move })));

it('is little, whatever is done with the order', async () => {
  const PER_ORDER_MAX = 40;
  const all = ORDERS * PER_ORDER_MAX;
  await database().query('update supplier set is_suspended = (id = 1)');
  expect(await readOf('select leave_suspended_suppliers(100)')).toBeLessThan(all);
  await database().query('update supplier set is_suspended = false');
  const due = async (): Promise<void> => {
    await database().query('update topup_order set next_action_at = now()'
      + " where status = 'PENDING'");
  };
  const claim = async (): Promise<readonly object[]> => {
    await due();
    const { rows } = await pool.query<object>("select * from claim_orders(100, '{}')");
    expect(rows).toHaveLength(ORDERS);
    return rows;
  };
  await due();
  expect(await readOf("select * from claim_orders(100, '{}')")).toBeLessThan(all);
  // Taken over by another process, which asks.
  await due();
  expect(await readOf("select * from claim_orders(100, '{}')")).toBeLessThan(all);
  await pool.query('select * from record_moves($1)',
    [moves(await claim(), { kind: 'ASK_AGAIN', next_in_ms: 0 })]);

  expect(await readOf('select * from find_submission(1, $1, 2::smallint, \'sandbox-b\')',
    [orderIds[0]])).toBeLessThan(PER_ORDER_MAX);
  const ofEach = (value: unknown): readonly unknown[] => orderIds.map(() => value);
  expect(await readOf('select * from find_submissions($1, $2, $3, $4)',
    [ofEach(1), orderIds, ofEach(2), ofEach('sandbox-b')])).toBeLessThan(all);
  expect(await readOf('select * from ask_about_order(1, $1)', [orderIds[0]]))
    .toBeLessThan(PER_ORDER_MAX);
  for (const kind of ['RETRY', 'NEXT_ROUTE', 'REVIEW']) {
    const claims = await claim();
    expect(await readOf('select * from record_moves($1)',
      [moves(claims, { kind, next_in_ms: 0 })])).toBeLessThan(all);
  }
});
