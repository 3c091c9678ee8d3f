import { shownMoment } from '../domain/moment.ts';
import { NumberText, type Amount } from '../domain/money.ts';
import type { RawOrderRequest } from '../domain/order-request.ts';
import {
  FAILURES, failureReason, nextAttemptAt, pendingReason, statusText, type TopupOrder,
} from '../domain/topup-order.ts';
import { FAILURES_ON_WIRE } from './errors.ts';
import type { JsonObject } from './json-body.ts';

// Orders as they are documented. Only the wire files and errors.ts respell: snake_case, and numbers
// with the digits they were given.

/** A create body in the words of the domain; unknown keys are ignored. */
export function orderRequestIn(body: JsonObject): RawOrderRequest {
  return {
    productId: body['product_id'],
    amount: body['amount'],
    inputData: inputDataIn(body['input_data']),
    clientReference: body['client_reference'],
    walletId: body['wallet_id'],
    category: body['category'],
    redeemVoucherCode: body['redeem_voucher_code'],
    quoteId: body['quote_id'],
    allowForexFallback: true,
  };
}

/** Key-value pairs of an object. An array is no object, even one of pairs: it is refused later. */
function inputDataIn(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof NumberText) return value;
  return Array.isArray(value) ? null : Object.entries(value);
}

/**
 * An order as it is documented, fields in the documented order, then ours. What is undefined is
 * left out by JSON.stringify; nothing is ever null.
 */
export function orderOut(order: TopupOrder): Readonly<Record<string, unknown>> {
  return {
    id: order.id,
    client_reference: order.clientReference ?? undefined,
    product_id: order.productId,
    product_name: order.productName,
    variant_name: order.variantName,
    country_code: order.countryCode,
    amount: exactNumber(order.charge.amount),
    currency: order.charge.currency,
    status: order.status,
    status_text: statusText(order.status, order.failureCode),
    transaction_id: order.debitTransferId ?? undefined,
    ...failureOut(order),
    input_data: order.inputData,
    created_at: shownMoment(order.createdAt),
    completed_at: order.completedAt === null ? undefined : shownMoment(order.completedAt),
    wallet_id: order.walletId ?? undefined,
    face_amount: exactNumber(order.faceValue.amount),
    face_currency: order.faceValue.currency,
    funding_source: order.fundingSource,
    forex_rate: order.forexRate === null ? undefined : exactNumber(order.forexRate),
    refund: refundOut(order),
    reversal: reversalOut(order),
    receipt: order.receipt ?? undefined,
    ...pendingOut(order),
    notification_email: order.notificationEmail ?? undefined,
  };
}

function failureOut(order: TopupOrder): object | undefined {
  if (order.failureCode === null) return undefined;
  return {
    failure_code: FAILURES_ON_WIRE[order.failureCode],
    failure_reason: failureReason(order) ?? undefined,
    is_user_fixable: FAILURES[order.failureCode].isUserFixable,
  };
}

/** The refund is written in the transaction that ends the order: same amount, same moment. */
function refundOut(order: TopupOrder): object | undefined {
  if (order.fundingSource !== 'WALLET' || order.refundTransferId === null) return undefined;
  return {
    transaction_id: order.refundTransferId,
    amount: exactNumber(order.charge.amount),
    refunded_at: order.completedAt === null ? undefined : shownMoment(order.completedAt),
  };
}

function reversalOut(order: TopupOrder): object | undefined {
  if (order.reversedAt === null) return undefined;
  return {
    transaction_id: order.reversalTransferId ?? undefined,
    at: shownMoment(order.reversedAt),
  };
}

function pendingOut(order: TopupOrder): object | undefined {
  if (order.status !== 'PENDING') return undefined;
  const nextAt = nextAttemptAt(order);
  return {
    attempts: order.attemptCount,
    last_attempt_at: order.lastAttemptAt === null ? undefined : shownMoment(order.lastAttemptAt),
    next_attempt_at: nextAt === null ? undefined : shownMoment(nextAt),
    pending_reason: pendingReason(order) ?? undefined,
    expected_by: order.expectedBy === null ? undefined : shownMoment(order.expectedBy),
  };
}

// TypeScript's library does not know it, Node has it: JSON.stringify writes the text unchanged.
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => object };

/** A JSON number with exactly these digits. */
export function exactNumber(text: Amount): object {
  return rawJSON(text);
}
