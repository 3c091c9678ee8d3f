import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAccessStore } from '../../src/db/access-store.ts';
import { prepareRestored } from '../../src/db/after-restore.ts';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { findViolations } from '../../src/db/invariants.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { withSingleConnection } from '../../src/db/single-connection.ts';
import { DEMO_API_KEYS } from '../../src/demo/demo-keys.ts';
import { fulfilTopupOrder } from '../../src/domain/fulfil-topup-order.ts';
import type { Move, MoveResult, Outcome, Supplier } from '../../src/domain/fulfilment-ports.ts';
import type { AccessStore } from '../../src/domain/log-in.ts';
import type { PricedOrder } from '../../src/domain/ports.ts';
import { receiveCallback } from '../../src/domain/receive-callback.ts';
import { systemClock } from '../../src/clock.ts';
import { pricedOrder } from '../support/builders.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { withDatabaseName } from '../support/database-url.ts';

/** A copy is taken, work goes on, the original is lost, and the program starts over the copy. */

let original: TestDatabase;
let restoredName: string;
let restored: pg.Client;

/** The supplier outlives both: what it was sent, and how often each had an effect. */
const effects = new Map<string, number>();
/** What it answers instead, by reference: to the next send, and to whoever asks. */
const refusals = new Map<string, Outcome>();
const answers = new Map<string, Outcome>();
const OUT_OF_STOCK: Outcome = { kind: 'FAILED', failureCode: 'PRODUCT_OUT_OF_STOCK' };
const supplier: Supplier = {
  code: 'sandbox-a',
  submit({ supplierReference }) {
    const refusal = refusals.get(supplierReference);
    if (refusal !== undefined) return Promise.resolve(refusal);
    const isKnown = effects.has(supplierReference);
    if (!isKnown) effects.set(supplierReference, 1);
    const answer: Outcome = isKnown
      ? { kind: 'UNKNOWN', reason: 'duplicate' } : { kind: 'DELIVERED', receipt: null };
    return Promise.resolve(answer);
  },
  query: ({ supplierReference }) => Promise.resolve(answers.get(supplierReference)
    ?? (effects.has(supplierReference)
      ? { kind: 'DELIVERED', receipt: null } : { kind: 'NOT_FOUND' })),
  verifyCallback: () => null,
};

/** On a machine of any speed: nothing is due, proved or given up before a test says so. */
const NO_TIME_PASSES = `update supplier set call_deadline_ms = 3600000, lease_ms = 7200000,
  settle_window_ms = 3600000, retry_window_ms = 86400000, backoff_ms = '{3600000}'`;

beforeEach(async () => {
  for (const each of [effects, refusals, answers]) each.clear();
  original = await createTestDatabase();
  restoredName = `${nameOf(original)}_restored`;
  restored = new pg.Client(restoredUrls().owner);
  await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(NO_TIME_PASSES));
});
afterEach(async () => {
  await restored.end();
  await asSuperuser((client) => client.query(`drop database ${restoredName} with (force)`));
  await original.drop();
});

function nameOf({ databaseUrl }: TestDatabase): string {
  return new URL(databaseUrl).pathname.slice(1);
}

function restoredUrls(): { readonly owner: string; readonly program: string } {
  return {
    owner: withDatabaseName(original.ownerDatabaseUrl, restoredName),
    program: withDatabaseName(original.databaseUrl, restoredName),
  };
}

async function backUp(): Promise<void> {
  await asSuperuser(async (client) => {
    // A database is not copied while connections to it that were ended are still going.
    await expect.poll(async () => (await client.query(
      'select from pg_stat_activity where datname = $1', [nameOf(original)])).rowCount).toBe(0);
    await client.query(`create database ${restoredName} owner topup_owner
      template ${nameOf(original)} strategy file_copy`);
    await client.query(`grant connect on database ${restoredName} to topup_app`);
  });
}

async function asSuperuser(run: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(withDatabaseName(original.superuserUrl, 'postgres'));
  await client.connect();
  await run(client).finally(() => client.end());
}

/** What one program does over one database, until it is gone. */
async function during<Result>(
  databaseUrl: string,
  run: (program: {
    place(over?: Partial<PricedOrder>): Promise<number>;
    /** Takes every due order one step further; answers what it did with each. */
    work(): Promise<string[]>;
    retryLater(orderId: number): Promise<void>;
    leaveSuspended(): Promise<number>;
    /** As a request does it: the action and the reference, or null where it stays. */
    claimOne(orderId: number): Promise<string | null>;
  }) => Promise<Result>,
): Promise<Result> {
  const pool = createPool({
    databaseUrl, size: 4, applicationName: 'test', onError: () => undefined,
  });
  const { rows: [row] } = await pool.query<{ version: number }>(
    'select version from pricing_version');
  const store = createFulfilmentStore({ pool, onMoved: () => undefined });
  const placeOrder = createPlaceOrder({
    pool, onPlaced: () => undefined,
  });
  const deps = {
    store, clock: systemClock, random: () => 0.5,
    suppliers: { find: () => supplier, rooms: () => ({}) },
  };
  return run({
    async place(over) {
      const placed = await placeOrder(
        pricedOrder({ ...over, pricingVersion: Number(row?.version) }));
      if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
      return placed.order.id;
    },
    leaveSuspended: () => store.leaveSuspendedSuppliers(100),
    async claimOne(orderId) {
      const order = await store.claimOrder(1, orderId);
      return order === null ? null : `${order.action} ${order.supplierReference}`;
    },
    async work() {
      const orders = await store.claimOrders({ limit: 100, rooms: {} });
      return Promise.all(orders.map(async (order) => {
        await fulfilTopupOrder(order, deps);
        return `${order.action} ${order.supplierReference}`;
      }));
    },
    async retryLater(orderId) {
      const orders = await store.claimOrders({ limit: 100, rooms: {} });
      const { clientId, route, leaseToken } = orders.find((each) => each.orderId === orderId) ?? {
        clientId: 0, route: 0, leaseToken: '',
      };
      await store.recordMove({
        clientId, orderId, route, leaseToken, move: { kind: 'RETRY', nextInMs: 0 }, callback: null,
      });
    },
  }).finally(() => pool.end());
}

