import type { Money } from './money.ts';
import type { FailureCode } from './topup-order.ts';

/** What fulfilment needs of the rooms around: the orders in hand, and the suppliers. */

/** An order on one of its routes, with all that a supplier and the next move need to know. */
export interface OrderAtSupplier {
  readonly clientId: number;
  readonly orderId: number;
  /**
   * SUBMIT: send it. QUERY: ask what became of it. NO_ROUTE: nobody can supply it any more, or,
   * where it has a SKU all the same, nobody has it in stock.
   */
  readonly action: 'SUBMIT' | 'QUERY' | 'NO_ROUTE';
  readonly supplierCode: string;
  readonly supplierReference: string;
  /** Empty where its supplier does not sell it any more: nothing is sent then. */
  readonly supplierSku: string;
  readonly route: number;
  readonly hasNextRoute: boolean;
  readonly faceValue: Money;
  readonly countryCode: string;
  readonly recipient: string;
  readonly inputData: Readonly<Record<string, string>>;
  /** Sends under this reference; more than there were where a restore made that unknown. */
  readonly attemptCount: number;
  readonly backoffStep: number;
  readonly backoffMs: readonly number[];
  readonly callDeadlineMs: number;
  /** Milliseconds left of the retry window; 0 or less once it has ended. */
  readonly windowLeftMs: number;
  /** The last attempt was made after the window had ended. */
  readonly isTriedAfterWindow: boolean;
  /** Milliseconds until "not found" proves that nothing was applied; 0 or less: it does. */
  readonly resendInMs: number;
  readonly canBeQueried: boolean;
  readonly dedupesByReference: boolean;
  /** The supplier has said on this route that it took the order. */
  readonly wasAccepted: boolean;
  /** A SUBMIT of what was sent before and may have been applied. */
  readonly isResent: boolean;
  /** Monotonic milliseconds at which the database was asked for it. */
  readonly askedAtMs: number;
}

/** An order that this worker holds under a lease, which began no earlier than `askedAtMs`. */
export interface ClaimedOrder extends OrderAtSupplier {
  readonly leaseToken: string;
}

/**
 * What to do with an order after an outcome. A delivery, its reversal and what comes unasked win
 * over any lease; a holder's refusal, and its steps, are taken only under its own.
 */
export type Move =
  | { readonly kind: 'DELIVER'; readonly receipt: Readonly<Record<string, string>> | null }
  | { readonly kind: 'FAIL'; readonly failureCode: FailureCode }
  | { readonly kind: 'REVERSE' }
  | { readonly kind: 'AWAIT'; readonly nextInMs: number }
  /** It was not applied, and is sent again. */
  | { readonly kind: 'RETRY'; readonly nextInMs: number }
  /** It may have been applied: only sending the same again can tell. */
  | { readonly kind: 'RESEND'; readonly nextInMs: number }
  | { readonly kind: 'NEXT_ROUTE' }
  | { readonly kind: 'ASK_AGAIN'; readonly nextInMs: number }
  | { readonly kind: 'REVIEW'; readonly nextInMs: number }
  /** It was taken, says who was not asked: what was not known is, and goes on as it would. */
  | { readonly kind: 'NOTE_ACCEPTED' }
  /** News that changes nothing; only the callback's event id is kept. */
  | { readonly kind: 'NONE' };

/** A move for one order; `leaseToken` is null for news that came without being asked. */
export interface RecordedMove {
  readonly clientId: number;
  readonly orderId: number;
  readonly route: number;
  readonly leaseToken: string | null;
  readonly move: Move;
  readonly callback: SupplierEvent | null;
}

/** The identity of a supplier's message; a repeat of it has no effect. */
export interface SupplierEvent {
  readonly supplierCode: string;
  readonly eventId: string;
  readonly supplierReference: string;
  /** Digest of the raw body: the same id with another body is refused. */
  readonly bodyDigest: string;
}

/** What became of a recorded move: APPLIED changed the order, the others did not. */
export type MoveResult =
  | 'APPLIED' | 'NO_CHANGE' | 'STALE_LEASE' | 'CASE_OPENED'
  | 'REPEATED_EVENT' | 'CONFLICTING_EVENT' | 'UNKNOWN_ORDER';

