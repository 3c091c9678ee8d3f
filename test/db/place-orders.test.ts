import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import type { Placement, PricedOrder } from '../../src/domain/ports.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { setBalance } from '../support/set-balance.ts';
import { hashVoucherCode } from '../support/voucher-hash.ts';
import { pricedOrder } from '../support/builders.ts';
import { untilWaiting, useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
let pools: pg.Pool[] = [];
let place: (order: PricedOrder) => Promise<Placement>;
let placeElsewhere: (order: PricedOrder) => Promise<Placement>;
let pricingVersion: number;

beforeAll(async () => {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  pricingVersion = Number(row?.version);
  pools = [1, 2].map(() =>
    createPool({
      databaseUrl: database().databaseUrl,
      size: 16,
      applicationName: 'test',
      onError: () => undefined,
    }),
  );
  const placers = pools.map((pool): typeof place =>
    createPlaceOrder({
      pool,
      onPlaced: () => undefined,
    }),
  );
  [place, placeElsewhere] = placers as [typeof place, typeof place];
});
afterAll(() => Promise.all(pools.map((pool) => pool.end())));

const balance = async (walletId: number): Promise<string | undefined> =>
  (
    await database().query<{ balance: string }>('select balance from wallet where id = $1', [
      walletId,
    ])
  )[0]?.balance;

const verdicts = (placements: readonly Placement[]): Record<string, number> => {
  const counted = Object.groupBy(placements, (placement) => placement.verdict);
  return Object.fromEntries(Object.entries(counted).map(([key, all]) => [key, all.length]));
};

const voucherOrder = (code: string, over: Partial<PricedOrder> = {}): PricedOrder =>
  pricedOrder({
    pricingVersion,
    funding: { kind: 'VOUCHER', codeHash: hashVoucherCode(code.replaceAll('-', '')) },
    discountPercent: '0',
    charge: { amount: '4.99', currency: 'USD' },
    ...over,
  });

/** A pool whose every connection asks so. */
function poolOf(query: (config: pg.QueryConfig) => Promise<unknown>): pg.Pool {
  const connect = async (): Promise<unknown> => ({ query, release: () => undefined });
  return { query, connect } as unknown as pg.Pool;
}

const NOT_KNOWN =
  'It is not known whether the order was placed; look for it before you order again';

describe('placing orders', () => {
  it('debits once and tells the order as it stands in the table', async () => {
    const placed = await place(pricedOrder({ pricingVersion }));
    expect(placed.verdict).toBe('PLACED');
    if (placed.verdict !== 'PLACED') return;
    expect(await balance(1)).toBe('9995.2595');
    const [row] = await database().query(
      `select o.status, o.charge, t.amount, t.balance_after, t.id = o.debit_transfer_id as is_its
        from topup_order o join transfer t on t.topup_order_id = o.id where o.id = $1`,
      [placed.order.id],
    );
    expect(row).toEqual({
      status: 'PENDING',
      charge: '4.7405',
      amount: '4.7405',
      balance_after: '9995.2595',
      is_its: true,
    });
  });

  it('tells by when it may be expected, as whoever reads it later is told', async () => {
    const { productId } = pricedOrder({ pricingVersion });
    await database().query(`insert into delivery_pace (product_id, mean_ms, deviation_ms)
      values ($1, 50000, 10000)`, [productId]);
    const placed = await place(pricedOrder({ pricingVersion }));
    if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
    const { createdAt, expectedBy } = placed.order;
    expect(expectedBy?.getTime()).toBe(createdAt.getTime() + 90_000);
  });

  it('gives requests ids in the order of time', async () => {
    for (let count = 0; count < 3; count += 1) await place(pricedOrder({ pricingVersion }));
    const rows = await database().query<{ request_id: string }>(
      'select request_id from topup_order order by id desc limit 3');
    const ids = rows.map((row) => row.request_id);
    // Of one millisecond any may come first.
    const times = ids.map((id) => id.slice(0, 13));
    expect(times.toSorted().toReversed()).toEqual(times);
    expect(ids.every((id) => id.charAt(14) === '7')).toBe(true);
  });

  it('gives fifty rivals from two processes exactly the ten that fit', async () => {
    await setBalance(database(), { clientId: 2, walletId: 4, to: '49.9' });
    const order = (): PricedOrder =>
      pricedOrder({
        pricingVersion,
        clientId: 2,
        funding: { kind: 'WALLET', walletId: 4 },
        discountPercent: '0',
        charge: { amount: '4.99', currency: 'USD' },
      });
    const placements = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? place : placeElsewhere)(order())),
    );
    expect(verdicts(placements)).toEqual({ PLACED: 10, INSUFFICIENT_FUNDS: 40 });
    expect(await balance(4)).toBe('0.0000');
  });

  it('gives one of twenty equal references from two processes, and debits once', async () => {
    const before = Number(await balance(1));
    const placements = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? place : placeElsewhere)(
          pricedOrder({ pricingVersion, clientReference: 'SAME' }),
        ),
      ),
    );
    expect(verdicts(placements)).toEqual({ PLACED: 1, DUPLICATE: 19 });
    expect(Number(await balance(1))).toBeCloseTo(before - 4.7405, 4);
  });

  it('looks at each wallet of a client by itself, also beside one that is too small', async () => {
    await setBalance(database(), { clientId: 1, walletId: 2, to: '5000' });
    const order = (walletId: number, currency: string, amount: string): PricedOrder =>
      pricedOrder({
        pricingVersion, funding: { kind: 'WALLET', walletId }, charge: { amount, currency },
      });
    // What comes in one turn goes in one call.
    const placements = await Promise.all(
      [order(2, 'EUR', '5000.0001'), order(3, 'JPY', '5001')].map(place));
    expect(placements.map(({ verdict }) => verdict)).toEqual(['INSUFFICIENT_FUNDS', 'PLACED']);
  });

  it('frees what the loser of a reference would have paid, in the same call', async () => {
    await setBalance(database(), { clientId: 2, walletId: 4, to: '6' });
    const order = (reference: string, amount: string): PricedOrder =>
      pricedOrder({
        pricingVersion,
        clientId: 2,
        clientReference: reference,
        funding: { kind: 'WALLET', walletId: 4 },
        discountPercent: '0',
        faceValue: { amount, currency: 'USD' },
        charge: { amount, currency: 'USD' },
      });
    // The first goes alone; the other four wait for it and then go together.
    const placements = await Promise.all([
      place(order('FIRST', '1')),
      place(order('TWICE', '3')),
      place(order('TWICE', '1')),
      place(order('BIG', '9')),
      place(order('SMALL', '2')),
    ]);
    expect(placements.map((each) => each.verdict)).toEqual([
      'PLACED',
      'PLACED',
      'DUPLICATE',
      'INSUFFICIENT_FUNDS',
      'PLACED',
    ]);
    expect(await balance(4)).toBe('0.0000');
  });

  it('gives one of two rivals the voucher and leaves no trace of the other', async () => {
    const placements = await Promise.all([
      place(voucherOrder('DEMO-0499-AAAA')),
      placeElsewhere(voucherOrder('DEMO-0499-AAAA')),
      place(voucherOrder('DEMO-0499-AAAA')),
    ]);
    expect(verdicts(placements)).toEqual({ PLACED: 1, VOUCHER_INVALID: 2 });
    const rows = await database().query(`select v.redeemed_at = o.created_at as is_redeemed_with_it
      from topup_order o join voucher v on v.client_id = o.client_id and v.id = o.voucher_id`);
    expect(rows).toEqual([{ is_redeemed_with_it: true }]);
  });

  it('gives one of two orders of one call the voucher', async () => {
    // What comes in one turn goes in one call.
    const placed = await Promise.all(
      [voucherOrder('DEMO-0499-BBBB'), voucherOrder('DEMO-0499-BBBB')].map(place));
    expect(placed.map(({ verdict }) => verdict)).toEqual(['PLACED', 'VOUCHER_INVALID']);
  });

  it.each([
    ['unknown', 'DEMO-0499-XXXX', ['VOUCHER_INVALID', 'PLACED']],
    ['expired', 'DEMO-0499-EEEE', ['VOUCHER_INVALID', 'PLACED']],
    ['good', 'GOOD-GUESS', ['PLACED', 'DUPLICATE']],
  ])('tells that a guessed code is %s, though another order took its reference', async (
    _, code, told,
  ) => {
    await database().query(`insert into voucher (client_id, code_hash, code_last4, value, currency,
      state) values (1, $1, 'GOOD', 4.99, 'USD', 'DELIVERED') on conflict do nothing`,
    [hashVoucherCode('GOODGUESS')]);
    const clientReference = `GUESS ${code}`;
    const placements = await Promise.all([
      voucherOrder(code, { clientReference }), pricedOrder({ pricingVersion, clientReference }),
    ].map(place));
    expect(placements.map(({ verdict }) => verdict)).toEqual(told);
  });

  it('frees the voucher of the loser of a reference, in the same call', async () => {
    await database().query(`insert into voucher (client_id, code_hash, code_last4, value, currency,
      state) values (1, $1, 'REED', 4.99, 'USD', 'DELIVERED')`, [hashVoucherCode('FREED')]);
    // The first goes alone; the others wait for it and then go together.
    const placements = await Promise.all([
      place(pricedOrder({ pricingVersion })),
      place(pricedOrder({ pricingVersion, clientReference: 'PAID TWICE' })),
      place(voucherOrder('FREED', { clientReference: 'PAID TWICE' })),
      place(voucherOrder('FREED')),
    ]);
    expect(placements.map((each) => each.verdict))
      .toEqual(['PLACED', 'PLACED', 'DUPLICATE', 'PLACED']);
  });

  it('gives a voucher once, also where the call looks again for the loser of another', async () => {
    await database().query(`insert into voucher (client_id, code_hash, code_last4, value, currency,
      state) values (1, $1, 'ONCE', 4.99, 'USD', 'DELIVERED')`, [hashVoucherCode('ONCE')]);
    const reference = { clientReference: 'LOST TO ITS COPY' };
    const placements = await Promise.all([
      voucherOrder('ONCE'), voucherOrder('ONCE'),
      pricedOrder({ pricingVersion, ...reference }), pricedOrder({ pricingVersion, ...reference }),
    ].map(place));
    expect(placements.map(({ verdict }) => verdict))
      .toEqual(['PLACED', 'VOUCHER_INVALID', 'PLACED', 'DUPLICATE']);
  });

  it('refuses an order for what it is, whoever else has an order of its reference', async () => {
    const clientReference = 'OF TWO CLIENTS';
    const own = await place(pricedOrder({ pricingVersion, clientReference }));
    expect(own.verdict).toBe('PLACED');
    await setBalance(database(), { clientId: 2, walletId: 4, to: '1' });
    const other = await place(pricedOrder({
      pricingVersion, clientId: 2, clientReference, funding: { kind: 'WALLET', walletId: 4 },
      discountPercent: '0', charge: { amount: '4.99', currency: 'USD' },
    }));
    expect(other.verdict).toBe('INSUFFICIENT_FUNDS');
  });

  // The wallet has room for one of them, and the voucher pays one.
  describe.each([
    ['a wallet', async (reference: string) => {
      await setBalance(database(), { clientId: 2, walletId: 4, to: '4.99' });
      return pricedOrder({
        pricingVersion, clientId: 2, clientReference: reference, discountPercent: '0',
        funding: { kind: 'WALLET', walletId: 4 }, charge: { amount: '4.99', currency: 'USD' },
      });
    }, 'select from wallet where client_id = 2 and id = 4 for update'],
    ['a voucher', async (reference: string) => {
      await database().query(`insert into voucher (client_id, code_hash, code_last4, value,
        currency, state) values (1, $1, 'COPY', 4.99, 'USD', 'DELIVERED')`,
      [hashVoucherCode(reference)]);
      return voucherOrder(reference, { clientReference: reference });
    }, 'select from voucher where client_id = 1 for update'],
  ])('tells the copy of an order that used up %s as a duplicate', (_, orderOf, lock) => {
    it('in the same call', async () => {
      const order = await orderOf('COPIES');
      const placements = await Promise.all([order, order, order].map(place));
      expect(placements.map(({ verdict }) => verdict))
        .toEqual(['PLACED', 'DUPLICATE', 'DUPLICATE']);
    });

    it('in a call of another process that waits for its locks', async () => {
      const order = await orderOf('RIVALS');
      const holder = new pg.Client(database().ownerDatabaseUrl);
      await holder.connect();
      await holder.query('begin');
      await holder.query(lock);
      // With a voucher beside it a call looks at references before it waits.
      const beside = voucherOrder('NOBODYS');
      const placing = Promise.all([order, beside].map(place).concat([order, beside]
        .map(placeElsewhere)));
      await untilWaiting(database(), 2);
      await holder.query('commit');
      await holder.end();
      expect(verdicts(await placing)).toEqual({ PLACED: 1, DUPLICATE: 1, VOUCHER_INVALID: 2 });
    });
  });

  it.each([
    ['DEMO-0499-DDDD', 'VOUCHER_INVALID'],
    ['DEMO-0499-EEEE', 'VOUCHER_INVALID'],
    ['DEMO-0499-FFFF', 'VOUCHER_INVALID'],
    ['NOBODYS', 'VOUCHER_INVALID'],
    ['DEMO-0999-CCCC', 'VOUCHER_VALUE_MISMATCH'],
  ])('answers voucher %s with %s', async (code, verdict) => {
    expect((await place(voucherOrder(code))).verdict).toBe(verdict);
  });

  it('takes no voucher of another currency, though it has the same value', async () => {
    await database().query(`insert into voucher (client_id, code_hash, code_last4, value, currency,
      state) values (1, $1, 'EURO', 4.99, 'EUR', 'DELIVERED')`, [hashVoucherCode('IN EURO')]);
    expect((await place(voucherOrder('IN EURO'))).verdict).toBe('VOUCHER_VALUE_MISMATCH');
  });

  it('takes each client its own voucher, though two have one code', async () => {
    for (const clientId of [1, 2]) {
      await database().query(`insert into voucher (client_id, code_hash, code_last4, value,
          currency, state) values ($1, $2, 'SAME', 4.99, 'USD', 'DELIVERED')`,
      [clientId, hashVoucherCode('SAME')]);
    }
    const placed = await Promise.all(
      [1, 2].map((clientId) => place(voucherOrder('SAME', { clientId }))));
    expect(verdicts(placed)).toEqual({ PLACED: 2 });
  });

  it('refuses a price of another version, but tells a duplicate first', async () => {
    const stale = { pricingVersion: pricingVersion - 1 };
    expect((await place(pricedOrder(stale))).verdict).toBe('STALE');
    expect((await place(pricedOrder({ ...stale, clientReference: 'SAME' }))).verdict).toBe(
      'DUPLICATE',
    );
    const past = new Date(Date.now() - 1000).toISOString();
    expect((await place(pricedOrder({ pricingVersion, priceValidUntil: past }))).verdict).toBe(
      'STALE',
    );
  });

  it('refuses the one order of a call whose price has ended', async () => {
    const [soon, past] = [60_000, -1000].map((ms) => new Date(Date.now() + ms).toISOString());
    const placements = await Promise.all([soon, past, null].map((priceValidUntil = null) =>
      place(pricedOrder({ pricingVersion, priceValidUntil }))));
    expect(placements.map(({ verdict }) => verdict)).toEqual(['PLACED', 'STALE', 'PLACED']);
  });

  it('leaves the first try to the request that makes it, whatever pays', async () => {
    await database().query(`insert into voucher (client_id, code_hash, code_last4, value, currency,
      state) values (1, $1, 'ONCE', 4.99, 'USD', 'DELIVERED')`, [hashVoucherCode('AT ONCE')]);
    const fulfilsInRequest = true;
    for (const order of [
      pricedOrder({ pricingVersion, fulfilsInRequest }),
      voucherOrder('AT ONCE', { fulfilsInRequest }),
    ]) {
      expect((await place(order)).verdict).toBe('PLACED');
      const [placed] = await database().query(`select next_action_at - created_at = '3 seconds'
        as is_left from topup_order order by id desc limit 1`);
      expect(placed).toEqual({ is_left: true });
    }
  });

  it.each(['place_orders', 'place_orders_one_by_one'])(
    'refuses a price that ends while its wallet is waited for: %s', async (name) => {
      const { ownerDatabaseUrl } = database();
      const [holder, caller] = [new pg.Client(ownerDatabaseUrl), new pg.Client(ownerDatabaseUrl)];
      await Promise.all([holder.connect(), caller.connect()]);
      try {
        await holder.query('begin; select from wallet where client_id = 1 and id = 1 for update');
        const pool = poolOf(({ text, values }) =>
          caller.query(text.replace('place_orders', name), values));
        const endsAtMs = Date.now() + 200;
        const called = createPlaceOrder({ pool, onPlaced: () => undefined })(pricedOrder({
          pricingVersion, priceValidUntil: new Date(endsAtMs).toISOString(),
        }));
        await expect.poll(() => Date.now(), { interval: 10 }).toBeGreaterThan(endsAtMs);
        await holder.query('commit');
        expect((await called).verdict).toBe('STALE');
      } finally {
        await Promise.all([holder.end(), caller.end()]);
      }
    });

  it.each(['place_orders', 'place_orders_one_by_one'])(
    'dates an order behind what its wallet was waited for: %s', async (name) => {
      const { ownerDatabaseUrl } = database();
      const [holder, caller] = [new pg.Client(ownerDatabaseUrl), new pg.Client(ownerDatabaseUrl)];
      await Promise.all([holder.connect(), caller.connect()]);
      try {
        await holder.query('begin; select from wallet where client_id = 1 and id = 1 for update');
        const pool = poolOf(({ text, values }) =>
          caller.query(text.replace('place_orders', name), values));
        const called = createPlaceOrder({ pool, onPlaced: () => undefined })(
          pricedOrder({ pricingVersion }));
        await expect.poll(async () => (await database().query(`select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`)).length).toBe(1);
        const { rows: [held] } = await holder.query<{ at: Date }>('select clock_timestamp() as at');
        await holder.query('commit');
        expect(await called).toMatchObject({ verdict: 'PLACED' });
        const [order] = await database().query<{ is_behind: boolean }>(`select created_at > $1 as
          is_behind from topup_order order by id desc limit 1`, [held?.at]);
        expect(order?.is_behind).toBe(true);
      } finally {
        await Promise.all([holder.end(), caller.end()]);
      }
    });

  it('refuses a frozen wallet', async () => {
    await database().query('update wallet set is_frozen = true where id = 2');
    const order = pricedOrder({
      pricingVersion,
      funding: { kind: 'WALLET', walletId: 2 },
      charge: { amount: '4.36', currency: 'EUR' },
      forexRate: '0.92',
    });
    expect((await place(order)).verdict).toBe('WALLET_FROZEN');
    await database().query('update wallet set is_frozen = false where id = 2');
  });

  it('lets a postpaid wallet down to its credit limit and no further', async () => {
    await database().query("update wallet set type = 'POSTPAID', credit_limit = 10 where id = 5");
    const order = (amount: string): PricedOrder =>
      pricedOrder({
        pricingVersion,
        clientId: 3,
        funding: { kind: 'WALLET', walletId: 5 },
        faceValue: { amount, currency: 'EUR' },
        charge: { amount, currency: 'EUR' },
        discountPercent: '0',
      });
    expect((await place(order('110.0001'))).verdict).toBe('INSUFFICIENT_FUNDS');
    expect((await place(order('110'))).verdict).toBe('PLACED');
    expect(await balance(5)).toBe('-10.0000');
    expect((await place(order('0.0001'))).verdict).toBe('INSUFFICIENT_FUNDS');
  });

  it('never lets rivals over the same wallets wait for each other in a circle', async () => {
    const currencies = { 1: 'USD', 2: 'EUR', 3: 'JPY' } as const;
    const orders = Array.from({ length: 120 }, (_, index) => {
      const walletId = (((index * 7) % 3) + 1) as 1 | 2 | 3;
      return pricedOrder({
        pricingVersion,
        clientReference: `CIRCLE-${index % 100}`,
        funding: { kind: 'WALLET', walletId },
        charge: { amount: '1', currency: currencies[walletId] },
      });
    });
    const placements = await Promise.all(
      orders.map((order, index) => (index % 2 === 0 ? place : placeElsewhere)(order)),
    );
    expect(verdicts(placements)).toEqual({ PLACED: 100, DUPLICATE: 20 });
  });
});

