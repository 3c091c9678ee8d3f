import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import type { FulfilmentStore, Outcome, Supplier } from '../../src/domain/fulfilment-ports.ts';
import type { Clock, PricedOrder } from '../../src/domain/ports.ts';
import { createSupplierRegistry } from '../../src/outbound/supplier-registry.ts';
import { startFulfilmentWorker } from '../../src/worker/fulfilment-worker.ts';
import { claimedOrder } from '../domain/builders.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';
import { setBalance } from '../support/set-balance.ts';

const database = useTestDatabase();
let pool: pg.Pool;

beforeAll(() => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 6, applicationName: 'test', onError: () => undefined,
  });
});
afterAll(() => pool.end());

const CALLS_MAX = 4;
const BY_OTHER = { productId: 4219, variantId: 5, variantName: '86 Diamonds' };

async function place(count: number, over: Partial<PricedOrder>): Promise<void> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const placeOrder = createPlaceOrder({
    pool, onPlaced: () => undefined,
  });
  await Promise.all(Array.from({ length: count }, () =>
    placeOrder(pricedOrder({ pricingVersion: Number(row?.version), ...over }))));
}

async function statesOf(variantId: number): Promise<readonly string[]> {
  const rows = await database().query<{ state: string }>(`select
      coalesce(fulfilment_state, status) || ' ' || attempt_count || ': ' || count(*) as state
    from topup_order where variant_id = $1 group by fulfilment_state, status, attempt_count
    order by 1`, [variantId]);
  return rows.map(({ state }) => state);
}

it('lets a supplier that hangs hold its own orders only, and burns no attempt', async () => {
  await database().query('update supplier set call_deadline_ms = 60000, lease_ms = 90000');
  await database().query('update offer set supplier_id = 2 where variant_id = 5');
  const hangs = Promise.withResolvers<Outcome>();
  const supplier = (code: string, answer: () => Promise<Outcome>): Supplier =>
    ({ code, submit: answer, query: answer, verifyCallback: () => null });
  const suppliers = createSupplierRegistry([
    supplier('sandbox-a', () => hangs.promise),
    supplier('sandbox-b', () => Promise.resolve({ kind: 'DELIVERED', receipt: null })),
  ], { clock: systemClock, concurrencyMax: { 'sandbox-a': CALLS_MAX, 'sandbox-b': CALLS_MAX } });
  // Far more than the supplier has room for.
  await place(700, {});
  const worker = startFulfilmentWorker({
    store: createFulfilmentStore({ pool, onMoved: () => undefined }),
    suppliers, clock: systemClock, random: () => 0.5, placingCount: () => 0,
    onError: (error) => { throw error; },
  });
  try {
    await expect.poll(() => statesOf(2), { timeout: 30_000 }).toEqual(
      [`QUEUED 0: ${700 - CALLS_MAX}`, `SUBMITTING 1: ${CALLS_MAX}`]);
    await place(20, BY_OTHER);
    await expect.poll(() => statesOf(5), { timeout: 30_000 }).toEqual(['DELIVERED 1: 20']);
    expect(await statesOf(2)).toContain(`QUEUED 0: ${700 - CALLS_MAX}`);
    hangs.resolve({ kind: 'DELIVERED', receipt: null });
    await expect.poll(() => statesOf(2), { timeout: 30_000 }).toEqual(['DELIVERED 1: 700']);
  } finally {
    await worker.stop(1000);
  }
});

