import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { findViolations } from '../../src/db/invariants.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import type {
  ClaimedOrder, FulfilmentStore, Move, MoveResult,
} from '../../src/domain/fulfilment-ports.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';

/** News of a route that was given up (a) and of the one that took its place (b), in any order. */

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

const MOVES = {
  delivered: { kind: 'DELIVER', receipt: null },
  reversed: { kind: 'REVERSE' },
  rejected: { kind: 'FAIL', failureCode: 'INVALID_RECIPIENT' },
  unavailable: { kind: 'RETRY', nextInMs: 0 },
} as const satisfies Readonly<Record<string, Move>>;
const NEWS = ['a delivered', 'a reversed', 'b delivered', 'b reversed', 'b rejected'] as const;
type News = (typeof NEWS)[number] | 'a rejected' | 'a unavailable';

async function placeWithTwoRoutes(count: number): Promise<readonly number[]> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const place = createPlaceOrder({ pool, onPlaced: () => undefined });
  const placed = await Promise.all(Array.from({ length: count }, () => place(pricedOrder({
    pricingVersion: Number(row?.version),
    faceValue: { amount: '0.99', currency: 'USD' },
    charge: { amount: '0.01', currency: 'USD' },
    variantId: 3,
    variantName: '660 UC',
  }))));
  return placed.map((each) => {
    if (each.verdict !== 'PLACED') throw new Error(each.verdict);
    return each.order.id;
  });
}

const claimAll = (): Promise<readonly ClaimedOrder[]> =>
  store.claimOrders({ limit: 1000, rooms: {} });

const record = ({ clientId, orderId, route, leaseToken }: ClaimedOrder, move: Move)
: Promise<MoveResult> =>
  store.recordMove({ clientId, orderId, route, leaseToken, move, callback: null });

/** Orders whose first route was given up; the second one has them, or, if not, waits for them. */
async function giveUpFirstRoute(count: number, { isAccepted = true } = {})
: Promise<readonly number[]> {
  const ids = await placeWithTwoRoutes(count);
  for (const order of await claimAll()) await record(order, { kind: 'NEXT_ROUTE' });
  for (const order of isAccepted ? await claimAll() : []) {
    await record(order, { kind: 'AWAIT', nextInMs: 600_000 });
  }
  return ids;
}

function tell(orderId: number, news: News, pin?: string): Promise<MoveResult> {
  const route = news.startsWith('a') ? 1 : 2;
  const told = MOVES[news.slice(2) as keyof typeof MOVES];
  return store.recordMove({
    clientId: 1,
    orderId,
    route,
    leaseToken: null,
    move: told.kind === 'DELIVER' && pin !== undefined ? { ...told, receipt: { pin } } : told,
    callback: {
      supplierCode: route === 1 ? 'sandbox-a' : 'sandbox-b',
      eventId: randomUUID(),
      supplierReference: `1-${orderId}-${route}`,
      bodyDigest: 'digest',
    },
  });
}

async function tellAll(orderId: number, told: readonly News[]): Promise<readonly MoveResult[]> {
  const results: MoveResult[] = [];
  for (const news of told) results.push(await tell(orderId, news));
  return results;
}

interface Seen {
  readonly status: string;
  readonly events: readonly string[];
  readonly transfers: readonly string[];
  readonly cases: readonly string[];
  readonly stands: number | null;
}

async function look(orderId: number): Promise<Seen> {
  const [row] = await database().query<Seen>(`select o.status,
      (select s.route from submission s where s.topup_order_id = o.id and s.state = 'DELIVERED')
        as stands,
      array(select e.type from topup_order_event e where e.topup_order_id = o.id
        and e.version > 3 order by e.version) as events,
      array(select t.reason from transfer t where t.topup_order_id = o.id and
        t.reason <> 'ORDER_DEBIT' order by t.id) as transfers,
      array(select c.kind || ' ' || c.route || case when c.reversed_at is null then ''
        else ' reversed' end from reconciliation_case c where c.topup_order_id = o.id
        order by c.opened_at) as cases
    from topup_order o where o.id = $1`, [orderId]);
  if (row === undefined) throw new Error('The order is gone');
  return row;
}

