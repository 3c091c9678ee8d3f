import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { followPrices, type Prices } from '../../src/db/follow-prices.ts';
import { createPool } from '../../src/db/pool.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
let pool: pg.Pool;
let prices: Prices;
beforeAll(async () => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 4, applicationName: 'test', onError: () => undefined,
  });
  prices = await followPrices({
    pool,
    wakeUps: { on: () => () => undefined, send: () => undefined, close: async () => undefined },
    forexRateHoursMax: 0,
    onError: () => undefined,
  });
  // Nobody reads but this test.
  prices.stop();
});
afterAll(() => pool.end());

it('hands out no read that had begun before it was asked', async () => {
  const keeper = new pg.Client(database().superuserUrl);
  await keeper.connect();
  await keeper.query('begin; lock operator_prefix in access exclusive mode');
  const early = prices.refresh();
  // It has its snapshot by now, and waits for the table.
  await expect.poll(async () => (await database().query(`select from pg_locks
    where not granted and relation = 'operator_prefix'::regclass`)).length, { interval: 10 })
    .toBe(1);
  await database().query("update discount set percent = 7 where client_id = 1 and percent = 5");
  const late = prices.refresh();
  const later = prices.refresh();
  await keeper.end();
  const percents = (await Promise.all([early, late, later])).map((snapshot) =>
    snapshot.client(1)?.discounts.map(({ percent }) => percent));
  expect(percents[0]).toContain('5');
  expect(percents.slice(1)).toEqual([expect.arrayContaining(['7']), percents[1]]);
  // Those who asked while it was read share the next one.
  expect(await late).toBe(await later);
});
