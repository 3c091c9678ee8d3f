/*
 * Races that an order may be in, and the tests that show how each one ends.
 *
 * R1  callback before the submit's answer     worker/callback-races: before the answer
 * R2  callback before our commit              domain/fulfil-topup-order: an order not known;
 *                                             no send precedes its commit: processes/crash-matrix
 * R3  cancel against submit                   db/fulfilment: cancelling; db/contention: a storm
 * R4  crash before the call                   processes/crash-matrix: at CLAIMED
 * R5  crash after the call, before the record processes/crash-matrix: at HTTP_SENT, at ANSWERED
 * R6  a stopped worker wakes after takeover   processes/several: stands still
 * R7  answer and callback contradict          worker/callback-races: contradicts; before it is
 * R8  callbacks and poll at once              worker/callback-races: many at once
 * R9  callback out of order                   worker/callback-races: out of order
 * R10 success after the refund                db/fulfilment: opens one case; recipient 25
 * R11 reversal after success                  db/fulfilment: credits a reversal once; recipient 27
 * R12 refund and new debit                    db/contention: a wallet
 * R13 voucher of a failing order              db/contention: a voucher
 * R14 price changes before the insert         api/unsteady-database: prices; domain and
 *                                             db/place-orders: STALE
 * R15 client repeats a running request        db/contention: a client that repeats
 * R16 commit unknown                          db/place-orders: COMMIT; here: repeated while the
 *                                             first is at it; api/unsteady-database: cut
 * R17 subscriber between snapshot and event   api/topup-order-updated; processes/several
 * R18 mail after a crash                      worker/mail: drops the line; worker died
 * R19 failover                                campaign/failover: with a synchronous standby
 * R20 restore from a backup                   db/after-restore
 * Any order of these                          worker/interleavings
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Batcher } from '../../src/db/batcher.ts';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createOrderInquiry } from '../../src/db/order-inquiry.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import type { ClaimedOrder, FulfilmentStore, Move } from '../../src/domain/fulfilment-ports.ts';
import type { PricedOrder } from '../../src/domain/ports.ts';
import { pricedOrder } from '../support/builders.ts';
import { untilWaiting, useTestDatabase } from '../support/database.ts';
import { setBalance } from '../support/set-balance.ts';

const database = useTestDatabase();
let pool: pg.Pool;
let store: FulfilmentStore;
let pricingVersion: number;

beforeAll(async () => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 8, applicationName: 'test', onError: () => undefined,
  });
  store = createFulfilmentStore({ pool, onMoved: () => undefined });
  pricingVersion = await readPricingVersion();
});
afterAll(() => pool.end());

async function readPricingVersion(): Promise<number> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  return Number(row?.version);
}

async function placeOne(over: Partial<PricedOrder> = {}): Promise<number> {
  const place = createPlaceOrder({
    pool, onPlaced: () => undefined,
  });
  const placed = await place(pricedOrder({ pricingVersion, ...over }));
  if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
  return placed.order.id;
}

async function claim(orderId: number): Promise<ClaimedOrder> {
  const claims = await store.claimOrders({ limit: 100, rooms: {} });
  const claimed = claims.find((each) => each.orderId === orderId);
  if (claimed === undefined) throw new Error('The order was not claimed');
  return claimed;
}

const record = (order: ClaimedOrder, move: Move, over: {
  leaseToken?: string | null; route?: number;
} = {}): ReturnType<FulfilmentStore['recordMove']> => store.recordMove({
  clientId: order.clientId,
  orderId: order.orderId,
  route: over.route ?? order.route,
  leaseToken: over.leaseToken === undefined ? order.leaseToken : over.leaseToken,
  move,
  callback: over.leaseToken === null ? {
    supplierCode: 'sandbox-a',
    eventId: randomUUID(),
    supplierReference: order.supplierReference,
    bodyDigest: '',
  } : null,
});

async function statusOf(orderId: number): Promise<string | undefined> {
  const [row] = await database().query<{ status: string }>(
    'select status from topup_order where id = $1', [orderId],
  );
  return row?.status;
}

const DELIVER: Move = { kind: 'DELIVER', receipt: null };
const FAIL: Move = { kind: 'FAIL', failureCode: 'INVALID_RECIPIENT' };
const TWO_ROUTES = { variantId: 3, variantName: '660 UC' };

describe('a route that was given up and delivers all the same', () => {
  it.each<Move>([
    { kind: 'RETRY', nextInMs: 0 }, { kind: 'RESEND', nextInMs: 0 }, { kind: 'NEXT_ROUTE' },
  ])('keeps the next route from being tried again, or one behind it: $kind', async (move) => {
    const id = await placeOne(TWO_ROUTES);
    const first = await claim(id);
    await record(first, { kind: 'NEXT_ROUTE' });
    const second = await claim(id);
    expect(await record(first, DELIVER, { leaseToken: null })).toBe('CASE_OPENED');
    await record(second, move);
    expect(await statusOf(id)).toBe('DELIVERED');
  });

  it('is not refunded where the next route fails', async () => {
    const id = await placeOne(TWO_ROUTES);
    const first = await claim(id);
    await record(first, { kind: 'NEXT_ROUTE' });
    const second = await claim(id);
    expect(await record(first, DELIVER, { leaseToken: null })).toBe('CASE_OPENED');
    await record(second, FAIL);
    expect(await statusOf(id)).toBe('DELIVERED');
  });
});

it('is not sent again by a step that waits while its order is taken over', async () => {
  const late = await claim(await placeOne());
  await database().query('update topup_order set next_action_at = now() where id = $1',
    [late.orderId]);
  const rival = await pool.connect();
  await rival.query("begin; select * from claim_orders(100, '{}')");
  const recorded = record(late, { kind: 'RESEND', nextInMs: 0 });
  await untilWaiting(database());
  await rival.query('commit');
  rival.release();
  expect(await recorded).toBe('STALE_LEASE');
  expect(await record(late, DELIVER)).toBe('APPLIED');
});

describe('an order whose route is delisted', () => {
  it.each([
    ['offer', 'variant_id = 2'], ['variant', 'id = 2'], ['product', 'id = 4218'],
  ])('ends FAILED, also after a retry: by its %s', async (table, which) => {
    const id = await placeOne();
    await record(await claim(id), { kind: 'RETRY', nextInMs: 0 });
    await database().query(`update ${table} set is_active = false where ${which}`);
    try {
      const order = await claim(id);
      expect([order.action, order.supplierSku]).toEqual(['NO_ROUTE', '']);
      expect(await record(order, { kind: 'FAIL', failureCode: 'PRODUCT_UNAVAILABLE' }))
        .toBe('APPLIED');
    } finally {
      await database().query(`update ${table} set is_active = true where ${which}`);
      pricingVersion = await readPricingVersion();
    }
  });
});

describe('an order whose variant goes out of stock', () => {
  const withoutStock = async (use: () => Promise<void>): Promise<void> => {
    await database().query('update variant set is_in_stock = false where id in (2, 3)');
    try {
      await use();
    } finally {
      await database().query('update variant set is_in_stock = true where id in (2, 3)');
      pricingVersion = await readPricingVersion();
    }
  };
  const takeTogether = async (ids: readonly number[]): Promise<readonly ClaimedOrder[]> =>
    (await store.claimOrders({ limit: 100, rooms: {} }))
      .filter(({ orderId }) => ids.includes(orderId));
  it('is not sent any more, and has no next route', async () => {
    const [again, retried] = [await placeOne(), await placeOne(TWO_ROUTES)];
    for (const order of await takeTogether([again, retried])) {
      await record(order, { kind: 'RETRY', nextInMs: 0 });
    }
    const [fresh, alone] = [await placeOne(), await placeOne()];
    await withoutStock(async () => {
      const claimed = await store.claimOrder(1, alone);
      const taken = await takeTogether([again, retried, fresh]);
      for (const order of [...taken, ...claimed === null ? [] : [claimed]]) {
        expect([order.action, order.hasNextRoute]).toEqual(['NO_ROUTE', false]);
        expect(order.supplierSku).not.toBe('');
        await record(order, { kind: 'FAIL', failureCode: 'PRODUCT_OUT_OF_STOCK' });
      }
      for (const id of [again, retried, fresh, alone]) expect(await statusOf(id)).toBe('FAILED');
    });
  });

  it('is followed up as before where it may have been taken', async () => {
    const [unknown, repeated] = [await placeOne(), await placeOne()];
    for (const order of await takeTogether([unknown, repeated])) {
      const kind = order.orderId === unknown ? 'ASK_AGAIN' : 'RESEND';
      await record(order, { kind, nextInMs: 0 });
    }
    await withoutStock(async () => {
      const taken = await takeTogether([unknown, repeated]);
      expect(taken.map(({ orderId, action, isResent }) => [orderId, action, isResent]).sort())
        .toEqual([[unknown, 'QUERY', false], [repeated, 'SUBMIT', true]]);
    });
  });
});

describe('a suspended supplier', () => {
  it('is sent nothing, from a request neither', async () => {
    await database().query('update supplier set is_suspended = true where id = 1');
    try {
      pricingVersion = await readPricingVersion();
      const id = await placeOne({ productId: 4219, variantId: 5, fulfilsInRequest: true });
      expect(await store.claimOrder(1, id)).toBeNull();
      await store.claimOrders({ limit: 100, rooms: {} });
      await pool.query('select cancel_order(1, $1)', [id]);
      expect(await statusOf(id)).toBe('CANCELLED');
    } finally {
      await database().query('update supplier set is_suspended = false where id = 1');
      pricingVersion = await readPricingVersion();
    }
  });
});

describe('an order that cannot be taken', () => {
  async function placeBroken(): Promise<number> {
    const broken = await placeOne(TWO_ROUTES);
    await record(await claim(broken), { kind: 'NEXT_ROUTE' });
    // As no function of ours leaves it: the route that was given up may still be effective.
    await database().query(
      "update submission set state = 'UNKNOWN' where topup_order_id = $1 and route = 1", [broken]);
    return broken;
  }

  async function repair(broken: number): Promise<void> {
    await database().query(`with repaired as (
        update submission set state = 'NOT_APPLIED' where topup_order_id = $1)
      update topup_order set next_action_at = now() where id = $1`, [broken]);
    await record(await claim(broken), DELIVER);
  }

  it('does not keep its neighbours from being taken', async () => {
    const broken = await placeBroken();
    const neighbour = await placeOne();
    expect(await record(await claim(neighbour), DELIVER)).toBe('APPLIED');
    // Or every claim would try it again.
    expect(await database().query(`select from topup_order where id = $1
      and next_action_at > now() + interval '10 seconds'`, [broken])).toHaveLength(1);
    await repair(broken);
  });

  it('does not make a neighbour forget that its supplier took it', async () => {
    const neighbour = await placeOne();
    const makeDue = (): Promise<unknown> => database().query(
      'update topup_order set next_action_at = now() where id = $1', [neighbour]);
    await record(await claim(neighbour), { kind: 'AWAIT', nextInMs: 0 });
    await record(await claim(neighbour), { kind: 'RESEND', nextInMs: 60_000 });
    const broken = await placeBroken();
    await makeDue();
    expect(await claim(neighbour)).toMatchObject({ action: 'SUBMIT', isResent: true });
    // The process that was to send it died; the broken one is put off by now.
    await makeDue();
    const asked = await claim(neighbour);
    expect(asked).toMatchObject({ action: 'QUERY', wasAccepted: true });
    await record(asked, DELIVER);
    await repair(broken);
  });

  it('does not give its neighbours to two at once, while they are taken one by one', async () => {
    const broken = await placeBroken();
    const neighbours = [await placeOne(), await placeOne()] as const;
    await record(await claim(neighbours[0]), { kind: 'RETRY', nextInMs: 0 });
    await database().query('update topup_order set next_action_at = now() where id = any ($1)',
      [[broken, ...neighbours]]);
    const ofNeighbours = async (): Promise<readonly number[]> =>
      (await store.claimOrders({ limit: 100, rooms: {} })).map(({ orderId }) => orderId)
        .filter((id) => neighbours.includes(id));
    const holder = new pg.Client({ connectionString: database().ownerDatabaseUrl });
    await holder.connect();
    await holder.query(`begin; select from submission where topup_order_id = ${neighbours[0]}
      for update`);
    const claiming = ofNeighbours();
    await untilWaiting(database());
    expect(await ofNeighbours()).toEqual([]);
    await holder.end();
    expect(await claiming).toEqual(neighbours);
    await repair(broken);
  });

  it('is due as before where it was the database that could not', async () => {
    const id = await placeOne();
    await database().query(`create function fill_disk() returns trigger language plpgsql as $$
        begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$;
      create trigger full_disk before insert on submission
        for each row execute function fill_disk()`);
    try {
      await expect(claim(id)).rejects.toMatchObject({ code: '53100' });
    } finally {
      await database().query('drop trigger full_disk on submission; drop function fill_disk()');
    }
    await record(await claim(id), DELIVER);
  });
});

describe('a batch', () => {
  it('is given up as a whole where the database is away, and split where one item is bad',
    async () => {
      let calls = 0;
      const batcher = new Batcher<string, string>({
        sizeMax: 10,
        run(items) {
          calls += 1;
          if (items.includes('away')) {
            return Promise.reject(new Error('Connection terminated unexpectedly'));
          }
          return items.includes('bad') ? Promise.reject(new Error('bad'))
            : Promise.resolve(items);
        },
      });
      const settle = (items: readonly string[]): Promise<string[]> =>
        Promise.all(items.map((item) => batcher.add(item).catch((error: Error) => error.message)));
      expect(await settle(['good', 'bad', 'good'])).toEqual(['good', 'bad', 'good']);
      // Together, its lane apart, and then each of them.
      expect(calls).toBe(5);
      calls = 0;
      const lost = 'Connection terminated unexpectedly';
      expect(await settle(['good', 'away', 'good'])).toEqual([lost, lost, lost]);
      expect(calls).toBe(1);
    });
});

describe('a placing call that is repeated while the first one is still at it', () => {
  // By the form of processes of before, which may call no other where one of them migrated last.
  const OTHER_FORM = 'execute on function place_orders(placement[])';
  beforeAll(() => database().query(`revoke ${OTHER_FORM} from topup_app`));
  afterAll(() => database().query(`grant ${OTHER_FORM} to topup_app`));
  const placement = (requestId: string, reference: string | null): string => JSON.stringify([{
    ordinal: 1, client_id: 2, request_id: requestId, client_reference: reference,
    input_digest: 'd', product_id: 4218, variant_id: 2, product_name: 'PUBG Mobile UC',
    variant_name: '325 UC', country_code: 'GLO', face_value: '4.99', face_currency: 'USD',
    discount_percent: '0', charge: '4.99', currency: 'USD', wallet_id: 4,
    input_data: { player_id: '5123456000' }, recipient: '5123456000', input_fields_version: 1,
    fulfils_in_request: false, pricing_version: pricingVersion,
  }]);
  const TEXT = 'select ordinal, verdict, order_id from place_orders($1::json)';

  it.each([
    ['with the money for two', '20', 'TWICE'],
    ['with the money for two and no reference', '20', null],
    ['with the money for one', '4.99', null],
  ])('finds what that one placed, %s', async (_case, balance, reference) => {
    await setBalance(database(), { clientId: 2, walletId: 4, to: balance });
    const payload = placement(randomUUID(), reference);
    const first = await pool.connect();
    await first.query('begin');
    const placed = await first.query(TEXT, [payload]);
    const repeated = pool.query(TEXT, [payload]);
    // It is held up by the wallet's lock.
    await untilWaiting(database());
    await first.query('commit');
    first.release();
    expect(placed.rows).toMatchObject([{ verdict: 'PLACED' }]);
    expect((await repeated).rows)
      .toEqual([{ ...placed.rows[0] as object, verdict: 'REPEATED' }]);
  });
});

describe('a submission that is written without the lock of its order', () => {
  // By nobody of ours, but by an operator's hand; what is written by address must not miss it.
  it.each([
    ['that it was delivered', DELIVER, 'DELIVERED'],
    ['that it was taken', { kind: 'AWAIT', nextInMs: 1000 }, 'ACCEPTED'],
    ['that it was refused', FAIL, 'NOT_APPLIED'],
  ] as const)('does not keep back %s', async (_case, move, state) => {
    const claimed = await claim(await placeOne());
    const writing = new pg.Client({ connectionString: database().ownerDatabaseUrl });
    await writing.connect();
    await writing.query('begin');
    await writing.query('update submission set asked_at = now() where topup_order_id = $1',
      [claimed.orderId]);
    const recorded = record(claimed, move);
    await untilWaiting(database());
    await writing.query('commit');
    await writing.end();
    expect(await recorded).toBe('APPLIED');
    expect(await database().query('select state from submission where topup_order_id = $1',
      [claimed.orderId])).toEqual([{ state }]);
  });
});

describe('a row that is passed over, as if it had been written meanwhile,', () => {
  // By no way that is known: orders and wallets are locked. So a trigger does it, once.
  async function passOverOnce<Result>(table: string, call: () => Promise<Result>)
  : Promise<Result> {
    await database().query(`create sequence passed_over;
      create function pass_over() returns trigger language plpgsql as $$
        begin if nextval('passed_over') = 1 then return null; end if; return new; end $$;
      create trigger passes_over before update on ${table}
        for each row execute function pass_over()`);
    try {
      const result = await call();
      expect(await database().query('select is_called from passed_over'))
        .toEqual([{ is_called: true }]);
      return result;
    } finally {
      await database().query(`drop trigger passes_over on ${table}; drop function pass_over();
        drop sequence passed_over`);
    }
  }
  const balance = async (): Promise<unknown> =>
    (await database().query('select balance::float8 from wallet where id = 1'))[0]?.['balance'];

  it('is debited all the same when an order is placed', async () => {
    await setBalance(database(), { clientId: 1, walletId: 1, to: '100' });
    const id = await passOverOnce('wallet', () => placeOne());
    expect(await balance()).toBe(95.2595);
    await record(await claim(id), DELIVER);
  });

  it.each(['wallet', 'submission', 'topup_order'])(
    'is written all the same when an order is refunded: %s', async (table) => {
      await setBalance(database(), { clientId: 1, walletId: 1, to: '100' });
      const claimed = await claim(await placeOne());
      expect(await passOverOnce(table, () => record(claimed, FAIL))).toBe('APPLIED');
      expect(await balance()).toBe(100);
      expect(await database().query(`select o.status, s.state from topup_order o
        join submission s on s.topup_order_id = o.id where o.id = $1`, [claimed.orderId]))
        .toEqual([{ status: 'FAILED', state: 'NOT_APPLIED' }]);
    });
});

describe('a question about an order', () => {
  it.each([
    ['that is suspended', 'is_suspended'], ['that cannot be asked', 'can_be_queried'],
  ])('is not put to a supplier %s', async (_says, column) => {
    const claimed = await claim(await placeOne());
    await record(claimed, { kind: 'AWAIT', nextInMs: 60_000 });
    const inquiry = createOrderInquiry(pool);
    const turn = (): Promise<unknown> => database().query(
      `update supplier set ${column} = not ${column} where id = 1`);
    await turn();
    try {
      expect(await inquiry.askAboutOrder(1, claimed.orderId)).toBeNull();
    } finally {
      await turn();
      pricingVersion = await readPricingVersion();
    }
    expect(await inquiry.askAboutOrder(1, claimed.orderId)).toMatchObject({ action: 'QUERY' });
  });

  it('is not asked of an order that went on while it was looked at', async () => {
    const first = await claim(await placeOne());
    await record(first, { kind: 'ASK_AGAIN', nextInMs: 0 });
    const { clientId, orderId, route, leaseToken } = await claim(first.orderId);
    const inquiry = createOrderInquiry(pool);
    const holding = new pg.Client({ connectionString: database().ownerDatabaseUrl });
    await holding.connect();
    await holding.query('begin; lock table submission');
    const asked = inquiry.askAboutOrder(clientId, orderId);
    // It has read the order, and is held up where it looks for what was sent.
    await untilWaiting(database());
    await holding.query('select * from record_moves($1::json)', [JSON.stringify([{
      ordinal: 1, client_id: clientId, order_id: orderId, route, lease_token: leaseToken,
      kind: 'RESEND', next_in_ms: 60_000,
    }])]);
    await holding.query('commit');
    await holding.end();
    expect(await asked).toBeNull();
    expect(await inquiry.askAboutOrder(clientId, orderId))
      .toMatchObject({ action: 'QUERY', orderId });
  });
});

describe('a question about an order that somebody has in hands', () => {
  it('is not asked, and waits for nobody', async () => {
    const claimed = await claim(await placeOne());
    await record(claimed, { kind: 'AWAIT', nextInMs: 60_000 });
    const inquiry = createOrderInquiry(pool);
    const holding = new pg.Client({ connectionString: database().ownerDatabaseUrl });
    await holding.connect();
    await holding.query('begin');
    await holding.query('select from topup_order where id = $1 for no key update',
      [claimed.orderId]);
    expect(await inquiry.askAboutOrder(1, claimed.orderId)).toBeNull();
    await holding.query('commit');
    await holding.end();
    expect(await inquiry.askAboutOrder(1, claimed.orderId))
      .toMatchObject({ action: 'QUERY', orderId: claimed.orderId });
  });
});
