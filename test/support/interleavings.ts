import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type pg from 'pg';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { fulfilTopupOrder, type Fulfilment } from '../../src/domain/fulfil-topup-order.ts';
import type {
  ClaimedOrder, FulfilmentStore, Outcome, RecordedMove, Supplier, SupplierCallback,
} from '../../src/domain/fulfilment-ports.ts';
import { receiveCallback } from '../../src/domain/receive-callback.ts';
import { pricedOrder } from './builders.ts';
import type { TestDatabase } from './database.ts';
import { SupplierTruth, type QueryAnswer, type SubmitAnswer } from './supplier-truth.ts';

/**
 * One order under random interleavings of everything that may happen to it: the real database
 * functions and the real decisions, with a supplier whose truth is known.
 */

export type Op =
  /** A process claims the order, if it is due, and gets as far as this. */
  | {
    readonly op: 'step';
    readonly until: 'CLAIMED' | 'CALLED' | 'RECORDED';
    readonly submit: SubmitAnswer;
    readonly query: QueryAnswer;
  }
  /** One that got stuck goes on; `isLate`: its bytes leave after its deadline. */
  | {
    readonly op: 'call';
    readonly which: number;
    readonly isLate: boolean;
    readonly submit: SubmitAnswer;
    readonly query: QueryAnswer;
  }
  | { readonly op: 'record' | 'crash' | 'recordAgain'; readonly which: number }
  | {
    readonly op: 'act'; readonly which: number; readonly isGood: boolean; readonly isTold: boolean;
  }
  | { readonly op: 'callback'; readonly which: number; readonly isNewId: boolean }
  | { readonly op: 'cancel' }
  | { readonly op: 'catalogue'; readonly change: CatalogueChange }
  | { readonly op: 'untilDue' }
  | { readonly op: 'time'; readonly ms: number };

/** What is sold, and by whom: not any more, or again; routes change places. */
type CatalogueChange = (typeof CATALOGUE_CHANGES)[number];
const CATALOGUE_CHANGES =
  ['delist', 'list', 'swap', 'sellOut', 'restock', 'suspend', 'resume'] as const;

export interface Setting {
  readonly hasTwoRoutes: boolean;
  readonly dedupes: boolean;
  readonly canBeQueried: boolean;
  readonly tellsRefusals: boolean;
}

const SUBMITS: readonly SubmitAnswer[] = [
  'DELIVERED', 'ACCEPTED', 'ACCEPTED', 'REFUSED', 'REFUSED_FOR_NOW', 'REFUSED_HERE', 'TRANSIENT',
  'LOST_BEFORE', 'LOST_ACCEPTED', 'LOST_APPLIED', 'LOST_ON_ITS_WAY', 'REVERSED', 'CONTRADICTED',
];
const QUERIES: readonly QueryAnswer[] =
  ['TRUE', 'TRUE', 'TRUE', 'UNSETTLED', 'LAGGING', 'SILENT', 'REFUSED'];

const which = fc.nat({ max: 7 });
const answers = { submit: fc.constantFrom(...SUBMITS), query: fc.constantFrom(...QUERIES) };
export const setting: fc.Arbitrary<Setting> = fc.record({
  hasTwoRoutes: fc.boolean(), dedupes: fc.boolean(), canBeQueried: fc.boolean(),
  tellsRefusals: fc.boolean(),
});
const step = (
  submit: SubmitAnswer,
  until: 'CLAIMED' | 'CALLED' | 'RECORDED' = 'RECORDED',
  query: QueryAnswer = 'TRUE',
): Op => ({ op: 'step', until, submit, query });
const told: Op = { op: 'callback', which: 0, isNewId: false };
const lagging = (until: 'CALLED' | 'RECORDED'): readonly Op[] =>
  [{ op: 'untilDue' }, { op: 'time', ms: 5000 }, step('ACCEPTED', until, 'LAGGING')];
