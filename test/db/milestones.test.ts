import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Milestones, ORDERS_OF_CLIENT, TRANSFERS_OF_WALLET } from '../../src/db/milestones.ts';
import { createPool } from '../../src/db/pool.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

// Rows past every function, thousands of them: the books are not what is looked at here.
let database: TestDatabase;
let pool: pg.Pool;
let milestones: Milestones;

const CLIENT = 3;
const OTHER = 900;
let walletId = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({
    databaseUrl: database.databaseUrl, size: 4, applicationName: 'test', onError: () => undefined,
  });
  milestones = new Milestones({ pool, onError: (error) => { throw error; } });
  const [wallet] = await database.query<{ id: string }>(
    'select min(id) as id from wallet where client_id = $1', [CLIENT]);
  walletId = Number(wallet?.id);
}, 60_000);

afterAll(async () => {
  await pool.end();
  await database.drop();
});

const insertOrders = (
  from: number, to: number, [clientId, wallet] = [CLIENT, walletId],
): string => `
  insert into topup_order (client_id, id, request_id, input_digest, product_id, variant_id,
      product_name, variant_name, country_code, face_value, face_currency, discount_percent, charge,
      currency, wallet_id, input_data, recipient, input_fields_version, fulfils_in_request,
      next_action_at)
    select ${clientId}, n, gen_random_uuid(), '', 1, 1, '', '', 'GLO', 1, 'USD', 0, 1, 'USD',
      ${wallet}, '{}', '1', 1, false, now()
    from generate_series(${from}, ${to}) n`;

const setMilestones = async (): Promise<boolean> => {
  const { rows } = await pool.query<{ more: boolean }>(
    'select set_order_milestones($1) as more', [CLIENT]);
  return rows[0]?.more === true;
};

async function positions(): Promise<readonly number[]> {
  const rows = await database.query<{ position: string; is_right: boolean }>(
    `select position, position = (select count(*) from topup_order o
        where o.client_id = m.client_id and o.id <= m.topup_order_id) as is_right
      from order_milestone m order by position`);
  expect(rows.every((row) => row.is_right)).toBe(true);
  return rows.map((row) => Number(row.position));
}

/** Transactions of other tests, on the same server, hold them up as well. */
async function untilSet(expected: readonly number[]): Promise<void> {
  await expect.poll(async () => {
    await setMilestones();
    return positions();
  }, { timeout: 20_000 }).toEqual(expected);
}

describe('milestones of orders', () => {
  it('are set at every thousandth, once nothing older can appear', async () => {
    await database.query(insertOrders(1, 2_500));
    // Those of another client beside them count for nothing.
    await database.query(`insert into client (client_id, name) values (${OTHER}, 'Other');
      insert into wallet (client_id, id, currency) values (${OTHER}, ${walletId}, 'USD')`);
    await database.query(insertOrders(1, 1_500, [OTHER, walletId]));
    expect(await setMilestones()).toBe(true);
    expect(await positions()).toEqual([]);
    await untilSet([1000, 2000]);
  });

  it('wait for a placing call that is older than orders that are there already', async () => {
    const late = new pg.Client(database.ownerDatabaseUrl);
    await late.connect();
    await late.query('begin');
    await late.query(insertOrders(2_501, 2_510));
    await database.query(insertOrders(2_511, 4_600));
    for (let calls = 0; calls < 5; calls += 1) await setMilestones();
    expect(await positions()).toEqual([1000, 2000]);
    await late.query('commit');
    await late.end();
    await untilSet([1000, 2000, 3000, 4000]);
  });

  it('wait for one that began as the last but one, and is the last to end', async () => {
    const [first, second] = [0, 1].map(() => new pg.Client(database.ownerDatabaseUrl));
    if (first === undefined || second === undefined) throw new Error('not there');
    for (const each of [first, second]) {
      await each.connect();
      await each.query('begin');
      await each.query('select pg_current_xact_id()');
    }
    await second.query(insertOrders(4_601, 4_610));
    await first.query(insertOrders(4_611, 5_100));
    await first.query('commit');
    for (let calls = 0; calls < 5; calls += 1) await setMilestones();
    expect(await positions()).toEqual([1000, 2000, 3000, 4000]);
    await second.query('commit');
    await Promise.all([first.end(), second.end()]);
    await untilSet([1000, 2000, 3000, 4000, 5000]);
  });

  it('are set by whoever comes, and by one at a time', async () => {
    await database.query(insertOrders(5_101, 7_100));
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 8 }, setMilestones));
    }
    await untilSet([1000, 2000, 3000, 4000, 5000, 6000, 7000]);
  });

  it('lead to the order at any place of the list', async () => {
    const all = await database.query<{ id: string }>(
      'select id from topup_order where client_id = $1 order by id desc', [CLIENT]);
    for (const offset of [0, 1, 99, 100, 101, 1_099, 1_100, 3_500, 6_099, 6_100, 7_099]) {
      const start = await milestones.find(ORDERS_OF_CLIENT, [CLIENT], offset);
      expect(start.totalCount).toBe(7_100);
      expect(start.skip).toBeLessThanOrEqual(1_100);
      const { rows } = await pool.query<{ id: number }>(
        `select id from topup_order where client_id = $1 and id <= $2 order by id desc
          offset $3 limit 1`, [CLIENT, start.fromId ?? Number.MAX_SAFE_INTEGER, start.skip]);
      expect([offset, rows[0]?.id]).toEqual([offset, Number(all[offset]?.id)]);
    }
  });

  it('are set by a reader of a long list, in the background', async () => {
    await database.query(insertOrders(7_101, 12_000));
    await expect.poll(async () => {
      expect((await milestones.find(ORDERS_OF_CLIENT, [CLIENT], 0)).totalCount).toBe(12_000);
      return (await positions()).length;
    }, { timeout: 20_000 }).toBeGreaterThanOrEqual(10);
  });
});

describe('milestones of a wallet', () => {
  it('count from the first transfer, of this wallet alone', async () => {
    await database.query(
      `insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id,
          amount, currency, balance_after)
        select client_id, 100000 + n, 'FUNDING', 'EXTERNAL', 'WALLET', ${walletId}, 1, 'USD', n
        from (values (${CLIENT}, 3100), (${OTHER}, 1500)) c (client_id, count),
          generate_series(1, count) n`);
    const [found] = await database.query<{ count: string }>(
      'select count(*) from transfer where client_id = $1 and wallet_id = $2', [CLIENT, walletId]);
    const total = Number(found?.count);
    const at = (offset: number) =>
      milestones.find(TRANSFERS_OF_WALLET, [CLIENT, walletId], offset);
    await expect.poll(async () => (await at(total - 1)).fromId, { timeout: 30_000 })
      .not.toBeNull();
    expect((await at(0)).totalCount).toBe(total);
    const ids = await database.query<{ id: string }>(
      'select id from transfer where client_id = $1 and wallet_id = $2 order by id',
      [CLIENT, walletId]);
    expect(await at(total - 1)).toEqual({
      totalCount: total, fromId: Number(ids[999]?.id), skip: 999,
    });
    const other = await milestones.find(TRANSFERS_OF_WALLET, [CLIENT, 999_999], 0);
    expect(other.totalCount).toBe(0);
  });
});
