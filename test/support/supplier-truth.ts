import { randomUUID } from 'node:crypto';
import type {
  OrderAtSupplier, Outcome, SupplierCallback,
} from '../../src/domain/fulfilment-ports.ts';

export type SubmitAnswer =
  | 'DELIVERED' | 'ACCEPTED' | 'REFUSED' | 'REFUSED_FOR_NOW' | 'REFUSED_HERE' | 'TRANSIENT'
  | 'LOST_BEFORE' | 'LOST_ACCEPTED' | 'LOST_APPLIED' | 'LOST_ON_ITS_WAY' | 'REVERSED'
  /** Refused, and delivered all the same: the one lie of this supplier. */
  | 'CONTRADICTED';
export type QueryAnswer =
  | 'TRUE'
  /** "Not found" of an order that it has, as long as the settle window allows. */
  | 'UNSETTLED'
  /** "Not found", for however long, of an order of which it has said that it took it. */
  | 'LAGGING'
  | 'SILENT' | 'REFUSED';

/** One order that a supplier took. */
interface Send {
  readonly reference: string;
  readonly supplierCode: string;
  readonly route: number;
  readonly sentAtMs: number;
  readonly isLie: boolean;
  state: 'ON_ITS_WAY' | 'LOST' | 'ACCEPTED' | 'APPLIED' | 'DECLINED' | 'REVERSED';
}

export interface Habits {
  readonly dedupes: boolean;
  /** Of what it has not taken it says what it said last, and not that it was not found. */
  readonly tellsRefusals: boolean;
  readonly settleMs: number;
}

/** What the suppliers of one order really did. */
export class SupplierTruth {
  readonly sends: Send[] = [];
  readonly callbacks: SupplierCallback[] = [];
  hasContradicted = false;
  /** References of which a delivery was recorded, whatever it made of the order. */
  readonly #delivered = new Set<string>();
  /** Those of which it was recorded that they were reversed. */
  readonly #reversed = new Set<string>();
  /** Those of which it was recorded that they were taken. */
  readonly #accepted = new Set<string>();
  /** The last refusal of each reference that left it free to be sent again. */
  readonly #refused = new Map<string, Outcome>();
  readonly #options: Habits;

  constructor(options: Habits) {
    this.#options = options;
  }

  effectCount(): number {
    return this.sends.filter(({ state }) => state === 'APPLIED' || state === 'REVERSED').length;
  }

  /** One was delivered and not taken back. */
  hasStanding(): boolean {
    return this.sends.some(({ state }) => state === 'APPLIED');
  }

  /** News of this reference was recorded. */
  heard(reference: string, kind: Outcome['kind']): void {
    if (kind === 'DELIVERED') this.#delivered.add(reference);
    if (kind === 'REVERSED') this.#reversed.add(reference);
    if (kind === 'ACCEPTED') this.#accepted.add(reference);
  }