describe('a route that was given up', () => {
  it.each<readonly [says: string, told: readonly News[], seen: Seen]>([
    ['delivers and takes it back; the other one does not deliver',
      ['a delivered', 'a reversed', 'b rejected'], {
        status: 'FAILED',
        events: ['LATE_NEWS', 'LATE_NEWS', 'FAILED'],
        transfers: ['ORDER_REFUND'],
        cases: ['SECOND_ROUTE_SUCCESS 1 reversed'],
        stands: null,
      }],
    ['tells only that it took back; the other one does not deliver',
      ['a reversed', 'a delivered', 'b rejected'], {
        status: 'FAILED',
        events: ['LATE_NEWS', 'FAILED'],
        transfers: ['ORDER_REFUND'],
        cases: ['SECOND_ROUTE_SUCCESS 1 reversed'],
        stands: null,
      }],
    ['takes back; the other one delivers',
      ['a reversed', 'b delivered'], {
        status: 'DELIVERED',
        events: ['LATE_NEWS', 'DELIVERED'],
        transfers: ['ORDER_SALE'],
        cases: ['SECOND_ROUTE_SUCCESS 1 reversed'],
        stands: 2,
      }],
    ['delivers, ends the order, and takes back',
      ['a delivered', 'b rejected', 'a reversed'], {
        status: 'DELIVERED',
        events: ['LATE_NEWS', 'DELIVERED', 'REVERSED'],
        transfers: ['ORDER_SALE', 'REVERSAL'],
        cases: ['SECOND_ROUTE_SUCCESS 1', 'REVERSAL 1'],
        stands: 1,
      }],
    ['delivers; the other one takes back what nobody heard of',
      ['a delivered', 'b reversed'], {
        status: 'DELIVERED',
        events: ['LATE_NEWS', 'DELIVERED', 'LATE_NEWS'],
        transfers: ['ORDER_SALE'],
        cases: ['SECOND_ROUTE_SUCCESS 1', 'SECOND_ROUTE_SUCCESS 2 reversed'],
        stands: 1,
      }],
    ['delivers and takes back when the order was refunded',
      ['b rejected', 'a delivered', 'a reversed'], {
        status: 'FAILED',
        events: ['FAILED', 'LATE_NEWS', 'LATE_NEWS'],
        transfers: ['ORDER_REFUND'],
        cases: ['LATE_SUCCESS 1 reversed'],
        stands: null,
      }],
  ])('%s', async (_says, told, seen) => {
    const [id = 0] = await giveUpFirstRoute(1);
    await tellAll(id, told);
    expect(await look(id)).toEqual(seen);
    expect(new Set(await tellAll(id, told.filter((news) => news !== 'b rejected'))))
      .toEqual(new Set(['NO_CHANGE']));
    expect(await look(id)).toEqual(seen);
  });

  it('takes back before the other one is tried, which then is', async () => {
    const [id = 0] = await giveUpFirstRoute(1, { isAccepted: false });
    expect(await tellAll(id, ['a delivered', 'a reversed'])).toEqual(['APPLIED', 'CASE_OPENED']);
    expect((await look(id)).transfers).toEqual(['ORDER_SALE', 'REVERSAL']);
    const [other = 0] = await giveUpFirstRoute(1, { isAccepted: false });
    expect(await tellAll(other, ['a reversed', 'a delivered', 'a rejected']))
      .toEqual(['CASE_OPENED', 'NO_CHANGE', 'NO_CHANGE']);
    const [order] = await claimAll();
    expect(order).toMatchObject({ orderId: other, route: 2, action: 'SUBMIT' });
    if (order !== undefined) await record(order, MOVES.delivered);
    expect(await look(other)).toMatchObject({ status: 'DELIVERED', transfers: ['ORDER_SALE'] });
  });
});

it('does not speak for the other one, which has the order', async () => {
  const [id = 0] = await giveUpFirstRoute(1);
  expect(await tell(id, 'a unavailable')).toBe('NO_CHANGE');
  expect(await tell(id, 'b delivered')).toBe('APPLIED');
});

