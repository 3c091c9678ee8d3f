import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import type { FulfilmentStore } from '../../src/domain/fulfilment-ports.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';

/** What waits for a supplier that takes none is set aside, so that no claim reads over it. */

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
/** From so many on that wait for a full supplier they are set aside. */
const CROWD = 512;
/** A look for orders that could leave before their next try reads so many. */
const RECALL_PAGE = 4096;

async function offer(route: number, supplierId: number): Promise<void> {
  await database().query(`insert into offer (variant_id, route, supplier_id, supplier_sku)
    values ($1, $2, $3, $4)`, [VARIANT, route, supplierId, `sku-${supplierId}`]);
}

async function suspend(...suppliers: readonly number[]): Promise<void> {
  await database().query('update supplier set is_suspended = (id = any ($1))', [suppliers]);
}

beforeEach(async () => {
  // Whoever was taken stays with its supplier, suspended or not.
  await database().query("update topup_order set next_action_at = now() + interval '1 hour',"
    + " fulfilment_state = 'AWAITING_SUPPLIER' where status = 'PENDING'");
  await database().query('delete from offer where variant_id = $1', [VARIANT]);
  await offer(1, A);
  await suspend();
});

async function place(count: number): Promise<readonly number[]> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const placeOrder = createPlaceOrder({ pool, onPlaced: () => undefined });
  const placed = await Promise.all(Array.from({ length: count }, async () => {
    const answer = await placeOrder(pricedOrder({
      pricingVersion: Number(row?.version),
      faceValue: { amount: '0.99', currency: 'USD' },
      charge: { amount: '0.01', currency: 'USD' },
      variantId: VARIANT,
      variantName: '660 UC',
    }));
    if (answer.verdict !== 'PLACED') throw new Error(answer.verdict);
    return answer.order.id;
  }));
  return placed.sort((a, b) => a - b);
}

async function placeOne(): Promise<number> {
  const [id] = await place(1);
  if (id === undefined) throw new Error('None was placed');
  return id;
}

/** As an order of another product would: its turn is with the second supplier. */
async function give(id: number, supplierId: number): Promise<void> {
  await database().query(`insert into submission (client_id, topup_order_id, route, supplier_id,
    state, attempt_count, resend_after) values (1, $1, 1, $2, 'NOT_APPLIED', 1, now())`,
    [id, supplierId]);
}

async function postpone(id: number): Promise<void> {
  await database().query("update topup_order set next_action_at = now() + interval '1 hour'"
    + ' where id = $1', [id]);
}

const claim = async (rooms: Readonly<Record<string, number>> = {}, limit = 256):
Promise<readonly number[]> => {
  const claims = await store.claimOrders({ limit, rooms });
  return claims.map(({ orderId }) => orderId).sort((a, b) => a - b);
};

/** Whom the orders are set aside for; null: they are not. */
async function asideFor(ids: readonly number[]): Promise<readonly (number | null)[]> {
  const rows = await database().query<{ aside_for: string | null }>(`select
      case when set_aside_at = next_action_at then set_aside_for end as aside_for
    from topup_order where client_id = 1 and id = any ($1) order by id`, [ids]);
  return rows.map((row) => row.aside_for === null ? null : Number(row.aside_for));
}

