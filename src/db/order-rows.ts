import { canonical } from '../domain/money.ts';
import type { ClaimedOrder, OrderAtSupplier } from '../domain/fulfilment-ports.ts';
import type { TopupOrder, TopupOrderEvent } from '../domain/topup-order.ts';

/** What `toOrder` reads of `topup_order o`. */
export const ORDER_COLUMNS = `o.client_id, o.id, o.client_reference, o.input_digest, o.product_id,
  o.variant_id, o.product_name, o.variant_name, o.country_code, o.face_value, o.face_currency,
  o.discount_percent, o.forex_rate, o.charge, o.currency, o.funding_source, o.wallet_id,
  o.input_data, o.fulfils_in_request, o.status, o.fulfilment_state, o.version, o.failure_code,
  o.attempt_count, o.last_attempt_at, o.next_action_at, o.debit_transfer_id, o.refund_transfer_id,
  o.reversal_transfer_id, o.reversed_at, o.receipt, o.created_at, o.completed_at,
  case when o.status = 'PENDING' then o.created_at + (select d.expected_ms from delivery_pace d
    where d.product_id = o.product_id) * interval '1 ms' end as expected_by,
  o.notification_email`;

interface OrderRow {
  readonly client_id: number;
  readonly id: number;
  readonly client_reference: string | null;
  readonly input_digest: string;
  readonly product_id: number;
  readonly variant_id: number;
  readonly product_name: string;
  readonly variant_name: string;
  readonly country_code: string;
  readonly face_value: string;
  readonly face_currency: string;
  readonly discount_percent: string;
  readonly forex_rate: string | null;
  readonly charge: string;
  readonly currency: string;
  readonly funding_source: TopupOrder['fundingSource'];
  readonly wallet_id: number | null;
  readonly input_data: Record<string, string>;
  readonly fulfils_in_request: boolean;
  readonly status: TopupOrder['status'];
  readonly fulfilment_state: TopupOrder['fulfilmentState'];
  readonly version: number;
  readonly failure_code: TopupOrder['failureCode'];
  readonly attempt_count: number;
  readonly last_attempt_at: Date | null;
  readonly next_action_at: Date | null;
  readonly debit_transfer_id: number | null;
  readonly refund_transfer_id: number | null;
  readonly reversal_transfer_id: number | null;
  readonly reversed_at: Date | null;
  readonly receipt: Record<string, string> | null;
  readonly created_at: Date;
  readonly completed_at: Date | null;
  readonly expected_by: Date | null;
  readonly notification_email: string | null;
}

/** A row of topup_order as the domain knows it; amounts in canonical text. */
export function toOrder(raw: object): TopupOrder {
  const row = raw as OrderRow;
  // A voucher's movement of money is no wallet transaction: its ids are not the client's concern.
  const isWallet = row.wallet_id !== null;
  return {
    clientId: row.client_id,
    id: row.id,
    clientReference: row.client_reference,
    inputDigest: row.input_digest,
    productId: row.product_id,
    variantId: row.variant_id,
    productName: row.product_name,
    variantName: row.variant_name,
    countryCode: row.country_code,
    faceValue: { amount: canonical(row.face_value), currency: row.face_currency },
    discountPercent: canonical(row.discount_percent),
    forexRate: row.forex_rate === null ? null : canonical(row.forex_rate),
    charge: { amount: canonical(row.charge), currency: row.currency },
    fundingSource: row.funding_source,
    walletId: row.wallet_id,
    inputData: row.input_data,
    fulfilsInRequest: row.fulfils_in_request,
    status: row.status,
    fulfilmentState: row.fulfilment_state,
    version: row.version,
    failureCode: row.failure_code,
    attemptCount: row.attempt_count,
    lastAttemptAt: row.last_attempt_at,
    nextActionAt: row.next_action_at,
    debitTransferId: isWallet ? row.debit_transfer_id : null,
    refundTransferId: isWallet ? row.refund_transfer_id : null,
    reversalTransferId: isWallet ? row.reversal_transfer_id : null,
    reversedAt: row.reversed_at,
    receipt: row.receipt,
    createdAt: row.created_at,
    completedAt: row.completed_at,
    expectedBy: row.expected_by,
    notificationEmail: row.notification_email,
  };
}

