import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';

/**
 * Callbacks that come together find what a claim or a question knows of their orders: each row is
 * compared with that of `describe_order`, whatever was sent of the order before.
 */

const database = useTestDatabase();
let pool: pg.Pool;
let pricingVersion: number;

beforeAll(async () => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 1, applicationName: 'test', onError: () => undefined,
  });
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  pricingVersion = Number(row?.version);
});
afterAll(async () => {
  // What was sent is made up.
  await database().query('delete from submission');
  await database().query(`update topup_order
    set retry_until = null, last_attempt_at = null, backoff_step = 0`);
  await pool.end();
});

interface Sent {
  readonly route: number;
  /** 1 is sandbox-a, 2 sandbox-b. */
  readonly supplier: number;
  readonly state: string;
  readonly attempts?: number;
  readonly isRuledOut?: boolean;
}

const A1 = { route: 1, supplier: 1, state: 'NOT_APPLIED' };
const B2 = { route: 2, supplier: 2, state: 'NOT_APPLIED' };
const HISTORIES: readonly (readonly Sent[])[] = [
  [{ ...A1, state: 'INTENT' }],
  [{ ...A1, state: 'ACCEPTED', attempts: 3 }],
  [{ ...A1, state: 'DELIVERED' }],
  [A1],
  [A1, { ...B2, state: 'UNKNOWN' }],
  [{ ...A1, isRuledOut: true }, { ...B2, state: 'ACCEPTED', attempts: 2 }],
  // As after a restore: what was sent later was ruled out, or not, or not all of it.
  [{ ...A1, isRuledOut: true }, { ...B2, isRuledOut: true }],
  [{ ...A1, isRuledOut: true }, B2],
  [A1, { ...B2, isRuledOut: true }],
  [{ ...A1, isRuledOut: true }, { ...B2, attempts: 0 }],
  // As after an import that changed the turns.
  [{ ...B2, route: 1, state: 'ACCEPTED' }],
  [{ ...A1, route: 3, state: 'ACCEPTED' }],
];
/** Both are sold by two suppliers, but for 325 UC. */
const VARIANTS: Readonly<Record<number, string>> = { 2: '325 UC', 3: '660 UC' };

async function placeWith(variantId: number, history: readonly Sent[]): Promise<number> {
  const place = createPlaceOrder({ pool, onPlaced: () => undefined });
  const placed = await place(pricedOrder({
    pricingVersion, variantId, variantName: VARIANTS[variantId] ?? '',
  }));
  if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
  await database().query(`
    insert into submission (client_id, topup_order_id, route, supplier_id, state, attempt_count,
        is_ruled_out, resend_after)
      select 1, $1, s.route, s.supplier, s.state, coalesce(s.attempts, 1),
        coalesce(s."isRuledOut", false), now() + interval '1 hour'
      from json_to_recordset($2) as s (route smallint, supplier bigint, state text, attempts int,
        "isRuledOut" boolean)`, [placed.order.id, JSON.stringify(history)]);
  return placed.order.id;
}

const EXPECTED = `
  select k.place::int, d.* from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[])
      with ordinality k (client_id, id, route, code, place)
    join topup_order o on o.client_id = k.client_id and o.id = k.id
    join submission m on m.client_id = k.client_id and m.topup_order_id = k.id
      and m.route = k.route
    join supplier s on s.id = m.supplier_id and s.code = k.code
    cross join lateral describe_order(
      jsonb_populate_record(o, jsonb_build_object('route', k.route)), 'QUERY') d
    order by place`;

type Row = Readonly<Record<string, unknown>>;
const CLOCKS = ['window_left_ms', 'resend_in_ms'];
const withoutClocks = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).filter(([name]) => !CLOCKS.includes(name)));

async function compare(orderIds: readonly number[]): Promise<readonly Row[]> {
  const asked = [...orderIds, 999_999_999].flatMap((id) => [1, 2, 3, 4].flatMap((route) => (
    ['sandbox-a', 'sandbox-b', 'unknown'].map((code) => ({ id, route, code })))));
  const values = [
    asked.map(() => 1), asked.map(({ id }) => id), asked.map(({ route }) => route),
    asked.map(({ code }) => code),
  ];
  const expected = await database().query<Row>(EXPECTED, values);
  const rows = await database().query<Row>(
    'select place, (found).* from find_submissions($1, $2, $3, $4) order by place', values);
  expect(rows.map(withoutClocks)).toEqual(expected.map(withoutClocks));
  rows.forEach((row, at) => {
    for (const clock of CLOCKS) {
      const [is, was] = [row[clock], expected[at]?.[clock]];
      if (was === null) expect(is, clock).toBeNull();
      else expect(Math.abs(Number(is) - Number(was)), clock).toBeLessThan(60_000);
    }
  });
  return rows;
}

it('are as each is by itself', async () => {
  const orderIds: number[] = [];
  for (const variantId of Object.keys(VARIANTS).map(Number)) {
    for (const history of HISTORIES) orderIds.push(await placeWith(variantId, history));
  }
  const set = (changes: string, ids: readonly number[]): Promise<unknown> => database().query(
    `update topup_order set ${changes} where id = any ($1)`, [ids]);
  await set("retry_until = now() + interval '2 days', backoff_step = 3", orderIds.slice(0, 9));
  await set("retry_until = now() - interval '1 day', last_attempt_at = now()", orderIds.slice(9));

  const found = await compare(orderIds);
  expect(found).toHaveLength(2 * HISTORIES.flat().length);
  // What is compared is not the same of all.
  for (const column of ['has_next_route', 'was_accepted', 'is_tried_after_window']) {
    expect(new Set(found.map((row) => row[column])), column).toEqual(new Set([true, false]));
  }
  for (const gone of [
    'update variant set is_in_stock = false where id = 3',
    'update variant set is_active = false where id = 2',
    'update product set is_active = false where id = 4218',
  ]) {
    await database().query(gone);
    await compare(orderIds);
  }
  await database().query('update product set is_active = true where id = 4218');
  await database().query('update variant set is_in_stock = true, is_active = true');
  await database().query('update offer set is_active = false where variant_id = 3 and route = 1');
  const sold = await compare(orderIds);
  expect(new Set(sold.map((row) => row['supplier_sku'] === null))).toEqual(new Set([true, false]));
});
