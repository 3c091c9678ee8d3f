import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { decideMove } from '../../src/domain/fulfil-topup-order.ts';
import type {
  ClaimedOrder, FulfilmentStore, MoveResult, OrderAtSupplier, Outcome,
} from '../../src/domain/fulfilment-ports.ts';
import { decideAfterCallback } from '../../src/domain/receive-callback.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';

/** What becomes of an order under way when its catalogue changes. */

const database = useTestDatabase();
let pool: pg.Pool;
let store: FulfilmentStore;

beforeAll(() => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 8, applicationName: 'test', onError: () => undefined,
  });
  store = createFulfilmentStore({ pool, onMoved: () => undefined });
});
afterAll(() => pool.end());

const VARIANT = 3;
const A = 1;
const B = 2;
const C = 9;
const D = 10;
type Offer = readonly [route: number, supplierId: number, sku: string];

/** As an import does it: two routes may change places. */
async function offer(...offers: readonly Offer[]): Promise<void> {
  await database().query('delete from offer where variant_id = $1', [VARIANT]);
  for (const [route, supplierId, sku] of offers) {
    await database().query(`insert into offer (variant_id, route, supplier_id, supplier_sku)
      values ($1, $2, $3, $4)`, [VARIANT, route, supplierId, sku]);
  }
}

beforeEach(async () => {
  await offer([1, A, 'sku-a'], [2, B, 'sku-b']);
  await database().query(`update supplier set is_suspended = false, can_be_queried = true,
    dedupes_by_reference = true`);
  await setVariant({ isActive: true, isInStock: true });
  await database().query(`insert into supplier (id, code, base_url) values
    (${C}, 'third', 'http://127.0.0.1:1'), (${D}, 'fourth', 'http://127.0.0.1:1')
    on conflict do nothing`);
});

async function setVariant({ isActive = true, isInStock = true }): Promise<void> {
  await database().query('update variant set is_active = $2, is_in_stock = $3 where id = $1',
    [VARIANT, isActive, isInStock]);
}

async function placeOne(): Promise<number> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const placed = await createPlaceOrder({ pool, onPlaced: () => undefined })(pricedOrder({
    pricingVersion: Number(row?.version),
    faceValue: { amount: '0.99', currency: 'USD' },
    charge: { amount: '0.01', currency: 'USD' },
    variantId: VARIANT,
    variantName: '660 UC',
  }));
  if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
  return placed.order.id;
}

/** Claims the order, past all that it waits for; null where it stays where it is. */
async function claim(id: number): Promise<ClaimedOrder | null> {
  await database().query("update topup_order set next_action_at = now() + interval '1 hour'"
    + " where status = 'PENDING'");
  await database().query('update topup_order set next_action_at = now() where id = $1', [id]);
  await database().query("update submission set resend_after = now() - interval '1 s'");
  const claims = await store.claimOrders({ limit: 100, rooms: {} });
  return claims.find(({ orderId }) => orderId === id) ?? null;
}

/** These and no others. */
async function suspend(...suppliers: readonly number[]): Promise<void> {
  await database().query('update supplier set is_suspended = (id = any ($1))', [suppliers]);
}

/** How many were found that can leave their supplier, with no other order due. */
async function leave(id: number): Promise<number> {
  await database().query("update topup_order set next_action_at = now() + interval '1 hour'"
    + " where status = 'PENDING' and id <> $1", [id]);
  await database().query('update topup_order set next_action_at = now() where id = $1', [id]);
  return store.leaveSuspendedSuppliers(100);
}

async function step(id: number, outcome: Outcome): Promise<ClaimedOrder> {
  const order = await claim(id);
  if (order === null) throw new Error('The order cannot be claimed');
  const { clientId, orderId, route, leaseToken } = order;
  const move = decideMove(order, outcome, () => 0.5);
  await store.recordMove({ clientId, orderId, route, leaseToken, move, callback: null });
  return order;
}

/** It was with the second supplier once, which has it no more. */
async function hadBySecond(id: number): Promise<void> {
  await database().query(`insert into submission (client_id, topup_order_id, route, supplier_id,
    state, resend_after) values (1, $1, 2, $2, 'NOT_APPLIED', now())`, [id, B]);
}

const seenOf = ({ action, supplierCode, supplierSku, supplierReference }: ClaimedOrder): string =>
  `${action} ${supplierCode} ${supplierSku} ${supplierReference.replace(/^1-\d+-/, '')}`;