it('lets what waits to be recorded keep its own places only', async () => {
  await setBalance(database(), { clientId: 1, walletId: 1, to: '100000' });
  // More than a worker calls for at a time.
  await place(1_600, {});
  const waiting = new Set((await database().query<{ id: string }>(
    "select id from topup_order where status = 'PENDING'")).map(({ id }) => Number(id)));
  const unlocked = Promise.withResolvers<void>();
  const store = createFulfilmentStore({ pool, onMoved: () => undefined });
  const suppliers = createSupplierRegistry(['sandbox-a', 'sandbox-b'].map((code) => ({
    code, submit: () => Promise.resolve({ kind: 'DELIVERED', receipt: null } as const),
    query: () => Promise.resolve({ kind: 'NOT_FOUND' } as const), verifyCallback: () => null,
  })), { clock: systemClock, concurrencyMax: { 'sandbox-a': 64, 'sandbox-b': 64 } });
  const worker = startFulfilmentWorker({
    // As where the rows of one client are locked.
    store: { ...store, recordMove: async (move) => {
      if (waiting.has(move.orderId)) await unlocked.promise;
      return store.recordMove(move);
    } },
    suppliers, clock: systemClock, random: () => 0.5, placingCount: () => 0,
    onError: (error) => { throw error; },
  });
  const before = (await statesOf(5)).join();
  try {
    await expect.poll(() => statesOf(2), { timeout: 30_000 }).toContain('SUBMITTING 1: 1600');
    await place(20, BY_OTHER);
    await expect.poll(async () => (await statesOf(5)).join(), { timeout: 30_000 })
      .toBe(before.replace('20', '40'));
    unlocked.resolve();
    await expect.poll(() => statesOf(2), { timeout: 30_000 }).toEqual(['DELIVERED 1: 2300']);
  } finally {
    unlocked.resolve();
    await worker.stop(1000);
  }
});

it('goes on with what waits for a suspended supplier, where another one sells it', async () => {
  await database().query(`insert into offer (variant_id, route, supplier_id, supplier_sku)
    values (6, 2, 2, 'sku-b') on conflict (variant_id, route) do update set supplier_id = 2`);
  await database().query('update supplier set is_suspended = (id = 1)');
  await place(300, { productId: 4219, variantId: 6, variantName: '257 Diamonds' });
  const suppliers = createSupplierRegistry([{
    code: 'sandbox-b', submit: () => Promise.resolve({ kind: 'DELIVERED', receipt: null }),
    query: () => Promise.resolve({ kind: 'NOT_FOUND' }), verifyCallback: () => null,
  }], { clock: systemClock, concurrencyMax: { 'sandbox-b': 64 } });
  const worker = startFulfilmentWorker({
    store: createFulfilmentStore({ pool, onMoved: () => undefined }),
    suppliers, clock: systemClock, random: () => 0.5, placingCount: () => 0,
    onError: (error) => { throw error; },
  });
  try {
    await expect.poll(() => statesOf(6), { timeout: 30_000 }).toEqual(['DELIVERED 1: 300']);
  } finally {
    await worker.stop(1000);
    await database().query('update supplier set is_suspended = false');
  }
});

it('tells of a supplier that it does not know, and sends nothing', async () => {
  const told: string[] = [];
  await place(3, {});
  const worker = startFulfilmentWorker({
    store: createFulfilmentStore({ pool, onMoved: () => undefined }),
    suppliers: { find: () => undefined, rooms: () => ({}) },
    clock: systemClock, random: () => 0.5, placingCount: () => 0,
    onError: (error) => { throw error; },
    onTrouble: (code, reason) => told.push(`${code}: ${reason}`),
  });
  try {
    await expect.poll(() => statesOf(2), { timeout: 30_000 }).toContain('RETRY_WAIT 1: 3');
    expect(new Set(told)).toEqual(new Set(['sandbox-a: not known to this process']));
  } finally {
    await worker.stop(1000);
    await database().query("update topup_order set next_action_at = now() + interval '1 hour'"
      + " where status = 'PENDING'");
  }
});

/** Time that only the test moves on; who waits for a wake-up waits for nothing else. */
function stoppedClock() {
  let ms = 0;
  const clock: Clock = {
    now: () => new Date(),
    monotonicMs: () => ms,
    sleep: (waitMs, signal) => {
      if (signal === undefined) ms += waitMs;
      return signal === undefined ? Promise.resolve() : new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    },
  };
  return { clock, pass: (passedMs: number) => void (ms += passedMs) };
}

