import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { withSingleConnection } from '../../src/db/single-connection.ts';
import { decideMove } from '../../src/domain/fulfil-topup-order.ts';
import type {
  ClaimedOrder, FulfilmentStore, Move, MoveResult, RecordedMove, SupplierEvent,
} from '../../src/domain/fulfilment-ports.ts';
import type { PricedOrder } from '../../src/domain/ports.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import type { FailureCode } from '../../src/domain/topup-order.ts';
import { pricedOrder } from '../support/builders.ts';
import { untilWaiting, useTestDatabase } from '../support/database.ts';
import { hashVoucherCode } from '../support/voucher-hash.ts';

const database = useTestDatabase();
let pool: pg.Pool;
let store: FulfilmentStore;
let rival: FulfilmentStore;
let rivalPool: pg.Pool;
let pricingVersion: number;

beforeAll(async () => {
  await readPricingVersion();
  const open = (): pg.Pool =>
    createPool({
      databaseUrl: database().databaseUrl,
      size: 8,
      applicationName: 'test',
      onError: () => undefined,
    });
  pool = open();
  rivalPool = open();
  store = createFulfilmentStore({ pool, onMoved: () => undefined });
  rival = createFulfilmentStore({ pool: rivalPool, onMoved: () => undefined });
});
afterAll(() => Promise.all([pool.end(), rivalPool.end()]));

async function readPricingVersion(): Promise<void> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  pricingVersion = Number(row?.version);
}

async function placeOne(over: Partial<PricedOrder> = {}): Promise<number> {
  const place = createPlaceOrder({
    pool,
    onPlaced: () => undefined,
  });
  const placed = await place(pricedOrder({ pricingVersion, ...over }));
  if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
  return placed.order.id;
}

/** Lets time pass for one order: every moment kept about it lies further back. */
async function timePasses(orderId: number, interval: string): Promise<void> {
  await database().query(
    `update topup_order set next_action_at = next_action_at - $2::interval,
      lease_until = lease_until - $2::interval, retry_until = retry_until - $2::interval,
      last_attempt_at = last_attempt_at - $2::interval where id = $1`,
    [orderId, interval],
  );
  await database().query(
    `update submission set resend_after = resend_after - $2::interval,
      last_attempt_at = last_attempt_at - $2::interval where topup_order_id = $1`,
    [orderId, interval],
  );
}

async function claim(orderId: number, from = store): Promise<ClaimedOrder> {
  const claims = await from.claimOrders({ limit: 100, rooms: {} });
  const claimed = claims.find((each) => each.orderId === orderId);
  if (claimed === undefined) throw new Error('The order was not claimed');
  return claimed;
}

function record(
  order: ClaimedOrder,
  move: Move,
  over: {
    leaseToken?: string | null;
    route?: number;
    callback?: SupplierEvent;
  } = {},
): Promise<MoveResult> {
  return store.recordMove({
    clientId: order.clientId,
    orderId: order.orderId,
    route: over.route ?? order.route,
    leaseToken: over.leaseToken === undefined ? order.leaseToken : over.leaseToken,
    move,
    callback: over.callback ?? null,
  });
}

const event = (over: Partial<SupplierEvent> = {}): SupplierEvent => ({
  supplierCode: 'sandbox-a',
  eventId: randomUUID(),
  supplierReference: '1-1-1',
  bodyDigest: 'digest',
  ...over,
});

async function look(orderId: number): Promise<Record<string, unknown>> {
  const [row] = await database().query(
    `select o.status, o.fulfilment_state as state, o.failure_code,
      (select array_agg(e.type order by e.version) from topup_order_event e
        where e.topup_order_id = o.id) as events,
      (select array_agg(t.reason order by t.id) from transfer t where t.topup_order_id = o.id)
        as transfers,
      (select array_agg(s.state order by s.route) from submission s where s.topup_order_id = o.id)
        as submissions,
      (select array_agg(c.kind order by c.kind) from reconciliation_case c
        where c.topup_order_id = o.id) as cases
    from topup_order o where o.id = $1`,
    [orderId],
  );
  return row ?? {};
}

const balance = async (): Promise<string | undefined> =>
  (await database().query<{ balance: string }>('select balance from wallet where id = 1'))[0]
    ?.balance;

const DELIVER: Move = { kind: 'DELIVER', receipt: null };
const FAIL: Move = { kind: 'FAIL', failureCode: 'INVALID_RECIPIENT' };

