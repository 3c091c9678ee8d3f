import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { withSingleConnection } from '../../src/db/single-connection.ts';
import type { Fulfilment } from '../../src/domain/fulfil-topup-order.ts';
import type {
  FulfilmentStore, Outcome, StrayCallback, SupplierCallback, SupplierEvent,
} from '../../src/domain/fulfilment-ports.ts';
import type { Clock } from '../../src/domain/ports.ts';
import { systemClock } from '../../src/clock.ts';
import { startStrayCallbacks } from '../../src/worker/stray-callbacks.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
let pool: pg.Pool;
let store: FulfilmentStore;

beforeAll(() => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 4, applicationName: 'test', onError: () => undefined,
  });
  store = createFulfilmentStore({ pool, onMoved: () => undefined });
});
afterAll(() => pool.end());

function callback(over: Partial<SupplierEvent>): SupplierCallback {
  return {
    event: {
      supplierCode: 'sandbox-a',
      eventId: randomUUID(),
      supplierReference: '1-1-1',
      bodyDigest: 'digest',
      ...over,
    },
    outcome: { kind: 'DELIVERED', receipt: { pin: '1234' } },
  };
}

async function placeOne(): Promise<number> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const place = createPlaceOrder({ pool, onPlaced: () => undefined });
  const placed = await place(pricedOrder({ pricingVersion: Number(row?.version) }));
  return placed.verdict === 'PLACED' ? placed.order.id : expect.fail(placed.verdict);
}

/** All rounds of a look, from the first page to the last, by a loop that then waits for ever. */
async function lookThrough(over: Partial<FulfilmentStore> = {}): Promise<{
  readonly applied: readonly StrayCallback[]; readonly faults: readonly unknown[];
}> {
  const applied: StrayCallback[] = [];
  const faults: unknown[] = [];
  const isThrough = Promise.withResolvers<void>();
  const strays: FulfilmentStore['strays'] = {
    ...store.strays,
    async find(limit, after) {
      const page = await store.strays.find(limit, after);
      if (page.after === null) isThrough.resolve();
      return page;
    },
  };
  let isLast = false;
  void isThrough.promise.then(() => { isLast = true; });
  const ended = Promise.withResolvers<void>();
  const clock: Clock = {
    now: () => new Date(0),
    monotonicMs: () => 0,
    sleep: async (ms, signal) => {
      if (ms === 0 || !isLast) return;
      ended.resolve();
      await new Promise((resolve) => signal?.addEventListener('abort', resolve));
    },
  };
  const deps: Fulfilment = {
    store: { ...store, ...over, strays },
    suppliers: { find: () => undefined, rooms: () => ({}) },
    clock,
    random: () => 0.5,
  };
  const loop = startStrayCallbacks({
    ...deps,
    onError: (error) => faults.push(error),
    onApplied: (each) => applied.push(each),
  });
  await ended.promise;
  await loop.stop();
  return { applied, faults };
}

/** A loop as in a program; answers its faults at the end. */
function keepLooking(): { end(): Promise<readonly unknown[]> } {
  const faults: unknown[] = [];
  const loop = startStrayCallbacks({
    store,
    suppliers: { find: () => undefined, rooms: () => ({}) },
    clock: { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(10, signal) },
    random: () => 0.5,
    onError: (error) => faults.push(error),
    onApplied: () => undefined,
  });
  return { end: () => loop.stop().then(() => faults) };
}

const claimAll = (): Promise<unknown> => store.claimOrders({ limit: 1000, rooms: {} });

async function look(id: number): Promise<Record<string, unknown>> {
  const [row] = await database().query(`select o.status, o.receipt,
      array(select t.reason from transfer t where t.topup_order_id = o.id order by t.id) as moved
    from topup_order o where o.id = $1`, [id]);
  return row ?? {};
}

const keptEvents = async (): Promise<readonly string[]> =>
  (await database().query<{ event_id: string }>('select event_id from stray_callback order by id'))
    .map((row) => row.event_id);

