import type { Amount, Money } from './money.ts';
import type { PricingSnapshot } from './pricing-snapshot.ts';
import type { FeedEvent, TopupOrder } from './topup-order.ts';

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
  /** When a price that changes with time, or a quote, ends; ISO 8601. Behind it: STALE. */
  readonly priceValidUntil: string | null;
}

/** The verdict of the atomic phase for one order. */
export type Placement =
  | { readonly verdict: 'PLACED'; readonly order: TopupOrder }
  | { readonly verdict: PlacementRefusal };
export type PlacementRefusal =
  | 'DUPLICATE' | 'STALE' | 'INSUFFICIENT_FUNDS' | 'WALLET_FROZEN'
  | 'VOUCHER_INVALID' | 'VOUCHER_VALUE_MISMATCH';

export interface Store {
  /** The current snapshot, from memory. */
  pricing(): PricingSnapshot;
  /** Reads the figures again and returns the new snapshot. */
  refreshPricing(): Promise<PricingSnapshot>;
  /** The figures of now: read again only where the database says that something changed. */
  freshPricing(): Promise<PricingSnapshot>;
  /** ONE atomic phase: de-duplicate, debit or redeem, insert order, transfer and event. */
  placeOrder(order: PricedOrder): Promise<Placement>;
  findOrder(clientId: number, orderId: number): Promise<TopupOrder | null>;
  findOrderByReference(clientId: number, clientReference: string): Promise<TopupOrder | null>;
  findOrdersByIds(clientId: number, orderIds: readonly number[]): Promise<readonly TopupOrder[]>;
  /** CANCELLED and refunded, only while no attempt was ever recorded. */
  cancelOrder(clientId: number, orderId: number): Promise<Cancellation>;
  findWalletsByIds(clientId: number, ids: readonly number[]): Promise<readonly Wallet[]>;
  findTransfersByIds(clientId: number, ids: readonly number[]): Promise<readonly Transfer[]>;
}

/** What became of a request to cancel; CANCELLED also where it was before. */
export type Cancellation = 'CANCELLED' | 'NOT_CANCELLABLE' | 'NOT_FOUND';

export const WALLET_TYPES = ['PREPAID', 'POSTPAID'] as const;

export interface Wallet {
  readonly id: number;
  readonly currency: string;
  readonly type: (typeof WALLET_TYPES)[number];
  readonly balance: Amount;
  readonly creditLimit: Amount;
  readonly isDefault: boolean;
  readonly isFrozen: boolean;
}

export const TRANSFER_REASONS =
  ['ORDER_DEBIT', 'ORDER_REFUND', 'REVERSAL', 'FUNDING', 'ADJUSTMENT'] as const;

/** A transfer as its wallet's owner sees it. */
export interface Transfer {
  readonly id: number;
  readonly walletId: number;
  readonly topupOrderId: number | null;
  readonly reason: (typeof TRANSFER_REASONS)[number];
  readonly direction: 'DEBIT' | 'CREDIT';
  readonly amount: Amount;
  readonly currency: string;
  /** Of the product that was paid for; the wallet's own where nothing was converted. */
  readonly sourceCurrency: string;
  /** From `sourceCurrency` to `currency`; null where nothing was converted. */
  readonly forexRate: string | null;
  readonly balanceAfter: Amount;
  /** An operator's own words; null where the reason says all. */
  readonly remarks: string | null;
  readonly createdAt: Date;
}

/** How far a client's feed reaches, and from where on it is still kept. */
export interface FeedExtent {
  /** Everything up to this sequence was removed; 0 where all is kept. */
  readonly removedThrough: number;
  readonly lastSequence: number;
  /** Where it goes on after a restored backup; nothing stands behind `after`, up to `through`. */
  readonly skipped: readonly { readonly after: number; readonly through: number }[];
}

/** Events as they are committed, by any process; each once and in order, without gap. */
export interface OrderFeed {
  /** The order and the feed position it stands at, read in one database snapshot. */
  snapshot(clientId: number, orderId: number): Promise<{
    readonly order: TopupOrder; readonly sequence: number;
  } | null>;
  /**
   * Events of one order behind a version, in order of version. The iterator ends after the terminal
   * event; its `return()` frees everything at once.
   */
  watchOrder(clientId: number, orderId: number, afterVersion: number):
    AsyncIterableIterator<FeedEvent>;
  extent(clientId: number): Promise<FeedExtent>;
  /**
   * Events of all orders of a client behind a sequence, without end.
   * @throws Rejection VALIDATION_FAILURE with the detail CURSOR_EXPIRED, from `next`, where the
   *   position was removed
   */
  watchClient(clientId: number, afterSequence: number): AsyncIterableIterator<FeedEvent>;
  /**
   * Up to `limit` events of a client behind a sequence.
   * @throws Rejection VALIDATION_FAILURE with the detail CURSOR_EXPIRED
   */
  readClient(clientId: number, from: {
    readonly afterSequence: number; readonly limit: number;
  }): Promise<readonly FeedEvent[]>;
  /** Resolves when the order is terminal, or with its current state after `timeoutMs`. */
  untilTerminal(
    clientId: number,
    orderId: number,
    until: { readonly timeoutMs: number; readonly stopping: AbortSignal },
  ): Promise<TopupOrder>;
}