it('claims seldom while one supplier is full, and at once when it has room', async () => {
  const { clock, pass } = stoppedClock();
  const store = createFulfilmentStore({ pool, onMoved: () => undefined });
  let rooms: Readonly<Record<string, number>> = { 'sandbox-a': 0, 'sandbox-b': 4 };
  let claims = 0;
  let ended = Promise.withResolvers<unknown>();
  const worker = startFulfilmentWorker({
    store: {
      ...store,
      claimOrders(wanted) {
        claims += 1;
        pass(100);
        return store.claimOrders(wanted);
      },
    },
    suppliers: { find: () => undefined, rooms: () => rooms },
    clock, random: () => 0.5, placingCount: () => 0,
    onError: (error) => { throw error; },
    onRound: () => ended.resolve(null),
  });
  const nextRound = async (): Promise<void> => {
    ended = Promise.withResolvers();
    worker.wake();
    await ended.promise;
  };
  try {
    await ended.promise;
    expect(claims).toBe(1);
    for (let round = 0; round < 5; round += 1) await nextRound();
    expect(claims).toBe(1);
    pass(500);
    await nextRound();
    expect(claims).toBe(2);
    rooms = { 'sandbox-a': 1, 'sandbox-b': 4 };
    await nextRound();
    expect(claims).toBe(3);
  } finally {
    await worker.stop(1000);
  }
});

it.each([[2, 50], [30, 270], [600, 500]])(
  'rests, where a claim of %i ms found nothing of what is due, for %i ms',
  async (tookMs, restedMs) => {
    const { clock, pass } = stoppedClock();
    const waits: number[] = [];
    const rested = Promise.withResolvers<void>();
    const worker = startFulfilmentWorker({
      store: {
        ...createFulfilmentStore({ pool, onMoved: () => undefined }),
        claimOrders() {
          pass(tookMs);
          return Promise.resolve([]);
        },
        nextDueInMs: () => Promise.resolve(-1),
      },
      suppliers: { find: () => undefined, rooms: () => ({}) },
      clock: {
        ...clock,
        sleep(ms, signal) {
          // The other loop of a worker has a pause of its own.
          if (signal !== undefined && ms !== 250) {
            waits.push(ms);
            rested.resolve();
          }
          return clock.sleep(ms, signal);
        },
      },
      random: () => 0.5, placingCount: () => 0,
      onError: (error) => { throw error; },
    });
    await rested.promise;
    expect(waits).toEqual([restedMs]);
    await worker.stop(1000);
  },
);

it('claims on beside a full supplier where all room of the others was taken', async () => {
  const { clock, pass } = stoppedClock();
  const store = createFulfilmentStore({ pool, onMoved: () => undefined });
  const rooms = { 'sandbox-a': 0, 'sandbox-b': 4 };
  const wanted: number[] = [];
  let ended = Promise.withResolvers<unknown>();
  const worker = startFulfilmentWorker({
    store: {
      ...store,
      claimOrders({ limit }) {
        wanted.push(limit);
        pass(100);
        const orders = Array.from({ length: wanted.length === 1 ? limit : 0 }, () =>
          claimedOrder({ supplierCode: 'sandbox-b' }));
        return Promise.resolve(orders);
      },
      recordMove: () => Promise.resolve('APPLIED'),
    },
    suppliers: { find: () => undefined, rooms: () => rooms },
    clock, random: () => 0.5, placingCount: () => 0,
    onError: (error) => { throw error; },
    onRound: () => ended.resolve(null),
  });
  try {
    await ended.promise;
    ended = Promise.withResolvers();
    worker.wake();
    await ended.promise;
    expect(wanted).toEqual([4, 4]);
  } finally {
    await worker.stop(1000);
  }
});