it('asks about every order before it sends, and gives no number twice', async () => {
  const [retried, queued] = await during(original.databaseUrl, async (program) => {
    const first = await program.place();
    await program.retryLater(first);
    return [first, await program.place()];
  });
  await backUp();
  const lost = await during(original.databaseUrl, async (program) => {
    // The second order stays unsent; a third one is placed, delivered, and lost with the original.
    await original.query("update topup_order set next_action_at = 'infinity' where id = $1",
      [queued]);
    const id = await program.place();
    expect((await program.work()).sort()).toEqual([`SUBMIT 1-${retried}-1`, `SUBMIT 1-${id}-1`]);
    return id;
  });

  await restored.connect();
  expect(await prepareRestored(restoredUrls().owner)).toBe(2);
  await during(restoredUrls().program, async (program) => {
    const fresh = await program.place();
    expect(fresh).toBeGreaterThan(lost + 1_000_000);
    expect((await program.work()).sort()).toEqual(
      [`QUERY 1-${retried}-1`, `QUERY 1-${queued}-1`, `SUBMIT 1-${fresh}-1`]);
    // "Not found" proves nothing until what was sent before the loss must have arrived.
    await settle();
    expect(await program.work()).toEqual([`QUERY 1-${queued}-1`]);
    expect(await program.work()).toEqual([`SUBMIT 1-${queued}-1`]);
  });
  await expectDelivered(3);
  expect([...effects.values()]).toEqual([1, 1, 1, 1]);
});

it('asks about an order that was being sent while the backup was made', async () => {
  const id = await during(original.databaseUrl, async (program) => {
    const placed = await program.place();
    expect(await program.claimOne(placed)).toBe(`SUBMIT 1-${placed}-1`);
    return placed;
  });
  await backUp();
  effects.set(`1-${id}-1`, 1);
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  await during(restoredUrls().program, async (program) => {
    expect(await program.work()).toEqual([`QUERY 1-${id}-1`]);
  });
  await expectDelivered(1);
});

it('asks about all at once, and leaves to people what was theirs', async () => {
  const [held, reviewed] = await during(original.databaseUrl, async (program) => {
    const placed = [await program.place(), await program.place()] as const;
    for (const id of placed) await program.claimOne(id);
    return placed;
  });
  await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
    `update topup_order set fulfilment_state = 'REVIEW', lease_token = null, lease_until = null,
      backoff_step = 7, next_action_at = now() + interval '1 hour' where id = $1`, [reviewed]));
  await backUp();
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  const { rows } = await restored.query(`select fulfilment_state as state, lease_token as held_by,
      backoff_step as step, next_action_at <= now() as is_due from topup_order
    where id in ($1, $2) order by id`, [held, reviewed]);
  // Whoever had one in hand before is nobody by now.
  expect(rows).toEqual(['OUTCOME_UNKNOWN', 'REVIEW'].map((state) =>
    ({ state, held_by: null, step: 0, is_due: true })));
});

it('gives what waited for longer than its window before the loss a window anew', async () => {
  const id = await during(original.databaseUrl, async (program) => {
    const placed = await program.place();
    refusals.set(`1-${placed}-1`, { kind: 'UNKNOWN', reason: 'connection lost' });
    await program.work();
    return placed;
  });
  refusals.clear();
  await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
    "update topup_order set retry_until = now() - interval '1 hour'"));
  await backUp();
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  await settle();
  expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
  expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
  await expectDelivered(1);
});

it('goes back to its own route where it was restored again while others were asked', async () => {
  const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
  await backUp();
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  await settle();
  expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
  await prepareRestored(restoredUrls().owner);
  await settle();
  expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
  expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
  await expectDelivered(1);
});

it('gives a backup that is restored a second time other numbers than the first time', async () => {
  await backUp();
  await restored.connect();
  const prepare = async (): Promise<number> => {
    await restored.query("select setval('topup_order_id_seq', 1000)");
    await prepareRestored(restoredUrls().owner);
    const { rows: [row] } = await restored.query<{ last: string }>(
      'select last_value as last from topup_order_id_seq');
    return Number(row?.last);
  };
  const first = await prepare();
  expect(await prepare()).toBeGreaterThan(first);
});

