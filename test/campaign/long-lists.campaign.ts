import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Milestones, TRANSFERS_OF_WALLET } from '../../src/db/milestones.ts';
import { openOrm } from '../../src/db/orm.ts';
import { createOrderLists } from '../../src/db/order-lists.ts';
import { createPool } from '../../src/db/pool.ts';
import { createWalletReads } from '../../src/db/wallet-reads.ts';
import type { OrderListFilter } from '../../src/domain/order-list.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const ROWS = 1_000_000;
const LIMIT = 50;
const LOADED_WITHIN_MS = 600_000;

let database: TestDatabase;
let pool: pg.Pool;
let orders: ReturnType<typeof createOrderLists>;
let wallets: ReturnType<typeof createWalletReads>;
let milestones: Milestones;
let orm: Awaited<ReturnType<typeof openOrm>>;

// Every fiftieth order failed, every ten-thousandth is of a rare product, the last 20 are PENDING.
const ORDERS = `
  insert into topup_order (client_id, id, client_reference, request_id, input_digest, product_id,
      variant_id, product_name, variant_name, country_code, face_value, face_currency,
      discount_percent, charge, currency, wallet_id, input_data, recipient, input_fields_version,
      fulfils_in_request, status, fulfilment_state, failure_code, next_action_at,
      debit_transfer_id, created_at, completed_at)
    select 3, n, 'r' || n, gen_random_uuid(), '',
      case when n % 10000 = 0 then 5101 else 4218 end, 2,
      'PUBG Mobile UC', '325 UC', case when n % 10000 = 0 then 'FRA' else 'GLO' end, 4.99, 'USD', 0,
      4.99, 'USD', w.id, '{}', '5123456789', 1, false, s.status,
      case s.status when 'PENDING' then 'AWAITING_SUPPLIER' end,
      case s.status when 'FAILED' then 'UNKNOWN' end,
      case s.status when 'PENDING' then now() + interval '1 day' end, n,
      now() - interval '90 days' + n * interval '5 seconds',
      case when s.status <> 'PENDING' then now() end
    from generate_series(1, ${ROWS}) n
    cross join (select min(id) as id from wallet where client_id = 3) w
    cross join lateral (select case when n > ${ROWS} - 20 then 'PENDING'
      when n % 50 = 0 then 'FAILED' else 'DELIVERED' end as status) s`;
const TRANSFERS = `
  insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id,
      topup_order_id, amount, currency, balance_after)
    select 3, 1000 + n, 'ORDER_DEBIT', 'WALLET', 'IN_FLIGHT', w.id, n, 4.99, 'USD', 1
    from generate_series(1, ${ROWS}) n
    cross join (select min(id) as id from wallet where client_id = 3) w`;

const TWENTY = Array.from({ length: 20 }, (_, nth) => 10_000 + nth);
const NARROWED: readonly (readonly [string, OrderListFilter])[] = [
  ['PENDING', { statuses: ['PENDING'] }],
  ['FAILED', { statuses: ['FAILED'] }],
  ['CANCELLED', { statuses: ['CANCELLED'] }],
  ['DELIVERED', { statuses: ['DELIVERED'] }],
  ['FAILED or CANCELLED', { statuses: ['FAILED', 'CANCELLED'] }],
  ['two rare products', { productIds: [5101, 1] }],
  ['a wallet without orders', { walletIds: [1] }],
  ['twenty products without orders', { productIds: TWENTY }],
  ['twenty products, one of them common', { productIds: [4218, ...TWENTY.slice(1)] }],
  ['what failed of twenty products', { statuses: ['FAILED'], productIds: [4218, ...TWENTY] }],
  ['a rare product', { productIds: [5101] }],
  ['a common product', { productIds: [4218] }],
  ['no such product', { productIds: [1] }],
  ['a rare country', { countryCodes: ['FRA'] }],
  ['a day', { createdFrom: new Date(Date.now() - 60 * 86_400_000),
    createdTo: new Date(Date.now() - 59 * 86_400_000) }],
  ['a reference', { clientReference: 'r500000' }],
];

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({
    databaseUrl: database.databaseUrl, size: 4, applicationName: 'lists', isAlongIndexes: true,
    onError: () => undefined,
  });
  orm = await openOrm({ databaseUrl: database.databaseUrl, size: 1 });
  milestones = new Milestones({ pool, onError: (error) => { throw error; } });
  orders = createOrderLists({ pool, milestones });
  wallets = createWalletReads({ pool, orm, milestones });
  // Plans are made while the tables are small, and kept: nobody analyzes them afterwards.
  const id = await walletId();
  for (let round = 0; round < 40; round += 1) {
    for (const [, filter] of NARROWED) await pageOfOrders(1, filter)();
    await pageOfOrders(1)();
    await wallets.listTransfers(3, id, { offset: 0, limit: LIMIT });
  }
  for (const sql of [ORDERS, TRANSFERS]) await database.query(sql);
}, LOADED_WITHIN_MS);

