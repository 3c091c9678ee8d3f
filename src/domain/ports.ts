import type { Amount, Money } from './money.ts';
import type { PricingSnapshot } from './pricing-snapshot.ts';
import type { FailureCode, TopupOrder, TopupOrderEvent } from './topup-order.ts';

/** What the rooms around the domain must offer. */

export interface Clock {
  /** Wall clock; for what is shown, never for leases (those are kept by the database). */
  now(): Date;
  /** Milliseconds that only grow; for deadlines inside this process. */
  monotonicMs(): number;
  /** Resolves after `ms`, or earlier when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** How an order is paid: a wallet's charge, or a voucher redeemed at face value. */
export type Funding =
  | { readonly kind: 'WALLET'; readonly walletId: number }
  | { readonly kind: 'VOUCHER'; readonly codeHash: string };

/** An order that is checked and priced, ready for the one atomic phase. */
export interface PricedOrder {
  readonly clientId: number;
  readonly clientReference: string | null;
  readonly inputDigest: string;
  readonly productId: number;
  readonly variantId: number;
  readonly productName: string;
  readonly variantName: string;
  readonly countryCode: string;
  readonly faceValue: Money;
  readonly discountPercent: string;
  readonly forexRate: string | null;
  readonly forexRateId: number | null;
  readonly charge: Money;
  readonly funding: Funding;
  readonly inputData: Readonly<Record<string, string>>;
  readonly recipient: string;
  readonly inputFieldsVersion: number;
  readonly fulfilsInRequest: boolean;
  readonly pricingVersion: number;
  readonly priceValidUntil: string | null;
}

/** The verdict of the atomic phase for one order. */
export type Placement =
  | { readonly verdict: 'PLACED'; readonly order: TopupOrder }
  | { readonly verdict: PlacementRefusal };
export type PlacementRefusal =
  | 'DUPLICATE' | 'STALE' | 'INSUFFICIENT_FUNDS' | 'WALLET_FROZEN'
  | 'VOUCHER_INVALID' | 'VOUCHER_VALUE_MISMATCH';

/** An order that this worker holds under a lease, with all that is needed for one step. */
export interface ClaimedOrder {
  readonly clientId: number;
  readonly orderId: number;
  readonly leaseToken: string;
  /** SUBMIT: send it. QUERY: ask what became of it. NO_ROUTE: nobody can supply it any more. */
  readonly action: 'SUBMIT' | 'QUERY' | 'NO_ROUTE';
  readonly supplierCode: string;
  readonly supplierReference: string;
  readonly supplierSku: string;
  readonly route: number;
  readonly hasNextRoute: boolean;
  readonly faceValue: Money;
  readonly countryCode: string;
  readonly recipient: string;
  readonly inputData: Readonly<Record<string, string>>;
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
  /** Monotonic milliseconds of the claim's request: the lease began no earlier. */
  readonly claimedAtMs: number;
}

/** What to do with an order after an outcome. Terminal moves win over any lease. */
export type Move =
  | { readonly kind: 'DELIVER'; readonly receipt: Readonly<Record<string, string>> | null }
  | { readonly kind: 'FAIL'; readonly failureCode: FailureCode }
  | { readonly kind: 'REVERSE' }
  | { readonly kind: 'AWAIT'; readonly nextInMs: number }
  | { readonly kind: 'RETRY'; readonly nextInMs: number }
  | { readonly kind: 'NEXT_ROUTE' }
  | { readonly kind: 'ASK_AGAIN'; readonly nextInMs: number }
  | { readonly kind: 'REVIEW'; readonly nextInMs: number }
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

export interface Store {
  /** The current snapshot, from memory. */
  pricing(): PricingSnapshot;
  /** Reads the figures again and returns the new snapshot. */
  refreshPricing(): Promise<PricingSnapshot>;
  /** ONE atomic phase: de-duplicate, debit or redeem, insert order, transfer and event. */
  placeOrder(order: PricedOrder): Promise<Placement>;
  findOrder(clientId: number, orderId: number): Promise<TopupOrder | null>;
  findOrderByReference(clientId: number, clientReference: string): Promise<TopupOrder | null>;
  findOrdersByIds(clientId: number, orderIds: readonly number[]): Promise<readonly TopupOrder[]>;
  /** CANCELLED and refunded, only while no attempt was ever recorded. */
  cancelOrder(clientId: number, orderId: number): Promise<'CANCELLED' | 'NOT_CANCELLABLE'>;
  findWalletsByIds(clientId: number, ids: readonly number[]): Promise<readonly Wallet[]>;
  findTransfersByIds(clientId: number, ids: readonly number[]): Promise<readonly Transfer[]>;
}

/** What fulfilment needs of the database; held by workers and by the bounded try of a request. */
export interface FulfilmentStore {
  /** Takes up to `limit` due orders under leases and records the attempts about to be made. */
  claimOrders(options: {
    readonly limit: number; readonly closedSuppliers: readonly string[];
  }): Promise<readonly ClaimedOrder[]>;
  /** Takes one order at once, if it is free. */
  claimOrder(clientId: number, orderId: number): Promise<ClaimedOrder | null>;
  /** The one way to a terminal state, for every kind of news. */
  recordMove(move: RecordedMove): Promise<MoveResult>;
  /** What a callback's order looks like to `decideMove`; null where the reference is unknown. */
  findSubmission(supplierReference: string, supplierCode: string): Promise<ClaimedOrder | null>;
  /** Keeps a callback whose order is unknown, for the operators. */
  keepStrayCallback(event: SupplierEvent): Promise<void>;
  /** Milliseconds until the next order is due; null where none waits. */
  nextDueInMs(): Promise<number | null>;
}

export interface Wallet {
  readonly id: number;
  readonly currency: string;
  readonly type: 'PREPAID' | 'POSTPAID';
  readonly balance: Amount;
  readonly creditLimit: Amount;
  readonly isDefault: boolean;
  readonly isFrozen: boolean;
}

/** A transfer as its wallet's owner sees it. */
export interface Transfer {
  readonly id: number;
  readonly walletId: number;
  readonly topupOrderId: number | null;
  readonly reason: 'ORDER_DEBIT' | 'ORDER_REFUND' | 'REVERSAL' | 'FUNDING' | 'ADJUSTMENT';
  readonly direction: 'DEBIT' | 'CREDIT';
  readonly amount: Amount;
  readonly currency: string;
  readonly balanceAfter: Amount;
  readonly createdAt: Date;
}

/** A position in a client's feed and, on an order's feed, the version reached. */
export interface FeedPosition {
  readonly sequence: number;
  readonly version: number;
}

/** One order's events as they are committed, by any process. */
export interface OrderFeed {
  /** The order and the feed position it stands at, read in one database snapshot. */
  snapshot(clientId: number, orderId: number): Promise<{
    readonly order: TopupOrder; readonly sequence: number;
  } | null>;
  /**
   * Events of one order after `from`, in order of version, without gap or repeat. The iterator
   * ends after the terminal event; its `return()` frees everything at once.
   */
  watchOrder(clientId: number, orderId: number, from: FeedPosition):
    AsyncIterableIterator<TopupOrderEvent>;
  /** Resolves when the order is terminal, or with its current state after `timeoutMs`. */
  untilTerminal(clientId: number, orderId: number, timeoutMs: number): Promise<TopupOrder>;
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
  submit(order: ClaimedOrder, signal: AbortSignal): Promise<Outcome>;
  /** Asks by reference; has no effect at the supplier. */
  query(order: ClaimedOrder, signal: AbortSignal): Promise<Outcome>;
  /** The message, or null where it is not authentic or not understood. */
  verifyCallback(raw: RawCallback): SupplierCallback | null;
}

/** A callback exactly as it came in: the signature covers the raw bytes. */
export interface RawCallback {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

export interface SupplierRegistry {
  find(code: string): Supplier | undefined;
  /** Codes whose breaker is open: their orders are left alone and no attempt is burnt. */
  closedCodes(): readonly string[];
}

/** The caller behind a token. */
export interface Caller {
  readonly clientId: number;
  /** Milliseconds since the epoch at which the token ends. */
  readonly expiresAtMs: number;
}

export type Authenticate = (authorization: string | undefined) => Promise<Caller | null>;