it('is not touched while a program is connected', async () => {
  await backUp();
  await restored.connect();
  const pool = createPool({
    databaseUrl: restoredUrls().program, size: 1, applicationName: 'topup-gateway',
    onError: () => undefined,
  });
  const last = async (): Promise<unknown> =>
    (await restored.query('select last_value from topup_order_id_seq')).rows;
  const before = await last();
  await pool.query('select 1');
  expect(await prepareRestored(restoredUrls().owner)).toBeNull();
  expect(await last()).toEqual(before);
  await pool.end();
  await expect.poll(() => prepareRestored(restoredUrls().owner)).toBe(0);
});

it('keeps counting orders in a cluster that is younger in transactions', async () => {
  await backUp();
  await restored.connect();
  await restored.query("insert into order_horizon values (1, 0, '9000000000000')");
  await prepareRestored(restoredUrls().owner);
  const { rows: [row] } = await restored.query(`select settles_at <=
    pg_snapshot_xmax(pg_current_snapshot()) as settles from order_horizon where client_id = 1`);
  expect(row).toEqual({ settles: true });
});

/** Everything that was sent before the loss must have arrived by now. */
async function settle(): Promise<void> {
  await restored.query(`with settled as (update submission set resend_after = now())
    update topup_order set next_action_at = now() where status = 'PENDING'`);
}

async function expectDelivered(count: number): Promise<void> {
  const { rows } = await restored.query<{ status: string }>('select status from topup_order');
  expect(rows).toEqual(Array.from({ length: count }, () => ({ status: 'DELIVERED' })));
  expect(await findViolations(async (sql) => (await restored.query<object>(sql)).rows))
    .toEqual([]);
}

it('knows of an order that was accepted that it was', async () => {
  await during(original.databaseUrl, async (program) => {
    refusals.set(`1-${await program.place()}-1`, { kind: 'ACCEPTED' });
    await program.work();
  });
  await backUp();
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  const pool = createPool({
    databaseUrl: restoredUrls().program, size: 1, applicationName: 'test',
    onError: () => undefined,
  });
  const store = createFulfilmentStore({ pool, onMoved: () => undefined });
  expect(await store.claimOrders({ limit: 10, rooms: {} }))
    .toMatchObject([{ action: 'QUERY', wasAccepted: true }]);
  await pool.end();
});

/** A product that has two routes. */
const TWO_ROUTES: Partial<PricedOrder> = {
  variantId: 3, variantName: '660 UC', faceValue: { amount: '9.99', currency: 'USD' },
};

it('asks on every route before it sends on any', async () => {
  const [failedOver, forgotten, refused, queued] = await during(
    original.databaseUrl,
    async (program) => {
      const accepted = [await program.place(TWO_ROUTES), await program.place(TWO_ROUTES)] as const;
      for (const id of accepted) refusals.set(`1-${id}-1`, { kind: 'ACCEPTED' });
      await program.work();
      const [first, second] = accepted;
      return [
        first, await program.place(TWO_ROUTES), second, await program.place(TWO_ROUTES),
      ] as const;
    },
  );
  for (const id of [failedOver, refused]) answers.set(`1-${id}-1`, OUT_OF_STOCK);
  await backUp();
  await during(original.databaseUrl, async (program) => {
    // Two go over to the second route and are delivered there; the others stay as they are.
    await original.query(`update topup_order
      set next_action_at = case when id in ($1, $2) then now() else 'infinity' end`,
    [failedOver, forgotten]);
    refusals.set(`1-${forgotten}-1`, OUT_OF_STOCK);
    // Its refusal is looked up when nothing can be on its way any more.
    await original.query('update submission set resend_after = now()');
    expect((await program.work()).sort())
      .toEqual([`QUERY 1-${failedOver}-1`, `SUBMIT 1-${forgotten}-1`]);
    expect((await program.work()).sort())
      .toEqual([`SUBMIT 1-${failedOver}-2`, `SUBMIT 1-${forgotten}-2`]);
  });
  // Its supplier keeps no refusals, and would take the order now.
  refusals.clear();

  await restored.connect();
  expect(await prepareRestored(restoredUrls().owner)).toBe(4);
  await during(restoredUrls().program, async (program) => {
    const askedFirst = [failedOver, forgotten, refused, queued].map((id) => `QUERY 1-${id}-1`);
    expect((await program.work()).sort()).toEqual(askedFirst.sort());
    await settle();
    // Neither "refused" nor "not found" is proof before.
    expect((await program.work()).sort()).toEqual(askedFirst.sort());
    const askedNext = [failedOver, forgotten, refused, queued].map((id) => `QUERY 1-${id}-2`);
    expect((await program.work()).sort()).toEqual(askedNext.sort());
    await settle();
    expect((await program.work()).sort())
      .toEqual([`QUERY 1-${refused}-2`, `QUERY 1-${queued}-2`].sort());
    expect((await program.work()).sort())
      .toEqual([`SUBMIT 1-${refused}-2`, `SUBMIT 1-${queued}-1`].sort());
    expect(await program.work()).toEqual([]);
  });
  await expectDelivered(4);
  expect(Object.fromEntries(effects)).toEqual({
    [`1-${failedOver}-2`]: 1, [`1-${forgotten}-2`]: 1, [`1-${refused}-2`]: 1, [`1-${queued}-1`]: 1,
  });
});

