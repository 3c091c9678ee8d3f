import type { Money } from './money.ts';

export const TOPUP_ORDER_STATUSES = ['PENDING', 'DELIVERED', 'FAILED', 'CANCELLED'] as const;
export type TopupOrderStatus = (typeof TOPUP_ORDER_STATUSES)[number];

/** Where a PENDING order stands. Never on the wire. */
export type FulfilmentState =
  'QUEUED' | 'SUBMITTING' | 'AWAITING_SUPPLIER' | 'OUTCOME_UNKNOWN' | 'RETRY_WAIT' | 'REVIEW';

export const FAILURE_CODES = [
  'INVALID_RECIPIENT',
  'RECIPIENT_BARRED',
  'RECIPIENT_INELIGIBLE',
  'RECIPIENT_LIMIT_EXCEEDED',
  'OPERATOR_UNAVAILABLE',
  'OPERATOR_LIMIT_EXCEEDED',
  'CLIENT_LIMIT_EXCEEDED',
  'PRODUCT_UNAVAILABLE',
  'PRODUCT_OUT_OF_STOCK',
  'AMOUNT_OUT_OF_RANGE',
  'UNKNOWN',
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

export const RECOMMENDED_ACTIONS = [
  'FIX_INPUT',
  'PICK_ANOTHER_PLAN',
  'TRY_LATER',
  'CONTACT_SUPPORT',
  'PLACE_NEW_ORDER',
] as const;
export type RecommendedAction = (typeof RECOMMENDED_ACTIONS)[number];

/** Why an order is not terminal yet, in words that name no supplier. */
export const PENDING_REASONS = [
  'QUEUED',
  'SUBMITTING',
  'AWAITING_CONFIRMATION',
  'OPERATOR_BUSY',
  'CONFIRMING_OUTCOME',
  'UNDER_REVIEW',
] as const;
export type PendingReason = (typeof PENDING_REASONS)[number];

export const TOPUP_ORDER_EVENT_TYPES = [
  'SNAPSHOT',
  'CREATED',
  'SUBMITTED',
  'RETRY_SCHEDULED',
  'DELIVERED',
  'FAILED',
  'CANCELLED',
  'REVERSED',
  'LATE_NEWS',
] as const;
export type TopupOrderEventType = (typeof TOPUP_ORDER_EVENT_TYPES)[number];

/** What stands in the log; a snapshot is only ever shown. */
export const LOGGED_EVENT_TYPES = TOPUP_ORDER_EVENT_TYPES.filter((type) => type !== 'SNAPSHOT');

/** A placed order. Times are UTC; ids are integers below 2^53. */
export interface TopupOrder {
  readonly clientId: number;
  readonly id: number;
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
  readonly charge: Money;
  readonly fundingSource: 'WALLET' | 'VOUCHER';
  readonly walletId: number | null;
  readonly inputData: Readonly<Record<string, string>>;
  readonly fulfilsInRequest: boolean;
  readonly status: TopupOrderStatus;
  readonly fulfilmentState: FulfilmentState | null;
  readonly version: number;
  readonly failureCode: FailureCode | null;
  readonly attemptCount: number;
  readonly lastAttemptAt: Date | null;
  readonly nextActionAt: Date | null;
  readonly debitTransferId: number | null;
  readonly refundTransferId: number | null;
  readonly reversalTransferId: number | null;
  readonly reversedAt: Date | null;
  readonly receipt: Readonly<Record<string, string>> | null;
  readonly createdAt: Date;
  readonly completedAt: Date | null;
  /** By then almost every recent order of the product was delivered; null without such history. */
  readonly expectedBy: Date | null;
  /** Who is told by mail how the order ends. */
  readonly notificationEmail: string | null;
}

/** One transition of an order; `sequence` is its place in the client's feed, from 1. */
export interface TopupOrderEvent {
  readonly clientId: number;
  readonly topupOrderId: number;
  readonly sequence: number;
  readonly version: number;
  readonly type: TopupOrderEventType;
  readonly previousStatus: TopupOrderStatus | null;
  readonly status: TopupOrderStatus;
  readonly failureCode: FailureCode | null;
  readonly occurredAt: Date;
}

/** An event with its order as it was read behind it: it may be a step further already. */
export interface FeedEvent extends TopupOrderEvent {
  readonly order: TopupOrder;
}

interface FailureText {
  readonly title: string;
  readonly reason: string;
  readonly isUserFixable: boolean;
  readonly recommendedAction: RecommendedAction;
}

/** One row a failure code: what is shown for it (titles and reasons are ours, safe to render). */
export const FAILURES: Readonly<Record<FailureCode, FailureText>> = {
  INVALID_RECIPIENT: {
    title: 'Invalid recipient',
    reason: 'The recipient you entered could not be found. Please double-check and try again.',
    isUserFixable: true,
    recommendedAction: 'FIX_INPUT',
  },
  RECIPIENT_BARRED: {
    title: 'Recipient barred',
    reason: 'The operator does not allow top-ups for this recipient.',
    isUserFixable: false,
    recommendedAction: 'CONTACT_SUPPORT',
  },
  RECIPIENT_INELIGIBLE: {
    title: 'Recipient not eligible',
    reason: 'This recipient cannot receive the selected plan. Please pick a different plan.',
    isUserFixable: true,
    recommendedAction: 'PICK_ANOTHER_PLAN',
  },
  RECIPIENT_LIMIT_EXCEEDED: {
    title: 'Recipient limit reached',
    reason: 'This recipient has reached the limit for this period. Please try again later.',
    isUserFixable: false,
    recommendedAction: 'TRY_LATER',
  },
  OPERATOR_UNAVAILABLE: {
    title: 'Operator unavailable',
    reason: 'The operator is temporarily unavailable. Please try again later.',
    isUserFixable: false,
    recommendedAction: 'TRY_LATER',
  },
  OPERATOR_LIMIT_EXCEEDED: {
    title: 'Operator limit reached',
    reason: 'The operator has reached its limit for this period. Please try again later.',
    isUserFixable: false,
    recommendedAction: 'TRY_LATER',
  },
  CLIENT_LIMIT_EXCEEDED: {
    title: 'Account limit reached',
    reason: 'Your account has reached its limit. Please contact your account manager.',
    isUserFixable: false,
    recommendedAction: 'CONTACT_SUPPORT',
  },
  PRODUCT_UNAVAILABLE: {
    title: 'Product unavailable',
    reason: 'The selected plan is not currently for sale. Please pick a different plan.',
    isUserFixable: true,
    recommendedAction: 'PICK_ANOTHER_PLAN',
  },
  PRODUCT_OUT_OF_STOCK: {
    title: 'Product out of stock',
    reason: 'The selected plan is out of stock. Please pick another one or try again later.',
    isUserFixable: true,
    recommendedAction: 'PICK_ANOTHER_PLAN',
  },
  AMOUNT_OUT_OF_RANGE: {
    title: 'Amount out of range',
    reason: 'The amount is not available for this recipient. Please choose another amount.',
    isUserFixable: true,
    recommendedAction: 'FIX_INPUT',
  },
  UNKNOWN: {
    title: 'Top-up not delivered',
    reason: 'The top-up could not be delivered. To try again, please place a new order.',
    isUserFixable: false,
    recommendedAction: 'PLACE_NEW_ORDER',
  },
};

/** DELIVERED, FAILED or CANCELLED: it stays so, whatever comes. */
export function isTerminal(status: TopupOrderStatus): boolean {
  return status !== 'PENDING';
}

/** Human text of a status; nobody should switch on it. */
export function statusText(status: TopupOrderStatus, failureCode: FailureCode | null): string {
  switch (status) {
    case 'PENDING':
      return 'Order submitted for fulfilment';
    case 'DELIVERED':
      return 'Top-up delivered';
    case 'CANCELLED':
      return 'Order cancelled';
    case 'FAILED':
      return FAILURES[failureCode ?? 'UNKNOWN'].title;
  }
}

/** The user-facing reason of a failure. Of a wrong player ID, the sentence that REST documents. */
export function failureReason(order: Pick<TopupOrder, 'failureCode' | 'inputData'>): string | null {
  if (order.failureCode === null) return null;
  if (order.failureCode === 'INVALID_RECIPIENT' && Object.hasOwn(order.inputData, 'player_id')) {
    return 'The player ID you entered could not be found. Please double-check and try again.';
  }
  return FAILURES[order.failureCode].reason;
}

const PENDING_REASON_OF: Readonly<Record<FulfilmentState, PendingReason>> = {
  QUEUED: 'QUEUED',
  SUBMITTING: 'SUBMITTING',
  AWAITING_SUPPLIER: 'AWAITING_CONFIRMATION',
  OUTCOME_UNKNOWN: 'CONFIRMING_OUTCOME',
  RETRY_WAIT: 'OPERATOR_BUSY',
  REVIEW: 'UNDER_REVIEW',
};

/** When something is done about the order next; null while it is being done, or at its end. */
export function nextAttemptAt(
  order: Pick<TopupOrder, 'fulfilmentState' | 'nextActionAt'>,
): Date | null {
  // While a supplier is called, the next action is only the end of the lease.
  return order.fulfilmentState === 'SUBMITTING' ? null : order.nextActionAt;
}

/** Why the order is still PENDING; null once it is terminal. */
export function pendingReason(order: Pick<TopupOrder, 'fulfilmentState'>): PendingReason | null {
  return order.fulfilmentState === null ? null : PENDING_REASON_OF[order.fulfilmentState];
}