describe('an order that waits for a suspended supplier', () => {
  it('is set aside by a claim, due for nobody, and taken up once the supplier is lifted',
    async () => {
      const id = await placeOne();
      await suspend(A);
      expect(await claim()).toEqual([]);
      expect(await asideFor([id])).toEqual([A]);
      expect(await store.nextDueInMs() ?? Infinity).toBeGreaterThan(60_000);
      expect(await claim()).toEqual([]);
      await suspend();
      expect(await claim()).toEqual([id]);
      expect(await asideFor([id])).toEqual([null]);
    });

  it('leaves for one that comes to sell the same', async () => {
    const id = await placeOne();
    await suspend(A);
    await claim();
    expect(await store.leaveSuspendedSuppliers(100)).toBe(0);
    await offer(2, B);
    expect(await store.leaveSuspendedSuppliers(100)).toBe(1);
    expect(await store.claimOrders({ limit: 10, rooms: {} }))
      .toMatchObject([{ orderId: id, supplierCode: 'sandbox-b', route: 2 }]);
  });

  it('leaves before its next try, however far off that is', async () => {
    await offer(2, B);
    const id = await placeOne();
    await postpone(id);
    expect(await store.leaveSuspendedSuppliers(100)).toBe(0);
    await suspend(A);
    expect(await store.leaveSuspendedSuppliers(100)).toBe(1);
    expect(await store.claimOrders({ limit: 10, rooms: {} }))
      .toMatchObject([{ orderId: id, supplierCode: 'sandbox-b', route: 2 }]);
  });

  it('waits for its next try where nobody else could have it', async () => {
    const id = await placeOne();
    await postpone(id);
    const before = await database().query('select * from topup_order where id = $1', [id]);
    await suspend(A);
    expect(await store.leaveSuspendedSuppliers(100)).toBe(0);
    await offer(2, B);
    await suspend(A, B);
    expect(await store.leaveSuspendedSuppliers(100)).toBe(0);
    expect(await database().query('select * from topup_order where id = $1', [id]))
      .toEqual(before);
  });

  it('leaves behind thousands that wait for what they were taken by', async () => {
    await offer(2, B);
    const ids = await place(RECALL_PAGE);
    await database().query(`update topup_order set fulfilment_state = 'AWAITING_SUPPLIER',
      next_action_at = now() + interval '30 minutes' where id = any ($1)`, [ids]);
    const id = await placeOne();
    await postpone(id);
    await suspend(A);
    // All of one moment are read twice: others of it may stand behind the first page.
    for (const found of [0, 0, 1]) {
      expect(await store.leaveSuspendedSuppliers(100)).toBe(found);
    }
    expect(await claim()).toEqual([id]);
    // From the first on again.
    await database().query(`update topup_order set fulfilment_state = 'RETRY_WAIT'
      where id = $1`, [ids[0]]);
    const first = await store.leaveSuspendedSuppliers(100);
    expect(first + await store.leaveSuspendedSuppliers(100)).toBe(1);
  });

  it('is marked as one that can leave where it can, and stays where it no more can', async () => {
    await offer(2, B);
    const id = await placeOne();
    await suspend(A);
    expect(await claim()).toEqual([]);
    expect(await asideFor([id])).toEqual([0]);
    await database().query('delete from offer where variant_id = $1 and route = 2', [VARIANT]);
    expect(await store.leaveSuspendedSuppliers(100)).toBe(1);
    expect(await store.leaveSuspendedSuppliers(100)).toBe(0);
    expect(await asideFor([id])).toEqual([A]);
    await suspend();
    expect(await claim()).toEqual([id]);
  });

  it('is due again where its route is another one\'s by now', async () => {
    const id = await placeOne();
    await suspend(A);
    await claim();
    await database().query('update offer set supplier_id = $2 where variant_id = $1', [VARIANT, B]);
    expect(await claim()).toEqual([]);
    await store.leaveSuspendedSuppliers(100);
    expect(await claim()).toEqual([id]);
  });

  it('is not sent there when the supplier is lifted, where its route is another one\'s by now',
    async () => {
      const id = await placeOne();
      await suspend(A);
      await claim();
      await database().query('update offer set supplier_id = $2 where variant_id = $1',
        [VARIANT, B]);
      await suspend(B);
      expect(await claim()).toEqual([]);
      await store.leaveSuspendedSuppliers(100);
      expect(await claim()).toEqual([]);
      expect(await asideFor([id])).toEqual([B]);
      await suspend(A);
      expect(await claim()).toEqual([id]);
    });

  it('is due again with the claim that finds its route another one\'s by now', async () => {
    const ids = await place(3);
    await suspend(A);
    await claim();
    await database().query('update offer set supplier_id = $2 where variant_id = $1', [VARIANT, B]);
    await suspend();
    expect(await claim()).toEqual(ids);
  });

  it('is asked about all the same once it may have been taken', async () => {
    const id = await placeOne();
    await suspend(A);
    await claim();
    // By a statement that leaves the time: whatever else moves an order sets it anew.
    await give(id, A);
    await database().query(`update submission set state = 'ACCEPTED' where topup_order_id = $1`,
      [id]);
    await database().query(`update topup_order set fulfilment_state = 'AWAITING_SUPPLIER'
      where id = $1`, [id]);
    expect(await claim()).toEqual([]);
    await store.leaveSuspendedSuppliers(100);
    expect(await claim()).toEqual([id]);
  });

  it('can be cancelled, and is claimed no more', async () => {
    const id = await placeOne();
    await suspend(A);
    await claim();
    await database().query('select cancel_order(1, $1)', [id]);
    await suspend();
    expect(await claim()).toEqual([]);
    expect(await database().query('select status from topup_order where id = $1', [id]))
      .toEqual([{ status: 'CANCELLED' }]);
  });

  it('lies far ahead no longer than others, where the clock ran ahead', async () => {
    const id = await placeOne();
    await suspend(A);
    await claim();
    await database().query(`update topup_order set next_action_at = now() + interval '2 years',
      set_aside_at = now() + interval '2 years' where id = $1`, [id]);
    await suspend();
    expect(await claim()).toEqual([]);
    // While none is suspended, one round in four looks.
    for (let round = 0; round < 4; round += 1) await store.leaveSuspendedSuppliers(100);
    expect(await store.recallFarOrders(100)).toBe(1);
    expect(await claim()).toEqual([id]);
  });

  it('is looked at in each round, and in one of four while none is suspended', async () => {
    const id = await placeOne();
    const fresh = createFulfilmentStore({ pool, onMoved: () => undefined });
    const roundsUntilSeen = async (): Promise<number> => {
      await database().query(`update topup_order set next_action_at = now() + interval '2 years',
        set_aside_at = now() + interval '2 years', set_aside_for = ${A} where id = $1`, [id]);
      for (let round = 1; ; round += 1) {
        await fresh.leaveSuspendedSuppliers(100);
        if (await fresh.recallFarOrders(100) === 1) return round;
      }
    };
    expect(await roundsUntilSeen()).toBe(1);
    expect(await roundsUntilSeen()).toBe(4);
    expect(await roundsUntilSeen()).toBe(4);
    await suspend(B);
    expect(await roundsUntilSeen()).toBe(1);
    expect(await roundsUntilSeen()).toBe(1);
  });

  it('leaves as well where a process of the version before sees to it', async () => {
    await offer(2, B);
    const id = await placeOne();
    await suspend(A);
    expect(await database().query('select leave_suspended_suppliers(10) as found'))
      .toEqual([{ found: 1 }]);
    expect(await claim()).toEqual([id]);
  });
});