/** News of a route of the order in `restored`, unasked. */
async function tell(orderId: number, move: Move, { route = 1, eventId = 'e1' } = {})
: Promise<MoveResult> {
  const pool = createPool({
    databaseUrl: restoredUrls().program, size: 1, applicationName: 'test',
    onError: () => undefined,
  });
  return createFulfilmentStore({ pool, onMoved: () => undefined }).recordMove({
    clientId: 1, orderId, route, leaseToken: null, move,
    callback: {
      supplierCode: route === 1 ? 'sandbox-a' : 'sandbox-b', eventId,
      supplierReference: `1-${orderId}-${route}`, bodyDigest: 'd',
    },
  }).finally(() => pool.end());
}

describe('an order that was found on none of its routes', () => {
  /** Whose first route's supplier `is` so; all of it was asked, and its time is over. */
  async function askAll(is = ''): Promise<number> {
    if (is !== '') {
      await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
        `update supplier set ${is} where code = 'sandbox-a'`));
    }
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    await backUp();
    await restored.connect();
    await prepareRestored(restoredUrls().owner);
    await settle();
    expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    await settle();
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    return id;
  }
  const suspend = (isSuspended: boolean): Promise<unknown> => restored.query(
    `update supplier set is_suspended = ${isSuspended} where code = 'sandbox-a'`);
  const leaveSuspended = (): Promise<number> =>
    during(restoredUrls().program, (program) => program.leaveSuspended());

  it('goes over to the next one where the first refuses it, under the number asked about',
    async () => {
      const id = await askAll();
      refusals.set(`1-${id}-1`, OUT_OF_STOCK);
      expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
      expect(await workNow()).toEqual([`SUBMIT 1-${id}-2`]);
      await expectDelivered(1);
      expect([...effects]).toEqual([[`1-${id}-2`, 1]]);
    });

  it('ends where both refuse it', async () => {
    const id = await askAll();
    for (const route of [1, 2]) refusals.set(`1-${id}-${route}`, OUT_OF_STOCK);
    expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
    expect(await workNow()).toEqual([`SUBMIT 1-${id}-2`]);
    const { rows } = await restored.query('select status, failure_code from topup_order');
    expect(rows).toEqual([{ status: 'FAILED', failure_code: 'PRODUCT_OUT_OF_STOCK' }]);
  });

  it('goes past a suspended supplier, also after that did not take it', async () => {
    const id = await askAll();
    refusals.set(`1-${id}-1`, { kind: 'TRANSIENT', reason: 'HTTP 503', retryAfterMs: 0 });
    expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
    await suspend(true);
    await restored.query('update topup_order set next_action_at = now()');
    expect(await leaveSuspended()).toBe(1);
    expect(await workNow()).toEqual([`SUBMIT 1-${id}-2`]);
    await expectDelivered(1);
    expect([...effects]).toEqual([[`1-${id}-2`, 1]]);
  });

  it('does not go past one that could not say whether it has it', async () => {
    const id = await askAll('can_be_queried = false, dedupes_by_reference = true');
    await suspend(true);
    expect(await leaveSuspended()).toBe(0);
    expect(await workNow()).toEqual([]);
    await suspend(false);
    expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
  });

  it('does not go past one between them that could not say', async () => {
    await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
      `insert into supplier (id, code, base_url, call_deadline_ms, lease_ms, settle_window_ms,
            retry_window_ms, backoff_ms)
          select 3, 'sandbox-c', base_url, call_deadline_ms, lease_ms, settle_window_ms,
            retry_window_ms, backoff_ms from supplier where id = 2;
        insert into offer (variant_id, route, supplier_id, supplier_sku)
          select variant_id, 3, 3, 'sku-c' from offer where variant_id = 3 and route = 2;
        update supplier set can_be_queried = false, dedupes_by_reference = true where id = 2`));
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    await backUp();
    await restored.connect();
    await prepareRestored(restoredUrls().owner);
    const seen: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      await settle();
      seen.push(...await workNow());
    }
    expect(seen).toEqual([1, 2, 3].map((route) => `QUERY 1-${id}-${route}`));
    await restored.query('update topup_order set next_action_at = now()');
    await suspend(true);
    expect(await leaveSuspended()).toBe(0);
    await suspend(false);
    refusals.set(`1-${id}-1`, OUT_OF_STOCK);
    expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
    const { rows } = await restored.query('select status from topup_order');
    expect(rows).toEqual([{ status: 'FAILED' }]);
    expect(effects.size).toBe(0);
  });

  it('does not go past one that nobody sold while it was asked about', async () => {
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    await backUp();
    await restored.connect();
    const setRoute = (route: number): Promise<unknown> => restored.query(
      'update offer set route = $1 where variant_id = 3 and supplier_id = 1', [route]);
    await setRoute(9);
    await prepareRestored(restoredUrls().owner);
    await setRoute(1);
    // A send that is turned away says nothing of one in the time that was lost.
    refusals.set(`1-${id}-1`, { kind: 'TRANSIENT', reason: 'HTTP 503', retryAfterMs: 0 });
    expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
    await settle();
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    await suspend(true);
    await restored.query('update topup_order set next_action_at = now()');
    expect(await leaveSuspended()).toBe(0);
    expect(await workNow()).toEqual([]);
  });

  it('does not go past one by a refusal that was told', async () => {
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    await backUp();
    await restored.connect();
    await prepareRestored(restoredUrls().owner);
    // Of which attempt that is nobody knows.
    expect(await tell(id, { kind: 'RETRY', nextInMs: 0 })).toBe('STALE_LEASE');
    await settle();
    expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
  });

  it('does not go over to one that has told of it since', async () => {
    const id = await askAll();
    await tell(id, { kind: 'AWAIT', nextInMs: 0 }, { route: 2 });
    refusals.set(`1-${id}-1`, OUT_OF_STOCK);
    expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
    expect(await workNow()).toEqual([]);
    const { rows } = await restored.query('select status from topup_order');
    expect(rows).toEqual([{ status: 'FAILED' }]);
  });

  it('does not go over by what was ruled out before a second restore', async () => {
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    await backUp();
    await restored.connect();
    await prepareRestored(restoredUrls().owner);
    await settle();
    expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
    // In the time that was lost the second time the first one was sent it and delivered, and the
    // backup is of this moment: further routes are asked, not that one again.
    effects.set(`1-${id}-1`, 1);
    await prepareRestored(restoredUrls().owner);
    await settle();
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    await restored.query('update offer set is_active = false where variant_id = 3 and route = 1');
    await workNow();
    expect(await workNow()).toEqual([]);
    expect([...effects]).toEqual([[`1-${id}-1`, 1]]);
  });

  it('is asked about there again after a second restore', async () => {
    const id = await askAll();
    // In the time that was lost the second time it was refused here and delivered there.
    effects.set(`1-${id}-2`, 1);
    await prepareRestored(restoredUrls().owner);
    await suspend(true);
    expect(await leaveSuspended()).toBe(0);
    await suspend(false);
    await settle();
    expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    await expectDelivered(1);
  });
});