afterAll(async () => {
  await pool.end();
  await orm.close();
  await database.drop();
});

/** Milliseconds of one call: the median of nine. */
async function msOf(call: () => Promise<unknown>): Promise<number> {
  const taken: number[] = [];
  for (let nth = 0; nth < 9; nth += 1) {
    const startedMs = performance.now();
    await call();
    taken.push(performance.now() - startedMs);
  }
  return taken.sort((a, b) => a - b)[4] ?? Infinity;
}

const pageOfOrders = (page: number, filter: OrderListFilter = {}, clientId = 3) => () =>
  orders.listOrders(clientId, filter, { offset: (page - 1) * LIMIT, limit: LIMIT });

const walletId = async (): Promise<number> => {
  const [row] = await database.query<{ id: string }>(
    'select min(id) as id from wallet where client_id = 3');
  return Number(row?.id);
};

/** Readers set the milestones; a few of them, and all are there. */
async function untilMarked(read: () => Promise<unknown>, table: string): Promise<void> {
  await expect.poll(async () => {
    await read();
    const [row] = await database.query<{ count: string }>(`select count(*) from ${table}`);
    return Number(row?.count);
  }, { timeout: 60_000, interval: 100 }).toBe(ROWS / 1000);
}

function report(figures: Readonly<Record<string, number>>): void {
  const lines = Object.entries(figures).map(([name, ms]) => `${name}: ${ms.toFixed(2)} ms`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

describe(`a list of ${ROWS} orders`, () => {
  it('answers its thousandth and its last page as its first', async () => {
    await untilMarked(pageOfOrders(1), 'order_milestone');
    const first = await msOf(pageOfOrders(1));
    const thousandth = await msOf(pageOfOrders(1000));
    const last = await msOf(pageOfOrders(ROWS / LIMIT));
    report({ first, thousandth, last });
    expect(thousandth).toBeLessThan(3 * first + 2);
    expect(last).toBeLessThan(3 * first + 2);
    const page = await pageOfOrders(1000)();
    const from = ROWS - 999 * LIMIT;
    expect(page.totalCount).toBe(ROWS);
    expect(page.items.map(({ id }) => id))
      .toEqual(Array.from({ length: LIMIT }, (_, nth) => from - nth));
    expect((await pageOfOrders(ROWS / LIMIT)()).hasMore).toBe(false);
    expect((await pageOfOrders(ROWS / LIMIT + 1)()).items).toEqual([]);
  }, 300_000);

  it.each(NARROWED)('narrowed to %s answers at once', async (name, filter) => {
    await pageOfOrders(1, filter)();
    const ms = await msOf(pageOfOrders(1, filter));
    report({ [name]: ms });
    expect(ms).toBeLessThan(60);
  }, 60_000);

  it('goes on behind a cursor in the middle as from the start', async () => {
    const before = (beforeId: number | null) => () =>
      orders.listOrdersBefore(3, {}, { beforeId, limit: LIMIT });
    const first = await msOf(before(null));
    const deep = await msOf(before(ROWS / 2));
    report({ 'first by cursor': first, 'deep by cursor': deep });
    expect(deep).toBeLessThan(3 * first + 2);
  }, 60_000);
});

describe(`a wallet of ${ROWS} transactions`, () => {
  it('answers its thousandth and its last page as its first', async () => {
    const id = await walletId();
    const [row] = await database.query<{ count: string }>(
      'select count(*) from transfer where wallet_id = $1', [id]);
    const total = Number(row?.count);
    const pageOf = (page: number) => () =>
      wallets.listTransfers(3, id, { offset: (page - 1) * LIMIT, limit: LIMIT });
    await untilMarked(pageOf(1), 'wallet_milestone');
    const first = await msOf(pageOf(1));
    const thousandth = await msOf(pageOf(1000));
    const last = await msOf(pageOf(Math.ceil(total / LIMIT)));
    report({ first, thousandth, last });
    expect(thousandth).toBeLessThan(3 * first + 2);
    expect(last).toBeLessThan(3 * first + 2);
    const page = await pageOf(1000)();
    expect(page.totalCount).toBe(total);
    const from = 1000 + ROWS - 999 * LIMIT;
    expect(page.items.map((transfer) => transfer.id))
      .toEqual(Array.from({ length: LIMIT }, (_, nth) => from - nth));
    expect(await milestones.find(TRANSFERS_OF_WALLET, [3, id], 0))
      .toMatchObject({ totalCount: total });
  }, 300_000);
});
