import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { prepareRestored } from '../../src/db/after-restore.ts';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { findViolations } from '../../src/db/invariants.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { fulfilTopupOrder } from '../../src/domain/fulfil-topup-order.ts';
import type { Outcome, Supplier } from '../../src/domain/fulfilment-ports.ts';
import { systemClock } from '../../src/clock.ts';
import { pricedOrder } from '../support/builders.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { withDatabaseName } from '../support/database-url.ts';

/** A copy is taken, work goes on, the original is lost, and the program starts over the copy. */

let original: TestDatabase;
let restoredName: string;

/** The supplier outlives both: what it was sent, and how often each had an effect. */
const effects = new Map<string, number>();
const supplier: Supplier = {
  code: 'sandbox-a',
  submit({ supplierReference }) {
    const isKnown = effects.has(supplierReference);
    if (!isKnown) effects.set(supplierReference, 1);
    const answer: Outcome = isKnown
      ? { kind: 'UNKNOWN', reason: 'duplicate' } : { kind: 'DELIVERED', receipt: null };
    return Promise.resolve(answer);
  },
  query: ({ supplierReference }) => Promise.resolve(effects.has(supplierReference)
    ? { kind: 'DELIVERED', receipt: null } : { kind: 'NOT_FOUND' }),
  verifyCallback: () => null,
};

beforeAll(async () => {
  original = await createTestDatabase();
  restoredName = `${new URL(original.databaseUrl).pathname.slice(1)}_restored`;
});
afterAll(async () => {
  await asSuperuser((client) => client.query(`drop database ${restoredName} with (force)`));
  await original.drop();
});

async function asSuperuser(run: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(withDatabaseName(original.superuserUrl, 'postgres'));
  await client.connect();
  await run(client).finally(() => client.end());
}

/** What one program does over one database, until it is gone. */
async function during<Result>(
  databaseUrl: string,
  run: (program: {
    place(): Promise<number>;
    /** Takes every due order one step further; answers what it did with each. */
    work(): Promise<string[]>;
    retryLater(orderId: number): Promise<void>;
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
    async place() {
      const placed = await placeOrder(pricedOrder({ pricingVersion: Number(row?.version) }));
      if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
      return placed.order.id;
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
  await asSuperuser(async (client) => {
    await client.query(`create database ${restoredName} owner topup_owner
      template ${new URL(original.databaseUrl).pathname.slice(1)}`);
    await client.query(`grant connect on database ${restoredName} to topup_app`);
  });
  const lost = await during(original.databaseUrl, async (program) => {
    // The second order stays unsent; a third one is placed, delivered, and lost with the original.
    await original.query("update topup_order set next_action_at = 'infinity' where id = $1",
      [queued]);
    const id = await program.place();
    expect((await program.work()).sort()).toEqual([`SUBMIT 1-${retried}-1`, `SUBMIT 1-${id}-1`]);
    return id;
  });

  const ownerUrl = withDatabaseName(original.ownerDatabaseUrl, restoredName);
  const owner = new pg.Client(ownerUrl);
  await owner.connect();
  expect(await prepareRestored(ownerUrl)).toBe(2);
  await during(withDatabaseName(original.databaseUrl, restoredName), async (program) => {
    const fresh = await program.place();
    expect(fresh).toBeGreaterThan(lost + 1_000_000);
    expect((await program.work()).sort()).toEqual(
      [`QUERY 1-${retried}-1`, `QUERY 1-${queued}-1`, `SUBMIT 1-${fresh}-1`]);
    // "Not found" proves nothing until what was sent before the loss must have arrived.
    await owner.query(`with settled as (update submission set resend_after = now())
      update topup_order set next_action_at = now() where status = 'PENDING'`);
    expect(await program.work()).toEqual([`QUERY 1-${queued}-1`]);
    expect(await program.work()).toEqual([`SUBMIT 1-${queued}-1`]);
  });
  const { rows } = await owner.query<{ status: string }>('select status from topup_order');
  expect(rows).toEqual(Array.from({ length: 3 }, () => ({ status: 'DELIVERED' })));
  expect([...effects.values()]).toEqual([1, 1, 1, 1]);
  expect(await findViolations(async (sql) => (await owner.query<object>(sql)).rows)).toEqual([]);
  await owner.end();
});