async function look(id: number): Promise<unknown> {
  const [row] = await database().query(`select status, fulfilment_state as state, array(
      select t.reason from transfer t where t.topup_order_id = o.id order by t.id) as transfers
    from topup_order o where id = $1`, [id]);
  return row;
}

const TRANSIENT: Outcome = { kind: 'TRANSIENT', reason: 'HTTP 429', retryAfterMs: null };
const ACCEPTED: Outcome = { kind: 'ACCEPTED' };
const NOT_FOUND: Outcome = { kind: 'NOT_FOUND' };
const LOST: Outcome = { kind: 'UNKNOWN', reason: 'connection lost' };
const DELIVERED: Outcome = { kind: 'DELIVERED', receipt: null };
const OUT_OF_STOCK: Outcome = { kind: 'FAILED', failureCode: 'PRODUCT_OUT_OF_STOCK' };
const delivered = { status: 'DELIVERED', state: null, transfers: ['ORDER_DEBIT', 'ORDER_SALE'] };
const pending = (state: string) => ({ status: 'PENDING', state, transfers: ['ORDER_DEBIT'] });

/** What a supplier tells of an order unasked; `seen` is as it was looked up before. */
function tell(seen: OrderAtSupplier, outcome: Outcome): Promise<MoveResult> {
  const { clientId, orderId, route, supplierCode, supplierReference } = seen;
  return store.recordMove({
    clientId, orderId, route, leaseToken: null,
    move: decideAfterCallback(seen, outcome, () => 0.5),
    callback: { supplierCode, supplierReference, eventId: randomUUID(), bodyDigest: 'digest' },
  });
}

async function find({ supplierReference, supplierCode }: ClaimedOrder): Promise<OrderAtSupplier> {
  const found = await store.findSubmission(supplierReference, supplierCode);
  if (found === null) throw new Error('The submission is not known');
  return found;
}

async function submissionsOf(id: number): Promise<readonly string[]> {
  const rows = await database().query<{ said: string }>(`select route || ' ' || state || ' '
    || attempt_count as said from submission where topup_order_id = $1 order by route`, [id]);
  return rows.map(({ said }) => said);
}

describe('an order that left a suspended supplier, which tells then that it has it,', () => {
  async function placeAndLeave(): Promise<{ readonly id: number; readonly first: ClaimedOrder }> {
    const id = await placeOne();
    const first = await step(id, LOST);
    await step(id, NOT_FOUND);
    await suspend(A);
    expect(await leave(id)).toBe(1);
    return { id, first };
  }

  it('goes back while it waits to be sent elsewhere, and may go on from there', async () => {
    const { id, first } = await placeAndLeave();
    expect(await submissionsOf(id)).toEqual(['1 NOT_APPLIED 1', '2 NOT_APPLIED 0']);
    expect(await tell(await find(first), ACCEPTED)).toBe('APPLIED');
    expect(await submissionsOf(id)).toEqual(['1 ACCEPTED 1']);
    expect(await leave(id)).toBe(0);
    const asked = await step(id, OUT_OF_STOCK);
    expect([seenOf(asked), asked.wasAccepted, asked.hasNextRoute])
      .toEqual(['QUERY sandbox-a sku-a 1', true, true]);
    expect(seenOf(await step(id, TRANSIENT))).toBe('SUBMIT sandbox-b sku-b 2');
    // It was sent there, in vain: that stays known.
    expect(await tell(await find(first), ACCEPTED)).toBe('APPLIED');
    expect(await submissionsOf(id)).toEqual(['1 ACCEPTED 1', '2 NOT_APPLIED 1']);
    expect(seenOf(await step(id, DELIVERED))).toBe('QUERY sandbox-a sku-a 1');
    expect(await look(id)).toEqual(delivered);
  });

  it('stays where it may be effective', async () => {
    const { id, first } = await placeAndLeave();
    await step(id, LOST);
    expect(await tell(await find(first), ACCEPTED)).toBe('NO_CHANGE');
    expect(await submissionsOf(id)).toEqual(['1 NOT_APPLIED 1', '2 UNKNOWN 1']);
    expect(seenOf(await step(id, DELIVERED))).toBe('QUERY sandbox-b sku-b 2');
  });

  it('goes back to none that cannot be asked, or is not suspended', async () => {
    const { id, first } = await placeAndLeave();
    await database().query('update supplier set can_be_queried = false where id = $1', [A]);
    expect(await tell(await find(first), ACCEPTED)).toBe('NO_CHANGE');
    await database().query('update supplier set can_be_queried = true');
    await suspend();
    expect(await tell(await find(first), ACCEPTED)).toBe('NO_CHANGE');
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-b sku-b 2');
  });

  it('goes back to none that never had it', async () => {
    const id = await placeOne();
    await suspend(A);
    expect(await leave(id)).toBe(1);
    const never = { clientId: 1, orderId: id, route: 1, leaseToken: null };
    expect(await store.recordMove({ ...never, move: { kind: 'NOTE_ACCEPTED' }, callback: null }))
      .toBe('NO_CHANGE');
    expect(await submissionsOf(id)).toEqual(['1 NOT_APPLIED 0', '2 NOT_APPLIED 0']);
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-b sku-b 2');
  });
});