describe('orders that wait for a full supplier', () => {
  const full = { 'sandbox-a': 0, 'sandbox-b': 256 };

  it('are set aside where they are many, and taken up as it has room, the oldest first',
    async () => {
      const few = await place(CROWD - 1);
      expect(await claim(full)).toEqual([]);
      expect(new Set(await asideFor(few))).toEqual(new Set([null]));
      const ids = [...few, ...await place(2)];
      expect(await claim(full)).toEqual([]);
      expect(new Set(await asideFor(ids))).toEqual(new Set([A]));

      const other = await placeOne();
      await give(other, B);
      expect(await claim(full)).toEqual([other]);
      const oldest = await database().query<{ id: string }>(`select id from topup_order
        where client_id = 1 and id = any ($1) order by next_action_at limit 3`, [ids]);
      const taken = await claim({ 'sandbox-a': 3, 'sandbox-b': 256 });
      expect(taken).toHaveLength(3);
      const [latest] = await database().query<{ is_oldest: boolean }>(`select
          max(created_at) filter (where id = any ($1))
            <= max(created_at) filter (where id = any ($2)) as is_oldest
        from topup_order where client_id = 1`, [taken, oldest.map((row) => Number(row.id))]);
      expect(latest).toEqual({ is_oldest: true });

      // Half of a claim is for what was never set aside.
      const fresh = await place(8);
      for (const id of fresh) await give(id, B);
      const both = await claim({ 'sandbox-a': 256, 'sandbox-b': 256 }, 10);
      expect(both.filter((id) => fresh.includes(id))).toHaveLength(5);
      expect(both).toHaveLength(10);
      const rest = new Set<number>();
      for (let nth = 0; nth < 4; nth += 1) {
        for (const id of await claim({ 'sandbox-a': 256, 'sandbox-b': 256 })) rest.add(id);
      }
      expect(rest.size).toBe(ids.length - 3 - 5 + 3);
    });

  it('leave room for one another where there is room for some of each', async () => {
    const [one, two, three, four] = await place(4);
    const [ofA, ofB] = [[one, two], [three, four]];
    for (const id of [three, four]) await give(id as number, B);
    const claimed = await claim({ 'sandbox-a': 1, 'sandbox-b': 1 });
    expect([ofA, ofB].map((ids) => claimed.filter((id) => ids.includes(id)).length))
      .toEqual([1, 1]);
  });

  it('are not set aside where a suspended one is to be asked about them', async () => {
    const ids = await place(CROWD);
    for (const id of ids) await give(id, A);
    await database().query(`update topup_order set fulfilment_state = 'AWAITING_SUPPLIER'
      where id = any ($1)`, [ids]);
    await suspend(A);
    expect(await claim(full)).toEqual([]);
    expect(new Set(await asideFor(ids))).toEqual(new Set([null]));
    expect(await claim({ 'sandbox-a': 1 })).toHaveLength(1);
  });

  it('are each claimed once by several workers', async () => {
    const ids = await place(CROWD);
    expect(await claim(full)).toEqual([]);
    const claims = await Promise.all(Array.from({ length: 8 }, async () => {
      const taken: number[] = [];
      for (let nth = 0; nth < 3; nth += 1) taken.push(...await claim({ 'sandbox-a': 40 }));
      return taken;
    }));
    const all = claims.flat();
    expect(new Set(all).size).toBe(all.length);
    expect(all.every((id) => ids.includes(id))).toBe(true);
    expect(all.length).toBeGreaterThan(256);
  });
});

