import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { withSingleConnection } from '../../src/db/single-connection.ts';
import type { ClaimedOrder, FulfilmentStore, Move } from '../../src/domain/fulfilment-ports.ts';
import type { Placement, PricedOrder } from '../../src/domain/ports.ts';
import { pricedOrder } from '../support/builders.ts';
import { untilManyWait, untilWaiting, useTestDatabase } from '../support/database.ts';
import { hashVoucherCode } from '../support/voucher-hash.ts';

/** Rivals for the same rows, from two processes. */

const database = useTestDatabase();
let pools: readonly pg.Pool[] = [];
let placers: readonly ((order: PricedOrder) => Promise<Placement>)[] = [];
let stores: readonly FulfilmentStore[] = [];
let pricingVersion: number;
/** What PostgreSQL refused, by code; those who are repeated as well. */
const refusals: unknown[] = [];
const DEADLOCK_DETECTED = '40P01';

beforeAll(async () => {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  pricingVersion = Number(row?.version);
  // Before the functions give up waiting, so that a circle is told from a wait.
  await withSingleConnection(database().superuserUrl, async (superuser) => {
    await superuser.query(`do $$ begin
      execute format('alter database %I set deadlock_timeout = %L', current_database(), '20ms');
    end $$`);
  });
  pools = [1, 2].map(() => createPool({
    databaseUrl: database().databaseUrl,
    size: 10,
    applicationName: 'test',
    onError: () => undefined,
  }));
  // A storm waits for its turn, however slow the machine.
  for (const pool of pools) {
    pool.options.connectionTimeoutMillis = 60_000;
    noteRefusals(pool);
  }
  placers = pools.map((pool) => createPlaceOrder({
    pool, onPlaced: () => undefined,
  }));
  stores = pools.map((pool) => createFulfilmentStore({ pool, onMoved: () => undefined }));
});
afterAll(() => Promise.all(pools.map((pool) => pool.end())));

function noteRefusals(pool: pg.Pool): void {
  const query = pool.query.bind(pool) as (...asked: unknown[]) => Promise<pg.QueryResult>;
  const noted = (...asked: unknown[]): Promise<pg.QueryResult> =>
    query(...asked).catch((error: unknown) => {
      refusals.push(Object(error).code);
      throw error;
    });
  Object.assign(pool, { query: noted });
}

const of = <Item>(items: readonly Item[], index: number): Item => {
  const item = items[index % items.length];
  if (item === undefined) throw new Error('There is none');
  return item;
};

const place = (index: number, over: Partial<PricedOrder> = {}): Promise<Placement> =>
  of(placers, index)(pricedOrder({ pricingVersion, ...over }));

const voucherOrder = (code: string): Partial<PricedOrder> => ({
  funding: { kind: 'VOUCHER', codeHash: hashVoucherCode(code) },
  discountPercent: '0',
  charge: { amount: '4.99', currency: 'USD' },
});

function placedId(placement: Placement): number {
  if (placement.verdict !== 'PLACED') throw new Error(placement.verdict);
  return placement.order.id;
}

async function claimAll(): Promise<readonly ClaimedOrder[]> {
  return of(stores, 0).claimOrders({ limit: 1000, rooms: {} });
}

const DELIVER: Move = { kind: 'DELIVER', receipt: null };
const FAIL: Move = { kind: 'FAIL', failureCode: 'INVALID_RECIPIENT' };

const record = (index: number, order: ClaimedOrder, move: Move): Promise<string> => {
  const { clientId, orderId, route, leaseToken } = order;
  return of(stores, index)
    .recordMove({ clientId, orderId, route, leaseToken, move, callback: null });
};

const cancel = async (index: number, orderId: number): Promise<string | undefined> => {
  const { rows } = await of(pools, index)
    .query<{ result: string }>('select cancel_order(1, $1) as result', [orderId]);
  return rows[0]?.result;
};

async function balance(walletId: number): Promise<number> {
  const [row] = await database().query<{ units: string }>(
    'select (balance * 10000)::bigint as units from wallet where id = $1', [walletId]);
  return Number(row?.units);
}

describe('a wallet', () => {
  it('is exact after refunds and new debits at once', async () => {
    const count = 60;
    await Promise.all(Array.from({ length: count }, (_, index) => place(index)));
    const orders = await claimAll();
    const before = await balance(1);
    const [results, placements] = await Promise.all([
      Promise.all(orders.map((order, index) => record(index, order, FAIL))),
      Promise.all(Array.from({ length: count }, (_, index) => place(index))),
    ]);
    expect(new Set(results)).toEqual(new Set(['APPLIED']));
    placements.forEach(placedId);
    expect(await balance(1)).toBe(before);
    await Promise.all((await claimAll()).map((order, index) => record(index, order, DELIVER)));
  });
});