describe('a refusal of the first attempt, told while a later one has begun,', () => {
  beforeEach(async () => {
    await database().query('update supplier set can_be_queried = false where id = $1', [A]);
  });

  const UNAVAILABLE: Outcome = { kind: 'FAILED', failureCode: 'OPERATOR_UNAVAILABLE' };
  it.each<readonly [says: string, routes: readonly Offer[], outcome: Outcome]>([
    ['takes it to no other supplier', [[1, A, 'sku-a'], [2, B, 'sku-b']], OUT_OF_STOCK],
    ['does not end it', [[1, A, 'sku-a']], OUT_OF_STOCK],
    ['does not have it sent again as if nothing was sent', [[1, A, 'sku-a']], UNAVAILABLE],
  ])('%s', async (_says, routes, outcome) => {
    await offer(...routes);
    const id = await placeOne();
    const first = await step(id, LOST);
    const seen = await find(first);
    // Meanwhile, as the callback waits for locks of others. It is asked by sending the same.
    await step(id, NOT_FOUND);
    expect(seenOf(await step(id, LOST))).toBe('SUBMIT sandbox-a sku-a 1');
    expect(await tell(seen, outcome)).toBe('STALE_LEASE');
    expect(await submissionsOf(id)).toEqual(['1 UNKNOWN 2']);
    // Told again it is looked at anew.
    expect(await tell(await find(first), outcome)).toBe('APPLIED');
    expect(await submissionsOf(id)).toEqual(['1 UNKNOWN 2']);
    await step(id, NOT_FOUND);
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-a sku-a 1');
    // Once it has ended it is heard, whatever was seen before.
    expect(await tell(seen, outcome)).not.toBe('STALE_LEASE');
  });

  it('is believed where no later one has begun', async () => {
    const id = await placeOne();
    const first = await step(id, LOST);
    expect(await tell(await find(first), OUT_OF_STOCK)).toBe('APPLIED');
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-b sku-b 2');
  });

  it('is believed of several attempts where no later one could do better', async () => {
    const id = await placeOne();
    const first = await step(id, LOST);
    const seen = await find(first);
    await step(id, NOT_FOUND);
    await step(id, LOST);
    expect(await tell(seen, { kind: 'FAILED', failureCode: 'INVALID_RECIPIENT' })).toBe('APPLIED');
    expect(await look(id)).toMatchObject({ status: 'FAILED' });
  });
});