/**
 * By supplier code, how many orders the supplier may be given now. One without room keeps its
 * orders where they are, so that no attempt is burnt and no other supplier's order waits for it.
 */
export type SupplierRooms = Readonly<Record<string, number>>;

/** Whether an event is a new one, the same again, or another one under the same id. */
export type StrayVerdict = 'NEW' | 'REPEATED_EVENT' | 'CONFLICTING_EVENT';

/** A callback that was kept, under the number it is forgotten by. */
export interface StrayCallback extends SupplierCallback {
  readonly id: string;
}

/** Callbacks whose submission was not there when they came: they are kept for 24 hours. */
export interface StrayCallbacks {
  keep(callback: SupplierCallback): Promise<StrayVerdict>;
  /**
   * Looks through a page of them, from behind `after`, null for the first: those whose submission
   * is there by now, and where the next page begins, null where this was the last.
   */
  find(limit: number, after: string | null): Promise<{
    readonly callbacks: readonly StrayCallback[]; readonly after: string | null;
  }>;
  /** Removes these, and some of those that have been kept for long enough. */
  forget(ids: readonly string[]): Promise<void>;
}

/** What fulfilment needs of the database; held by workers and by the bounded try of a request. */
export interface FulfilmentStore {
  /** Takes up to `limit` due orders under leases and records the attempts about to be made. */
  claimOrders(options: {
    readonly limit: number; readonly rooms: SupplierRooms;
  }): Promise<readonly ClaimedOrder[]>;
  /** Takes one order at once, if it is free. */
  claimOrder(clientId: number, orderId: number): Promise<ClaimedOrder | null>;
  /**
   * Takes up to `limit` orders that wait for a suspended supplier to the next route that sells the
   * same; answers how many it found.
   */
  leaveSuspendedSuppliers(limit: number): Promise<number>;
  /**
   * Makes due up to `limit` orders that lie further ahead than any wait is long, as the database's
   * clock did once; answers how many.
   */
  recallFarOrders(limit: number): Promise<number>;
  /** The one way for what suppliers tell, in whatever way it comes, to move an order. */
  recordMove(move: RecordedMove): Promise<MoveResult>;
  /** What a callback's order looks like to `decideMove`; null where the reference is unknown. */
  findSubmission(supplierReference: string, supplierCode: string): Promise<OrderAtSupplier | null>;
  readonly strays: StrayCallbacks;
  /** Milliseconds until the next order is due; null where none waits. */
  nextDueInMs(): Promise<number | null>;
}

/** What a supplier says of an order. FAILED means: definitely not applied. */
export type Outcome =
  | { readonly kind: 'DELIVERED'; readonly receipt: Readonly<Record<string, string>> | null }
  | { readonly kind: 'ACCEPTED' }
  | { readonly kind: 'FAILED'; readonly failureCode: FailureCode }
  | { readonly kind: 'TRANSIENT'; readonly reason: string; readonly retryAfterMs: number | null }
  | { readonly kind: 'UNKNOWN'; readonly reason: string }
  | { readonly kind: 'NOT_FOUND' }
  | { readonly kind: 'REVERSED' };

/** A supplier's unasked message, verified. `event.supplierReference` names the order. */
export interface SupplierCallback {
  readonly event: SupplierEvent;
  readonly outcome: Outcome;
}

export interface Supplier {
  readonly code: string;
  /** Sends the order; resolves within the deadline, never throws for what a supplier may do. */
  submit(order: OrderAtSupplier, signal: AbortSignal): Promise<Outcome>;
  /** Asks by reference; has no effect at the supplier. */
  query(order: OrderAtSupplier, signal: AbortSignal): Promise<Outcome>;
  /** The message; null where it is not authentic. */
  verifyCallback(raw: RawCallback): SupplierCallback | 'UNREADABLE' | null;
}

/** A callback exactly as it came in: the signature covers the raw bytes. */
export interface RawCallback {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

export interface SupplierRegistry {
  find(code: string): Supplier | undefined;
  rooms(): SupplierRooms;
}
