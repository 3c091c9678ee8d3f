/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** Which order to cancel. */
export type CancelTopupOrderInput = {
  /** The order. */
  by: TopupOrderBy;
};

/** What to order, for whom, and who pays. */
export type CreateTopupOrderInput = {
  /** Whether the default wallet may pay in another currency, where neither a wallet nor a quote is named. */
  allowForexFallback?: boolean | null | undefined;
  /** The face value in the product currency, at most 4 decimals. It is never rounded to a nearby amount. */
  amount: string;
  /** Only variants of this category. */
  category?: VariantCategory | null | undefined;
  /** Your own key for this order, 1 to 255 printable ASCII characters. The same key never places a second order, so a request can be repeated safely. */
  clientReference?: string | null | undefined;
  /** Values for the input fields of the product; of equal names the last counts. */
  inputData?: Array<InputFieldValueInput>;
  /** The product. */
  productId: number;
  /** A quote of `topupQuote`: its figures are charged, whatever changed since. Product, amount and, where given, wallet and category must be those of the quote. */
  quoteId?: string | number | null | undefined;
  /** Pay with this voucher, at face value, instead of a wallet. */
  redeemVoucherCode?: string | null | undefined;
  /** The wallet that pays. Without it: the one in the product currency, else the default one. */
  walletId?: number | null | undefined;
};

/** The value of one of the product's fields. */
export type InputFieldValueInput = {
  /** The name of the field. */
  name: string;
  /** The value; surrounding blanks are dropped. */
  value: string;
};

/** Why an order has not ended yet. */
export type PendingReason =
  /** Accepted, and not confirmed yet. */
  | 'AWAITING_CONFIRMATION'
  /** The outcome is not known; it is being asked for. */
  | 'CONFIRMING_OUTCOME'
  /** The operator could not take it; it is tried again. */
  | 'OPERATOR_BUSY'
  /** Waiting for its turn. */
  | 'QUEUED'
  /** Being handed to the supplier. */
  | 'SUBMITTING'
  /** A person looks at it. */
  | 'UNDER_REVIEW';

/** What to do about a failed order. */
export type RecommendedAction =
  /** Ask support; another try would end the same way. */
  | 'CONTACT_SUPPORT'
  /** Correct the input and place a new order. */
  | 'FIX_INPUT'
  /** Place a new order for another plan. */
  | 'PICK_ANOTHER_PLAN'
  /** Place a new order, with a clientReference of its own. */
  | 'PLACE_NEW_ORDER'
  /** Place the order again later. */
  | 'TRY_LATER';

/** Which order, and who is told how it ends. */
export type SetTopupOrderNotificationEmailInput = {
  /** The order. */
  by: TopupOrderBy;
  /** The address, at most 254 characters; null, which has to be said, clears it. */
  email?: string | null | undefined;
};

/** Why an order failed. Codes may be added: treat one you do not know as UNKNOWN. */
export type TopupFailureCode =
  /** The amount is not possible for this recipient. */
  | 'AMOUNT_OUT_OF_RANGE'
  /** The account has reached a limit. */
  | 'CLIENT_LIMIT_EXCEEDED'
  /** The recipient does not exist. */
  | 'INVALID_RECIPIENT'
  /** The operator has reached a limit for this period. */
  | 'OPERATOR_LIMIT_EXCEEDED'
  /** The operator could not be reached while the order could wait. */
  | 'OPERATOR_UNAVAILABLE'
  /** The plan is out of stock. */
  | 'PRODUCT_OUT_OF_STOCK'
  /** The plan is not for sale at present. */
  | 'PRODUCT_UNAVAILABLE'
  /** The operator does not allow top-ups for this recipient. */
  | 'RECIPIENT_BARRED'
  /** The recipient cannot receive the selected plan. */
  | 'RECIPIENT_INELIGIBLE'
  /** The recipient has reached a limit for this period. */
  | 'RECIPIENT_LIMIT_EXCEEDED'
  /** Any other reason; treat a code you do not know like this one. */
  | 'UNKNOWN';

