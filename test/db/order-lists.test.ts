import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Milestones } from '../../src/db/milestones.ts';
import { countSql, narrowOrders, newestIdsSql } from '../../src/db/order-filter.ts';
import { createOrderLists } from '../../src/db/order-lists.ts';
import { createPool } from '../../src/db/pool.ts';
import type { OrderLists, OrderListFilter } from '../../src/domain/order-list.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const CLIENT = 3;
const STORED = 3000;
const LIMIT = 50;

/** What the numbered order is; the rare ones are each one of some hundreds. */
const ORDERS = `
  insert into topup_order (client_id, id, request_id, input_digest, product_id, variant_id,
      product_name, variant_name, country_code, face_value, face_currency, discount_percent, charge,
      currency, wallet_id, input_data, recipient, input_fields_version, fulfils_in_request, status,
      fulfilment_state, failure_code, next_action_at, completed_at)
    select ${CLIENT}, n, gen_random_uuid(), '', (array[4218, 5101, 77])[least(n % 300, 2) + 1], 2,
      'A product', 'A variant', (array['GLO', 'FRA', 'DEU'])[least(n % 250, 2) + 1], 4.99, 'USD', 0,
      4.99, 'USD', w.ids[least(n % 200, 1) + 1], '{}', '5123456789', 1, false, s.status,
      case s.status when 'PENDING' then 'QUEUED' end,
      case s.status when 'FAILED' then (array['UNKNOWN', 'RECIPIENT_BARRED'])[n % 2 + 1] end,
      case s.status when 'PENDING' then now() + interval '1 day' end,
      case when s.status <> 'PENDING' then now() end
    from generate_series(1, ${STORED}) n
    cross join (select array_agg(id order by id) as ids from wallet where client_id = ${CLIENT}) w
    cross join lateral (select case n % 100 when 0 then 'PENDING' when 1 then 'FAILED'
      when 2 then 'CANCELLED' else 'DELIVERED' end as status) s`;

interface Stored {
  readonly id: string;
  readonly status: string;
  readonly product_id: string;
  readonly country_code: string;
  readonly wallet_id: string;
  readonly failure_code: string | null;
}