describe('a wallet that somebody keeps locked', () => {
  const OF_CLIENT_2: Partial<PricedOrder> = {
    clientId: 2,
    funding: { kind: 'WALLET', walletId: 4 },
    charge: { amount: '1', currency: 'USD' },
  };

  async function lockWallet(): Promise<pg.Client> {
    const keeper = new pg.Client(database().superuserUrl);
    await keeper.connect();
    await keeper.query('begin; select from wallet where client_id = 2 for update');
    return keeper;
  }

  it('keeps only the orders that it pays waiting', async () => {
    const keeper = await lockWallet();
    let isFree = false;
    const held = [1, 2, 3].map(() =>
      place(1, OF_CLIENT_2).then(({ verdict }) => ({ verdict, isFree })));
    const others = [1, 2, 3].map(() => place(1));
    for (const placement of await Promise.all(others)) placedId(placement);
    // Those who come later do not even wait for it once.
    placedId(await place(1));
    isFree = true;
    await keeper.end();
    expect(await Promise.all(held))
      .toEqual(held.map(() => ({ verdict: 'PLACED', isFree: true })));
  });

  it('is not waited for by calls for long, whatever their connection is set to', async () => {
    const orderId = placedId(await place(1, OF_CLIENT_2));
    const keeper = await lockWallet();
    const caller = new pg.Client(database().ownerDatabaseUrl);
    await caller.connect();
    try {
      for (const call of [
        `place_orders(array(select jsonb_populate_record(null::placement,
          '{"client_id": 2, "wallet_id": 4, "charge": 1}')))`,
        `record_moves(json_build_array(json_build_object('ordinal', 1, 'client_id', 2, 'kind',
          'FAIL', 'order_id', ${orderId}, 'route', 1)))`,
      ]) {
        await expect(caller.query(`select ${call}`), call).rejects.toMatchObject({ code: '55P03' });
      }
    } finally {
      await Promise.all([keeper.end(), caller.end()]);
    }
  });

  it('keeps only the outcomes waiting that move its money', async () => {
    const orders = await claimAll();
    const [refunded] = orders.filter(({ clientId }) => clientId === 2);
    const delivered = orders.filter(({ clientId }) => clientId === 1);
    if (refunded === undefined) throw new Error('There is no order to refund');
    expect(delivered.length).toBeGreaterThan(2);
    const keeper = await lockWallet();
    let isFree = false;
    const refund = record(0, refunded, FAIL).then((result) => ({ result, isFree }));
    const others = await Promise.all(delivered.map((order) => record(0, order, DELIVER)));
    expect(new Set(others)).toEqual(new Set(['APPLIED']));
    isFree = true;
    await keeper.end();
    expect(await refund).toEqual({ result: 'APPLIED', isFree: true });
  });
});

describe('whoever changes prices beside an import', () => {
  it.each([
    ['a client', `update client set is_active = is_active`],
    ['a wallet', 'update wallet set is_default = is_default where client_id = 1'],
    ['a supplier', 'update supplier set is_suspended = is_suspended'],
  ])('%s keeps nobody waiting, orders and logouts', async (_, change) => {
    const [importing, changing] = [0, 1].map(() => new pg.Client(database().ownerDatabaseUrl));
    if (importing === undefined || changing === undefined) throw new Error('not there');
    await Promise.all([importing.connect(), changing.connect()]);
    await importing.query('begin; update pricing_version set version = version');
    const changed = changing.query(change);
    await untilWaiting(database());
    placedId(await place(1));
    await of(pools, 0).query('select end_tokens(1)');
    expect(await database().query(`select from pg_locks l join pg_stat_activity a using (pid)
      where not l.granted and a.datname = current_database()`)).toHaveLength(1);
    await importing.query('rollback');
    await changed;
    await Promise.all([importing.end(), changing.end()]);
    const [row] = await database().query<{ version: string }>(
      'select version from pricing_version');
    pricingVersion = Number(row?.version);
  });
});