describe('the way of an order', () => {
  it('is claimed once, submitted and delivered, and sold once', async () => {
    const id = await placeOne();
    const [first, second] = await Promise.all([
      store.claimOrders({ limit: 100, rooms: {} }),
      rival.claimOrders({ limit: 100, rooms: {} }),
    ]);
    const claims = [...first, ...second].filter((each) => each.orderId === id);
    expect(claims).toHaveLength(1);
    const [order] = claims;
    if (order === undefined) return;
    expect(order).toMatchObject({
      action: 'SUBMIT',
      supplierCode: 'sandbox-a',
      supplierReference: `1-${id}-1`,
      supplierSku: 'pubg-uc-325',
      route: 1,
      hasNextRoute: false,
      attemptCount: 1,
    });
    expect(await record(order, { kind: 'AWAIT', nextInMs: 0 })).toBe('APPLIED');
    const asked = await claim(id);
    expect(asked.action).toBe('QUERY');
    expect(await record(asked, DELIVER)).toBe('APPLIED');
    expect(await record(asked, DELIVER)).toBe('NO_CHANGE');
    expect(await look(id)).toEqual({
      status: 'DELIVERED',
      state: null,
      failure_code: null,
      events: ['CREATED', 'SUBMITTED', 'DELIVERED'],
      transfers: ['ORDER_DEBIT', 'ORDER_SALE'],
      submissions: ['DELIVERED'],
      cases: null,
    });
  });

  it('leaves nothing in the index of due orders that only a vacuum removes', async () => {
    await database().query('alter table topup_order set (autovacuum_enabled = off)');
    await Promise.all(Array.from({ length: 50 }, () => placeOne()));
    expect((await store.claimOrders({ limit: 100, rooms: {} })).length).toBeGreaterThan(49);
    const readsOf = async (): Promise<number> => {
      // What counts as dead to everybody is found out anew with each transaction that writes.
      await database().query('select pg_current_xact_id()');
      const rows = await database().query<{ 'QUERY PLAN': string }>(`explain (analyze, costs off)
        select min(next_action_at) from topup_order
          where status = 'PENDING' and set_aside_at is distinct from next_action_at`);
      const text = rows.map((row) => row['QUERY PLAN']).join('\n');
      return Number(/Heap Fetches: ([0-9]+)/.exec(text)?.[1]);
    };
    // The first looks mark what is dead to everybody; from then on nobody reads it again.
    await expect.poll(readsOf, { timeout: 30_000 }).toBeLessThan(10);
  });

  it('refunds a failure once, to the same wallet, whoever tells it', async () => {
    const before = await balance();
    const id = await placeOne();
    const order = await claim(id);
    const results = await Promise.all([
      record(order, FAIL),
      rival.recordMove({
        clientId: 1,
        orderId: id,
        route: 1,
        leaseToken: null,
        move: FAIL,
        callback: event(),
      }),
      record(order, FAIL, { callback: event() }),
    ]);
    expect(results.filter((result) => result === 'APPLIED')).toHaveLength(1);
    expect(await balance()).toBe(before);
    expect(await look(id)).toMatchObject({
      status: 'FAILED',
      failure_code: 'INVALID_RECIPIENT',
      events: ['CREATED', 'SUBMITTED', 'FAILED'],
      transfers: ['ORDER_DEBIT', 'ORDER_REFUND'],
      submissions: ['NOT_APPLIED'],
    });
  });

  it.each([
    ['has ended meanwhile', "now() - interval '1 minute'", "now() + interval '7 days'"],
    ['has not ended', "'2099-12-31Z'", "'2099-12-31Z'"],
    ['has no end', 'null', 'null'],
  ])('gives a voucher that %s back when its order fails', async (which, endsAt, after) => {
    const codeHash = hashVoucherCode(`IT ${which}`);
    await database().query(`insert into voucher (client_id, code_hash, code_last4, value, currency,
      state) values (1, $1, 'BACK', 4.99, 'USD', 'DELIVERED')`, [codeHash]);
    const id = await placeOne({
      funding: { kind: 'VOUCHER', codeHash },
      charge: { amount: '4.99', currency: 'USD' },
      discountPercent: '0',
    });
    await database().query(
      `update voucher set expires_at = ${endsAt} where redeemed_order_id = $1`, [id]);
    await record(await claim(id), FAIL);
    const [voucher] = await database().query(
      `select redeemed_order_id, state, coalesce(expires_at
          between (${after})::timestamptz - interval '1 minute' and (${after})::timestamptz,
          expires_at is null and ${after} is null) as ends_as_told
      from voucher v join topup_order o on o.voucher_id = v.id where o.id = $1`,
      [id],
    );
    expect(voucher).toEqual({ redeemed_order_id: null, state: 'DELIVERED', ends_as_told: true });
  });

  it('retries with the same reference and counts the attempts', async () => {
    const id = await placeOne();
    const order = await claim(id);
    await record(order, { kind: 'RETRY', nextInMs: 0 });
    const again = await claim(id);
    expect(again).toMatchObject({
      action: 'SUBMIT',
      supplierReference: order.supplierReference,
      attemptCount: 2,
      backoffStep: 1,
    });
    await record(again, DELIVER);
    expect((await look(id))['events']).toEqual([
      'CREATED',
      'SUBMITTED',
      'RETRY_SCHEDULED',
      'DELIVERED',
    ]);
  });

  it('goes to the second supplier only after a definite no of the first', async () => {
    const id = await placeOne({ variantId: 3, variantName: '660 UC' });
    const order = await claim(id);
    expect(order.hasNextRoute).toBe(true);
    await record(order, { kind: 'NEXT_ROUTE' });
    const elsewhere = await claim(id);
    expect(elsewhere).toMatchObject({
      action: 'SUBMIT',
      supplierCode: 'sandbox-b',
      supplierReference: `1-${id}-2`,
      hasNextRoute: false,
    });
    // The first one changes its mind while the second is at it: a case, no second delivery.
    expect(await record(order, DELIVER, { leaseToken: null, route: 1, callback: event() })).toBe(
      'CASE_OPENED',
    );
    await record(elsewhere, DELIVER);
    expect(await look(id)).toMatchObject({
      status: 'DELIVERED',
      submissions: ['NOT_APPLIED', 'DELIVERED'],
      cases: ['SECOND_ROUTE_SUCCESS'],
      transfers: ['ORDER_DEBIT', 'ORDER_SALE'],
    });
  });
});

it('has no further route while what it is for is out of stock', async () => {
  const id = await placeOne({ variantId: 3, variantName: '660 UC' });
  await record(await claim(id), { kind: 'AWAIT', nextInMs: 0 });
  const setStock = (isInStock: boolean): Promise<unknown> =>
    database().query('update variant set is_in_stock = $1 where id = 3', [isInStock]);
  await setStock(false);
  const asked = await claim(id);
  expect(asked).toMatchObject({ action: 'QUERY', hasNextRoute: false });
  await record(asked, DELIVER);
  await setStock(true);
  // Prices go with the catalogue.
  await readPricingVersion();
});