it('is not sent again to the next route where the one that was given up delivers', async () => {
  const [id] = await giveUpFirstRoute(1, { isAccepted: false });
  for (const order of await claimAll()) await record(order, { kind: 'RESEND', nextInMs: 600_000 });
  expect(await tell(id as number, 'a delivered')).toBe('APPLIED');
  expect(await look(id as number)).toMatchObject({
    status: 'DELIVERED', transfers: ['ORDER_SALE'], cases: ['SECOND_ROUTE_SUCCESS 1'], stands: 1,
  });
});

describe('a refunded order', () => {
  it('keeps on its case that a late success was taken back, and opens it again', async () => {
    const [id = 0] = await giveUpFirstRoute(1);
    await tellAll(id, ['b rejected', 'b delivered']);
    await database().query('update reconciliation_case set resolved_at = now()');
    expect(await tellAll(id, ['b reversed', 'b delivered', 'b reversed']))
      .toEqual(['CASE_OPENED', 'NO_CHANGE', 'NO_CHANGE']);
    expect(await look(id)).toEqual({
      status: 'FAILED',
      events: ['FAILED', 'LATE_NEWS', 'LATE_NEWS'],
      transfers: ['ORDER_REFUND'],
      cases: ['LATE_SUCCESS 2 reversed'],
      stands: null,
    });
    const [row] = await database().query(
      'select resolved_at from reconciliation_case where topup_order_id = $1', [id]);
    expect(row).toEqual({ resolved_at: null });
  });
});

/** Every order in which some or all of these can come. */
function arrangements<T>(things: readonly T[]): readonly (readonly T[])[] {
  return things.flatMap((thing) => [
    [thing],
    ...arrangements(things.filter((other) => other !== thing)).map((rest) => [thing, ...rest]),
  ]);
}

async function receiptOf(orderId: number): Promise<{ readonly pin: string } | null> {
  const [row] = await database().query<{ receipt: { pin: string } | null }>(
    'select receipt from topup_order where id = $1', [orderId]);
  return row?.receipt ?? null;
}

type Told = readonly [news: News, pin?: string];
describe('the receipt', () => {
  it.each<readonly [says: string, told: readonly Told[], pin: string | null]>([
    ['is that of the route that was given up, if the other one refuses',
      [['a delivered', 'A'], ['b rejected']], 'A'],
    ['is that of the other one, if it delivers as well',
      [['a delivered', 'A'], ['b delivered', 'B'], ['a delivered', 'A']], 'B'],
    ['is taken from a repetition while it counts for nothing yet',
      [['a delivered'], ['a delivered', 'A'], ['a delivered', 'X'], ['b rejected']], 'A'],
    ['is added to an order that was delivered without one, once',
      [['b delivered'], ['b delivered', 'B'], ['b delivered', 'X']], 'B'],
    ['is added to what a route that was given up had delivered',
      [['a delivered'], ['b rejected'], ['a delivered', 'A']], 'A'],
    ['is not added to what was taken back',
      [['b reversed'], ['b delivered', 'B']], null],
  ])('%s', async (_says, told, pin) => {
    const [id = 0] = await giveUpFirstRoute(1);
    for (const [news, ofNews] of told) await tell(id, news, ofNews);
    expect(await receiptOf(id)).toEqual(pin === null ? null : { pin });
    expect((await look(id)).status).toBe('DELIVERED');
  });

  it('is there where the other one waits to be sent again', async () => {
    const [id = 0] = await giveUpFirstRoute(1, { isAccepted: false });
    expect(await tell(id, 'a delivered', 'A')).toBe('APPLIED');
    expect(await receiptOf(id)).toEqual({ pin: 'A' });
  });

  it('that comes after the end is an event, so that whoever watches hears of it', async () => {
    const [id = 0] = await giveUpFirstRoute(1);
    await tell(id, 'b delivered');
    expect(await tell(id, 'b delivered', 'B')).toBe('APPLIED');
    expect((await look(id)).events).toEqual(['DELIVERED', 'LATE_NEWS']);
  });

  it('stays with the case of its own route', async () => {
    const [id = 0] = await giveUpFirstRoute(1);
    await tell(id, 'a delivered');
    // Of a third supplier, which was given up as well and told no receipt either.
    await database().query(`insert into reconciliation_case (client_id, topup_order_id, kind, route)
      values (1, $1, 'SECOND_ROUTE_SUCCESS', 3)`, [id]);
    await tell(id, 'a delivered', 'A');
    expect(await database().query(`select route, receipt from reconciliation_case
      where topup_order_id = $1 order by route`, [id]))
      .toEqual([{ route: 1, receipt: { pin: 'A' } }, { route: 3, receipt: null }]);
    await tell(id, 'b delivered', 'B');
  });

  it('of an order that was refunded stays with its case', async () => {
    const [id = 0] = await giveUpFirstRoute(1);
    await tell(id, 'b rejected');
    expect(await tell(id, 'b delivered', 'B')).toBe('CASE_OPENED');
    expect(await database().query(
      'select receipt from reconciliation_case where topup_order_id = $1', [id],
    )).toEqual([{ receipt: { pin: 'B' } }]);
    expect(await receiptOf(id)).toBeNull();
  });
});