describe('a wallet that is being frozen', () => {
  it('pays for nothing, in one call with a voucher neither', async () => {
    const owner = new pg.Client(database().ownerDatabaseUrl);
    await owner.connect();
    await owner.query('begin; update wallet set is_frozen = true where id = 1');
    // What comes in one turn goes in one call.
    const placing = Promise.all([place(0, voucherOrder('NOBODYS')), place(0)]);
    await untilWaiting(database());
    await owner.query('commit');
    expect((await placing).map(({ verdict }) => verdict))
      .toEqual(['VOUCHER_INVALID', 'WALLET_FROZEN']);
    await owner.query('update wallet set is_frozen = false where id = 1');
    await owner.end();
  });
});

describe('a voucher whose order fails', () => {
  it.each([
    ['commit', 'PLACED'], ['rollback', 'VOUCHER_INVALID'],
  ])('keeps its rival waiting until that is settled: %s, %s', async (end, verdict) => {
    const code = 'DEMO0499AAAA';
    const first = placedId(await place(0, voucherOrder(code)));
    const order = (await claimAll()).find(({ orderId }) => orderId === first);
    if (order === undefined) throw new Error('The order was not claimed');
    const failing = await of(pools, 0).connect();
    await failing.query('begin');
    await failing.query('select * from record_moves($1::json)', [JSON.stringify([{
      ordinal: 1, client_id: 1, order_id: first, route: 1, lease_token: order.leaseToken,
      kind: 'FAIL', failure_code: 'INVALID_RECIPIENT',
    }])]);
    const rival = place(1, voucherOrder(code));
    await untilWaiting(database());
    await failing.query(end);
    failing.release();
    expect((await rival).verdict).toBe(verdict);
    // Free again for the next case.
    if (end === 'rollback') await record(0, order, FAIL);
    for (const each of await claimAll()) await record(0, each, FAIL);
  });
});

describe('a client that repeats its request while the first one still runs', () => {
  it('gets one order and the truth twice', async () => {
    const holder = new pg.Client(database().ownerDatabaseUrl);
    await holder.connect();
    await holder.query('begin');
    await holder.query('update wallet set balance = balance where id = 1');
    const answers = [0, 1].map((index) => place(index, { clientReference: 'WHILE-IT-RUNS' }));
    await untilWaiting(database(), 2);
    await holder.query('commit');
    await holder.end();
    expect((await Promise.all(answers)).map((each) => each.verdict).sort())
      .toEqual(['DUPLICATE', 'PLACED']);
    await Promise.all((await claimAll()).map((order, index) => record(index, order, DELIVER)));
  });
});

describe('a storm of cancels', () => {
  it('has one winner per order, against claims, answers and each other', async () => {
    const ids = (await Promise.all(Array.from({ length: 150 }, (_, index) => place(index))))
      .map(placedId);
    const before = await balance(1);
    const won = new Set<number>();
    const storm = ids.flatMap((id) => [0, 1, 2].map(async (index) => {
      if (await cancel(index, id) === 'CANCELLED') won.add(id);
    }));
    const delivered = new Set<number>();
    const work = [0, 1].map(async (index) => {
      for (const order of await of(stores, index).claimOrders({ limit: 75, rooms: {} })) {
        expect(await record(index, order, DELIVER)).toBe('APPLIED');
        delivered.add(order.orderId);
      }
    });
    await Promise.all([...storm, ...work]);
    for (const order of await claimAll()) {
      await record(0, order, DELIVER);
      delivered.add(order.orderId);
    }
    expect([...won].filter((id) => delivered.has(id))).toEqual([]);
    // Of earlier tests, whose leases have ended by now, others may have been claimed beside them.
    expect(ids.filter((id) => !won.has(id) && !delivered.has(id))).toEqual([]);
    expect(await balance(1)).toBe(before + won.size * 47_405);
  });
});