describe('an order whose own route took back what it delivered in the lost time', () => {
  async function restoreAndAskFirst(): Promise<number> {
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    await backUp();
    await restored.connect();
    await prepareRestored(restoredUrls().owner);
    await settle();
    expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
    return id;
  }

  it('is sent to the other one, not there again', async () => {
    const id = await restoreAndAskFirst();
    await tell(id, { kind: 'REVERSE' });
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    await settle();
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    await settle();
    expect(await workNow()).toEqual([`SUBMIT 1-${id}-2`]);
    await expectDelivered(1);
    expect([...effects]).toEqual([[`1-${id}-2`, 1]]);
  });

  it('is sent to the last of two others, though that cannot be asked', async () => {
    await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
      `insert into supplier (id, code, base_url, call_deadline_ms, lease_ms, settle_window_ms,
          retry_window_ms, backoff_ms, can_be_queried, dedupes_by_reference)
        select 3, 'sandbox-c', base_url, call_deadline_ms, lease_ms, settle_window_ms,
          retry_window_ms, backoff_ms, false, true from supplier where id = 2;
      insert into offer (variant_id, route, supplier_id, supplier_sku)
        select variant_id, 3, 3, 'sku-c' from offer where variant_id = 3 and route = 2`));
    const id = await restoreAndAskFirst();
    // It was sent there in the lost time.
    effects.set(`1-${id}-3`, 1);
    await tell(id, { kind: 'REVERSE' });
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    await settle();
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    for (const step of ['QUERY', 'QUERY', 'SUBMIT']) {
      expect(await workNow()).toEqual([`${step} 1-${id}-3`]);
      await settle();
    }
    expect([...effects]).toEqual([[`1-${id}-3`, 1]]);
  });

  it.each<Outcome>([
    { kind: 'DELIVERED', receipt: null }, { kind: 'REVERSED' },
  ])('ends where it was sent there all the same, and is credited: $kind', async (answer) => {
    const id = await restoreAndAskFirst();
    await tell(id, { kind: 'REVERSE' });
    // As a version before this one went on.
    await restored.query(`update topup_order set route = 1, restored_route = null,
      fulfilment_state = 'RETRY_WAIT'`);
    await restored.query("update submission set state = 'NOT_APPLIED'");
    // Told once more it is no news: it says nothing of what is to be sent.
    await tell(id, { kind: 'REVERSE' }, { eventId: 'e2' });
    refusals.set(`1-${id}-1`, answer);
    await settle();
    expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
    const { rows } = await restored.query(`select o.status,
        array(select t.reason from transfer t where t.topup_order_id = o.id order by t.id) as moved
      from topup_order o`);
    expect(rows).toEqual([{
      status: 'DELIVERED', moved: ['ORDER_DEBIT', 'ORDER_SALE', 'REVERSAL'],
    }]);
    await expectDelivered(1);
  });
});

