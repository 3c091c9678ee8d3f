import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type pg from 'pg';
import { createOrderReader } from '../../src/db/order-reader.ts';
import { createPool } from '../../src/db/pool.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { useTestDatabase } from '../support/database.ts';
import { placeOrders } from '../support/feed-writers.ts';

const database = useTestDatabase();
let pool: pg.Pool;

beforeAll(() => {
  const onError = (): void => undefined;
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 2, applicationName: 'reader', onError,
  });
});
afterAll(() => pool.end());
afterEach(() => vi.restoreAllMocks());

describe('orders that are asked for together', () => {
  it('are each found for their own client, by a few reads', async () => {
    const own = await placeOrders(database(), 1, 150);
    const others = await placeOrders(database(), 2, 3);
    let reads = 0;
    const counted = new Proxy(pool, {
      get(target, key) {
        if (key !== 'query') return Reflect.get(target, key, target) as unknown;
        return (query: pg.QueryConfig) => {
          reads += 1;
          return target.query(query);
        };
      },
    });
    const find = createOrderReader(counted);
    const asked: [number, number][] = [
      ...own.map((id): [number, number] => [1, id]),
      ...others.map((id): [number, number] => [2, id]),
      ...others.map((id): [number, number] => [1, id]),
      [1, own[0] ?? 0],
      [1, Number.MAX_SAFE_INTEGER],
    ];
    const found = await Promise.all(asked.map(([clientId, id]) => find(clientId, id)));
    expect(found.map((order) => order && [order.clientId, order.id])).toEqual([
      ...own.map((id) => [1, id]),
      ...others.map((id) => [2, id]),
      ...others.map(() => null),
      [1, own[0]],
      null,
    ]);
    expect(reads).toBe(2);
  });

  it('are found as they were when they were asked for, or later', async () => {
    const find = createOrderReader(pool);
    const [id = 0] = await placeOrders(database(), 1, 1);
    const others = Array.from({ length: 50 }, () => find(1, id));
    await database().query("update topup_order set variant_name = 'changed' where id = $1", [id]);
    expect((await find(1, id))?.variantName).toBe('changed');
    await Promise.all(others);
  });

  it('are waited for no longer than anything else where their table is locked', async () => {
    const startedMs = performance.now();
    let calls = 0;
    // A call waits for two seconds.
    const query = (): Promise<never> => {
      calls += 1;
      vi.spyOn(performance, 'now').mockReturnValue(startedMs + calls * 2000);
      return Promise.reject(Object.assign(new Error('locked'), { code: '55P03' }));
    };
    const find = createOrderReader({ query } as unknown as pg.Pool);
    await expect(find(1, 1)).rejects.toBeInstanceOf(TemporarilyUnavailable);
    expect(calls).toBeGreaterThan(1);
    expect(calls).toBeLessThan(5);
  });
});
