import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { createRateLimits } from '../../src/db/rate-limits.ts';
import { DEFAULT_RATES, type RateLimits } from '../../src/domain/rate-limits.ts';
import { untilWaiting, useTestDatabase } from '../support/database.ts';

/** What processes count together, and what each remembers of a refusal. */

const database = useTestDatabase();
const READ = { clientId: 1, class: 'read', count: 1 } as const;
let pool: pg.Pool;
let limits: RateLimits;
let perMinute = 0;

beforeAll(() => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 2, applicationName: 'test', onError: () => undefined,
  });
});
beforeEach(async () => {
  await database().query('delete from rate_count');
  limits = createRateLimits({
    pool,
    standings: {
      of: () => ({ isActive: true, generation: 1, networks: [], rates: { read: perMinute } }),
    },
    figures: DEFAULT_RATES.sandbox,
  });
});
afterAll(() => pool.end());

const isAdmitted = async (count: number): Promise<boolean> =>
  (await limits.take({ ...READ, count })).isAdmitted;

it('lets in at once who asks for less than what was refused', async () => {
  perMinute = 3;
  expect([await isAdmitted(2), await isAdmitted(2)]).toEqual([true, false]);
  expect(await isAdmitted(1)).toBe(true);
});

it('lets in at once whose limit was raised', async () => {
  perMinute = 1;
  expect([await isAdmitted(1), await isAdmitted(1)]).toEqual([true, false]);
  perMinute = 2;
  expect(await isAdmitted(1)).toBe(true);
});

it('lets in at once for whom a token was put back', async () => {
  perMinute = 1;
  expect([await isAdmitted(1), await isAdmitted(1)]).toEqual([true, false]);
  await limits.giveBack(READ);
  expect(await isAdmitted(1)).toBe(true);
});

it('tells who was refused a moment ago what is left of its wait', async () => {
  perMinute = 1;
  await isAdmitted(1);
  const refused = await limits.take(READ);
  const nowMs = performance.now();
  vi.spyOn(performance, 'now').mockReturnValue(nowMs + 900);
  const again = await limits.take(READ);
  expect(refused.retryAfterMs - again.retryAfterMs).toBeGreaterThanOrEqual(899);
  expect(refused.resetInMs - again.resetInMs).toBeGreaterThanOrEqual(899);
});

it('tells how long a request for more has to wait, whatever was told of one for less', async () => {
  perMinute = 5;
  const ask = (count: number) => limits.take({ ...READ, count });
  await ask(1);
  await pass(40);
  await ask(4);
  const [one, all] = [await ask(1), await ask(5)];
  expect([one.isAdmitted, all.isAdmitted]).toEqual([false, false]);
  expect(all.retryAfterMs - one.retryAfterMs).toBeGreaterThan(9000);
});

/** What is left of five, by the function that all processes count with. */
async function leftOfFive(): Promise<number | undefined> {
  const [row] = await database().query<{ remaining: number }>(
    "select remaining from take_token(1, 'read', '', 0, 5)");
  return row?.remaining;
}

const take = (count: number) => database().query(
  "select take_token(1, 'read', '', $1, 5)", [count]);
const giveBack = (count: number) => database().query(
  "select give_tokens_back(1, 'read', '', $1)", [count]);
const pass = (quarters: number) => database().query(
  'update rate_count set quarter = quarter - $1', [quarters]);

it('puts tokens back that were taken in different moments', async () => {
  await take(1);
  await pass(4);
  await take(1);
  expect(await leftOfFive()).toBe(3);
  await giveBack(2);
  expect(await leftOfFive()).toBe(5);
});

it('counts what is 59 seconds old, and nothing that is 61', async () => {
  await take(3);
  await pass(236);
  expect(await leftOfFive()).toBe(2);
  await pass(8);
  expect(await leftOfFive()).toBe(5);
});

it('tells nothing less than nothing where a limit was lowered', async () => {
  await take(4);
  const [row] = await database().query(
    "select is_admitted, remaining from take_token(1, 'read', '', 1, 2)");
  expect(row).toEqual({ is_admitted: false, remaining: 0 });
});

it('says when there will be room for all that was asked for, not for a part of it', async () => {
  await take(1);
  await pass(120);
  await take(4);
  const waitMs = async (count: number): Promise<number> => {
    const [row] = await database().query<{ retry_after_ms: number }>(
      "select retry_after_ms from take_token(1, 'read', '', $1, 5)", [count]);
    return row?.retry_after_ms ?? NaN;
  };
  expect(await waitMs(1)).toBeLessThanOrEqual(30_250);
  expect(await waitMs(2)).toBeGreaterThan(31_000);
  // Of which there is never room.
  expect(await waitMs(6)).toBe(60_000);
});

it('lets in within a minute whoever was counted by a clock that was hours ahead', async () => {
  const take = async () => {
    const [row] = await database().query<{ is_admitted: boolean; retry_after_ms: number }>(
      "select is_admitted, retry_after_ms from take_token(1, 'read', '', 1, 1)");
    return row;
  };
  expect((await take())?.is_admitted).toBe(true);
  for (const ahead of [9600, 40 * 365 * 345_600]) {
    await database().query('update rate_count set quarter = quarter + $1', [ahead]);
    const refused = await take();
    expect(refused?.is_admitted).toBe(false);
    expect(refused?.retry_after_ms).toBeGreaterThan(50_000);
    expect(refused?.retry_after_ms).toBeLessThanOrEqual(60_250);
  }
  await database().query('update rate_count set quarter = quarter - 241');
  expect((await take())?.is_admitted).toBe(true);
});

it('goes on counting where the clock was set back', async () => {
  await take(1);
  await pass(-400);
  await take(1);
  expect(await leftOfFive()).toBe(3);
});

describe('processes that count at once', () => {
  async function connected(): Promise<pg.Client> {
    const client = new pg.Client(database().ownerDatabaseUrl);
    await client.connect();
    return client;
  }

  it.each([
    ['counts each of two that take', () => take(1), 2],
    ['puts back beside one that takes', () => giveBack(1), 4],
  ])('%s', async (_says, call, left) => {
    await take(1);
    const holder = await connected();
    await holder.query('begin; select from rate_count for no key update');
    const first = take(1);
    await untilWaiting(database());
    const second = call();
    await untilWaiting(database(), 2);
    await holder.query('commit');
    await Promise.all([first, second, holder.end()]);
    expect(await leftOfFive()).toBe(left);
  });

  it('never wait for each other in a circle', async () => {
    const takeOf = (...clients: readonly number[]): pg.QueryConfig => ({
      text: 'select from take_tokens($1)',
      values: [JSON.stringify(clients.map((id, ordinal) =>
        ({ ordinal, client_id: id, class: 'read', subject: '', count: 1, max: 5 })))],
    });
    const [one, other] = [await connected(), await connected()];
    await one.query(takeOf(1, 2));
    // As one that has come half-way.
    await one.query('begin');
    await one.query(takeOf(1));
    const taken = other.query(takeOf(2, 1));
    await untilWaiting(database());
    await one.query(takeOf(2));
    await one.query('commit');
    await taken;
    await Promise.all([one.end(), other.end()]);
  });
});