it('finds what went past a suspended supplier in the lost time', async () => {
  const suspend = (supplierId: number) => original.query(
    'update supplier set is_suspended = (id = $1)', [supplierId]);
  const [retried, queued] = await during(original.databaseUrl, async (program) => {
    const first = await program.place(TWO_ROUTES);
    await program.retryLater(first);
    return [first, await program.place(TWO_ROUTES)] as const;
  });
  await backUp();
  await during(original.databaseUrl, async (program) => {
    await suspend(1);
    expect(await program.leaveSuspended()).toBe(2);
    refusals.set(`1-${queued}-2`, { kind: 'TRANSIENT', reason: 'HTTP 429', retryAfterMs: 0 });
    expect((await program.work()).sort())
      .toEqual([`SUBMIT 1-${retried}-2`, `SUBMIT 1-${queued}-2`].sort());
    // It does not go back to the first one, under whatever number.
    await suspend(2);
    await original.query("update topup_order set next_action_at = now() where status = 'PENDING'");
    expect(await program.leaveSuspended()).toBe(0);
    expect(await program.work()).toEqual([]);
    await suspend(0);
    refusals.clear();
    expect(await program.work()).toEqual([`SUBMIT 1-${queued}-2`]);
  });

  await restored.connect();
  expect(await prepareRestored(restoredUrls().owner)).toBe(2);
  await during(restoredUrls().program, async (program) => {
    await program.work();
    await settle();
    await program.work();
    expect((await program.work()).sort())
      .toEqual([`QUERY 1-${retried}-2`, `QUERY 1-${queued}-2`].sort());
    expect(await program.work()).toEqual([]);
  });
  await expectDelivered(2);
  expect([...effects.values()]).toEqual([1, 1]);
});

describe('where an import before the backup renumbered the routes,', () => {
  /** As an import does it; 1 is sandbox-a, 2 sandbox-b, 3 the third. */
  async function offer(...suppliers: readonly number[]): Promise<void> {
    await withSingleConnection(original.ownerDatabaseUrl, async (client) => {
      await client.query(`insert into supplier (id, code, base_url, settle_window_ms, lease_ms)
        values (3, 'third', 'http://127.0.0.1:1', 3600000, 7200000) on conflict do nothing`);
      await client.query('delete from offer where variant_id = 3');
      await client.query(`insert into offer (variant_id, route, supplier_id, supplier_sku)
        select 3, route, supplier, 'sku-' || supplier
        from unnest($1::bigint[]) with ordinality o (supplier, route)`, [suppliers]);
    });
  }
  const refuse = async (id: number, route: number, outcome: Outcome): Promise<void> => {
    refusals.set(`1-${id}-${route}`, outcome);
    // No connection that a backup would wait for.
    await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
      'update topup_order set next_action_at = now() where id = $1', [id]));
    await during(original.databaseUrl, (program) => program.work());
  };
  const BUSY: Outcome = { kind: 'TRANSIENT', reason: 'HTTP 503', retryAfterMs: null };
  async function submissionsOf(id: number): Promise<readonly string[]> {
    const { rows } = await restored.query<{ said: string }>(`select s.code || ' ' || m.route as said
      from submission m join supplier s on s.id = m.supplier_id
      where m.topup_order_id = $1 order by m.route`, [id]);
    return rows.map(({ said }) => said);
  }
  async function restore(): Promise<void> {
    refusals.clear();
    await restored.connect();
    await prepareRestored(restoredUrls().owner);
    await settle();
  }

  it('asks the one in front of its own supplier, under the number that it got there', async () => {
    await offer(1);
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    await refuse(id, 1, BUSY);
    await offer(3, 1);
    await backUp();
    await refuse(id, 1, OUT_OF_STOCK);
    await original.query('update topup_order set next_action_at = now()');
    expect(await during(original.databaseUrl, (program) => program.work()))
      .toEqual([`SUBMIT 1-${id}-2`]);
    await restore();
    expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    expect(await submissionsOf(id)).toEqual(['sandbox-a 1', 'third 2']);
    await expectDelivered(1);
  });

  it('asks one between two that had it, behind both', async () => {
    await offer(1, 2);
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    await refuse(id, 1, OUT_OF_STOCK);
    await refuse(id, 2, BUSY);
    await offer(1, 3, 2);
    await backUp();
    await refuse(id, 2, OUT_OF_STOCK);
    await original.query('update topup_order set next_action_at = now()');
    expect(await during(original.databaseUrl, (program) => program.work()))
      .toEqual([`SUBMIT 1-${id}-3`]);
    await restore();
    expect(await workNow()).toEqual([`QUERY 1-${id}-2`]);
    expect(await workNow()).toEqual([`QUERY 1-${id}-3`]);
    expect(await submissionsOf(id)).toEqual(['sandbox-a 1', 'sandbox-b 2', 'third 3']);
    await expectDelivered(1);
  });

  it('sends it where it was, and to the others under the numbers asked about', async () => {
    await offer(1);
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    await refuse(id, 1, BUSY);
    await offer(2, 3, 1);
    await backUp();
    await restore();
    expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
    for (const route of [2, 3]) {
      expect(await workNow()).toEqual([`QUERY 1-${id}-${route}`]);
      await settle();
      expect(await workNow()).toEqual([`QUERY 1-${id}-${route}`]);
    }
    expect(await submissionsOf(id)).toEqual(['sandbox-a 1', 'sandbox-b 2', 'third 3']);
    for (const route of [1, 2]) refusals.set(`1-${id}-${route}`, OUT_OF_STOCK);
    for (const route of [1, 2, 3]) expect(await workNow()).toEqual([`SUBMIT 1-${id}-${route}`]);
    await expectDelivered(1);
    expect([...effects]).toEqual([[`1-${id}-3`, 1]]);
  });
});