/** Situations that random steps seldom reach; most trouble begins in one of them. */
const BEGINNINGS: readonly (readonly Op[])[] = [
  [],
  // The second route is under way, and the first one may deliver all the same.
  [step('CONTRADICTED'), { op: 'untilDue' }, step('ACCEPTED', 'CLAIMED')],
  [step('CONTRADICTED'), { op: 'untilDue' }, step('TRANSIENT', 'CALLED')],
  [step('CONTRADICTED'), { op: 'untilDue' }, step('REFUSED', 'CALLED')],
  // Taken over, with the first process still there.
  [step('ACCEPTED', 'CLAIMED'), { op: 'untilDue' }, step('ACCEPTED', 'CLAIMED')],
  [step('LOST_ACCEPTED', 'CALLED'), { op: 'untilDue' }, step('ACCEPTED', 'CALLED')],
  // A second attempt is under way.
  [step('REFUSED_FOR_NOW'), { op: 'untilDue' }, step('ACCEPTED', 'CLAIMED')],
  [step('TRANSIENT'), { op: 'untilDue' }, step('ACCEPTED')],
  [step('REFUSED_FOR_NOW'), { op: 'untilDue' }, step('LOST_ON_ITS_WAY'), { op: 'untilDue' },
    step('ACCEPTED')],
  // It was taken, as only a callback says; whoever asks finds nothing.
  [step('LOST_ACCEPTED'), told, ...lagging('RECORDED'), ...lagging('RECORDED')],
  [step('LOST_ACCEPTED'), ...lagging('CALLED'), told, { op: 'record', which: 0 }],
  [step('LOST_ACCEPTED', 'CALLED'), told, { op: 'record', which: 0 }, ...lagging('RECORDED')],
];
const anything: fc.Arbitrary<readonly Op[]> = fc.array(fc.oneof(
  { weight: 8, arbitrary: fc.record({
    op: fc.constant('step' as const),
    until: fc.constantFrom('CLAIMED', 'CALLED', 'RECORDED', 'RECORDED'),
    ...answers,
  }) },
  { weight: 6, arbitrary: fc.constant({ op: 'untilDue' } as const) },
  { weight: 2, arbitrary: fc.record(
    { op: fc.constant('call' as const), which, isLate: fc.boolean(), ...answers }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('record' as const), which }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('crash', 'recordAgain'), which }) },
  { weight: 3, arbitrary: fc.record(
    { op: fc.constant('act' as const), which, isGood: fc.boolean(), isTold: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record(
    { op: fc.constant('callback' as const), which, isNewId: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record(
    { op: fc.constant('time' as const), ms: fc.constantFrom(300, 600, 1500, 5000, 30_000) }) },
  { weight: 1, arbitrary: fc.constant({ op: 'cancel' } as const) },
  { weight: 4, arbitrary: fc.record({
    op: fc.constant('catalogue' as const), change: fc.constantFrom(...CATALOGUE_CHANGES),
  }) },
), { minLength: 6, maxLength: 25, size: 'max' }) as fc.Arbitrary<readonly Op[]>;
export const ops: fc.Arbitrary<readonly Op[]> =
  fc.tuple(fc.constantFrom(...BEGINNINGS), anything).map(([begin, rest]) => [...begin, ...rest]);

/** A step that some process is in the middle of. */
interface Held {
  readonly order: ClaimedOrder;
  /** What it will record; null while it has not called. */
  move: RecordedMove | null;
}

interface Row {
  readonly status: string;
  readonly state: string | null;
  readonly transfers: readonly string[];
  readonly cases: readonly string[];
}

const DEADLINE_MS = 2000;
const LEASE_MS = 4000;
const SETTLE_MS = 1000;
/** More rounds than any order needs once its supplier answers truly. */
const ROUNDS_MAX = 25;

const CHANGES: Readonly<Record<CatalogueChange, readonly string[]>> = {
  delist: ['update offer set is_active = false'],
  list: ['update offer set is_active = true'],
  swap: [
    'update offer set route = route + 3 where variant_id = 3',
    'update offer set route = 6 - route where variant_id = 3',
  ],
  sellOut: ['update variant set is_in_stock = false where id in (2, 3)'],
  restock: ['update variant set is_in_stock = true where id in (2, 3)'],
  suspend: ['update supplier set is_suspended = (id = 1)'],
  resume: ['update supplier set is_suspended = false'],
};

export class Interleavings {
  readonly #database: TestDatabase;
  readonly #pool: pg.Pool;
  readonly #store: FulfilmentStore;
  #runCount = 0;

  constructor(database: TestDatabase) {
    this.#database = database;
    this.#pool = createPool({
      databaseUrl: database.databaseUrl, size: 4, applicationName: 'test', onError: () => undefined,
    });
    this.#store = createFulfilmentStore({ pool: this.#pool, onMoved: () => undefined });
  }

  close(): Promise<void> {
    return this.#pool.end();
  }

  /** Carries out one run; throws where anything is wrong. */
  async run(given: Setting, todo: readonly Op[]): Promise<void> {
    await this.#database.query(`update supplier set dedupes_by_reference = $1, can_be_queried = $2,
      call_deadline_ms = $3, lease_ms = $4, settle_window_ms = $5, retry_window_ms = 20000,
      backoff_ms = '{500,1000,2000}'`,
    [given.dedupes, given.canBeQueried, DEADLINE_MS, LEASE_MS, SETTLE_MS]);
    for (const sql of [...CHANGES.restock, ...CHANGES.resume]) await this.#database.query(sql);
    await this.#database.query('delete from offer where variant_id in (2, 3)');
    await this.#database.query(`insert into offer (variant_id, route, supplier_id, supplier_sku)
      values (2, 1, 1, 'of sandbox-a'), (3, 1, 1, 'of sandbox-a'), (3, 2, 2, 'of sandbox-b')`);
    this.#runCount += 1;
    // Nothing else sweeps here: the index of what is due would fill with what was.
    if (this.#runCount % 100 === 0) await this.#database.query('vacuum topup_order, submission');
    const orderId = await this.#place(given);
    const run = new Run(given, orderId, this.#database, this.#pool, this.#store);
    try {
      for (const each of todo) await run.perform(each);
      await run.finish();
    } finally {
      // What is still PENDING is out of the way of the next run, and not forgotten.
      await this.#database.query(`update topup_order set lease_token = null, lease_until = null,
        next_action_at = now() + interval '70 minutes' where id = $1 and status = 'PENDING'`,
      [orderId]);
    }
  }

  async #place({ hasTwoRoutes }: Setting): Promise<number> {
    const [row] = await this.#database.query<{ version: string }>(
      'select version from pricing_version');
    const place = createPlaceOrder({
      pool: this.#pool, onPlaced: () => undefined,
    });
    const placed = await place(pricedOrder({
      pricingVersion: Number(row?.version),
      faceValue: { amount: '0.99', currency: 'USD' },
      charge: { amount: '0.01', currency: 'USD' },
      ...(hasTwoRoutes ? { variantId: 3, variantName: '660 UC' } : {}),
    }));
    if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
    return placed.order.id;
  }
}

class Run {
  readonly #setting: Setting;
  readonly #orderId: number;
  readonly #database: TestDatabase;
  readonly #pool: pg.Pool;
  readonly #store: FulfilmentStore;
  readonly #truth: SupplierTruth;
  readonly #held: Held[] = [];
  readonly #recorded: RecordedMove[] = [];
  #shiftedMs = 0;
  #ended: string | null = null;

  constructor(
    given: Setting, orderId: number, database: TestDatabase, pool: pg.Pool, store: FulfilmentStore,
  ) {
    this.#setting = given;
    this.#orderId = orderId;
    this.#database = database;
    this.#pool = pool;
    this.#store = store;
    this.#truth = new SupplierTruth({ ...given, settleMs: SETTLE_MS });
  }

  async perform(op: Op): Promise<void> {
    switch (op.op) {
      case 'step': {
        const held = await this.#claim();
        if (op.until !== 'CLAIMED') await this.#call(held, op);
        if (op.until === 'RECORDED') await this.#record(held);
        break;
      }
      case 'call':
        await this.#call(pick(this.#held, op.which), op, op.isLate);
        break;
      case 'record':
        await this.#record(pick(this.#held, op.which));
        break;
      case 'crash':
        if (this.#held.length > 0) this.#held.splice(op.which % this.#held.length, 1);
        break;
      case 'recordAgain': {
        const again = pick(this.#recorded, op.which);
        if (again !== undefined) await this.#store.recordMove(again);
        break;
      }
      case 'act': {
        const told = this.#truth.act(op.which, op.isGood, this.#nowMs());
        if (op.isTold) await this.#callBack(told ?? undefined, false);
        break;
      }
      case 'callback':
        await this.#callBack(pick(this.#truth.callbacks, op.which), op.isNewId);
        break;
      case 'cancel':
        await this.#pool.query('select cancel_order(1, $1)', [this.#orderId]);
        break;
      case 'catalogue':
        await this.#change(op.change);
        break;
      case 'untilDue':
        await this.#timePasses(await this.#dueInMs());
        break;
      case 'time':
        await this.#timePasses(op.ms);
        break;
    }
    await this.#look();
  }

  async #change(change: CatalogueChange): Promise<void> {
    for (const sql of CHANGES[change]) await this.#database.query(sql);
  }

  /** No more faults: the order must end, and as the supplier's truth says. */
  async finish(): Promise<void> {
    for (const change of ['list', 'restock', 'resume'] as const) await this.#change(change);
    this.#held.length = 0;
    for (let round = 1; ; round += 1) {
      await this.#timePasses(15_000);
      this.#truth.settle(this.#nowMs());
      for (const callback of this.#truth.callbacks) await this.#callBack(callback, true);
      const row = await this.#look();
      if (row.status !== 'PENDING' || this.#mayStay(row)) break;
      if (round === ROUNDS_MAX) throw new Error(`Never ends: ${JSON.stringify(row)}`);
      const held = await this.#claim();
      await this.#call(held, { submit: 'DELIVERED', query: 'TRUE' });
      await this.#record(held);
    }
    this.#judge(await this.#look());
  }

  /** Nobody can say what became of it: a person decides. */
  #mayStay(row: Row): boolean {
    return row.state === 'REVIEW' && !(this.#setting.canBeQueried && this.#setting.dedupes);
  }

  #judge(row: Row): void {
    const told = JSON.stringify({ ...row, sends: this.#truth.sends });
    const effects = this.#truth.effectCount();
    const isHonest = !this.#truth.hasContradicted;
    if (isHonest && effects > 1) throw new Error(`Delivered ${effects} times: ${told}`);
    if (row.status === 'DELIVERED' && effects === 0) throw new Error(`Not delivered: ${told}`);
    const isCharged = row.status === 'DELIVERED' && !row.cases.includes('REVERSAL');
    if (isCharged && !this.#truth.hasStanding()) {
      throw new Error(`Charged for what was taken back: ${told}`);
    }
    const isRefunded = row.status === 'FAILED' || row.status === 'CANCELLED';
    if (isRefunded && effects > 0 && (isHonest || row.cases.length === 0)) {
      throw new Error(`Delivered and refunded: ${told}`);
    }
    if (row.status === 'CANCELLED' && this.#truth.sends.length > 0) {
      throw new Error(`Cancelled after it was sent: ${told}`);
    }
    const wanted = { PENDING: [], DELIVERED: ['ORDER_SALE'], FAILED: ['ORDER_REFUND'],
      CANCELLED: ['ORDER_REFUND'] }[row.status] ?? [];
    const reversal = row.cases.includes('REVERSAL') ? ['REVERSAL'] : [];
    const transfers = ['ORDER_DEBIT', ...wanted, ...reversal];
    if (row.transfers.join() !== transfers.join()) throw new Error(`Money: ${told}`);
  }

  #nowMs(): number {
    return performance.now() + this.#shiftedMs;
  }

  async #claim(): Promise<Held | undefined> {
    await this.#store.leaveSuspendedSuppliers(100);
    const claims = await this.#store.claimOrders({ limit: 100, rooms: {} });
    const [order] = claims;
    if (order === undefined) return undefined;
    if (claims.length > 1 || order.orderId !== this.#orderId) throw new Error('Not our order');
    if (order.action === 'SUBMIT') {
      this.#truth.assertMaySend(order);
      if (this.#held.some((each) => this.#maySend(each))) {
        throw new Error('Another process may still send');
      }
    }
    const held = { order: { ...order, askedAtMs: this.#nowMs() }, move: null };
    this.#held.push(held);
    return held;
  }

  /** A process that stands still behind its last look at the clock sends this much too late. */
  #maySend({ order, move }: Held): boolean {
    return order.action === 'SUBMIT' && move === null
      && this.#nowMs() < order.askedAtMs + 2 * (LEASE_MS + DEADLINE_MS) - SETTLE_MS;
  }

  async #call(
    held: Held | undefined,
    answer: { readonly submit: SubmitAnswer; readonly query: QueryAnswer },
    isLate = false,
  ): Promise<void> {
    if (held === undefined || held.move !== null) return;
    const capture: { move: RecordedMove | null } = { move: null };
    const supplier: Partial<Supplier> = {
      submit: (order) => Promise.resolve(this.#truth.submit(order, answer.submit, this.#nowMs())),
      query: (order) => Promise.resolve(this.#truth.query(order, answer.query, this.#nowMs())),
    };
    const store: FulfilmentStore = {
      ...this.#store,
      recordMove(move) {
        capture.move = move;
        return Promise.resolve('NO_CHANGE');
      },
    };
    const lookedAtMs = isLate && this.#maySend(held) ? held.order.askedAtMs : this.#nowMs();
    await fulfilTopupOrder(held.order, this.#fulfilment(supplier, store, lookedAtMs));
    held.move = capture.move;
  }

  async #record(held: Held | undefined): Promise<void> {
    if (held?.move === undefined || held.move === null) return;
    const result = await this.#store.recordMove(held.move);
    this.#recorded.push(held.move);
    await this.#look();
    const { supplierReference } = held.order;
    const { kind } = held.move.move;
    // As fulfilTopupOrder goes on, which was told here that all is well.
    if (result === 'STALE_LEASE' && kind === 'AWAIT') {
      const move = { kind: 'NOTE_ACCEPTED' } as const;
      await this.#store.recordMove({ ...held.move, leaseToken: null, move });
      await this.#look();
    }
    if (kind === 'DELIVER') this.#truth.heard(supplierReference, 'DELIVERED');
    if (kind === 'REVERSE') this.#truth.heard(supplierReference, 'REVERSED');
    if (kind === 'AWAIT') this.#truth.heard(supplierReference, 'ACCEPTED');
    this.#held.splice(this.#held.indexOf(held), 1);
  }

  async #callBack(callback: SupplierCallback | undefined, isNewId: boolean): Promise<void> {
    if (callback === undefined) return;
    const eventId = isNewId ? randomUUID() : callback.event.eventId;
    const told = { ...callback, event: { ...callback.event, eventId } };
    const result = await receiveCallback(
      { supplierCode: callback.event.supplierCode, headers: {}, body: new Uint8Array() },
      this.#fulfilment({ verifyCallback: () => told }, this.#store),
    );
    await this.#look();
    if (result === 'DONE') {
      this.#truth.heard(callback.event.supplierReference, callback.outcome.kind);
    }
  }

  #fulfilment(
    over: Partial<Supplier>,
    store: FulfilmentStore,
    nowMs = this.#nowMs(),
  ): Fulfilment {
    const unasked = (): Promise<Outcome> => Promise.reject(new Error('Not to be called'));
    const find = (code: string): Supplier =>
      ({ code, submit: unasked, query: unasked, verifyCallback: () => null, ...over });
    return {
      store,
      suppliers: { find, rooms: () => ({}) },
      clock: {
        now: () => new Date(0),
        monotonicMs: () => nowMs,
        sleep: () => Promise.resolve(),
      },
      random: () => 0.5,
    };
  }

  async #dueInMs(): Promise<number> {
    const [row] = await this.#database.query<{ ms: number | null }>(`select
      (extract(epoch from next_action_at - clock_timestamp()) * 1000)::float8 as ms
      from topup_order where id = $1`, [this.#orderId]);
    return Math.max(Math.ceil(row?.ms ?? 0), 0);
  }

  async #timePasses(ms: number): Promise<void> {
    this.#shiftedMs += ms;
    await this.#database.query(`with passed as (
        update submission set resend_after = resend_after - $2 * interval '1 ms',
          last_attempt_at = last_attempt_at - $2 * interval '1 ms' where topup_order_id = $1)
      update topup_order set next_action_at = next_action_at - $2 * interval '1 ms',
        lease_until = lease_until - $2 * interval '1 ms',
        retry_until = retry_until - $2 * interval '1 ms',
        last_attempt_at = last_attempt_at - $2 * interval '1 ms' where id = $1`,
    [this.#orderId, ms]);
    this.#truth.timePasses(this.#nowMs());
  }

  async #look(): Promise<Row> {
    const [row] = await this.#database.query<Row>(`
      select o.status, o.fulfilment_state as state,
        array(select t.reason from transfer t where t.topup_order_id = o.id order by t.id)
          as transfers,
        array(select c.kind from reconciliation_case c where c.topup_order_id = o.id) as cases
      from topup_order o where o.id = $1`, [this.#orderId]);
    if (row === undefined) throw new Error('The order is gone');
    if (this.#ended !== null && row.status !== this.#ended) {
      throw new Error(`${this.#ended} became ${row.status}`);
    }
    const isRefunded = row.status === 'FAILED' || row.status === 'CANCELLED';
    if (this.#ended === null && isRefunded && this.#truth.isDeliveryHeard()) {
      throw new Error('Refunded after a delivery was recorded');
    }
    if (row.status !== 'PENDING') this.#ended = row.status;
    return row;
  }
}

function pick<Item>(items: readonly Item[], index: number): Item | undefined {
  return items[items.length === 0 ? 0 : index % items.length];
}