/** What must hold of an order of which all of this, and nothing else, was told. */
function judge(
  told: readonly News[],
  { status, transfers, cases, stands }: Seen,
  receipt: { readonly pin: string } | null,
): string[] {
  const isTold = (news: News): boolean => told.includes(news);
  const hasDelivered = (route: number): boolean => route === 1
    ? isTold('a delivered') && !isTold('a reversed')
    : isTold('b delivered') && !isTold('b reversed');
  const isCharged = transfers.join() === 'ORDER_SALE';
  const isCredited = ['ORDER_REFUND', 'ORDER_SALE,REVERSAL'].includes(transfers.join());
  const of = (route: number): readonly string[] =>
    cases.filter((each) => each.includes(` ${route}`));
  const rules: Readonly<Record<string, boolean>> = {
    'pending while the second route says nothing':
      (status === 'PENDING') === told.every((news) => news.startsWith('a')),
    'ended with the money in one place': status === 'PENDING'
      ? transfers.length === 0 : isCharged !== isCredited,
    'charged only for what came and stayed': !isCharged || hasDelivered(stands ?? 0),
    'shown with the receipt of what is charged':
      !isCharged || receipt?.pin === (stands === 1 ? 'a' : 'b'),
    'people know of the first route': (of(1).length > 0)
      === (isTold('a delivered') || isTold('a reversed')),
    'people know of a reversal': (!isTold('a reversed') || of(1).some(isReversal))
      && (!isTold('b reversed') || of(2).some(isReversal)),
  };
  return Object.keys(rules).filter((rule) => rules[rule] === false);
}
const isReversal = (each: string): boolean => /REVERSAL|reversed/.test(each);

it('charges only for what came and stayed, in whatever order the news comes', async () => {
  const histories = arrangements(NEWS);
  const ids = await giveUpFirstRoute(histories.length);
  for (let place = 0; place < NEWS.length; place += 1) {
    // All orders at once, and each news twice: it comes again, and changes nothing more.
    const next = histories.flatMap((told, index) => {
      const news = told[place];
      return news === undefined ? [] : [{ id: ids[index] ?? 0, news }];
    });
    await Promise.all(next.map(({ id, news }) => tell(id, news, news[0])));
    const again = await Promise.all(next.map(({ id, news }) => tell(id, news, news[0])));
    expect(new Set(again)).toEqual(new Set(['NO_CHANGE']));
    expect(await findViolations(database().query)).toEqual([]);
  }
  const wrong = await Promise.all(histories.map(async (told, index) => {
    const id = ids[index] ?? 0;
    const seen = await look(id);
    return judge(told, seen, await receiptOf(id)).map((rule) => `${told.join(', ')}: not ${rule}: ${
      JSON.stringify(seen)}`);
  }));
  expect(wrong.flat()).toEqual([]);
}, 30_000);
