import { registerEnumType } from 'type-graphql';
import { TOPUP_TYPES, VARIANT_CATEGORIES } from '../domain/catalogue.ts';
import { REJECTION_CODES, type RejectionCode } from '../domain/rejection.ts';
import {
  FAILURE_CODES, PENDING_REASONS, RECOMMENDED_ACTIONS, TOPUP_ORDER_EVENT_TYPES,
  TOPUP_ORDER_STATUSES,
} from '../domain/topup-order.ts';
import { FAILURE_DESCRIPTIONS, REJECTIONS } from './errors.ts';

/** Makes an enum of a closed list of the domain; the compiler asks for every description. */
export function enumOf<Value extends string>(
  values: readonly Value[],
  type: {
    readonly name: string;
    readonly description: string;
    readonly values: Readonly<Record<NoInfer<Value>, string>>;
    /** How a domain value is called in the schema, where the two differ. */
    readonly nameOf?: (value: Value) => string;
  },
): Readonly<Record<string, Value>> {
  const { name, description, nameOf = (value) => value } = type;
  const members = Object.fromEntries(values.map((value) => [nameOf(value), value]));
  const described = values.map((value) => [nameOf(value), { description: type.values[value] }]);
  registerEnumType(members, { name, description, valuesConfig: Object.fromEntries(described) });
  return members;
}

export const TopupOrderStatusEnum = enumOf(TOPUP_ORDER_STATUSES, {
  name: 'TopupOrderStatus',
  description: 'Where an order stands. All but PENDING are final.',
  values: {
    PENDING: 'Paid, and not delivered yet.',
    DELIVERED: 'The recipient has the value.',
    FAILED: 'Definitely not delivered; the charge was refunded.',
    CANCELLED: 'Cancelled before it was handed to a supplier; the charge was refunded.',
  },
});

export const TopupFailureCodeEnum = enumOf(FAILURE_CODES, {
  name: 'TopupFailureCode',
  description: 'Why an order failed. Codes may be added: treat one you do not know as UNKNOWN.',
  values: FAILURE_DESCRIPTIONS,
});

export const TopupOrderErrorCodeEnum = enumOf(REJECTION_CODES, {
  name: 'TopupOrderErrorCode',
  description: 'Why a request was refused. Nothing was debited and nothing was changed.',
  values: Object.fromEntries(REJECTION_CODES.map((code) => [code, REJECTIONS[code].description])) as
    Record<RejectionCode, string>,
});

export const RecommendedActionEnum = enumOf(RECOMMENDED_ACTIONS, {
  name: 'RecommendedAction',
  description: 'What to do about a failed order.',
  values: {
    FIX_INPUT: 'Correct the input and place a new order.',
    PICK_ANOTHER_PLAN: 'Place a new order for another plan.',
    TRY_LATER: 'Place the order again later.',
    CONTACT_SUPPORT: 'Ask support; another try would end the same way.',
    PLACE_NEW_ORDER: 'Place a new order, with a clientReference of its own.',
  },
});

export const PendingReasonEnum = enumOf(PENDING_REASONS, {
  name: 'PendingReason',
  description: 'Why an order has not ended yet.',
  values: {
    QUEUED: 'Waiting for its turn.',
    SUBMITTING: 'Being handed to the supplier.',
    AWAITING_CONFIRMATION: 'Accepted, and not confirmed yet.',
    OPERATOR_BUSY: 'The operator could not take it; it is tried again.',
    CONFIRMING_OUTCOME: 'The outcome is not known; it is being asked for.',
    UNDER_REVIEW: 'A person looks at it.',
  },
});

export const TopupOrderEventTypeEnum = enumOf(TOPUP_ORDER_EVENT_TYPES, {
  name: 'TopupOrderEventType',
  description: 'What happened to an order. A refund is part of FAILED and CANCELLED.',
  values: {
    SNAPSHOT: 'The order as it stands; the first edge of a subscription without `after`.',
    CREATED: 'Placed and paid.',
    SUBMITTED: 'Handed to a supplier.',
    RETRY_SCHEDULED: 'A try brought nothing; there will be another one.',
    DELIVERED: 'The recipient has the value.',
    FAILED: 'Definitely not delivered, and refunded.',
    CANCELLED: 'Cancelled, and refunded.',
    REVERSED: 'The supplier took a delivered value back; the charge was credited.',
    LATE_NEWS: 'News of an end that is decided otherwise, of an attempt that was given up, or of a '
      + 'missing receipt: the status stays.',
  },
});

export const FundingSourceEnum = enumOf(['WALLET', 'VOUCHER'], {
  name: 'FundingSource',
  description: 'What paid an order.',
  values: {
    WALLET: 'A wallet, by the charge.',
    VOUCHER: 'A voucher, redeemed at face value.',
  },
});

export const TopupTypeEnum = enumOf(TOPUP_TYPES, {
  name: 'TopupType',
  description: 'The kind of a product.',
  values: {
    GAMING: 'Value in a game or on a platform.',
    MOBILE: 'Value on a mobile number.',
    UTILITY: 'Value on an account with a utility.',
  },
});

export const VariantCategoryEnum = enumOf(VARIANT_CATEGORIES, {
  name: 'VariantCategory',
  description: 'The kind of a mobile variant.',
  nameOf: (category) => category.toUpperCase(),
  values: {
    Airtime: 'Credit to call with.',
    Data: 'Data volume.',
    Bundle: 'A plan of several parts.',
  },
});