describe('callbacks of orders that are not there', () => {
  it('are kept once each, and nothing else is kept under their id', async () => {
    const first = callback({ supplierReference: '1-777777-1' });
    expect(await store.strays.keep(first)).toBe('NEW');
    expect(await store.strays.keep(first)).toBe('REPEATED_EVENT');
    const other = { ...first, event: { ...first.event, bodyDigest: 'another' } };
    expect(await store.strays.keep(other)).toBe('CONFLICTING_EVENT');
    const twice = callback({ supplierReference: '1-777778-1' });
    const verdicts = await Promise.all([store.strays.keep(twice), store.strays.keep(twice)]);
    expect(verdicts.toSorted()).toEqual(['NEW', 'REPEATED_EVENT']);
    expect(await lookThrough()).toEqual({ applied: [], faults: [] });
    expect(await keptEvents()).toEqual([first.event.eventId, twice.event.eventId]);
    await database().query('delete from stray_callback');
  });

  it.each(['not one of ours', '1-2', '0-1-1', '1-1-99999', '1-99999999999999999-1'])(
    'are kept, whatever their reference is: %s', async (supplierReference) => {
      const stray = callback({ supplierReference });
      expect(await store.strays.keep(stray)).toBe('NEW');
      expect(await store.strays.keep(stray)).toBe('REPEATED_EVENT');
      expect(await lookThrough()).toEqual({ applied: [], faults: [] });
      await database().query('delete from stray_callback');
    });

  it('are applied once their submission is there, by one of many that look', async () => {
    const id = await placeOne();
    const told = callback({ supplierReference: `1-${id}-1` });
    await store.strays.keep(told);
    expect(await lookThrough()).toEqual({ applied: [], faults: [] });
    await claimAll();
    const looked = await Promise.all([lookThrough(), lookThrough(), lookThrough()]);
    expect(looked.flatMap(({ faults }) => faults)).toEqual([]);
    expect(looked.flatMap(({ applied }) => applied).map(({ event }) => event))
      .toContainEqual(told.event);
    expect(await look(id)).toEqual({
      status: 'DELIVERED', receipt: { pin: '1234' }, moved: ['ORDER_DEBIT', 'ORDER_SALE'],
    });
    expect(await keptEvents()).toEqual([]);
    expect(await store.strays.keep(told)).toBe('REPEATED_EVENT');
  });

  it('are of another order where they are older than the one of their number', async () => {
    const id = await placeOne();
    await claimAll();
    const older = callback({ supplierReference: `1-${id}-1`, eventId: 'older' });
    await store.strays.keep(older);
    await database().query(
      "update stray_callback set received_at = received_at - interval '1 hour'");
    expect(await lookThrough()).toEqual({ applied: [], faults: [] });
    expect((await look(id))['status']).toBe('PENDING');
    expect(await keptEvents()).toEqual(['older']);
    await database().query('delete from stray_callback');
  });

  it.each<[string, Outcome, string]>([
    ['a refusal is left aside', { kind: 'FAILED', failureCode: 'INVALID_RECIPIENT' }, 'SUBMITTING'],
    ['that it was taken is noted', { kind: 'ACCEPTED' }, 'AWAITING_SUPPLIER'],
  ])('are news of an attempt before: %s', async (_says, outcome, state) => {
    const id = await placeOne();
    await store.strays.keep({ ...callback({ supplierReference: `1-${id}-1` }), outcome });
    await claimAll();
    expect((await lookThrough()).faults).toEqual([]);
    expect(await database().query('select fulfilment_state from topup_order where id = $1', [id]))
      .toEqual([{ fulfilment_state: state }]);
    expect(await keptEvents()).toEqual([]);
  });

  it('are found behind a page of others, and all of many', async () => {
    const keep = (from: number, to: number): Promise<unknown> => database().query(
      `insert into stray_callback (client_id, supplier_id, event_id, supplier_reference,
        body_digest, topup_order_id, route, outcome)
      select 1, 1, 'event-' || n, '1-' || n || '-1', 'digest', n, 1,
        '{"kind":"DELIVERED","receipt":null}' from generate_series($1::int, $2::int) n`,
      [from, to],
    );
    await keep(800_001, 805_000);
    const ids = await Promise.all(Array.from({ length: 300 }, () => placeOne()));
    await claimAll();
    await keep(Math.min(...ids), Math.max(...ids));
    const { applied, faults } = await lookThrough();
    expect(faults).toEqual([]);
    expect(applied.map(({ event }) => event.eventId).toSorted())
      .toEqual(ids.map((id) => `event-${id}`).toSorted());
    expect(await keptEvents()).toHaveLength(5000);
    await database().query('delete from stray_callback');
  });

  it('are still there after a fault, which keeps none of the others', async () => {
    const [poison, good] = [await placeOne(), await placeOne()];
    await claimAll();
    for (const id of [poison, good]) {
      await store.strays.keep(callback({ supplierReference: `1-${id}-1`, eventId: String(id) }));
    }
    await store.strays.keep(callback({ supplierReference: '1-777777-1', eventId: 'old' }));
    await database().query(`update stray_callback
      set received_at = received_at - interval '25 hours' where event_id = 'old'`);
    const fault = new Error('This one cannot be applied');
    const looked = await lookThrough({
      recordMove: (move) => move.orderId === poison
        ? Promise.reject(fault) : store.recordMove(move),
    });
    expect(looked.faults).toEqual([fault]);
    expect(await keptEvents()).toEqual([String(poison)]);
    expect((await lookThrough()).applied).toMatchObject([{ event: { eventId: String(poison) } }]);
    expect(await keptEvents()).toEqual([]);
  });

  it('are applied but for one whose order is held', async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, () => placeOne()));
    await claimAll();
    for (const id of ids) {
      await store.strays.keep(callback({ supplierReference: `1-${id}-1`, eventId: String(id) }));
    }
    const held = ids[5] ?? 0;
    await withSingleConnection(database().ownerDatabaseUrl, async (client) => {
      await client.query('begin');
      await client.query('select from topup_order where id = $1 for update', [held]);
      const looking = keepLooking();
      await expect.poll(keptEvents, { timeout: 40_000 }).toEqual([String(held)]);
      await client.query('rollback');
      await expect.poll(keptEvents, { timeout: 40_000 }).toEqual([]);
      expect((await looking.end()).length).toBeGreaterThan(0);
    });
  }, 90_000);

  it('are forgotten after 24 hours, but that they were heard', async () => {
    await store.strays.keep(callback({ supplierReference: '1-777777-1', eventId: 'past' }));
    await store.strays.keep(callback({ supplierReference: '1-777777-1', eventId: 'young' }));
    await database().query(`update stray_callback set received_at = received_at
      - case event_id when 'past' then interval '1441 minutes' else '1439 minutes' end`);
    await lookThrough();
    expect(await keptEvents()).toEqual(['young']);
    expect(await database().query(`select supplier_reference,
        received_at < now() - interval '1 day' as is_old from callback where event_id = 'past'`))
      .toEqual([{ supplier_reference: '1-777777-1', is_old: true }]);
  });
});