  /** A delivery was recorded, and nothing of its being taken back. */
  isDeliveryHeard(): boolean {
    return [...this.#delivered].some((reference) => !this.#reversed.has(reference));
  }

  /** @throws Error where an earlier send is, or may become, effective beside this one */
  assertMaySend(order: OrderAtSupplier): void {
    if (this.isDeliveryHeard()) throw new Error('Sent after a delivery was recorded');
    if (order.supplierSku !== `of ${order.supplierCode}`) {
      throw new Error(`Sent to ${order.supplierCode} what is ${order.supplierSku}`);
    }
    const elsewhere = this.sends.find(({ reference, supplierCode }) =>
      reference === order.supplierReference && supplierCode !== order.supplierCode);
    if (elsewhere !== undefined) throw new Error(`Sent to two as ${order.supplierReference}`);
    for (const { reference, state, isLie } of this.sends) {
      const mayBeEffective = state !== 'LOST' && state !== 'DECLINED';
      const isRepeat = this.#options.dedupes && reference === order.supplierReference;
      if (mayBeEffective && !isRepeat && !isLie) {
        throw new Error(`Sent as ${order.supplierReference} beside ${reference}, ${state}`);
      }
    }
  }

  submit(order: OrderAtSupplier, answer: SubmitAnswer, nowMs: number): Outcome {
    const known = this.sends.find(({ reference, state }) =>
      this.#options.dedupes && reference === order.supplierReference && state !== 'LOST');
    if (known !== undefined) return newsOf(known.state);
    const take = (state: Send['state'], isLie = false): void => {
      this.sends.push({
        reference: order.supplierReference,
        supplierCode: order.supplierCode,
        route: order.route,
        sentAtMs: nowMs,
        isLie,
        state,
      });
      // Also told by callback, which may come any time later.
      if (state === 'ACCEPTED') this.#callBack(order, { kind: 'ACCEPTED' });
    };
    const refuse = (failureCode: 'INVALID_RECIPIENT' | 'OPERATOR_UNAVAILABLE'
      | 'PRODUCT_OUT_OF_STOCK'): Outcome => {
      const outcome: Outcome = { kind: 'FAILED', failureCode };
      // As what was taken is.
      this.#callBack(order, outcome);
      this.#refused.set(order.supplierReference, outcome);
      return outcome;
    };
    const lost: Outcome = { kind: 'UNKNOWN', reason: 'connection lost' };
    switch (answer) {
      case 'DELIVERED':
        take('APPLIED');
        return { kind: 'DELIVERED', receipt: null };
      case 'ACCEPTED':
        take('ACCEPTED');
        return { kind: 'ACCEPTED' };
      case 'REVERSED':
        take('REVERSED');
        return { kind: 'REVERSED' };
      case 'REFUSED':
        // A definite refusal is kept: a query, or a repeat, is answered the same.
        take('DECLINED');
        return refuse('INVALID_RECIPIENT');
      case 'REFUSED_FOR_NOW':
        return refuse('OPERATOR_UNAVAILABLE');
      case 'REFUSED_HERE':
        return refuse('PRODUCT_OUT_OF_STOCK');
      case 'CONTRADICTED':
        take('ACCEPTED', true);
        this.hasContradicted = true;
        return refuse('PRODUCT_OUT_OF_STOCK');
      case 'TRANSIENT':
        return { kind: 'TRANSIENT', reason: 'busy', retryAfterMs: null };
      case 'LOST_BEFORE':
        return lost;
      case 'LOST_ACCEPTED':
        take('ACCEPTED');
        return lost;
      case 'LOST_APPLIED':
        take('APPLIED');
        return lost;
      case 'LOST_ON_ITS_WAY':
        take('ON_ITS_WAY');
        return lost;
    }
  }

  query(order: OrderAtSupplier, answer: QueryAnswer, nowMs: number): Outcome {
    if (answer === 'SILENT') return { kind: 'UNKNOWN', reason: 'no answer' };
    if (answer === 'REFUSED') return { kind: 'TRANSIENT', reason: 'busy', retryAfterMs: null };
    const found = this.sends.filter(({ reference, state, sentAtMs }) =>
      reference === order.supplierReference && state !== 'LOST' && state !== 'ON_ITS_WAY'
        && !(answer === 'UNSETTLED' && nowMs < sentAtMs + this.#options.settleMs));
    const isHeld = found.every(({ state, isLie }) => state === 'ACCEPTED' && !isLie);
    if (answer === 'LAGGING' && isHeld && this.#accepted.has(order.supplierReference)) {
      return { kind: 'NOT_FOUND' };
    }
    const states = found.map(({ state }) => state);
    const best = (['APPLIED', 'REVERSED', 'ACCEPTED', 'DECLINED'] as const)
      .find((state) => states.includes(state));
    if (best !== undefined) return newsOf(best);
    const refused = this.#options.tellsRefusals && this.#refused.get(order.supplierReference);
    return refused || { kind: 'NOT_FOUND' };
  }

  /** The supplier goes on with one of its orders; answers the callback that tells of it. */
  act(index: number, isGood: boolean, nowMs: number): SupplierCallback | null {
    this.timePasses(nowMs);
    const send = this.sends[this.sends.length === 0 ? 0 : index % this.sends.length];
    const next = send === undefined ? null : nextState(send.state, isGood);
    if (send === undefined || next === null) return null;
    send.state = next;
    const outcome = newsOf(next);
    const { supplierCode, reference: supplierReference } = send;
    return this.#callBack({ supplierCode, supplierReference }, outcome);
  }

  /** What was on its way longer than suppliers take has not arrived. */
  timePasses(nowMs: number): void {
    for (const send of this.sends) {
      const isLate = nowMs > send.sentAtMs + this.#options.settleMs;
      if (send.state === 'ON_ITS_WAY' && isLate) send.state = 'LOST';
    }
  }

  /** Everything that was taken comes to its end. */
  settle(nowMs: number): void {
    this.timePasses(nowMs);
    this.sends.forEach((send, index) => {
      if (send.state === 'ACCEPTED') this.act(index, index % 2 === 0, nowMs);
    });
  }

  #callBack(
    of: Pick<OrderAtSupplier, 'supplierCode' | 'supplierReference'>,
    outcome: Outcome,
  ): SupplierCallback {
    const { supplierCode, supplierReference } = of;
    const event = { supplierCode, supplierReference, eventId: randomUUID(), bodyDigest: '' };
    const callback = { event, outcome };
    this.callbacks.push(callback);
    return callback;
  }
}

function nextState(state: Send['state'], isGood: boolean): Send['state'] | null {
  switch (state) {
    case 'ON_ITS_WAY':
      return isGood ? 'ACCEPTED' : 'APPLIED';
    case 'ACCEPTED':
      return isGood ? 'APPLIED' : 'DECLINED';
    case 'APPLIED':
      return isGood ? null : 'REVERSED';
    default:
      return null;
  }
}

function newsOf(state: Send['state']): Outcome {
  switch (state) {
    case 'APPLIED':
      return { kind: 'DELIVERED', receipt: null };
    case 'DECLINED':
      return { kind: 'FAILED', failureCode: 'UNKNOWN' };
    case 'REVERSED':
      return { kind: 'REVERSED' };
    default:
      return { kind: 'ACCEPTED' };
  }
}