/** How to ask for a value. In an order every value is text. */
export type TopupInputFieldType =
  /** A mail address. */
  | 'EMAIL'
  /** Digits, with a point or without. */
  | 'NUMBER'
  /** A phone number; it is kept in E.164. */
  | 'PHONE'
  /** One of `options`. */
  | 'SELECT'
  /** Any text. */
  | 'TEXT';

/** Names one order of the caller by exactly one key. */
export type TopupOrderBy =
  {   /** The key that the caller gave the order. */
  clientReference: string; id?: never; orderId?: never; }
  |  { clientReference?: never;   /** The global id. */
  id: string | number; orderId?: never; }
  |  { clientReference?: never; id?: never;   /** The integer id of the REST API. */
  orderId: number; };

/** Why a request was refused. Nothing was debited and nothing was changed. */
export type TopupOrderErrorCode =
  /** The product is not sold at this amount. */
  | 'AMOUNT_NOT_AVAILABLE'
  /** The product has no variant of this category. */
  | 'CATEGORY_NOT_AVAILABLE'
  /** The clientReference was used before; `duplicateOf` is the order that has it. Details INPUT_MISMATCH: that order was placed with different input. */
  | 'DUPLICATE_CLIENT_REFERENCE'
  /** There is no rate from the product currency to the wallet currency. */
  | 'EXCHANGE_RATE_NOT_AVAILABLE'
  /** The wallet cannot pay the charge. */
  | 'INSUFFICIENT_FUNDS'
  /** A value in inputData is missing, unknown or wrong. */
  | 'INVALID_INPUT_FIELD'
  /** The order was handed to a supplier already, or has ended. */
  | 'NOT_CANCELLABLE'
  /** No such order of the caller. */
  | 'ORDER_NOT_FOUND'
  /** The amount is temporarily out of stock. */
  | 'OUT_OF_STOCK'
  /** No such product, or it is not sold to the caller. */
  | 'PRODUCT_NOT_FOUND'
  /** The quote is unknown, expired or for something else than was asked for, or what it is for is not sold any more. */
  | 'QUOTE_INVALID'
  /** The form of the request is wrong. */
  | 'VALIDATION_FAILURE'
  /** The voucher is unknown, expired or redeemed. */
  | 'VOUCHER_INVALID'
  /** The voucher is not worth exactly the face value. */
  | 'VOUCHER_VALUE_MISMATCH'
  /** The paying wallet is frozen. */
  | 'WALLET_FROZEN'
  /** No such wallet of the caller, or none that can pay. */
  | 'WALLET_NOT_FOUND';

/** What happened to an order. A refund is part of FAILED and CANCELLED. */
export type TopupOrderEventType =
  /** Cancelled, and refunded. */
  | 'CANCELLED'
  /** Placed and paid. */
  | 'CREATED'
  /** The recipient has the value. */
  | 'DELIVERED'
  /** Definitely not delivered, and refunded. */
  | 'FAILED'
  /** News of an end that is decided otherwise, of an attempt that was given up, or of a missing receipt: the status stays. */
  | 'LATE_NEWS'
  /** A try brought nothing; there will be another one. */
  | 'RETRY_SCHEDULED'
  /** The supplier took a delivered value back; the charge was credited. */
  | 'REVERSED'
  /** The order as it stands; the first edge of a subscription without `after`. */
  | 'SNAPSHOT'
  /** Handed to a supplier. */
  | 'SUBMITTED';

/** Which orders of the caller. A field that is left out lets all pass; an order passes where it has one of the values of every field that is given. */
export type TopupOrderFilter = {
  /** Where the product is used. */
  countryCodes?: Array<string> | null | undefined;
  /** Placed then or later. */
  createdFrom?: string | null | undefined;
  /** Placed in that second or earlier. */
  createdTo?: string | null | undefined;
  /** Why the order failed. */
  failureCodes?: Array<TopupFailureCode> | null | undefined;
  /** What was ordered. */
  productIds?: Array<number> | null | undefined;
  /** Where the order stands; on a feed, where the event left it. */
  statuses?: Array<TopupOrderStatus> | null | undefined;
  /** Which wallet paid. */
  walletIds?: Array<number> | null | undefined;
};