describe('a connection that dies during COMMIT', () => {
  /** Places all in one call, whose answer is lost after the commit, as where the network ends. */
  async function placeCut(orders: readonly PricedOrder[]): Promise<Placement[]> {
    let cuts = 0;
    const query = async (config: pg.QueryConfig): Promise<unknown> => {
      const answer = await pools[0]?.query(config);
      if (cuts++ === 0)
        throw Object.assign(new Error('Connection terminated'), { code: '08006' });
      return answer;
    };
    const placements = await Promise.all(
      orders.map(createPlaceOrder({ pool: poolOf(query), onPlaced: () => undefined })));
    expect(cuts).toBeGreaterThan(1);
    return placements;
  }

  it('finds what it placed by the request id and debits once', async () => {
    const before = Number(await balance(1));
    const placements = await placeCut(['CUT-1', 'CUT-2', 'CUT-3'].map((clientReference) =>
      pricedOrder({ pricingVersion, clientReference })));
    const rows = await database().query<{ id: string; client_reference: string }>(
      "select id, client_reference from topup_order where client_reference like 'CUT-%' order by 2",
    );
    expect(placements).toMatchObject(rows.map(({ id, client_reference: clientReference }) =>
      ({ verdict: 'PLACED', order: { clientId: 1, id: Number(id), clientReference } })));
    expect(placements).toHaveLength(3);
    expect(Number(await balance(1))).toBeCloseTo(before - 3 * 4.7405, 4);
  });

  it.each([null, 'CUT BY VOUCHER'])('finds what a voucher paid, of reference %s', async (
    clientReference,
  ) => {
    const code = `CUT ${clientReference}`;
    await database().query(`insert into voucher (client_id, code_hash, code_last4, value, currency,
      state) values (1, $1, 'LOST', 4.99, 'USD', 'DELIVERED')`, [hashVoucherCode(code)]);
    const [placed] = await placeCut([voucherOrder(code, { clientReference })]);
    const [order] = await database().query<{ id: string }>(
      'select redeemed_order_id as id from voucher where code_hash = $1', [hashVoucherCode(code)]);
    expect(placed).toMatchObject({ verdict: 'PLACED', order: { id: Number(order?.id) } });
  });
});