it('yields to orders that are being placed, by so many steps as it takes', async () => {
  const { clock, pass } = stoppedClock();
  const store = createFulfilmentStore({ pool, onMoved: () => undefined });
  const claimedAtMs: number[] = [];
  let placingCount = 0;
  let callMs = 1_000;
  const supplier: Supplier = {
    code: 'sandbox-a',
    submit: () => {
      pass(callMs);
      return Promise.resolve({ kind: 'DELIVERED', receipt: null });
    },
    query: () => Promise.reject(new Error('Nothing is asked here')),
    verifyCallback: () => null,
  };
  const worker = startFulfilmentWorker({
    store: {
      ...store,
      async claimOrders(wanted) {
        const atMs = clock.monotonicMs();
        claimedAtMs.push(atMs);
        const orders = await store.claimOrders(wanted);
        return orders.map((order) => ({ ...order, askedAtMs: atMs }));
      },
    },
    suppliers: { find: () => supplier, rooms: () => ({}) },
    clock, random: () => 0.5,
    placingCount: () => placingCount,
    onError: (error) => { throw error; },
  });
  const gapMs = (): number => (claimedAtMs.at(-1) ?? 0) - (claimedAtMs.at(-2) ?? 0);
  // Whatever else is a reason to look may come between: it is woken until the gap is the right one.
  const untilGap = (expectedMs: number) => expect.poll(() => {
    worker.wake();
    return gapMs();
  }, { timeout: 5_000, interval: 5 }).toBe(expectedMs);
  try {
    await expect.poll(() => claimedAtMs).toEqual([0]);
    await place(1, {});
    worker.wake();
    await expect.poll(() => claimedAtMs.at(-1)).toBeGreaterThanOrEqual(1_010);
    for (const [count, expectedMs] of [[16, 25], [32, 40], [10_000, 40], [0, 10]] as const) {
      placingCount = count;
      await untilGap(expectedMs);
    }
    callMs = 60_000;
    await place(1, {});
    worker.wake();
    await expect.poll(() => claimedAtMs.at(-1)).toBeGreaterThanOrEqual(60_000);
    placingCount = 32;
    await untilGap(400);
  } finally {
    await worker.stop(1000);
  }
});

it('gives the places of calls free whose adapter failed', async () => {
  await database().query("update topup_order set next_action_at = now() + interval '1 hour'"
    + " where status = 'PENDING'");
  let isBroken = true;
  let faultCount = 0;
  const supplier: Supplier = {
    code: 'sandbox-a',
    submit: () => isBroken ? Promise.reject(new Error('a bug'))
      : Promise.resolve({ kind: 'DELIVERED', receipt: null }),
    query: () => Promise.resolve({ kind: 'NOT_FOUND' }),
    verifyCallback: () => null,
  };
  // More than a worker calls for at a time.
  await setBalance(database(), { clientId: 1, walletId: 1, to: '100000' });
  await place(1_600, {});
  const worker = startFulfilmentWorker({
    store: createFulfilmentStore({ pool, onMoved: () => undefined }),
    suppliers: { find: () => supplier, rooms: () => ({}) },
    clock: systemClock, random: () => 0.5, placingCount: () => 0,
    onError: () => { faultCount += 1; },
  });
  const pending = () => database().query(
    "select id from topup_order where variant_id = 5 and status = 'PENDING'");
  try {
    await expect.poll(() => faultCount, { timeout: 30_000 }).toBe(1_600);
    isBroken = false;
    await place(1, BY_OTHER);
    expect(await pending()).toHaveLength(1);
    worker.wake();
    await expect.poll(pending, { timeout: 30_000 }).toEqual([]);
  } finally {
    await worker.stop(1000);
  }
});

it('has 1,536 orders at suppliers and 2,048 in hand at most, and stops behind those', async () => {
  let claimedCount = 0;
  const [answered, recorded] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const answer = async (): Promise<Outcome> => {
    await answered.promise;
    return { kind: 'DELIVERED', receipt: null };
  };
  const supplier: Supplier = {
    code: 'sandbox-a', submit: answer, query: answer, verifyCallback: () => null,
  };
  const store = {
    claimOrders: async ({ limit }: { readonly limit: number }) =>
      Array.from({ length: limit }, () => {
        claimedCount += 1;
        return claimedOrder({ orderId: claimedCount, askedAtMs: systemClock.monotonicMs() });
      }),
    nextDueInMs: async () => null,
    leaveSuspendedSuppliers: async () => 0,
    recordMove: () => recorded.promise,
  } as unknown as FulfilmentStore;
  const worker = startFulfilmentWorker({
    store, suppliers: { find: () => supplier, rooms: () => ({}) },
    clock: systemClock, random: () => 0.5, placingCount: () => 0,
    onError: (error) => { throw error; },
  });
  await expect.poll(() => claimedCount).toBe(1_536);
  await sleep(100);
  expect(claimedCount).toBe(1_536);
  answered.resolve();
  await expect.poll(() => claimedCount).toBe(2_048);
  await sleep(100);
  expect(claimedCount).toBe(2_048);
  const stopped = worker.stop(60_000);
  expect(await Promise.race([stopped, sleep(100, 'waits')])).toBe('waits');
  recorded.resolve();
  await stopped;
});