it('goes past any number that others hold, beside a suspended supplier', async () => {
  const held = await place(1100);
  const other = await placeOne();
  await suspend(B);
  const holder = new pg.Client({ connectionString: database().ownerDatabaseUrl });
  await holder.connect();
  try {
    await holder.query('begin');
    await holder.query('select from topup_order where id = any ($1) for no key update', [held]);
    // It looks at 1,028 at a time.
    expect(await claim({}, 1)).toEqual([other]);
  } finally {
    await holder.end();
  }
});

describe('what is due and stays, in front of all that waits', () => {
  /** From so many on a page of them leaves no room for others. */
  const MANY = 1100;
  const silent = { 'sandbox-a': 0, 'sandbox-b': 256 };

  /** Due to be asked about, all since one moment; in the order in which claims see them. */
  async function makeQuestions(count: number): Promise<readonly number[]> {
    await database().query(`update topup_order set fulfilment_state = 'AWAITING_SUPPLIER',
      next_action_at = now() - interval '1 minute' where id = any ($1)`, [await place(count)]);
    const rows = await database().query<{ id: string }>(`select id from topup_order
      where client_id = 1 and status = 'PENDING' and next_action_at < now() order by ctid`);
    return rows.map(({ id }) => Number(id));
  }

  const accept = (ids: readonly number[], supplierId: number) => database().query(
    `insert into submission (client_id, topup_order_id, route, supplier_id, state, attempt_count,
        resend_after)
      select 1, x, 1, $2, 'ACCEPTED', 1, now() from unnest($1::bigint[]) x`, [ids, supplierId]);

  it('keeps nothing behind it from being set aside', async () => {
    const questions = await makeQuestions(MANY);
    await accept(questions, A);
    const ids = await place(20);
    await suspend(A);
    expect(await claim(silent)).toEqual([]);
    expect(new Set(await asideFor(ids))).toEqual(new Set([A]));
    expect(new Set(await asideFor(questions))).toEqual(new Set([null]));
  });

  it('keeps nothing of the same moment from being claimed, as after a restore', async () => {
    const ids = await makeQuestions(MANY + 3);
    const others = ids.slice(MANY);
    await accept(ids.slice(0, MANY), A);
    await accept(others, B);
    await suspend(A);
    // It looks at 1,040 at a time.
    expect(await claim(silent, 4)).toEqual(others.toSorted((a, b) => a - b));
  });

  it('that others hold is no work that was found', async () => {
    await offer(2, B);
    const [held, free] = [await placeOne(), await placeOne()];
    await suspend(A);
    expect(await claim()).toEqual([]);
    expect(await asideFor([held, free])).toEqual([0, 0]);
    const holder = new pg.Client({ connectionString: database().ownerDatabaseUrl });
    await holder.connect();
    try {
      await holder.query('begin');
      await holder.query('select from topup_order where id = $1 for no key update', [held]);
      expect(await store.leaveSuspendedSuppliers(1)).toBe(1);
      expect(await store.leaveSuspendedSuppliers(1)).toBe(0);
    } finally {
      await holder.end();
    }
    expect(await store.leaveSuspendedSuppliers(1)).toBe(1);
    expect(await claim()).toEqual([held, free]);
  });
});