describe('an order with a further route that nobody sells any more, and its refusal', () => {
  const REFUSALS = [
    'PRODUCT_UNAVAILABLE', 'PRODUCT_OUT_OF_STOCK', 'OPERATOR_UNAVAILABLE',
    'OPERATOR_LIMIT_EXCEEDED', 'UNKNOWN',
  ] as const;

  async function refuse(failureCode: FailureCode, isRestored: boolean): Promise<number> {
    // By voucher, as such an order ends alone: there is one way for those that end together.
    const id = await placeOne({
      variantId: 3, variantName: '660 UC', discountPercent: '0',
      funding: { kind: 'VOUCHER', codeHash: hashVoucherCode('DEMO-0499-AAAA') },
      charge: { amount: '4.99', currency: 'USD' },
    });
    const order = await claim(id);
    if (isRestored) {
      // Both were sent to before, and asked since; see after-restore.test.ts for the whole way.
      await database().query(`with noted as (
          insert into submission (client_id, topup_order_id, route, supplier_id, state,
              attempt_count, resend_after)
            select 1, $1, 2, supplier_id, 'NOT_APPLIED', 1, now() - interval '1 hour'
            from offer where variant_id = 3 and route = 2)
        update topup_order set restored_route = 1 where id = $1`, [id]);
    }
    expect(await record(order, { kind: 'FAIL', failureCode })).toBe('APPLIED');
    return id;
  }

  it.each(REFUSALS)('is asked for there after a restore, before it ends: %s', async (code) => {
    const id = await refuse(code, true);
    expect(await look(id)).toMatchObject({
      status: 'PENDING', state: 'OUTCOME_UNKNOWN', submissions: ['NOT_APPLIED', 'UNKNOWN'],
    });
    const asked = await claim(id);
    expect(asked).toMatchObject({ action: 'QUERY', supplierReference: `1-${id}-2` });
    // What was sent there in the lost time may be on its way, and was not the first attempt.
    expect(asked.attemptCount).toBeGreaterThan(2);
    expect(asked.resendInMs).toBeGreaterThan(0);
    // As nobody had it there, either: its voucher is free again.
    await database().query('update topup_order set restored_route = null where id = $1', [id]);
    expect(await record(asked, FAIL)).toBe('APPLIED');
  });

  it.each([
    ['of what no supplier can mend ends it after a restore as well', 'INVALID_RECIPIENT', true],
    ['ends it where nothing was restored', 'PRODUCT_UNAVAILABLE', false],
  ] as const)('%s', async (_says, code, isRestored) => {
    expect(await look(await refuse(code, isRestored)))
      .toMatchObject({ status: 'FAILED', failure_code: code });
  });
});

describe('a lease that ran out', () => {
  it('is taken over by asking; "not found" counts only when nothing is under way', async () => {
    const id = await placeOne();
    const dead = await claim(id);
    await timePasses(id, '4 seconds');
    const taken = await claim(id, rival);
    expect(taken.action).toBe('QUERY');
    expect(taken.leaseToken).not.toBe(dead.leaseToken);
    // Lease 4 s and deadline 2 s, twice, less the 4 s that have passed.
    expect(taken.resendInMs).toBeGreaterThan(7000);
    expect(taken.resendInMs).toBeLessThanOrEqual(8000);
    expect(await look(id)).toMatchObject({ state: 'OUTCOME_UNKNOWN', submissions: ['UNKNOWN'] });
    // The one thought dead comes back: its step is refused, its final news still counts.
    expect(await record(dead, { kind: 'RETRY', nextInMs: 0 })).toBe('STALE_LEASE');
    expect(await record(dead, DELIVER)).toBe('APPLIED');
    expect(await record(taken, DELIVER)).toBe('NO_CHANGE');
  });

  it('does not count the time in which nobody attended the order to its window', async () => {
    const id = await placeOne();
    const order = await claim(id);
    await timePasses(id, '64 seconds');
    const taken = await claim(id);
    // 20 s of window less the 4 s of the lease; the other 60 s nobody was there.
    expect(taken.windowLeftMs).toBeGreaterThan(15_000);
    expect(taken.resendInMs).toBeLessThanOrEqual(0);
    expect(order.windowLeftMs).toBeGreaterThan(19_000);
    await record(taken, DELIVER);
  });

  it('leaves its supplier the time that it may take to settle what was sent', async () => {
    const id = await placeOne();
    await database().query('update supplier set settle_window_ms = 3600000 where id = 1');
    try {
      await claim(id);
      await timePasses(id, '10 minutes');
      const taken = await claim(id);
      expect(taken.action).toBe('QUERY');
      // An hour less the ten minutes: until then "not found" is no proof.
      expect(taken.resendInMs).toBeGreaterThan(2_400_000);
      await record(taken, DELIVER);
    } finally {
      await database().query('update supplier set settle_window_ms = 1000 where id = 1');
      // Prices go with the catalogue.
      await readPricingVersion();
    }
  });

  it('nor that in which it waited to be sent again', async () => {
    const id = await placeOne();
    await record(await claim(id), { kind: 'RETRY', nextInMs: 1000 });
    await database().query(
      "update topup_order set retry_until = retry_until + interval '1 day' where id = $1", [id]);
    await timePasses(id, '2 days');
    const again = await claim(id);
    expect(again.action).toBe('SUBMIT');
    expect(again.windowLeftMs).toBeGreaterThan(12 * 3_600_000);
    await record(again, DELIVER);
  });
});

