import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { followChannel } from '../../src/db/following.ts';
import { followPrices, type Prices } from '../../src/db/follow-prices.ts';
import { createPool } from '../../src/db/pool.ts';
import { followStandings } from '../../src/db/standings.ts';
import type { WakeUps } from '../../src/db/wake-ups.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
const onError = (): void => undefined;
/** Wakes nobody. */
const wakeUps: WakeUps =
  { on: () => () => undefined, send: () => undefined, close: async () => undefined };
let pool: pg.Pool;
let prices: Prices;
beforeAll(async () => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 4, applicationName: 'test', onError,
  });
  prices = await followPrices({ pool, wakeUps, forexRateHoursMax: 0, onError });
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
    snapshot.client(1)?.discounts.rows.map(({ percent }) => percent));
  expect(percents[0]).toContain('5');
  expect(percents.slice(1)).toEqual([expect.arrayContaining(['7']), percents[1]]);
  // Those who asked while it was read share the next one.
  expect(await late).toBe(await later);
});

it('looks no more once it was ended, and tells of no look that fails then', async () => {
  const listeners = new Set<() => void>();
  const looks: ((error: Error) => void)[] = [];
  const faults: string[] = [];
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    const end = followChannel({
      channel: 'access',
      pollMs: 1000,
      wakeUps: {
        ...wakeUps,
        on: (_channel, listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      look: () => new Promise((_resolve, reject) => looks.push(reject)),
      onError: ({ message }) => faults.push(message),
    });
    for (const listener of listeners) listener();
    vi.advanceTimersByTime(1000);
    expect(looks).toHaveLength(2);
    looks[0]?.(new Error('before'));
    await new Promise((resolve) => { setImmediate(resolve); });
    end();
    expect([listeners.size, vi.getTimerCount()]).toEqual([0, 0]);
    looks[1]?.(new Error('behind'));
    await new Promise((resolve) => { setImmediate(resolve); });
    expect(faults).toEqual(['before']);
  } finally {
    vi.useRealTimers();
  }
});

it('reads one at a time, whenever it is asked', async () => {
  const standings = await followStandings({ pool, wakeUps, onError });
  standings.close();
  // A connection that is still to be made comes too late to be counted.
  await Promise.all([1, 2, 3].map(() => pool.query('select pg_sleep(0.2)')));
  const [busy, counts] = [new Set<pg.PoolClient>(), [] as number[]];
  pool.on('acquire', (client) => counts.push(busy.add(client).size));
  pool.on('release', (_, client) => busy.delete(client));
  const isActive = standings.of(3)?.isActive;
  await database().query('update client set is_active = not is_active where client_id = 3');

  const first = standings.refresh();
  // Asked at the very end of the first read, before the one that waits for it has begun.
  const inBetween = first.then(() => standings.refresh());
  await Promise.all([first, inBetween, standings.refresh(), standings.refresh()]);
  expect(standings.of(3)?.isActive).toBe(!isActive);
  expect(Math.max(...counts)).toBe(1);
  // Two for the one that finds a change, one for the one behind it, which all others share.
  expect(counts).toHaveLength(3);
});
