import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { followStandings } from '../../src/db/standings.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
let pool: pg.Pool;
beforeAll(() => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 4, applicationName: 'test', onError: () => undefined,
  });
});
afterAll(() => pool.end());

it('are read one at a time, whenever they are asked for', async () => {
  const standings = await followStandings({
    pool,
    wakeUps: { on: () => () => undefined, send: () => undefined, close: async () => undefined },
    onError: () => undefined,
  });
  // Nobody reads but this test.
  standings.close();
  // A connection that is still to be made comes too late to be counted.
  await Promise.all([1, 2, 3].map(() => pool.query('select pg_sleep(0.2)')));
  const [busy, counts] = [new Set<pg.PoolClient>(), [] as number[]];
  pool.on('acquire', (client) => counts.push(busy.add(client).size));
  pool.on('release', (_, client) => busy.delete(client));
  const change = (): Promise<unknown> => database().query(
    'update client set is_active = not is_active where client_id = 3');
  const isActive = standings.of(3)?.isActive;

  await change();
  const first = standings.refresh();
  // Asked at the very end of the first read, before the one that waits for it has begun.
  const inBetween = first.then(() => standings.refresh());
  const waiting = Promise.all([standings.refresh(), standings.refresh()]);
  await Promise.all([first, inBetween, waiting]);
  expect(standings.of(3)?.isActive).toBe(!isActive);
  expect(Math.max(...counts)).toBe(1);
  // Two for the one that finds a change, one for the one behind it, and for the one in between
  // where it came too late for that.
  expect(counts.length).toBeLessThanOrEqual(4);
});