describe('an order whose routes change places', () => {
  it.each([
    ['was not taken', [TRANSIENT]],
    ['was lost on the way', [LOST, NOT_FOUND]],
  ])('goes to the supplier that it was given to, by that one\'s name of the product, where it %s',
    async (_, outcomes) => {
      const id = await placeOne();
      for (const outcome of outcomes) await step(id, outcome);
      await offer([1, B, 'sku-b'], [2, A, 'new-sku-a']);
      expect(seenOf(await step(id, TRANSIENT))).toBe('SUBMIT sandbox-a new-sku-a 1');
      expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-a new-sku-a 1');
      expect(await look(id)).toEqual(delivered);
    });

  it('goes on to the one that did not have it, under a number of its own', async () => {
    const id = await placeOne();
    await step(id, TRANSIENT);
    await offer([1, B, 'sku-b'], [2, A, 'sku-a']);
    const first = await step(id, OUT_OF_STOCK);
    expect([seenOf(first), first.hasNextRoute]).toEqual(['SUBMIT sandbox-a sku-a 1', true]);
    const second = await step(id, OUT_OF_STOCK);
    expect([seenOf(second), second.hasNextRoute]).toEqual(['SUBMIT sandbox-b sku-b 2', false]);
    expect(await look(id)).toMatchObject({ status: 'FAILED' });
  });

  it('goes where it was decided to go, though it waited for that', async () => {
    const id = await placeOne();
    await step(id, OUT_OF_STOCK);
    await offer([1, B, 'sku-b'], [2, A, 'sku-a']);
    const order = await step(id, DELIVERED);
    expect([seenOf(order), order.hasNextRoute]).toEqual(['SUBMIT sandbox-b sku-b 2', false]);
    expect(await look(id)).toEqual(delivered);
  });

  it('does not go back to the one that did not have it where the next one sells it no more',
    async () => {
      const id = await placeOne();
      await step(id, OUT_OF_STOCK);
      await database().query('update offer set is_active = false where supplier_id = $1', [B]);
      const order = await claim(id);
      expect([order?.action, order?.hasNextRoute]).toEqual(['NO_ROUTE', false]);
    });

  it('goes on under a number that no supplier knows it by', async () => {
    const id = await placeOne();
    await step(id, TRANSIENT);
    await hadBySecond(id);
    await offer([1, A, 'sku-a'], [2, C, 'sku-c'], [3, B, 'sku-b']);
    await step(id, OUT_OF_STOCK);
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT third sku-c 3');
  });

  it('stays with its second supplier when that becomes the first one', async () => {
    const id = await placeOne();
    await step(id, OUT_OF_STOCK);
    await step(id, TRANSIENT);
    await offer([1, B, 'sku-b']);
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-b sku-b 2');
  });

  it('waits for its own supplier where that is suspended, and for no other', async () => {
    const id = await placeOne();
    await step(id, TRANSIENT);
    await offer([1, B, 'sku-b'], [2, A, 'sku-a']);
    await database().query('update supplier set is_suspended = true where id = $1', [A]);
    // The other one was renumbered: behind its own route there is none.
    expect(await leave(id)).toBe(0);
    expect(await claim(id)).toBeNull();
    await database().query('update supplier set is_suspended = (id = $1)', [B]);
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-a sku-a 1');
  });

  it('goes past a suspended supplier that has it not, to one that sells the same', async () => {
    await suspend(A);
    const fresh = await placeOne();
    expect(await leave(fresh)).toBe(1);
    expect(await leave(fresh)).toBe(0);
    const first = await step(fresh, OUT_OF_STOCK);
    expect([seenOf(first), first.hasNextRoute]).toEqual(['SUBMIT sandbox-b sku-b 2', false]);
    expect(await look(fresh)).toMatchObject({ status: 'FAILED' });

    await suspend();
    const refused = await placeOne();
    await step(refused, TRANSIENT);
    await suspend(A);
    expect(await leave(refused)).toBe(1);
    // It does not come back, whatever becomes of the two.
    await suspend(B);
    expect(await leave(refused)).toBe(0);
    expect(await claim(refused)).toBeNull();
    await suspend();
    expect(seenOf(await step(refused, TRANSIENT))).toBe('SUBMIT sandbox-b sku-b 2');
    expect(seenOf(await step(refused, DELIVERED))).toBe('SUBMIT sandbox-b sku-b 2');
  });

  it('stays where it went from a suspended supplier when routes change places before it is sent',
    async () => {
      const id = await placeOne();
      await suspend(A);
      expect(await leave(id)).toBe(1);
      await offer([1, B, 'sku-b'], [2, A, 'sku-a']);
      expect(seenOf(await step(id, TRANSIENT))).toBe('SUBMIT sandbox-b sku-b 2');
      await suspend();
      const order = await step(id, DELIVERED);
      expect([seenOf(order), order.hasNextRoute]).toEqual(['SUBMIT sandbox-b sku-b 2', false]);
    });

  it('does not leave a suspended supplier for one that did not have it', async () => {
    const id = await placeOne();
    await step(id, OUT_OF_STOCK);
    await step(id, TRANSIENT);
    await offer([2, B, 'sku-b'], [3, A, 'sku-a']);
    await suspend(B);
    expect(await leave(id)).toBe(0);
    await suspend();
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-b sku-b 2');
  });

  it('does not leave it under a number that another supplier knows it by', async () => {
    const id = await placeOne();
    await step(id, TRANSIENT);
    await hadBySecond(id);
    await offer([1, A, 'sku-a'], [2, C, 'sku-c']);
    await suspend(A);
    expect(await leave(id)).toBe(0);
    await suspend();
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-a sku-a 1');
  });

  it('does not leave it while what it is for is out of stock everywhere', async () => {
    const id = await placeOne();
    await setVariant({ isInStock: false });
    await suspend(A);
    expect(await leave(id)).toBe(0);
    await setVariant({ isInStock: true });
    await suspend();
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-a sku-a 1');
  });

  it('waits anew from the first step of the ladder at the one that it leaves for', async () => {
    await offer([1, A, 'sku-a'], [2, B, 'sku-b'], [3, C, 'sku-c']);
    const id = await placeOne();
    for (let nth = 0; nth < 3; nth += 1) await step(id, TRANSIENT);
    await suspend(A);
    expect(await leave(id)).toBe(1);
    const order = await step(id, DELIVERED);
    expect([seenOf(order), order.backoffStep]).toEqual(['SUBMIT sandbox-b sku-b 2', 0]);
  });

  it('does not go back to a route that it passed while nobody sold it there', async () => {
    await offer([1, A, 'sku-a'], [2, B, 'sku-b'], [3, C, 'sku-c'], [4, D, 'sku-d']);
    await database().query('update offer set is_active = false where supplier_id = $1', [B]);
    const id = await placeOne();
    await step(id, OUT_OF_STOCK);
    await database().query('update offer set is_active = true where supplier_id = $1', [B]);
    // One behind could have it, but for being withdrawn: it is looked at, and stays.
    await database().query('update offer set is_active = false where supplier_id = $1', [D]);
    await suspend(C);
    expect(await leave(id)).toBe(0);
    await suspend();
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT third sku-c 3');
  });

  it('keeps the time that it waited for a suspended supplier out of its window', async () => {
    const id = await placeOne();
    await step(id, TRANSIENT);
    const left = async (): Promise<number> => {
      const [row] = await database().query<{ ms: number }>(`select (extract(epoch from
        retry_until - next_action_at) * 1000)::float8 as ms from topup_order where id = $1`, [id]);
      return row?.ms ?? NaN;
    };
    await database().query('update topup_order set next_action_at = now() - interval \'1 minute\','
      + ' retry_until = now() + interval \'10 s\' where id = $1', [id]);
    await suspend(A);
    expect(await store.leaveSuspendedSuppliers(100)).toBe(1);
    expect(await left()).toBeGreaterThanOrEqual(69_000);
    await suspend();
    await step(id, DELIVERED);
  });

  it.each([['was taken', ACCEPTED], ['may have arrived', LOST]])(
    'stays with a suspended supplier where it %s', async (_, outcome) => {
      const id = await placeOne();
      await step(id, outcome);
      await suspend(A);
      expect(await leave(id)).toBe(0);
      expect(seenOf(await step(id, DELIVERED))).toBe('QUERY sandbox-a sku-a 1');
    });

  it('waits for a suspended supplier where only suspended ones sell it', async () => {
    const id = await placeOne();
    await suspend(A, B);
    expect(await leave(id)).toBe(0);
    expect(await store.claimOrder(1, id)).toBeNull();
    await suspend();
    expect(seenOf(await step(id, DELIVERED))).toBe('SUBMIT sandbox-a sku-a 1');
  });

  it('goes past a suspended supplier from a request as well', async () => {
    await suspend(A);
    expect(await store.claimOrder(1, await placeOne())).toMatchObject({
      action: 'SUBMIT', supplierCode: 'sandbox-b', supplierSku: 'sku-b', route: 2,
    });
  });

  it('finds those with a way past a suspended supplier behind any number without', async () => {
    await offer([1, A, 'sku-a']);
    await suspend(A);
    for (let nth = 0; nth < 5; nth += 1) await placeOne();
    const resent = await placeOne();
    await suspend();
    await database().query('update supplier set can_be_queried = false');
    await step(resent, LOST);
    await step(resent, NOT_FOUND);
    expect(await look(resent)).toEqual(pending('RETRY_WAIT'));
    await suspend(A);
    await offer([1, A, 'sku-a'], [2, B, 'sku-b']);
    await database().query("update topup_order set variant_id = 2 where status = 'PENDING'"
      + ' and id <> $1', [resent]);
    const last = await placeOne();
    await database().query("update topup_order set next_action_at = now() - interval '1 s'"
      + " where status = 'PENDING' and id <> $1", [last]);
    expect(await store.leaveSuspendedSuppliers(1)).toBe(1);
    expect(seenOf(await step(last, DELIVERED))).toBe('SUBMIT sandbox-b sku-b 2');
    await suspend();
  });

  it('does not wait for a supplier that sells it no more', async () => {
    const ids = [await placeOne(), await placeOne()];
    await database().query('update offer set is_active = false where supplier_id = $1', [A]);
    await database().query("update topup_order set next_action_at = now() where status = 'PENDING'"
      + ' and id = any ($1)', [ids]);
    await suspend(A);
    const claims = await store.claimOrders({ limit: 100, rooms: { 'sandbox-a': 0 } });
    expect(claims.map(({ orderId, action, hasNextRoute }) => [orderId, action, hasNextRoute]))
      .toEqual(ids.map((id) => [id, 'NO_ROUTE', true]));
    await suspend();
    await database().query('update offer set is_active = true');
    await database().query("update topup_order set next_action_at = now() + interval '1 hour'"
      + " where status = 'PENDING'");
  });

  it('counts to the room of its own supplier', async () => {
    const id = await placeOne();
    await step(id, TRANSIENT);
    await offer([1, B, 'sku-b'], [2, A, 'sku-a']);
    await database().query('update topup_order set next_action_at = now() where id = $1', [id]);
    expect(await store.claimOrders({ limit: 100, rooms: { 'sandbox-a': 0 } })).toEqual([]);
    expect(await store.claimOrders({ limit: 100, rooms: { 'sandbox-b': 0 } })).toHaveLength(1);
    await step(id, DELIVERED);
  });
});