it('finds a reference for the supplier that has it, and for no other', async () => {
  const id = await placeOne();
  const order = await claim(id);
  expect(await store.findSubmission(order.supplierReference, 'sandbox-a'))
    .toMatchObject({ orderId: id });
  expect(await store.findSubmission(order.supplierReference, 'sandbox-b')).toBeNull();
  await record(order, DELIVER);
});

it('finds the route that a reference names, not the one that the order is on', async () => {
  const id = await placeOne({ variantId: 3, variantName: '660 UC' });
  const first = await claim(id);
  await record(first, { kind: 'NEXT_ROUTE' });
  const second = await claim(id);
  expect(await store.findSubmission(first.supplierReference, 'sandbox-a'))
    .toMatchObject({ route: first.route, supplierReference: first.supplierReference });
  await record(second, DELIVER);
});

describe('an order that was taken, and is lost while it is sent again', () => {
  it('is not sent a third time before the second send must have arrived', async () => {
    const id = await placeOne();
    await record(await claim(id), { kind: 'AWAIT', nextInMs: 0 });
    await record(await claim(id), { kind: 'RESEND', nextInMs: 0 });
    expect(await claim(id)).toMatchObject({ action: 'SUBMIT', isResent: true });
    await timePasses(id, '4 seconds');
    const asked = await claim(id);
    expect(asked).toMatchObject({ action: 'QUERY', wasAccepted: true });
    // Lease 4 s and deadline 2 s, twice, less the 4 s that have passed.
    expect(asked.resendInMs).toBeGreaterThan(0);
    await record(asked, DELIVER);
  });
});

describe('news after the end', () => {
  it('opens one case for a success after the refund, and changes no money', async () => {
    const id = await placeOne();
    const order = await claim(id);
    await record(order, FAIL);
    const before = await balance();
    const late = (): Promise<MoveResult> =>
      record(order, DELIVER, { leaseToken: null, callback: event() });
    expect(await Promise.all([late(), late(), late()])).toEqual(
      expect.arrayContaining(['CASE_OPENED', 'NO_CHANGE', 'NO_CHANGE']),
    );
    expect(await balance()).toBe(before);
    expect(await look(id)).toMatchObject({
      status: 'FAILED',
      cases: ['LATE_SUCCESS'],
      events: ['CREATED', 'SUBMITTED', 'FAILED', 'LATE_NEWS'],
    });
  });

  it('credits a reversal once, as its own kind, and leaves the order DELIVERED', async () => {
    const before = await balance();
    const id = await placeOne();
    const order = await claim(id);
    await record(order, DELIVER);
    const reverse = (): Promise<MoveResult> =>
      record(order, { kind: 'REVERSE' }, { leaseToken: null, callback: event() });
    await Promise.all([reverse(), reverse()]);
    expect(await balance()).toBe(before);
    expect(await look(id)).toMatchObject({
      status: 'DELIVERED',
      cases: ['REVERSAL'],
      events: ['CREATED', 'SUBMITTED', 'DELIVERED', 'REVERSED'],
      transfers: ['ORDER_DEBIT', 'ORDER_SALE', 'REVERSAL'],
    });
  });

  it('delivers and reverses where the reversal is the first that is heard', async () => {
    const id = await placeOne();
    await record(await claim(id), { kind: 'REVERSE' });
    expect((await look(id))['events']).toEqual(['CREATED', 'SUBMITTED', 'DELIVERED', 'REVERSED']);
  });

  it.each<Move>([
    { kind: 'ASK_AGAIN', nextInMs: 0 }, { kind: 'NEXT_ROUTE' }, { kind: 'RETRY', nextInMs: 9 },
    { kind: 'REVIEW', nextInMs: 9 },
  ])('keeps a refusal that passes elsewhere, of the only attempt, as a case: %j', async (move) => {
    const id = await placeOne();
    const order = await claim(id);
    await record(order, DELIVER);
    const told = { leaseToken: null, callback: event() };
    expect(await record(order, move, told)).toBe('CASE_OPENED');
    expect(await record(order, move, { ...told, callback: event() })).toBe('NO_CHANGE');
    expect(await look(id)).toMatchObject({
      status: 'DELIVERED',
      cases: ['LATE_FAILURE'],
      events: ['CREATED', 'SUBMITTED', 'DELIVERED', 'LATE_NEWS'],
      transfers: ['ORDER_DEBIT', 'ORDER_SALE'],
    });
  });

  it('takes no refusal as a case where the money is back by a reversal', async () => {
    const id = await placeOne();
    const order = await claim(id);
    await record(order, DELIVER);
    await record(order, { kind: 'REVERSE' }, { leaseToken: null, callback: event() });
    const late = { leaseToken: null, callback: event() };
    expect(await record(order, { kind: 'ASK_AGAIN', nextInMs: 0 }, late)).toBe('NO_CHANGE');
    expect((await look(id))['cases']).toEqual(['REVERSAL']);
  });

  it('takes none for one that was heard before the delivery', async () => {
    const id = await placeOne();
    const order = await claim(id);
    await record(order, { kind: 'RETRY', nextInMs: 60_000 });
    const told = { leaseToken: null, callback: event() };
    expect(await record(order, DELIVER, told)).toBe('APPLIED');
    const late = { leaseToken: null, callback: event() };
    expect(await record(order, { kind: 'ASK_AGAIN', nextInMs: 0 }, late)).toBe('NO_CHANGE');
    expect(await look(id)).toMatchObject({ status: 'DELIVERED', cases: null });
  });

  it('takes none for one that may be of an earlier attempt, or a worker\'s own step', async () => {
    const id = await placeOne();
    await record(await claim(id), { kind: 'RETRY', nextInMs: 0 });
    const order = await claim(id);
    await record(order, DELIVER);
    const step: Move = { kind: 'ASK_AGAIN', nextInMs: 0 };
    expect(await record(order, step, { leaseToken: null, callback: event() })).toBe('NO_CHANGE');
    expect(await record(order, step)).toBe('NO_CHANGE');
    expect((await look(id))['cases']).toBeNull();
  });

  it('keeps a failure after delivery as a case', async () => {
    const id = await placeOne();
    const order = await claim(id);
    await record(order, DELIVER);
    expect(await record(order, FAIL, { leaseToken: null, callback: event() })).toBe('CASE_OPENED');
    expect((await look(id))['status']).toBe('DELIVERED');
  });
});