/** Where an order stands. All but PENDING are final. */
export type TopupOrderStatus =
  /** Cancelled before it was handed to a supplier; the charge was refunded. */
  | 'CANCELLED'
  /** The recipient has the value. */
  | 'DELIVERED'
  /** Definitely not delivered; the charge was refunded. */
  | 'FAILED'
  /** Paid, and not delivered yet. */
  | 'PENDING';

/** Which products; a field that is left out lets all pass. */
export type TopupProductFilter = {
  /** Only those used there. */
  countryCode?: string | null | undefined;
  /** Only of this operator, in any case. */
  operator?: string | null | undefined;
  /** Part of the name, in any case. No character is a wildcard. */
  search?: string | null | undefined;
  /** Only of this type. */
  topupType?: TopupType | null | undefined;
};

/** What to price, and who would pay. */
export type TopupQuoteInput = {
  /** Whether the default wallet may pay in another currency. */
  allowForexFallback?: boolean | null | undefined;
  /** The face value in the product currency. */
  amount: string;
  /** Only variants of this category. */
  category?: VariantCategory | null | undefined;
  /** The product. */
  productId: number;
  /** The wallet that would pay. Without it: the one in the product currency, else the default one. */
  walletId?: number | null | undefined;
};

/** The kind of a product. */
export type TopupType =
  /** Value in a game or on a platform. */
  | 'GAMING'
  /** Value on a mobile number. */
  | 'MOBILE'
  /** Value on an account with a utility. */
  | 'UTILITY';

/** The kind of a mobile variant. */
export type VariantCategory =
  /** Credit to call with. */
  | 'AIRTIME'
  /** A plan of several parts. */
  | 'BUNDLE'
  /** Data volume. */
  | 'DATA';

export type CancelTopupOrderMutationVariables = Exact<{
  input: CancelTopupOrderInput;
}>;


export type CancelTopupOrderMutation = { cancelTopupOrder: { order: { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null } | null, userErrors: Array<{ code: TopupOrderErrorCode, message: string, field: Array<string> | null, details: string | null }> } };

export type CreateTopupOrderMutationVariables = Exact<{
  input: CreateTopupOrderInput;
}>;


export type CreateTopupOrderMutation = { createTopupOrder: { order: { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null } | null, userErrors: Array<{ code: TopupOrderErrorCode, message: string, field: Array<string> | null, details: string | null }>, duplicateOf: { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null } | null } };

export type LookupMobileNumberQueryVariables = Exact<{
  mobileNumber: string;
}>;


export type LookupMobileNumberQuery = { lookupMobileNumber: Array<{ isIdentified: boolean, product: { productId: number, name: string, countryCode: string } }> };

export type OrderPartsFragment = { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null };

export type EventPartsFragment = { id: string, sequence: number, version: number, type: TopupOrderEventType, previousStatus: TopupOrderStatus | null, status: TopupOrderStatus, statusText: string, occurredAt: string, order: { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null } };

export type UserErrorPartsFragment = { code: TopupOrderErrorCode, message: string, field: Array<string> | null, details: string | null };

export type SetTopupOrderNotificationEmailMutationVariables = Exact<{
  input: SetTopupOrderNotificationEmailInput;
}>;


export type SetTopupOrderNotificationEmailMutation = { setTopupOrderNotificationEmail: { order: { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null } | null, userErrors: Array<{ code: TopupOrderErrorCode, message: string, field: Array<string> | null, details: string | null }> } };

export type TopupOrderEventLogQueryVariables = Exact<{
  filter?: TopupOrderFilter | null | undefined;
  first: number;
  after?: string | null | undefined;
}>;