it('does not go past a suspended supplier that may have had it in the lost time', async () => {
  const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
  await backUp();
  await during(original.databaseUrl, async (program) => {
    expect(await program.work()).toEqual([`SUBMIT 1-${id}-1`]);
  });

  await restored.connect();
  const set = (offers: string, suspended: number) => restored.query(`with moved as (
      update offer set ${offers} where variant_id = 3 and supplier_id = 1)
    update supplier set is_suspended = (id = ${suspended})`);
  // With nobody on its route there was nobody to ask; that one comes back, suspended.
  await set('route = 3', 0);
  expect(await prepareRestored(restoredUrls().owner)).toBe(1);
  await set('route = 1', 1);
  await during(restoredUrls().program, async (program) => {
    expect(await program.leaveSuspended()).toBe(0);
    expect(await program.claimOne(id)).toBeNull();
    await set('route = 1', 0);
    expect(await program.work()).toEqual([`SUBMIT 1-${id}-1`]);
    expect(await program.work()).toEqual([]);
    await settle();
    expect(await program.work()).toEqual([`QUERY 1-${id}-1`]);
  });
  await expectDelivered(1);
  expect([...effects]).toEqual([[`1-${id}-1`, 1]]);
});

it('ends all tokens, also those of a client that logged out in the lost time', async () => {
  const familyId = randomUUID();
  const tokenId = randomUUID();
  const logIn = async (databaseUrl: string): Promise<number> => {
    const grant = await withAccess(databaseUrl, (access) => access.openFamily({
      clientId: 1, keyId: DEMO_API_KEYS[0].apiKey, familyId, tokenId, ttlSeconds: 3600,
    }));
    return grant?.generation ?? 0;
  };
  await logIn(original.databaseUrl);
  await backUp();
  const lost = await withAccess(original.databaseUrl, async (access) => {
    for (let count = 1; count <= 3; count += 1) await access.endTokens(1);
    return logIn(original.databaseUrl);
  });

  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  await withAccess(restoredUrls().program, async (access) => {
    expect(await access.rotateFamily({
      clientId: 1, familyId, tokenId, nextTokenId: randomUUID(), ttlSeconds: 3600,
    })).toBe('REFUSED');
  });
  expect(await logIn(restoredUrls().program)).toBeGreaterThan(lost);
});

async function withAccess<Result>(
  databaseUrl: string,
  run: (access: AccessStore) => Promise<Result>,
): Promise<Result> {
  const pool = createPool({
    databaseUrl, size: 4, applicationName: 'test', onError: () => undefined,
  });
  return run(createAccessStore(pool)).finally(() => pool.end());
}

it('asks further routes before it sends again to one that cannot be asked', async () => {
  // By a connection of its own: one that stays open keeps the database from being copied.
  await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
    `update supplier set can_be_queried = false, dedupes_by_reference = true
      where code = 'sandbox-a'`));
  const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
  await backUp();
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  await settle();
  await during(restoredUrls().program, async (program) => {
    const seen: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      seen.push(...await program.work());
      await settle();
    }
    expect(seen).toEqual([`QUERY 1-${id}-1`, `QUERY 1-${id}-2`, `SUBMIT 1-${id}-1`]);
  });
});

/** Over the copy, whatever the orders wait for. */
async function workNow(): Promise<string[]> {
  await restored.query("update topup_order set next_action_at = now() where status = 'PENDING'");
  return during(restoredUrls().program, (program) => program.work());
}

it('does not send again what was lost long before the backup, by "not found" at once', async () => {
  const id = await during(original.databaseUrl, async (program) => {
    const placed = await program.place();
    refusals.set(`1-${placed}-1`, { kind: 'UNKNOWN', reason: 'connection lost' });
    expect(await program.work()).toEqual([`SUBMIT 1-${placed}-1`]);
    return placed;
  });
  await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
    "update submission set resend_after = now() - interval '1 hour'"));
  await backUp();
  // In the lost time it was sent again, and that is still on its way.
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  refusals.clear();
  expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
  expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
  await settle();
  expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
  expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
  await expectDelivered(1);
});

it('does not send again by a refusal that was met before the backup', async () => {
  const down: Outcome = { kind: 'FAILED', failureCode: 'OPERATOR_UNAVAILABLE' };
  const id = await during(original.databaseUrl, async (program) => {
    const placed = await program.place();
    refusals.set(`1-${placed}-1`, down);
    answers.set(`1-${placed}-1`, down);
    expect(await program.work()).toEqual([`SUBMIT 1-${placed}-1`]);
    return placed;
  });
  await backUp();
  // In the lost time it was sent again, and that is still on its way.
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  refusals.clear();
  expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
  expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
  await settle();
  expect(await workNow()).toEqual([`QUERY 1-${id}-1`]);
  expect(await workNow()).toEqual([`SUBMIT 1-${id}-1`]);
  await expectDelivered(1);
});

