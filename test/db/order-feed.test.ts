import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { untilWaiting, useTestDatabase } from '../support/database.ts';
import { floodInbox, openTestFeed, placeOrders } from '../support/feed-writers.ts';

const database = useTestDatabase();
let opened: ReturnType<typeof openTestFeed>;

beforeAll(() => {
  opened = openTestFeed(database());
});
afterAll(() => opened.close());

async function place(): Promise<number> {
  const [orderId = 0] = await placeOrders(database(), 1, 1);
  return orderId;
}

const number = (): Promise<unknown> => database().query('select number_events(1000)');

it('tells who watches an order of an event once, though it is handed out again', async () => {
  const { feed } = opened;
  const orderId = await place();
  await number();
  const [entry] = await database().query<{ sequence: string }>(
    'select sequence from feed_entry where topup_order_id = $1', [orderId]);
  const watch = feed.watchOrder(1, orderId, 0);
  expect((await watch.next()).value?.version).toBe(1);
  // As after a read of the log that failed half-way.
  await feed.handOut([{
    clientId: 1, topupOrderId: orderId, version: 1, sequence: Number(entry?.sequence),
  }]);
  await floodInbox(database(), { clientId: 1, orderId, count: 1 });
  await number();
  expect((await watch.next()).value?.version).toBe(2);
  await watch.return();
});

it('waits for no order where the process stops already', async () => {
  const { feed } = opened;
  const orderId = await place();
  const watches = vi.spyOn(feed, 'watchOrder');
  const told = await feed.untilTerminal(1, orderId, {
    timeoutMs: 100, stopping: AbortSignal.abort(),
  });
  expect(told).toMatchObject({ id: orderId, status: 'PENDING' });
  expect(watches).not.toHaveBeenCalled();
});

it('reads for a client one page of its log at a time, and for another one beside', async () => {
  const { feed } = opened;
  const locking = new pg.Client(database().ownerDatabaseUrl);
  await locking.connect();
  await locking.query('begin; lock table topup_order_event in access exclusive mode');
  const watches = Array.from({ length: 4 }, () => feed.watchClient(1, 0));
  const events = watches.map((watch) => watch.next());
  await untilWaiting(database(), 1);
  const other = feed.watchClient(2, 0);
  const ofOther = other.next();
  await untilWaiting(database(), 2);
  // One that ends while it waits is not read for.
  await watches[3]?.return();
  await locking.end();
  const told = await Promise.all(events);
  expect(told.map(({ value }) => value?.sequence)).toEqual([1, 1, 1, undefined]);
  await other.return();
  expect((await ofOther).done).toBe(true);
  await Promise.all(watches.map((watch) => watch.return()));
});