export type TopupOrderEventLogQuery = { topupOrderEventLog: { edges: Array<{ cursor: string, node: { id: string, sequence: number, version: number, type: TopupOrderEventType, previousStatus: TopupOrderStatus | null, status: TopupOrderStatus, statusText: string, occurredAt: string, order: { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null } } | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type TopupOrderEventsSubscriptionVariables = Exact<{
  filter?: TopupOrderFilter | null | undefined;
  after?: string | null | undefined;
}>;


export type TopupOrderEventsSubscription = { topupOrderEvents: { cursor: string, node: { id: string, sequence: number, version: number, type: TopupOrderEventType, previousStatus: TopupOrderStatus | null, status: TopupOrderStatus, statusText: string, occurredAt: string, order: { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null } } | null } };

export type TopupOrderUpdatedSubscriptionVariables = Exact<{
  by: TopupOrderBy;
  after?: string | null | undefined;
}>;


export type TopupOrderUpdatedSubscription = { topupOrderUpdated: { cursor: string, node: { id: string, sequence: number, version: number, type: TopupOrderEventType, previousStatus: TopupOrderStatus | null, status: TopupOrderStatus, statusText: string, occurredAt: string, order: { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null } } | null } };

export type TopupOrderQueryVariables = Exact<{
  by: TopupOrderBy;
}>;


export type TopupOrderQuery = { topupOrder: { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null } | null };

export type TopupOrdersQueryVariables = Exact<{
  filter?: TopupOrderFilter | null | undefined;
  first: number;
  after?: string | null | undefined;
}>;


export type TopupOrdersQuery = { topupOrders: { edges: Array<{ cursor: string, node: { id: string, orderId: number, clientReference: string | null, productName: string, variantName: string, status: TopupOrderStatus, statusText: string, createdAt: string, completedAt: string | null, faceValue: { amount: string, currency: string }, charge: { amount: string, currency: string }, failure: { code: TopupFailureCode, reason: string, isUserFixable: boolean, recommendedAction: RecommendedAction } | null, pending: { reason: PendingReason, attemptCount: number, nextAttemptAt: string | null, expectedBy: string | null } | null } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type TopupProductsQueryVariables = Exact<{
  filter?: TopupProductFilter | null | undefined;
  first: number;
  after?: string | null | undefined;
}>;


export type TopupProductsQuery = { topupProducts: { edges: Array<{ cursor: string, node: { id: string, productId: number, name: string, topupType: TopupType, countryCode: string, currency: string, inputFields: Array<{ name: string, label: string, type: TopupInputFieldType, isRequired: boolean, options: Array<{ value: string, label: string }> }>, variants: Array<{ id: string, name: string, category: VariantCategory | null, fixedAmounts: Array<string> }> } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type TopupQuoteQueryVariables = Exact<{
  input: TopupQuoteInput;
}>;


export type TopupQuoteQuery = { topupQuote: { quote: { id: string, discountPercent: string, forexRate: string | null, hasSufficientBalance: boolean, expiresAt: string, charge: { amount: string, currency: string } } | null, userErrors: Array<{ code: TopupOrderErrorCode, message: string, field: Array<string> | null, details: string | null }> } };

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { viewer: { id: string, name: string, defaultCurrency: string | null, wallets: Array<{ id: string, walletId: number, currency: string, isDefault: boolean, balance: { amount: string, currency: string } }> } };

export type WalletUpdatedSubscriptionVariables = Exact<{
  walletId?: string | number | null | undefined;
  after?: string | null | undefined;
}>;


export type WalletUpdatedSubscription = { walletUpdated: { cursor: string, node: { occurredAt: string, balance: { amount: string, currency: string }, wallet: { id: string, walletId: number } } | null } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const OrderPartsFragmentDoc = new TypedDocumentString(`
    fragment OrderParts on TopupOrder {
  id
  orderId
  clientReference
  productName
  variantName
  faceValue {
    amount
    currency
  }
  charge {
    amount
    currency
  }
  status
  statusText
  failure {
    code
    reason
    isUserFixable
    recommendedAction
  }
  pending {
    reason
    attemptCount
    nextAttemptAt
    expectedBy
  }
  createdAt
  completedAt
}
    `, {"fragmentName":"OrderParts"}) as unknown as TypedDocumentString<OrderPartsFragment, unknown>;
export const EventPartsFragmentDoc = new TypedDocumentString(`
    fragment EventParts on TopupOrderEvent {
  id
  sequence
  version
  type
  previousStatus
  status
  statusText
  occurredAt
  order {
    ...OrderParts
  }
}
    fragment OrderParts on TopupOrder {
  id
  orderId
  clientReference
  productName
  variantName
  faceValue {
    amount
    currency
  }
  charge {
    amount
    currency
  }
  status
  statusText
  failure {
    code
    reason
    isUserFixable
    recommendedAction
  }
  pending {
    reason
    attemptCount
    nextAttemptAt
    expectedBy
  }
  createdAt
  completedAt
}`, {"fragmentName":"EventParts"}) as unknown as TypedDocumentString<EventPartsFragment, unknown>;
export const UserErrorPartsFragmentDoc = new TypedDocumentString(`
    fragment UserErrorParts on TopupOrderUserError {
  code
  message
  field
  details
}
    `, {"fragmentName":"UserErrorParts"}) as unknown as TypedDocumentString<UserErrorPartsFragment, unknown>;
export const CancelTopupOrderDocument = new TypedDocumentString(`
    mutation CancelTopupOrder($input: CancelTopupOrderInput!) {
  cancelTopupOrder(input: $input) {
    order {
      ...OrderParts
    }
    userErrors {
      ...UserErrorParts
    }
  }
}
    fragment OrderParts on TopupOrder {
  id
  orderId
  clientReference
  productName
  variantName
  faceValue {
    amount
    currency
  }
  charge {
    amount
    currency
  }
  status
  statusText
  failure {
    code
    reason
    isUserFixable
    recommendedAction
  }
  pending {
    reason
    attemptCount
    nextAttemptAt
    expectedBy
  }
  createdAt
  completedAt
}
fragment UserErrorParts on TopupOrderUserError {
  code
  message
  field
  details
}`, {"hash":"sha256:caf3f5cef26b6dc61f0a4c44b21c0229bdf23d23d484760892158a32a545fb2a"}) as unknown as TypedDocumentString<CancelTopupOrderMutation, CancelTopupOrderMutationVariables>;
export const CreateTopupOrderDocument = new TypedDocumentString(`
    mutation CreateTopupOrder($input: CreateTopupOrderInput!) {
  createTopupOrder(input: $input) {
    order {
      ...OrderParts
    }
    userErrors {
      ...UserErrorParts
    }
    duplicateOf {
      ...OrderParts
    }
  }
}
    fragment OrderParts on TopupOrder {
  id
  orderId
  clientReference
  productName
  variantName
  faceValue {
    amount
    currency
  }
  charge {
    amount
    currency
  }
  status
  statusText
  failure {
    code
    reason
    isUserFixable
    recommendedAction
  }
  pending {
    reason
    attemptCount
    nextAttemptAt
    expectedBy
  }
  createdAt
  completedAt
}
fragment UserErrorParts on TopupOrderUserError {
  code
  message
  field
  details
}`, {"hash":"sha256:43df782da1ee06ffb49bae7f53e77c1534425a2d6acd5e58e6afe03036610a24"}) as unknown as TypedDocumentString<CreateTopupOrderMutation, CreateTopupOrderMutationVariables>;
export const LookupMobileNumberDocument = new TypedDocumentString(`
    query LookupMobileNumber($mobileNumber: String!) {
  lookupMobileNumber(mobileNumber: $mobileNumber) {
    isIdentified
    product {
      productId
      name
      countryCode
    }
  }
}
    `, {"hash":"sha256:2ee65b3ff53661678fde92704f2441702c932b1a09b70e3a2ddfed29160fa477"}) as unknown as TypedDocumentString<LookupMobileNumberQuery, LookupMobileNumberQueryVariables>;
export const SetTopupOrderNotificationEmailDocument = new TypedDocumentString(`
    mutation SetTopupOrderNotificationEmail($input: SetTopupOrderNotificationEmailInput!) {
  setTopupOrderNotificationEmail(input: $input) {
    order {
      ...OrderParts
    }
    userErrors {
      ...UserErrorParts
    }
  }
}
    fragment OrderParts on TopupOrder {
  id
  orderId
  clientReference
  productName
  variantName
  faceValue {
    amount
    currency
  }
  charge {
    amount
    currency
  }
  status
  statusText
  failure {
    code
    reason
    isUserFixable
    recommendedAction
  }
  pending {
    reason
    attemptCount
    nextAttemptAt
    expectedBy
  }
  createdAt
  completedAt
}
fragment UserErrorParts on TopupOrderUserError {
  code
  message
  field
  details
}`, {"hash":"sha256:c40ffdaea444631f3c6e44d79ccbf01b12228100f20600539deb88f5e91cf15a"}) as unknown as TypedDocumentString<SetTopupOrderNotificationEmailMutation, SetTopupOrderNotificationEmailMutationVariables>;
export const TopupOrderEventLogDocument = new TypedDocumentString(`
    query TopupOrderEventLog($filter: TopupOrderFilter, $first: Int!, $after: String) {
  topupOrderEventLog(filter: $filter, first: $first, after: $after) {
    edges {
      cursor
      node {
        ...EventParts
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    fragment OrderParts on TopupOrder {
  id
  orderId
  clientReference
  productName
  variantName
  faceValue {
    amount
    currency
  }
  charge {
    amount
    currency
  }
  status
  statusText
  failure {
    code
    reason
    isUserFixable
    recommendedAction
  }
  pending {
    reason
    attemptCount
    nextAttemptAt
    expectedBy
  }
  createdAt
  completedAt
}
fragment EventParts on TopupOrderEvent {
  id
  sequence
  version
  type
  previousStatus
  status
  statusText
  occurredAt
  order {
    ...OrderParts
  }
}`, {"hash":"sha256:15516056b6020940c5dfbfb3fb9215fe5f8aaddf17076e809821d88727b1fb27"}) as unknown as TypedDocumentString<TopupOrderEventLogQuery, TopupOrderEventLogQueryVariables>;
export const TopupOrderEventsDocument = new TypedDocumentString(`
    subscription TopupOrderEvents($filter: TopupOrderFilter, $after: String) {
  topupOrderEvents(filter: $filter, after: $after) {
    cursor
    node {
      ...EventParts
    }
  }
}
    fragment OrderParts on TopupOrder {
  id
  orderId
  clientReference
  productName
  variantName
  faceValue {
    amount
    currency
  }
  charge {
    amount
    currency
  }
  status
  statusText
  failure {
    code
    reason
    isUserFixable
    recommendedAction
  }
  pending {
    reason
    attemptCount
    nextAttemptAt
    expectedBy
  }
  createdAt
  completedAt
}
fragment EventParts on TopupOrderEvent {
  id
  sequence
  version
  type
  previousStatus
  status
  statusText
  occurredAt
  order {
    ...OrderParts
  }
}`, {"hash":"sha256:056e59bda92f88d93a134b5f01b4ec17b38e37441102625d65dcb7c0ffad50b9"}) as unknown as TypedDocumentString<TopupOrderEventsSubscription, TopupOrderEventsSubscriptionVariables>;
export const TopupOrderUpdatedDocument = new TypedDocumentString(`
    subscription TopupOrderUpdated($by: TopupOrderBy!, $after: String) {
  topupOrderUpdated(by: $by, after: $after) {
    cursor
    node {
      ...EventParts
    }
  }
}
    fragment OrderParts on TopupOrder {
  id
  orderId
  clientReference
  productName
  variantName
  faceValue {
    amount
    currency
  }
  charge {
    amount
    currency
  }
  status
  statusText
  failure {
    code
    reason
    isUserFixable
    recommendedAction
  }
  pending {
    reason
    attemptCount
    nextAttemptAt
    expectedBy
  }
  createdAt
  completedAt
}
fragment EventParts on TopupOrderEvent {
  id
  sequence
  version
  type
  previousStatus
  status
  statusText
  occurredAt
  order {
    ...OrderParts
  }
}`, {"hash":"sha256:6964a3a06b5404b7227568aa23cd82741f52e8a7ac2935384e55b73138357887"}) as unknown as TypedDocumentString<TopupOrderUpdatedSubscription, TopupOrderUpdatedSubscriptionVariables>;
export const TopupOrderDocument = new TypedDocumentString(`
    query TopupOrder($by: TopupOrderBy!) {
  topupOrder(by: $by) {
    ...OrderParts
  }
}
    fragment OrderParts on TopupOrder {
  id
  orderId
  clientReference
  productName
  variantName
  faceValue {
    amount
    currency
  }
  charge {
    amount
    currency
  }
  status
  statusText
  failure {
    code
    reason
    isUserFixable
    recommendedAction
  }
  pending {
    reason
    attemptCount
    nextAttemptAt
    expectedBy
  }
  createdAt
  completedAt
}`, {"hash":"sha256:692dd098bd4d0405a1abc54d716eaedaf53896f0dd3829b148b092bb275307ef"}) as unknown as TypedDocumentString<TopupOrderQuery, TopupOrderQueryVariables>;
export const TopupOrdersDocument = new TypedDocumentString(`
    query TopupOrders($filter: TopupOrderFilter, $first: Int!, $after: String) {
  topupOrders(filter: $filter, first: $first, after: $after) {
    edges {
      cursor
      node {
        ...OrderParts
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    fragment OrderParts on TopupOrder {
  id
  orderId
  clientReference
  productName
  variantName
  faceValue {
    amount
    currency
  }
  charge {
    amount
    currency
  }
  status
  statusText
  failure {
    code
    reason
    isUserFixable
    recommendedAction
  }
  pending {
    reason
    attemptCount
    nextAttemptAt
    expectedBy
  }
  createdAt
  completedAt
}`, {"hash":"sha256:019d85b725d5b9c49da87c5e434875be6e0599de7893596ad3812603aefa26f7"}) as unknown as TypedDocumentString<TopupOrdersQuery, TopupOrdersQueryVariables>;
export const TopupProductsDocument = new TypedDocumentString(`
    query TopupProducts($filter: TopupProductFilter, $first: Int!, $after: String) {
  topupProducts(filter: $filter, first: $first, after: $after) {
    edges {
      cursor
      node {
        id
        productId
        name
        topupType
        countryCode
        currency
        inputFields {
          name
          label
          type
          isRequired
          options {
            value
            label
          }
        }
        variants {
          id
          name
          category
          fixedAmounts
        }
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `, {"hash":"sha256:3edba9e8e53b76cc140375838220bb036569016cea037064876c90842effbb63"}) as unknown as TypedDocumentString<TopupProductsQuery, TopupProductsQueryVariables>;
export const TopupQuoteDocument = new TypedDocumentString(`
    query TopupQuote($input: TopupQuoteInput!) {
  topupQuote(input: $input) {
    quote {
      id
      charge {
        amount
        currency
      }
      discountPercent
      forexRate
      hasSufficientBalance
      expiresAt
    }
    userErrors {
      ...UserErrorParts
    }
  }
}
    fragment UserErrorParts on TopupOrderUserError {
  code
  message
  field
  details
}`, {"hash":"sha256:5ed95af1b7ac06dad13ca11a95580888e72b5a2c2082596882f21aa451a03b83"}) as unknown as TypedDocumentString<TopupQuoteQuery, TopupQuoteQueryVariables>;
export const ViewerDocument = new TypedDocumentString(`
    query Viewer {
  viewer {
    id
    name
    defaultCurrency
    wallets {
      id
      walletId
      currency
      balance {
        amount
        currency
      }
      isDefault
    }
  }
}
    `, {"hash":"sha256:35d861b4bb856b0530f47d53bc7d0e38bfb0eebeba2e8ff0308880672880d709"}) as unknown as TypedDocumentString<ViewerQuery, ViewerQueryVariables>;
export const WalletUpdatedDocument = new TypedDocumentString(`
    subscription WalletUpdated($walletId: ID, $after: String) {
  walletUpdated(walletId: $walletId, after: $after) {
    cursor
    node {
      balance {
        amount
        currency
      }
      occurredAt
      wallet {
        id
        walletId
      }
    }
  }
}
    `, {"hash":"sha256:d9577c3a718214c48c8cf4f258bddb2479bbce9dfc865387f979b2eb8d856458"}) as unknown as TypedDocumentString<WalletUpdatedSubscription, WalletUpdatedSubscriptionVariables>;