describe('a callback', () => {
  it('has no effect twice, and is refused with the same id and another body', async () => {
    const id = await placeOne();
    const order = await claim(id);
    const once = event({ eventId: `once-${id}` });
    // What another client's order was told under the same id is another event.
    await database().query(`insert into callback (client_id, supplier_id, event_id,
      supplier_reference, body_digest) values (2, 1, $1, '2-1-1', 'of client 2')`, [once.eventId]);
    expect(await record(order, DELIVER, { leaseToken: null, callback: once })).toBe('APPLIED');
    expect(await record(order, DELIVER, { leaseToken: null, callback: once })).toBe(
      'REPEATED_EVENT',
    );
    const other = { ...once, bodyDigest: 'another' };
    expect(await record(order, DELIVER, { leaseToken: null, callback: other })).toBe(
      'CONFLICTING_EVENT',
    );
  });

  it('is refused where another process is told it of another order at that moment', async () => {
    const [one, other] = [await placeOne(), await placeOne()];
    const claims = await store.claimOrders({ limit: 100, rooms: {} });
    const told = event({ eventId: `both-${one}`, bodyDigest: `of ${one}` });
    const [first, second] = [one, other].map((id) => claims.find((each) => each.orderId === id));
    if (first === undefined || second === undefined) throw new Error('They were not claimed');
    const result = await withSingleConnection(database().ownerDatabaseUrl, async (client) => {
      await client.query('begin');
      await client.query(`insert into callback (client_id, supplier_id, event_id,
        supplier_reference, body_digest) select 1, id, $1, '1-1-1', $2 from supplier
        where code = 'sandbox-a'`, [told.eventId, told.bodyDigest]);
      const recording = record(second, DELIVER, {
        leaseToken: null, callback: { ...told, bodyDigest: `of ${other}` },
      });
      await untilWaiting(database());
      await client.query('commit');
      return recording;
    });
    expect(result).toBe('CONFLICTING_EVENT');
    expect((await look(other))['status']).toBe('PENDING');
    await record(second, DELIVER);
    await record(first, DELIVER);
  });

  it('with news that is not final is not kept while a worker holds the order', async () => {
    const id = await placeOne();
    const order = await claim(id);
    const busy = event();
    const retry: Move = { kind: 'RETRY', nextInMs: 0 };
    expect(await record(order, retry, { leaseToken: null, callback: busy })).toBe('STALE_LEASE');
    expect(
      await database().query('select 1 from callback where event_id = $1', [busy.eventId]),
    ).toEqual([]);
    await record(order, DELIVER);
  });

  it('that is not kept leaves that of another supplier with the same id', async () => {
    const [first, second] = [await placeOne(), await placeOne()];
    const claims = await store.claimOrders({ limit: 100, rooms: {} });
    const [heard, held] = [first, second].map((id) => claims.find((each) => each.orderId === id));
    if (heard === undefined || held === undefined) throw new Error('They were not claimed');
    const told = event({ eventId: `same-${first}` });
    expect(await record(heard, DELIVER, { leaseToken: null, callback: told })).toBe('APPLIED');
    const busy = { ...told, supplierCode: 'sandbox-b' };
    const retry: Move = { kind: 'RETRY', nextInMs: 0 };
    expect(await record(held, retry, { leaseToken: null, callback: busy })).toBe('STALE_LEASE');
    expect(await record(heard, DELIVER, { leaseToken: null, callback: told }))
      .toBe('REPEATED_EVENT');
    await record(held, DELIVER);
  });
});

describe('outcomes that arrive while the database', () => {
  const move = (clientId: number, callback: SupplierEvent | null = null): RecordedMove => ({
    clientId, orderId: 1, route: 1, leaseToken: null, move: DELIVER, callback,
  });

  /** A store whose calls a test answers; each call is told by the clients that have one in it. */
  function storeOver(answer: (callCount: number) => Promise<void>) {
    const calls: number[][] = [];
    const query = async (config: pg.QueryConfig): Promise<unknown> => {
      const rows = JSON.parse(String(config.values?.[0])) as
        { client_id: number; ordinal: number }[];
      calls.push(rows.map((row) => row.client_id));
      await answer(calls.length);
      return { rows: rows.map(({ ordinal }) => ({ ordinal, result: 'APPLIED' })) };
    };
    const pool = { query } as unknown as pg.Pool;
    return { store: createFulfilmentStore({ pool, onMoved: () => undefined }), calls };
  }
  const refuse = (code: string): Promise<never> =>
    Promise.reject(Object.assign(new Error('refused'), { code }));

  it('keeps a lock are recorded for each client alone at once', async () => {
    const { store: over, calls } = storeOver(async (count) => {
      if (count === 1) await refuse('55P03');
    });
    const results = await Promise.all([over.recordMove(move(1)), over.recordMove(move(2))]);
    expect(results).toEqual(['APPLIED', 'APPLIED']);
    expect(calls).toEqual([[1, 2], [1], [2]]);
  });

  it.each(['53100', '53300', '25006'])('can do nothing are not sent again: %s', async (code) => {
    const { store: over, calls } = storeOver(() => refuse(code));
    await expect(over.recordMove(move(1))).rejects.toBeInstanceOf(TemporarilyUnavailable);
    expect(calls).toEqual([[1]]);
  });

  it('hangs are kept where a supplier gave them, and refused where they come again', async () => {
    const { promise: hanging, resolve: end } = Promise.withResolvers<void>();
    const { store: over } = storeOver(() => hanging);
    const flood = Array.from({ length: 5000 }, () => over.recordMove(move(1)));
    await expect(over.recordMove(move(1, event()))).rejects.toBeInstanceOf(TemporarilyUnavailable);
    end();
    expect(new Set(await Promise.all(flood))).toEqual(new Set(['APPLIED']));
  });
});