describe('an order that only sending again can tell of', () => {
  const delist = (isActive: boolean): Promise<void> => setVariant({ isActive });

  it.each([['was taken', ACCEPTED], ['may have arrived', LOST]])(
    'is neither failed nor sent while nobody sells it, where it %s', async (_, outcome) => {
      await database().query('update supplier set can_be_queried = false');
      const id = await placeOne();
      await step(id, outcome);
      await step(id, NOT_FOUND);
      expect(await look(id)).toEqual(pending('RETRY_WAIT'));
      await delist(false);
      for (let nth = 0; nth < 3; nth += 1) {
        expect(seenOf(await step(id, NOT_FOUND))).toBe('QUERY sandbox-a  1');
        expect(await look(id)).toEqual(pending('REVIEW'));
      }
      await delist(true);
      await step(id, NOT_FOUND);
      const again = await step(id, TRANSIENT);
      expect([seenOf(again), again.isResent]).toEqual(['SUBMIT sandbox-a sku-a 1', true]);
      await delist(false);
      await step(id, NOT_FOUND);
      expect(await look(id)).toEqual(pending('REVIEW'));
      await delist(true);
      await step(id, NOT_FOUND);
      await step(id, DELIVERED);
      expect(await look(id)).toEqual(delivered);
    });

  it('is no proof either that a supplier forgot what it had taken', async () => {
    const id = await placeOne();
    await step(id, ACCEPTED);
    await step(id, NOT_FOUND);
    expect(await claim(id)).toMatchObject({ action: 'SUBMIT', isResent: true });
    // The process that was to send it died; another one asks, and it was taken all the same.
    const taken = await step(id, NOT_FOUND);
    expect([taken.action, taken.wasAccepted]).toEqual(['QUERY', true]);
    await delist(false);
    await step(id, NOT_FOUND);
    expect(await look(id)).toEqual(pending('REVIEW'));
    await step(id, DELIVERED);
    expect(await look(id)).toEqual(delivered);
  });

  it.each<[string, Outcome, object]>([
    ['failure', { kind: 'FAILED', failureCode: 'RECIPIENT_BARRED' }, { status: 'FAILED',
      state: null, transfers: ['ORDER_DEBIT', 'ORDER_REFUND'] }],
    ['success', DELIVERED, delivered],
  ])('hears of its %s while it waits to be sent', async (_, outcome, expected) => {
    await database().query('update supplier set can_be_queried = false');
    const id = await placeOne();
    const order = await step(id, ACCEPTED);
    await step(id, NOT_FOUND);
    expect(await look(id)).toEqual(pending('RETRY_WAIT'));
    const told: MoveResult = await store.recordMove({
      clientId: 1, orderId: id, route: 1, leaseToken: null,
      move: decideMove(order, outcome, () => 0.5),
      callback: {
        supplierCode: 'sandbox-a', eventId: randomUUID(), bodyDigest: 'digest',
        supplierReference: `1-${id}-1`,
      },
    });
    expect(told).toBe('APPLIED');
    expect(await look(id)).toEqual(expected);
  });
});