describe('an order that went on to another route in the lost time', () => {
  const OUT_OF_STOCK: Outcome = { kind: 'FAILED', failureCode: 'PRODUCT_OUT_OF_STOCK' };

  async function lose(refusesOne: boolean): Promise<number> {
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    if (!refusesOne) {
      await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
        'update offer set route = 9, is_active = false where variant_id = 3 and supplier_id = 1'));
    }
    await backUp();
    await during(original.databaseUrl, async (program) => {
      if (refusesOne) refusals.set(`1-${id}-1`, OUT_OF_STOCK);
      await program.work();
      expect(await program.work()).toEqual([`SUBMIT 1-${id}-2`]);
    });
    refusals.clear();
    if (refusesOne) answers.set(`1-${id}-1`, OUT_OF_STOCK);
    await restored.connect();
    await prepareRestored(restoredUrls().owner);
    return id;
  }

  async function workOn(): Promise<string[]> {
    const done: string[] = [];
    await during(restoredUrls().program, async (program) => {
      for (let round = 0; round < 4; round += 1) {
        done.push(...await program.work());
        await settle();
      }
    });
    return done;
  }

  it.each([
    'update offer set is_active = false where variant_id = 3 and supplier_id = 2',
    'update variant set is_in_stock = false where id = 3',
    'update variant set is_active = false where id = 3',
  ])('is found there, though nobody would send it there now: %s', async (change) => {
    await lose(true);
    await restored.query(change);
    await workOn();
    await expectDelivered(1);
    expect(effects.size).toBe(1);
  });

  it('is found there where its own route is gone', async () => {
    await lose(false);
    await restored.query('update variant set is_in_stock = false where id = 3');
    await workOn();
    await expectDelivered(1);
  });

  it('is refunded once where it was found nowhere', async () => {
    const id = await during(original.databaseUrl, (program) => program.place(TWO_ROUTES));
    await backUp();
    await restored.connect();
    await prepareRestored(restoredUrls().owner);
    answers.set(`1-${id}-1`, OUT_OF_STOCK);
    refusals.set(`1-${id}-1`, OUT_OF_STOCK);
    await restored.query('update offer set is_active = false where variant_id = 3 and route = 2');
    expect((await workOn()).at(-1)).toBe(`SUBMIT 1-${id}-1`);
    const { rows } = await restored.query('select status, failure_code from topup_order');
    expect(rows).toEqual([{ status: 'FAILED', failure_code: 'PRODUCT_OUT_OF_STOCK' }]);
    expect(await findViolations(async (sql) => (await restored.query<object>(sql)).rows))
      .toEqual([]);
  });
});

it.each([
  ['was sent before the backup', true],
  ['was queued', false],
])('does not believe by callback that one that %s met one refusal only', async (_says, isSent) => {
  await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
    'update supplier set can_be_queried = false, dedupes_by_reference = false'));
  const id = await during(original.databaseUrl, async (program) => {
    const placed = await program.place();
    refusals.set(`1-${placed}-1`, { kind: 'UNKNOWN', reason: 'connection lost' });
    if (isSent) await program.work();
    return placed;
  });
  refusals.clear();
  await backUp();
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  // In the lost time the first attempt was refused by callback, and a second one delivered.
  const pool = createPool({
    databaseUrl: restoredUrls().program, size: 1, applicationName: 'test',
    onError: () => undefined,
  });
  const event = {
    supplierCode: 'sandbox-a', eventId: 'e1', supplierReference: `1-${id}-1`, bodyDigest: 'd',
  };
  const outcome: Outcome = { kind: 'FAILED', failureCode: 'OPERATOR_UNAVAILABLE' };
  const told = receiveCallback({ supplierCode: 'sandbox-a', headers: {}, body: new Uint8Array() }, {
    store: createFulfilmentStore({ pool, onMoved: () => undefined }),
    clock: systemClock,
    random: () => 0.5,
    suppliers: {
      rooms: () => ({}), find: () => ({ ...supplier, verifyCallback: () => ({ event, outcome }) }),
    },
  });
  await told.finally(() => pool.end());
  const { rows } = await restored.query('select fulfilment_state from topup_order');
  expect(rows).toEqual([{ fulfilment_state: 'REVIEW' }]);
});

it('counts a further route that it asks as one that was sent to more than once', async () => {
  await withSingleConnection(original.ownerDatabaseUrl, (client) => client.query(
    `insert into offer (variant_id, route, supplier_id, supplier_sku)
      select variant_id, 2, 2, 'SKU' from offer where route = 1 on conflict do nothing`));
  await during(original.databaseUrl, (program) => program.place());
  await backUp();
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  // Nothing is found on its own route: the further one is asked.
  await restored.query('update submission set resend_after = now()');
  await during(restoredUrls().program, (program) => program.work());
  const { rows } = await restored.query(
    'select route, state, attempt_count > 1 as is_often from submission order by route');
  expect(rows).toEqual([
    { route: 1, state: 'NOT_APPLIED', is_often: true },
    { route: 2, state: 'UNKNOWN', is_often: true },
  ]);
});

it('opens no case for a late refusal of what it was told was delivered', async () => {
  const id = await during(original.databaseUrl, (program) => program.place());
  await backUp();
  await restored.connect();
  await prepareRestored(restoredUrls().owner);
  effects.set(`1-${id}-1`, 1);
  await during(restoredUrls().program, (program) => program.work());
  expect(await tell(id, { kind: 'ASK_AGAIN', nextInMs: 0 })).toBe('NO_CHANGE');
});