describe('cancelling', () => {
  it('and submitting have exactly one winner', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => placeOne()));
    const cancels = ids.map(async (id) => {
      const { rows } = await rivalPool.query<{ result: string }>(
        'select cancel_order(1, $1) as result',
        [id],
      );
      return rows[0]?.result === 'CANCELLED' ? id : null;
    });
    const [claimed, cancelled] = await Promise.all([
      store.claimOrders({ limit: 100, rooms: {} }),
      Promise.all(cancels),
    ]);
    const won = new Set(cancelled.filter((id) => id !== null));
    const taken = new Set(claimed.map((order) => order.orderId));
    for (const id of ids) expect([id, won.has(id)]).toEqual([id, !taken.has(id)]);
    await Promise.all(claimed.map((order) => record(order, DELIVER)));
  });

  it('refunds, and is the same when repeated', async () => {
    const before = await balance();
    const id = await placeOne();
    const cancel = (): Promise<{ rows: { result: string }[] }> =>
      pool.query('select cancel_order(1, $1) as result', [id]);
    const results = await Promise.all([cancel(), cancel()]);
    expect(results.map(({ rows }) => rows[0]?.result)).toEqual(['CANCELLED', 'CANCELLED']);
    expect(await balance()).toBe(before);
    expect((await look(id))['events']).toEqual(['CREATED', 'CANCELLED']);
    const { rows } = await pool.query<{ result: string }>('select cancel_order(2, $1) as result', [
      id,
    ]);
    expect(rows[0]?.result).toBe('UNKNOWN_ORDER');
  });
});

describe('one submission at most', () => {
  it('is, or may be, effective', async () => {
    const id = await placeOne({ variantId: 3, variantName: '660 UC' });
    const order = await claim(id);
    await expect(
      database().query(
        `insert into submission (client_id, topup_order_id, route,
      supplier_id, state, resend_after) values (1, $1, 2, 2, 'INTENT', now())`,
        [id],
      ),
    ).rejects.toMatchObject({ constraint: 'submission_effective' });
    await record(order, DELIVER);
  });
});

describe('that an order was accepted, told unasked,', () => {
  const NOTED: Move = { kind: 'NOTE_ACCEPTED' };
  const tell = (order: ClaimedOrder, over: { route?: number } = {}): Promise<MoveResult> =>
    record(order, NOTED, { leaseToken: null, callback: event(), ...over });
  const AGAIN: Move = { kind: 'ASK_AGAIN', nextInMs: 60_000 };
  const NOT_NOW: Move = { kind: 'RETRY', nextInMs: 60_000 };

  it.each<readonly [says: string, before: readonly Move[]]>([
    ['while it is sent', []],
    ['when its answer was lost', [AGAIN]],
    ['when it was not taken, it seemed', [NOT_NOW]],
    ['when it is under review', [{ kind: 'REVIEW', nextInMs: 60_000 }]],
  ])('%s makes it one that is asked about at once', async (_says, before) => {
    const id = await placeOne();
    const order = await claim(id);
    for (const move of before) await record(order, move);
    expect(await tell(order)).toBe('APPLIED');
    expect(await look(id)).toMatchObject({
      state: 'AWAITING_SUPPLIER', submissions: ['ACCEPTED'],
    });
    const asked = await claim(id);
    expect(asked).toMatchObject({ action: 'QUERY', wasAccepted: true });
    expect(await tell(asked)).toBe('NO_CHANGE');
    // Its holder goes on as it would.
    expect(await record(asked, DELIVER)).toBe('APPLIED');
  });

  it.each<readonly [says: string, holds: 'SUBMIT' | 'QUERY', brings: Move]>([
    ['"not found" of whoever asks', 'QUERY', { kind: 'RETRY', nextInMs: 0 }],
    ['"not found" after the window', 'QUERY', { kind: 'FAIL', failureCode: 'UNKNOWN' }],
    ['"not now" of whoever sends', 'SUBMIT', NOT_NOW],
    ['nothing at all', 'SUBMIT', AGAIN],
  ])('is proof against %s', async (_says, holds, brings) => {
    const id = await placeOne();
    let held = await claim(id);
    if (holds === 'QUERY') {
      await record(held, { kind: 'ASK_AGAIN', nextInMs: 0 });
      held = await claim(id);
    }
    expect(held).toMatchObject({ action: holds, wasAccepted: false });
    expect(await tell(held)).toBe('APPLIED');
    expect(await record(held, brings)).toBe('STALE_LEASE');
    const next = await claim(id);
    expect(next).toMatchObject({ action: 'QUERY', wasAccepted: true });
    expect(await record(next, DELIVER)).toBe('APPLIED');
  });

  it('is proof against "not found" after the window in one call with it', async () => {
    const order = await claim(await placeOne());
    // What comes in one turn goes in one call.
    const told = [tell(order), record(order, { kind: 'FAIL', failureCode: 'UNKNOWN' })];
    expect(await Promise.all(told)).toEqual(['APPLIED', 'STALE_LEASE']);
    await record(order, DELIVER);
  });

  it('keeps nobody from what the supplier says of its end', async () => {
    const id = await placeOne();
    const held = await claim(id);
    await tell(held);
    expect(await record(held, DELIVER)).toBe('APPLIED');
    expect(await look(id)).toMatchObject({ status: 'DELIVERED', submissions: ['DELIVERED'] });
  });

  it('changes nothing of what has ended, goes another way, or was never sent', async () => {
    const ended = await placeOne();
    const first = await claim(ended);
    await record(first, DELIVER);
    const elsewhere = await placeOne({ variantId: 3, variantName: '660 UC' });
    const second = await claim(elsewhere);
    await record(second, { kind: 'NEXT_ROUTE' });
    const before = await Promise.all([ended, elsewhere].map(look));
    for (const each of [first, second, { ...second, route: 2 }]) {
      expect(await tell(each)).toBe('NO_CHANGE');
    }
    expect(await Promise.all([ended, elsewhere].map(look))).toEqual(before);
  });

  it('changes nothing where another route of the order is under way', async () => {
    const id = await placeOne({ variantId: 3, variantName: '660 UC' });
    await record(await claim(id), { kind: 'NEXT_ROUTE' });
    const order = await claim(id);
    await record(order, { kind: 'RETRY', nextInMs: 0 });
    // As no function of ours leaves it: the route that was given up may still be effective.
    const setFirst = (state: string): Promise<unknown> => database().query(
      'update submission set state = $2 where topup_order_id = $1 and route = 1', [id, state]);
    await setFirst('UNKNOWN');
    expect(await tell(order)).toBe('NO_CHANGE');
    expect(await look(id)).toMatchObject({
      state: 'RETRY_WAIT', submissions: ['UNKNOWN', 'NOT_APPLIED'],
    });
    await setFirst('NOT_APPLIED');
    expect(await record(await claim(id), DELIVER)).toBe('APPLIED');
  });
});