interface EventRow {
  readonly client_id: number;
  readonly topup_order_id: number;
  readonly sequence: number;
  readonly version: number;
  readonly type: TopupOrderEvent['type'];
  readonly previous_status: TopupOrderEvent['previousStatus'];
  readonly status: TopupOrderEvent['status'];
  readonly failure_code: TopupOrderEvent['failureCode'];
  readonly occurred_at: Date;
}

/** What `toEvent` reads of topup_order_event, as `e`; `sequence` comes beside it. */
export const EVENT_COLUMNS = `e.client_id, e.topup_order_id, e.version, e.type, e.previous_status,
  e.status, e.failure_code, e.occurred_at`;

/** A row of topup_order_event with its number in the feed. */
export function toEvent(raw: object): TopupOrderEvent {
  const row = raw as EventRow;
  return {
    clientId: row.client_id,
    topupOrderId: row.topup_order_id,
    sequence: row.sequence,
    version: row.version,
    type: row.type,
    previousStatus: row.previous_status,
    status: row.status,
    failureCode: row.failure_code,
    occurredAt: row.occurred_at,
  };
}

interface RouteRow {
  readonly client_id: number;
  readonly order_id: number;
  readonly action: OrderAtSupplier['action'];
  readonly supplier_code: string | null;
  readonly supplier_reference: string;
  readonly supplier_sku: string | null;
  readonly route: number;
  readonly has_next_route: boolean;
  readonly face_value: string;
  readonly face_currency: string;
  readonly country_code: string;
  readonly recipient: string;
  readonly input_data: Record<string, string>;
  readonly attempt_count: number;
  readonly backoff_step: number;
  readonly backoff_ms: number[] | null;
  readonly call_deadline_ms: number | null;
  readonly window_left_ms: number | null;
  readonly resend_in_ms: number;
  readonly can_be_queried: boolean | null;
  readonly dedupes_by_reference: boolean | null;
  readonly was_accepted: boolean;
  readonly is_tried_after_window: boolean;
  readonly is_resent: boolean;
}

/** A row of claimed_order whose lease this process holds. */
export function toClaimedOrder(raw: object, askedAtMs: number): ClaimedOrder {
  const { lease_token: leaseToken } = raw as { readonly lease_token: string };
  return { ...toOrderAtSupplier(raw, askedAtMs), leaseToken };
}

/** A row of claimed_order. An order without a supplier carries NO_ROUTE and empty settings. */
export function toOrderAtSupplier(raw: object, askedAtMs: number): OrderAtSupplier {
  const row = raw as RouteRow;
  return {
    clientId: row.client_id,
    orderId: row.order_id,
    action: row.action,
    supplierCode: row.supplier_code ?? '',
    supplierReference: row.supplier_reference,
    supplierSku: row.supplier_sku ?? '',
    route: row.route,
    hasNextRoute: row.has_next_route,
    faceValue: { amount: canonical(row.face_value), currency: row.face_currency },
    countryCode: row.country_code,
    recipient: row.recipient,
    inputData: row.input_data,
    attemptCount: row.attempt_count,
    backoffStep: row.backoff_step,
    backoffMs: row.backoff_ms ?? [],
    callDeadlineMs: row.call_deadline_ms ?? 0,
    windowLeftMs: row.window_left_ms ?? 0,
    resendInMs: row.resend_in_ms,
    canBeQueried: row.can_be_queried ?? false,
    dedupesByReference: row.dedupes_by_reference ?? false,
    wasAccepted: row.was_accepted,
    isTriedAfterWindow: row.is_tried_after_window,
    isResent: row.is_resent,
    askedAtMs,
  };
}