it('what is due for a supplier that has a queue takes its place in there', async () => {
  const late = await place(CROWD);
  expect(await claim({ 'sandbox-a': 0 })).toEqual([]);
  expect(new Set(await asideFor(late))).toEqual(new Set([A]));
  const early = await place(3);
  await database().query(`update topup_order set next_action_at = now() - interval '1 hour'
    where id = any ($1)`, [early]);
  expect(await claim({ 'sandbox-a': 1 })).toHaveLength(1);
  expect(await claim({ 'sandbox-a': 3 })).toEqual(early);
});

it('an order that no supplier has any more while it leaves is due again', async () => {
  await offer(2, B);
  const id = await placeOne();
  await suspend(A);
  expect(await claim()).toEqual([]);
  const holder = new pg.Client({ connectionString: database().ownerDatabaseUrl });
  await holder.connect();
  try {
    await holder.query('begin');
    await holder.query('select from supplier where id = $1 for update', [A]);
    const leaving = store.leaveSuspendedSuppliers(10);
    const { rows: [own] } = await holder.query('select pg_backend_pid() as pid');
    await expect.poll(() => database().query(`select from pg_locks l
      where not l.granted and $1 = any (pg_blocking_pids(l.pid))`, [own.pid])).toHaveLength(1);
    await database().query('delete from offer where variant_id = $1', [VARIANT]);
    // It waits for two seconds.
    expect(await leaving).toBe(1);
  } finally {
    await holder.end();
  }
  expect(await asideFor([id])).toEqual([null]);
  expect(await claim()).toEqual([id]);

  // As the version before left it.
  await database().query(`update topup_order set set_aside_at = x.at, next_action_at = x.at,
    set_aside_for = null from (select now() - interval '1 minute' as at) x where id = $1`, [id]);
  expect(await claim()).toEqual([]);
  await store.leaveSuspendedSuppliers(10);
  expect(await claim()).toEqual([id]);
});