it('finds the order of a callback whatever the number of its route', async () => {
  const id = await placeOne();
  await claim(id);
  for (const route of [10, 32767]) {
    await database().query(
      `with moved as (update submission set route = $2 where topup_order_id = $1)
        update topup_order set route = $2 where id = $1`, [id, route]);
    expect(await store.findSubmission(`1-${id}-${route}`, 'sandbox-a')).toMatchObject({ route });
  }
  for (const never of ['0', '01', '32768', '99999', '100000', '1x']) {
    expect(await store.findSubmission(`1-${id}-${never}`, 'sandbox-a')).toBeNull();
  }
});

describe('an order that lies far ahead, as the clock of the database did once', () => {
  it('is taken up again, sent or not, and one that waits its hour is not', async () => {
    const unknown = await placeOne();
    await record(await claim(unknown), { kind: 'ASK_AGAIN', nextInMs: 0 });
    const [queued, patient] = [await placeOne(), await placeOne()];
    for (const id of [queued, unknown]) await timePasses(id, '-2 days');
    await timePasses(patient, '-74 minutes');
    expect(await store.recallFarOrders(1)).toBe(1);
    expect(await store.recallFarOrders(100)).toBe(1);
    expect(await store.recallFarOrders(100)).toBe(0);
    const claims = await store.claimOrders({ limit: 100, rooms: {} });
    // On a slow machine the leases of tests before may have ended.
    const ours = claims.filter(({ orderId }) => orderId >= unknown);
    expect(new Map(ours.map(({ orderId, action }) => [orderId, action])))
      .toEqual(new Map([[unknown, 'QUERY'], [queued, 'SUBMIT']]));
    // Whatever was sent then is settled soon, not in two days.
    const asked = claims.find(({ orderId }) => orderId === unknown);
    expect(asked?.resendInMs).toBeGreaterThan(0);
    expect(asked?.resendInMs).toBeLessThan(300_000);
    expect(asked?.windowLeftMs).toBeLessThan(86_400_000);
    expect((await look(patient))['state']).toBe('QUEUED');
  });

  it.each([
    ['tries again', "backoff_ms = '{14400000}'"],
    ['settles', 'settle_window_ms = 14400000'],
  ])('is left alone where its supplier %s within hours', async (_says, setting) => {
    const { query } = database();
    const kept = await query('select id, backoff_ms, settle_window_ms from supplier where id = 1');
    const id = await placeOne();
    await query(`update supplier set ${setting} where id = 1`);
    await timePasses(id, '-5 hours');
    expect(await store.recallFarOrders(100)).toBe(0);
    await timePasses(id, '-5 hours');
    expect(await store.recallFarOrders(100)).toBe(1);
    await query(`update supplier s set backoff_ms = k.backoff_ms,
        settle_window_ms = k.settle_window_ms
      from json_populate_recordset(null::supplier, $1) k where s.id = k.id`,
    [JSON.stringify(kept)]);
    await readPricingVersion();
    await record(await claim(id), DELIVER);
  });

  it('still has its send after the window before it', async () => {
    const id = await placeOne();
    await record(await claim(id), { kind: 'ASK_AGAIN', nextInMs: 0 });
    await timePasses(id, '-2 days');
    expect(await store.recallFarOrders(100)).toBe(1);
    const asked = await claim(id);
    expect(asked).toMatchObject({ action: 'QUERY', isTriedAfterWindow: false });
    await record(asked, DELIVER);
  });
});