// Of its own: the orders are written without all that belongs to one.
let database: TestDatabase;
let pool: pg.Pool;
let lists: OrderLists;
let stored: readonly Stored[] = [];
let wallets: readonly number[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({
    databaseUrl: database.databaseUrl, size: 1, applicationName: 'test', isAlongIndexes: true,
    onError: () => undefined,
  });
  const milestones = new Milestones({ pool, onError: (error) => { throw error; } });
  lists = createOrderLists({ pool, milestones });
  await database.query(`insert into wallet (client_id, id, currency)
    values (${CLIENT}, 900, 'GBP') on conflict do nothing`);
  await database.query(ORDERS);
  stored = await database.query<Stored>(`select id, status, product_id, country_code, wallet_id,
    failure_code from topup_order where client_id = ${CLIENT} order by id desc`);
  wallets = [...new Set(stored.map(({ wallet_id }) => Number(wallet_id)))];
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const has = (any: readonly unknown[] | null | undefined, value: unknown): boolean =>
  any === null || any === undefined || any.includes(value);

/** What the filter means, without an index. */
function passing(filter: OrderListFilter): readonly number[] {
  return stored
    .filter((each) => has(filter.statuses, each.status)
      && has(filter.productIds, Number(each.product_id))
      && has(filter.countryCodes, each.country_code)
      && has(filter.walletIds, Number(each.wallet_id))
      && has(filter.failureCodes, each.failure_code))
    .map(({ id }) => Number(id));
}

function subsetsOf<Value>(values: readonly Value[]): readonly (readonly Value[])[] {
  return values.reduce<readonly (readonly Value[])[]>(
    (subsets, value) => [...subsets, ...subsets.map((subset) => [...subset, value])], [[]],
  );
}

/** Products that nobody ordered, more than are walked along one by one. */
const MANY = Array.from({ length: 40 }, (_, nth) => 10_000 + nth);
const STATUSES = ['PENDING', 'DELIVERED', 'FAILED', 'CANCELLED'] as const;

describe('a list of orders', () => {
  it('has what passes its filter, newest first, counted, for every choice of values', async () => {
    expect(wallets).toHaveLength(2);
    const choices: OrderListFilter[] = [null, ...subsetsOf(STATUSES)].flatMap((statuses) =>
      [null, [77], [5101, 4218], [77, 77, 4218], [77, ...MANY, 4218]].flatMap((productIds) =>
        [null, ['FRA', 'DEU']].flatMap((countryCodes) =>
          [null, wallets.slice(0, 1), wallets].map((walletIds) => (
            { statuses, productIds, countryCodes, walletIds })))));
    const failures: OrderListFilter[] = subsetsOf(['UNKNOWN', 'RECIPIENT_BARRED'] as const)
      .flatMap((failureCodes) => [null, ['FAILED', 'PENDING'] as const].map((statuses) => (
        { failureCodes, statuses, productIds: [4218, 77] })));
    for (const filter of [...choices, ...failures]) {
      const ids = passing(filter);
      const page = await lists.listOrders(CLIENT, filter, { offset: 2, limit: 3 });
      expect(page.items.map(({ id }) => id), JSON.stringify(filter)).toEqual(ids.slice(2, 5));
      expect(page.totalCount, JSON.stringify(filter)).toBe(ids.length);
      const beforeId = 1500;
      const before = await lists.listOrdersBefore(CLIENT, filter, { beforeId, limit: 3 });
      expect(before.map(({ id }) => id), JSON.stringify(filter))
        .toEqual(ids.filter((id) => id < beforeId).slice(0, 3));
    }
  });

  it('has a connection keep a few statements, whatever was asked for', async () => {
    const one = await pool.query<{ name: string }>('select name from pg_prepared_statements');
    const filters: OrderListFilter[] = subsetsOf(STATUSES).flatMap((statuses) => [
      { statuses }, { statuses, createdFrom: new Date(0) },
      ...Array.from({ length: 8 }, (_, count) => (
        { statuses, productIds: Array.from({ length: count }, (__, nth) => nth + 1) })),
    ]);
    for (const filter of filters) await lists.listOrders(CLIENT, filter, { offset: 0, limit: 3 });
    const { rows } = await pool.query<{ name: string }>('select name from pg_prepared_statements');
    expect(filters.length).toBeGreaterThan(100);
    expect(one.rows.length).toBeGreaterThan(0);
    expect(rows.map(({ name }) => name).filter((name) => name.startsWith('orders'))).not
      .toHaveLength(0);
    // Some 30 forms of one condition, in three statements each.
    expect(rows.length).toBeLessThan(100);
  });

  it('takes more values than it walks along one by one', async () => {
    const filter: OrderListFilter = { productIds: [...MANY, 77], walletIds: wallets };
    const page = await lists.listOrders(CLIENT, filter, { offset: 0, limit: LIMIT });
    expect(page.items.map(({ id }) => id)).toEqual(passing(filter).slice(0, LIMIT));
    expect(page.items.length).toBeGreaterThan(0);
  });

  it.each(['productIds', 'countryCodes', 'walletIds'] as const)(
    'has nothing of no %s, on a connection that was asked for many as well', async (key) => {
      const many = Array.from({ length: 40 }, (_, nth) => (
        key === 'countryCodes' ? `X${nth}` : 100_000 + nth));
      for (const values of [many, []]) {
        const page = await lists.listOrders(CLIENT, { [key]: values }, { offset: 1, limit: LIMIT });
        expect(page).toEqual({ items: [], totalCount: 0, hasMore: false });
      }
    },
  );
});

it('counts what many have without reading over the rest', async () => {
  const filter = { productIds: [4218, 5101, ...MANY] };
  let count = 0;
  const { entries } = await countWork(async () => {
    count = await lists.countOrders(CLIENT, filter);
  });
  expect(count).toBe(passing(filter).length);
  expect(entries).toBeLessThan(STORED / 10);
});

it('asks for one value at a time where it walks along many', () => {
  const narrowed = narrowOrders(CLIENT, { statuses: ['DELIVERED'], productIds: MANY });
  const newest = newestIdsSql(narrowed, { limit: '5', bound: 'true' });
  for (const sql of [newest, countSql(narrowed, 5)]) {
    expect(sql).toContain('o.product_id = v.value');
    expect(sql).not.toContain('= any');
  }
});

it('counts in the order of an index of the client, too', () => {
  // Without it the planner went along what is pending of all clients, where there was much.
  const sql = countSql(narrowOrders(CLIENT, { statuses: ['PENDING'] }), 5);
  expect(sql).toContain('order by o.id desc limit 5');
});

/** Walks along the indexes of orders, and entries that they went over. */
async function countWork(run: () => Promise<unknown>): Promise<{ walks: number; entries: number }> {
  const read = async (): Promise<{ walks: string; entries: string }> => {
    await pool.query('select pg_stat_force_next_flush()');
    const [row] = await database.query<{ walks: string; entries: string }>(`
      select sum(idx_scan) as walks, sum(idx_tup_read) as entries from pg_stat_user_indexes
      where relname = 'topup_order'`);
    return row ?? { walks: '0', entries: '0' };
  };
  const before = await read();
  await run();
  const after = await read();
  return {
    walks: Number(after.walks) - Number(before.walks),
    entries: Number(after.entries) - Number(before.entries),
  };
}

it('reads a first page in one walk along an index', async () => {
  let count = 0;
  const { walks } = await countWork(async () => {
    count = (await lists.listOrdersBefore(CLIENT, {}, { beforeId: STORED, limit: LIMIT })).length;
  });
  expect(count).toBe(LIMIT);
  expect(walks).toBe(1);
});

it.each<[string, (ids: readonly number[]) => OrderListFilter]>([
  ['what failed or was cancelled', () => ({ statuses: ['FAILED', 'CANCELLED'] })],
  ['what is pending or failed', () => ({ statuses: ['PENDING', 'FAILED'] })],
  ['two rare products', () => ({ productIds: [4218, 5101] })],
  ['two rare countries', () => ({ countryCodes: ['GLO', 'FRA'] })],
  ['the wallet that is seldom used', (ids) => ({ walletIds: ids })],
  ['two rare products among many', () => ({ productIds: [4218, 5101, ...MANY] })],
  ['what failed of many products', () => ({ statuses: ['FAILED'], productIds: [77, ...MANY] })],
  ['what failed for a reason, of many products', () => (
    { failureCodes: ['UNKNOWN', 'RECIPIENT_BARRED'], productIds: [77, ...MANY] })],
])('finds %s without reading over the rest', async (_, filterOf) => {
  const byUse = wallets.toSorted((a, b) =>
    passing({ walletIds: [a] }).length - passing({ walletIds: [b] }).length);
  const filter = filterOf(byUse.slice(0, 1));
  const rare = passing(filter).length;
  expect(rare).toBeGreaterThan(10);
  expect(rare).toBeLessThan(LIMIT * 2);
  const { entries } = await countWork(
    () => lists.listOrdersBefore(CLIENT, filter, { beforeId: STORED + 1, limit: LIMIT }),
  );
  expect(entries).toBeGreaterThanOrEqual(Math.min(rare, LIMIT));
  // The ids that pass, those that are pending, and the page itself by key.
  expect(entries).toBeLessThan(STORED / 10);
});