describe('orders and refunds over the same wallets and vouchers in both directions', () => {
  const wallets = [['USD', 1], ['EUR', 2], ['JPY', 3]] as const;
  const byWallet = (index: number): Partial<PricedOrder> => {
    const [currency, walletId] = of(wallets, index);
    return {
      funding: { kind: 'WALLET', walletId },
      charge: { amount: '1', currency },
      ...(currency === 'USD' ? {} : { forexRate: '1' }),
      clientReference: `CIRCLE-${index % 40}-${Math.trunc(index / 120)}`,
    };
  };

  async function makeVouchers(codes: readonly string[]): Promise<readonly number[]> {
    const rows = await database().query<{ id: string }>(`insert into voucher (client_id, code_hash,
        code_last4, value, currency, state)
      select 1, hash, 'AAAA', 4.99, 'USD', 'DELIVERED' from unnest($1::text[]) hash returning id`,
    [codes.map(hashVoucherCode)]);
    return rows.map(({ id }) => Number(id)).sort((one, other) => one - other);
  }

  it('never wait for each other in a circle', async () => {
    const codes = Array.from({ length: 12 }, (_, index) => `CIRCLE${index}`);
    await makeVouchers(codes);
    const faults: unknown[] = [];
    const keep = (error: unknown): void => void faults.push(error);
    const holder = new pg.Client(database().ownerDatabaseUrl);
    await holder.connect();
    for (let round = 0; round < 40; round += 1) {
      const ordered = Array.from({ length: 60 }, (_, index) => round * 60 + index);
      const orders = await claimAll();
      // They come to the wallets together, once these are free.
      await holder.query('begin; select from wallet where client_id = 1 for no key update');
      const storm = Promise.all([
        // One process goes up the wallets, vouchers and orders, the other one down.
        ...ordered.map((index) => place(0, byWallet(index)).catch(keep)),
        ...ordered.toReversed().map((index) => place(1, byWallet(index)).catch(keep)),
        ...codes.map((code) => place(0, voucherOrder(code)).catch(keep)),
        ...codes.toReversed().map((code) => place(1, voucherOrder(code)).catch(keep)),
        ...orders.map((order) => record(0, order, FAIL).catch(keep)),
        ...orders.toReversed().map((order) => record(1, order, FAIL).catch(keep)),
      ]);
      await untilManyWait(database(), 2);
      await holder.query('commit');
      await storm;
    }
    await holder.end();
    for (const order of await claimAll()) await record(0, order, FAIL);
    expect(faults).toEqual([]);
    expect(refusals.filter((code) => code === DEADLOCK_DETECTED)).toEqual([]);
  });

  it('lock orders, then vouchers, then wallets, each from the lowest number up', async () => {
    const codes = ['UPWARDS1', 'UPWARDS2'];
    const voucherIds = await makeVouchers(codes);
    const ids: number[] = [];
    for (const over of [...codes.map(voucherOrder), byWallet(0), byWallet(1)]) {
      ids.push(placedId(await place(0, { ...over, clientReference: null })));
    }
    const rowsOf = (table: string, of: readonly number[]): readonly string[] =>
      of.map((id) => `${table} where client_id = 1 and id = ${id}`);
    const [vouchers, paying] = [rowsOf('voucher', voucherIds), rowsOf('wallet', [1, 2])];
    const placed = [{ wallet_id: 2 }, { wallet_id: 1 },
      ...codes.toReversed().map((code) => ({ voucher_hash: hashVoucherCode(code) })),
    ].map((each, index) => ({ ...each, ordinal: index + 1, client_id: 1, charge: 1 }));
    const placing = `select place_orders(array(
      select json_populate_recordset(null::placement, $1)))`;
    const [holder, caller] = [0, 1].map(() => new pg.Client(database().ownerDatabaseUrl));
    if (holder === undefined || caller === undefined) throw new Error('not there');
    await Promise.all([holder.connect(), caller.connect()]);
    for (const [call, given, rows] of [
      ['select record_moves($1)', ids.toReversed().map((id, index) => ({
        ordinal: index + 1, client_id: 1, order_id: id, route: 1, kind: 'FAIL',
        failure_code: 'UNKNOWN',
      })), [...rowsOf('topup_order', ids), ...vouchers, ...paying]],
      [placing, placed.slice(0, 2), paying],
      [placing, placed, [...vouchers, ...paying]],
    ] as const) {
      for (const [index, held] of rows.entries()) {
        await holder.query(`begin; select from ${held} for no key update`);
        // Or it would not wait for longer than the look below may take.
        await caller.query(`begin; alter function record_moves(json) reset lock_timeout;
          alter function place_orders(placement[]) reset lock_timeout`);
        const called = caller.query(call, [JSON.stringify(given)]).catch(() => undefined);
        await untilWaiting(database());
        for (const later of rows.slice(index + 1)) {
          expect(await database().query(`select from ${later} for no key update skip locked`),
            `${later}, while ${held} is waited for`).toHaveLength(1);
        }
        await holder.query('rollback');
        await called;
        await caller.query('rollback');
      }
    }
    await Promise.all([holder.end(), caller.end()]);
    for (const order of await claimAll()) await record(0, order, FAIL);
  });
});