it('is not sent a second time after its window, but ends', async () => {
  const id = await placeOne();
  await record(await claim(id), { kind: 'ASK_AGAIN', nextInMs: 0 });
  await database().query(`with settled as (
      update submission set resend_after = now() where topup_order_id = $1)
    update topup_order set retry_until = last_attempt_at - interval '1 hour' where id = $1`, [id]);
  const asked = await claim(id);
  expect(asked).toMatchObject({ action: 'QUERY', isTriedAfterWindow: true });
  const move = decideMove(asked, { kind: 'NOT_FOUND' }, () => 0.5);
  expect(move).toMatchObject({ kind: 'FAIL' });
  await record(asked, move);
  expect(await look(id)).toMatchObject({
    status: 'FAILED', transfers: ['ORDER_DEBIT', 'ORDER_REFUND'],
  });
});

it('is taken by a request only while it is queued', async () => {
  const [id, cancelled] = [await placeOne(), await placeOne()];
  const order = await store.claimOrder(1, id);
  expect(order).toMatchObject({ action: 'SUBMIT', orderId: id });
  expect(await rival.claimOrder(1, id)).toBeNull();
  await pool.query('select cancel_order(1, $1)', [cancelled]);
  expect(await store.claimOrder(1, cancelled)).toBeNull();
  if (order !== null) await record(order, DELIVER);
});

it('does not end by a refusal, told unasked, of what is to be sent again', async () => {
  const id = await placeOne();
  const order = await claim(id);
  await record(order, { kind: 'RETRY', nextInMs: 60_000 });
  const refusal: Move = { kind: 'FAIL', failureCode: 'INVALID_RECIPIENT' };
  expect(await record(order, refusal, { leaseToken: null, callback: event() })).toBe('NO_CHANGE');
  expect(await look(id)).toMatchObject({ status: 'PENDING', transfers: ['ORDER_DEBIT'] });
});

it.each<readonly [says: string, before: readonly Move[], result: MoveResult]>([
  ['it was refused', [{ kind: 'RETRY', nextInMs: 60_000 }], 'NO_CHANGE'],
  ['it was taken', [{ kind: 'AWAIT', nextInMs: 0 }, { kind: 'RESEND', nextInMs: 9 }], 'APPLIED'],
  ['it was lost', [{ kind: 'ASK_AGAIN', nextInMs: 0 }, { kind: 'RESEND', nextInMs: 9 }],
    'APPLIED'],
])('hears a step, told unasked, only of what may be there, to be sent again as it is: %s',
  async (_says, before, result) => {
    const id = await placeOne();
    for (const move of before) await record(await claim(id), move);
    expect(await store.recordMove({
      clientId: 1, orderId: id, route: 1, leaseToken: null, callback: event(),
      move: { kind: 'REVIEW', nextInMs: 60_000 },
    })).toBe(result);
  });

describe("a holder's refusal that comes late", () => {
  const REFUSAL: Move = { kind: 'FAIL', failureCode: 'INVALID_RECIPIENT' };

  it('ends the order as long as nobody took over', async () => {
    const id = await placeOne();
    const order = await claim(id);
    await timePasses(id, '1 hour');
    expect(await record(order, REFUSAL)).toBe('APPLIED');
    expect(await look(id)).toMatchObject({ status: 'FAILED' });
  });

  it.each<readonly [says: string, then: Move | null]>([
    ['is sent anew', null],
    ['was taken since', { kind: 'AWAIT', nextInMs: 0 }],
    ['was lost since', { kind: 'ASK_AGAIN', nextInMs: 0 }],
  ])('does not end one that %s', async (_says, then) => {
    const id = await placeOne();
    const first = await claim(id);
    await timePasses(id, '1 hour');
    await record(await claim(id), { kind: 'RETRY', nextInMs: 0 });
    const second = await claim(id);
    expect(second).toMatchObject({ action: 'SUBMIT', attemptCount: 2 });
    if (then !== null) await record(second, then);
    expect(await record(first, REFUSAL)).toBe('STALE_LEASE');
    expect(await look(id)).toMatchObject({ status: 'PENDING', transfers: ['ORDER_DEBIT'] });
    const last = then === null ? second : await claim(id);
    expect(await record(last, DELIVER)).toBe('APPLIED');
  });
});

it('expects an order by the usual, though one of its product was held for a year', async () => {
  const expectedInMs = async (): Promise<number> => {
    const [row] = await database().query<{ expected_ms: number }>(
      'select expected_ms from delivery_pace where product_id = 4218');
    return row?.expected_ms ?? NaN;
  };
  const deliverAfter = async (span: string, move: Move = DELIVER): Promise<void> => {
    const orderId = await placeOne();
    await database().query(
      'update topup_order set created_at = created_at - $2::interval where id = $1',
      [orderId, span]);
    await record(await claim(orderId), move);
    await database().query('select number_events(1000)');
  };
  await database().query('select number_events(1000); delete from delivery_pace');
  for (const span of ['1 s', '1 s', '400 days']) await deliverAfter(span);
  expect(await expectedInMs()).toBeLessThan(2 * 60_000);
  // Those that are not delivered say nothing of the time that it takes.
  const usualMs = await expectedInMs();
  for (const span of ['1 s', '10 minutes']) await deliverAfter(span, FAIL);
  expect(await expectedInMs()).toBe(usualMs);
  // What takes longer for good is expected later, all the same.
  for (let n = 0; n < 12; n += 1) await deliverAfter('10 minutes');
  expect(await expectedInMs()).toBeGreaterThan(10 * 60_000);
});

it('opens no case for a step of a worker, of what a callback delivered meanwhile', async () => {
  const id = await placeOne();
  const order = await claim(id);
  await record(order, DELIVER, { leaseToken: null, callback: event() });
  expect(await record(order, { kind: 'ASK_AGAIN', nextInMs: 0 })).toBe('NO_CHANGE');
  expect((await look(id))['cases']).toBeNull();
});