describe('a call that the database refuses for now', () => {
  /** Each call fails as `fault` says, or is carried out; answers which clients had one in each. */
  function placeUnder(fault: (callCount: number) => Error | null) {
    const calls: number[][] = [];
    const query = async (config: pg.QueryConfig): Promise<unknown> => {
      const [texts] = config.values as [readonly string[]];
      // The client is the second field.
      calls.push(texts.map((text) => Number(text.split(',')[1])));
      const refused = fault(calls.length);
      if (refused !== null) throw refused;
      return pools[0]?.query(config);
    };
    return { place: createPlaceOrder({ pool: poolOf(query), onPlaced: () => undefined }), calls };
  }
  const refusal = (code: string): Error => Object.assign(new Error('refused'), { code });
  const byClient3 = (): PricedOrder => pricedOrder({
    pricingVersion,
    clientId: 3,
    funding: { kind: 'WALLET', walletId: 5 },
    faceValue: { amount: '1', currency: 'EUR' },
    charge: { amount: '1', currency: 'EUR' },
    discountPercent: '0',
  });
  afterEach(() => vi.restoreAllMocks());

  it('because of a lock is made for each client alone at once', async () => {
    await setBalance(database(), { clientId: 3, walletId: 5, to: '10' });
    const { place: placeHere, calls } =
      placeUnder((count) => count === 1 ? refusal('55P03') : null);
    const placements = await Promise.all(
      [pricedOrder({ pricingVersion }), byClient3()].map((order) => placeHere(order)));
    expect(verdicts(placements)).toEqual({ PLACED: 2 });
    expect(calls).toEqual([[1, 3], [1], [3]]);
  });

  it('because of a lock that is kept is told as no order', async () => {
    const nowMs = performance.now();
    const { place: placeHere } = placeUnder((count) => {
      // Nobody waits for a lock any more.
      if (count === 2) vi.spyOn(performance, 'now').mockReturnValue(nowMs + 60_000);
      return refusal('55P03');
    });
    await expect(placeHere(pricedOrder({ pricingVersion })))
      .rejects.toEqual(new TemporarilyUnavailable('The order was not placed, please retry', 1000));
  });

  it('because of a lock that may be an earlier copy\'s says nothing of that', async () => {
    const nowMs = performance.now();
    const { place: placeHere } = placeUnder((count) => {
      if (count === 2) vi.spyOn(performance, 'now').mockReturnValue(nowMs + 60_000);
      return refusal('55P03');
    });
    await expect(placeHere(pricedOrder({ pricingVersion, clientReference: 'BEHIND-A-COPY' })))
      .rejects.toEqual(new TemporarilyUnavailable('It is not known whether the order was placed;'
        + ' repeat it with its client_reference', 1000));
  });

  it.each(['55P03', '53100', '25006'])('says nothing of the call before, whose answer was lost: %s',
    async (code) => {
      const nowMs = performance.now();
      const { place: placeHere, calls } = placeUnder((count) => {
        if (count === 1) return refusal('08006');
        vi.spyOn(performance, 'now').mockReturnValue(nowMs + 60_000);
        return refusal(code);
      });
      await expect(placeHere(pricedOrder({ pricingVersion }))).rejects
        .toEqual(new TemporarilyUnavailable(NOT_KNOWN, 1000));
      expect(calls.length).toBeGreaterThan(1);
    });

  it('says nothing by a refusal behind a call that was lost, but of a duplicate', async () => {
    await setBalance(database(), { clientId: 2, walletId: 4, to: '0' });
    const unknown = new TemporarilyUnavailable(NOT_KNOWN, 1000);
    const lost = () => placeUnder((count) => count === 1 ? refusal('08006') : null).place;
    await expect(lost()(pricedOrder({
      pricingVersion, clientId: 2, funding: { kind: 'WALLET', walletId: 4 },
    }))).rejects.toEqual(unknown);
    await expect(lost()(voucherOrder('NOBODYS'))).rejects.toEqual(unknown);
    await expect(lost()(pricedOrder({ pricingVersion: pricingVersion - 1 })))
      .rejects.toEqual(unknown);
    await place(pricedOrder({ pricingVersion, clientReference: 'KNOWN' }));
    expect(await lost()(pricedOrder({ pricingVersion, clientReference: 'KNOWN' })))
      .toEqual({ verdict: 'DUPLICATE' });
    expect((await lost()(pricedOrder({ pricingVersion }))).verdict).toBe('PLACED');
  });

  it('is told as it is where the calls before it had no connection', async () => {
    await setBalance(database(), { clientId: 2, walletId: 4, to: '0' });
    const away = () => {
      let count = 0;
      const connect = async (): Promise<pg.PoolClient> => {
        count += 1;
        if (count > 2) return (pools[0] as pg.Pool).connect();
        throw Object.assign(new Error('connect ECONNREFUSED'),
          { code: 'ECONNREFUSED', syscall: 'connect' });
      };
      const pool = { connect } as unknown as pg.Pool;
      return createPlaceOrder({ pool, onPlaced: () => undefined });
    };
    const told = await Promise.all([
      pricedOrder({ pricingVersion, clientId: 2, funding: { kind: 'WALLET', walletId: 4 } }),
      voucherOrder('NOBODYS'), pricedOrder({ pricingVersion: pricingVersion - 1 }),
    ].map((order) => away()(order)));
    expect(told.map(({ verdict }) => verdict))
      .toEqual(['INSUFFICIENT_FUNDS', 'VOUCHER_INVALID', 'STALE']);
  });

  it('is made again for an order that may stand, however late', async () => {
    const isBegun = Promise.withResolvers<void>();
    const isParted = Promise.withResolvers<void>();
    const nowMs = performance.now();
    const tries = { alone: 0, crowd: 0 };
    const query = async (config: pg.QueryConfig): Promise<unknown> => {
      const [{ length }] = config.values as [readonly string[]];
      const call = length === 1 ? 'alone' : 'crowd';
      tries[call] += 1;
      if (tries[call] === 1) {
        isBegun.resolve();
        await pools[0]?.query(config);
        if (call === 'alone') await vi.waitUntil(() => tries.crowd > 0);
        throw refusal('08006');
      }
      if (tries[call] === 2) {
        if (call === 'crowd') await vi.waitUntil(() => tries.alone === 3);
        setImmediate(() => { if (call === 'crowd') isParted.resolve(); });
        throw refusal('55P03');
      }
      if (call === 'crowd') return pools[0]?.query(config);
      await isParted.promise;
      // Nobody waits for a turn any more.
      vi.spyOn(performance, 'now').mockReturnValue(nowMs + 4_500);
      return pools[0]?.query(config);
    };
    const placeHere = createPlaceOrder({ pool: poolOf(query), onPlaced: () => undefined });
    const first = placeHere(pricedOrder({ pricingVersion }));
    await isBegun.promise;
    const others = Array.from({ length: 16 }, () => placeHere(pricedOrder({ pricingVersion })));
    expect(verdicts(await Promise.all([first, ...others]))).toEqual({ PLACED: 17 });
  });

  it('says nothing of an order that is there and cannot be read', async () => {
    let count = 0;
    const query = async (config: pg.QueryConfig): Promise<unknown> => {
      count += 1;
      if (count > 2) throw refusal('53100');
      const answer = await pools[0]?.query(config);
      if (count === 1) throw refusal('08006');
      return answer;
    };
    const placeHere = createPlaceOrder({ pool: poolOf(query), onPlaced: () => undefined });
    await expect(placeHere(pricedOrder({ pricingVersion }))).rejects
      .toEqual(new TemporarilyUnavailable(NOT_KNOWN, 1000));
    expect(count).toBeGreaterThan(2);
  });

  it.each(['53100', '53300', '25006'])('because it can do nothing is not made again: %s',
    async (code) => {
      const { place: placeHere, calls } = placeUnder(() => refusal(code));
      await expect(placeHere(pricedOrder({ pricingVersion }))).rejects
        .toEqual(new TemporarilyUnavailable('The order was not placed, please retry', 1000));
      expect(calls).toEqual([[1]]);
    });
});

describe("the program's role", () => {
  it.each([
    'update wallet set balance = 0',
    'update transfer set amount = 1',
    'delete from transfer',
    'update topup_order_event set version = 2',
    'delete from topup_order_event',
    'insert into transfer (client_id, reason, debit_account, credit_account, wallet_id, amount,' +
      " currency, balance_after) values (1, 'FUNDING', 'EXTERNAL', 'WALLET', 1, 1, 'USD', 1)",
    'create table mine (id int)',
    "select end_order(o, 'FAILED', 'UNKNOWN', null) from topup_order o",
  ])('may not: %s', async (sql) => {
    await expect(pools[0]?.query(sql)).rejects.toMatchObject({ code: '42501' });
  });
});
