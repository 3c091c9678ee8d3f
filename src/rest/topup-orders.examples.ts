import type { Amount } from '../domain/money.ts';
import { FAILURE_CODES, FAILURES, type TopupOrder } from '../domain/topup-order.ts';
import { asSent, refused, rejected, type NamedExamples, type RouteExamples } from './examples.ts';
import { orderOut } from './wire.ts';

/** The examples are sample orders as wire.ts writes them, so they cannot drift from the truth. */

const PLACED_AT = new Date('2026-05-19T14:30:00Z');
const ENDED_AT = new Date('2026-05-19T14:30:02Z');

const PENDING: TopupOrder = {
  clientId: 1,
  id: 9123456,
  clientReference: 'CAMPAIGN_DEC_24',
  inputDigest: '',
  productId: 4218,
  variantId: 2,
  productName: 'PUBG Mobile UC',
  variantName: '325 UC',
  countryCode: 'GLO',
  faceValue: { amount: '4.99' as Amount, currency: 'USD' },
  discountPercent: '5',
  forexRate: null,
  charge: { amount: '4.7405' as Amount, currency: 'USD' },
  fundingSource: 'WALLET',
  walletId: 1,
  inputData: { player_id: '5123456789', server: 'asia' },
  fulfilsInRequest: false,
  status: 'PENDING',
  fulfilmentState: 'QUEUED',
  version: 1,
  failureCode: null,
  attemptCount: 0,
  lastAttemptAt: null,
  nextActionAt: PLACED_AT,
  debitTransferId: 7401123,
  refundTransferId: null,
  reversalTransferId: null,
  reversedAt: null,
  receipt: null,
  createdAt: PLACED_AT,
  completedAt: null,
  expectedBy: null,
  notificationEmail: null,
};

const ENDED = { ...PENDING, fulfilmentState: null, nextActionAt: null, completedAt: ENDED_AT };
export const DELIVERED: TopupOrder = { ...ENDED, status: 'DELIVERED', attemptCount: 1 };
const CANCELLED: TopupOrder = { ...ENDED, status: 'CANCELLED', refundTransferId: 7401124 };
const REVERSED: TopupOrder =
  { ...DELIVERED, reversalTransferId: 7401125, reversedAt: new Date('2026-05-20T08:00:00Z') };
const CONVERTED: TopupOrder = {
  ...PENDING,
  clientReference: null,
  productId: 5101,
  productName: 'Orange France',
  variantName: 'Airtime',
  countryCode: 'FRA',
  faceValue: { amount: '250' as Amount, currency: 'EUR' },
  discountPercent: '3.5',
  forexRate: '1.17',
  charge: { amount: '282.26' as Amount, currency: 'USD' },
  inputData: { phone_number: '+33612345678' },
};
const BY_VOUCHER: TopupOrder = {
  ...PENDING,
  clientReference: null,
  fundingSource: 'VOUCHER',
  walletId: null,
  debitTransferId: null,
  discountPercent: '0',
  charge: { amount: '4.99' as Amount, currency: 'USD' },
};

function shown(summary: string, order: TopupOrder): { summary: string; value: unknown } {
  return { summary, value: asSent(orderOut(order)) };
}

/** Each failure code on a FAILED order. */
const failures: NamedExamples = Object.fromEntries(FAILURE_CODES.map((failureCode) => [
  `FAILED_${failureCode}`,
  shown(`FAILED: ${FAILURES[failureCode].title}`, {
    ...ENDED, status: 'FAILED', failureCode, refundTransferId: 7401124, attemptCount: 1,
  }),
]));

const orders: NamedExamples = {
  PENDING: shown('PENDING: accepted, fulfilment in progress', PENDING),
  DELIVERED: shown('DELIVERED', DELIVERED),
  CANCELLED: shown('CANCELLED and refunded', CANCELLED),
  REVERSED: shown('DELIVERED, and reversed by the supplier later', REVERSED),
  ...failures,
};

const invalidId = {
  VALIDATION_FAILURE:
    rejected('VALIDATION_FAILURE', 'Order ID must be a positive integer', ['id']),
};
const noSuchOrder = { ORDER_NOT_FOUND: rejected('ORDER_NOT_FOUND', 'Order not found') };

/** Every reason to refuse a create. */
const refusalsOfCreate: NamedExamples = {
  PRODUCT_ID_REQUIRED: rejected('VALIDATION_FAILURE', 'Product ID is required', ['productId']),
  AMOUNT_REQUIRED: rejected('VALIDATION_FAILURE', 'Amount is required', ['amount']),
  INVALID_REQUEST_BODY: Object.values(refused(400, 'Invalid request body'))[0]
    ?? { summary: '', value: {} },
  DUPLICATE_CLIENT_REFERENCE:
    rejected('DUPLICATE_CLIENT_REFERENCE', 'Duplicate client_reference', ['clientReference']),
  INVALID_INPUT_FIELD: rejected(
    'INVALID_INPUT_FIELD', 'Missing required input field: server', ['inputData', 'server'],
    'MISSING_FIELD',
  ),
  AMOUNT_NOT_AVAILABLE: rejected(
    'AMOUNT_NOT_AVAILABLE', 'Amount 5 is not available. Nearest allowed amounts: 4.99, 9.99',
    ['amount'],
  ),
  CATEGORY_NOT_AVAILABLE: rejected(
    'CATEGORY_NOT_AVAILABLE', 'No variant of this product in category Data', ['category'],
  ),
  OUT_OF_STOCK:
    rejected('OUT_OF_STOCK', 'This amount is temporarily out of stock', ['amount']),
  WALLET_FROZEN: rejected('WALLET_FROZEN', 'Wallet is frozen', ['walletId']),
  EXCHANGE_RATE_NOT_AVAILABLE: rejected(
    'EXCHANGE_RATE_NOT_AVAILABLE', 'Exchange rate not available for the wallet currency',
    ['walletId'],
  ),
  INSUFFICIENT_FUNDS:
    rejected('INSUFFICIENT_FUNDS', 'Insufficient wallet balance', ['walletId']),
  VOUCHER_INVALID: rejected(
    'VOUCHER_INVALID', 'Voucher code is invalid or already redeemed', ['redeemVoucherCode'],
  ),
  VOUCHER_VALUE_MISMATCH: rejected(
    'VOUCHER_VALUE_MISMATCH', 'Voucher value does not match the order amount',
    ['redeemVoucherCode'],
  ),
  QUOTE_INVALID: rejected('QUOTE_INVALID', 'Quote expired', ['quoteId']),
};

export const createTopupOrder: RouteExamples = {
  request: {
    gaming: {
      summary: 'A gaming top-up',
      value: {
        product_id: 4218,
        amount: 4.99,
        input_data: { player_id: '5123456789', server: 'asia' },
        client_reference: 'CAMPAIGN_DEC_24',
      },
    },
    mobile: {
      summary: 'A mobile recharge, paid from a wallet in another currency',
      value: {
        product_id: 5101, amount: 250, input_data: { phone_number: '+33612345678' }, wallet_id: 1,
      },
    },
    voucher: {
      summary: 'Paid with a voucher',
      value: {
        product_id: 4218,
        amount: 4.99,
        input_data: { player_id: '5123456789', server: 'asia' },
        redeem_voucher_code: 'DEMO-0499-AAAA',
      },
    },
  },
  answers: {
    200: {
      PENDING: shown('PENDING: accepted, fulfilment in progress', PENDING),
      CONVERTED: shown('PENDING, charged in another currency', CONVERTED),
      VOUCHER: shown('PENDING, paid with a voucher', BY_VOUCHER),
      DELIVERED: shown('DELIVERED: fulfilled inside the request', DELIVERED),
      ...failures,
    },
    400: refusalsOfCreate,
    404: {
      PRODUCT_NOT_FOUND: rejected('PRODUCT_NOT_FOUND', 'Product not found'),
      WALLET_NOT_FOUND: rejected('WALLET_NOT_FOUND', 'Wallet not found'),
    },
  },
};

export const listTopupOrders: RouteExamples = {
  answers: {
    200: {
      page: { summary: 'One order', value: [asSent(orderOut(DELIVERED))] },
      none: { summary: 'No order, or a page past the end', value: [] },
    },
    400: {
      VALIDATION_FAILURE:
        rejected('VALIDATION_FAILURE', 'page must be a positive integer', ['page']),
    },
  },
};

export const getTopupOrder: RouteExamples = {
  answers: { 200: orders, 400: invalidId, 404: noSuchOrder },
};

export const cancelTopupOrder: RouteExamples = {
  answers: {
    200: { CANCELLED: shown('CANCELLED and refunded', CANCELLED) },
    400: {
      NOT_CANCELLABLE: rejected('NOT_CANCELLABLE', 'Order can no longer be cancelled'),
      ...invalidId,
    },
    404: noSuchOrder,
  },
};

const EMAIL = 'reader@example.com';

export const setNotificationEmail: RouteExamples = {
  request: {
    set: { summary: 'Tell this reader', value: { email: EMAIL } },
    clear: { summary: 'Tell nobody', value: { email: null } },
  },
  answers: {
    200: { PENDING: shown('PENDING, with a reader', { ...PENDING, notificationEmail: EMAIL }) },
    400: {
      VALIDATION_FAILURE: rejected(
        'VALIDATION_FAILURE',
        'email must be an e-mail address of at most 254 characters, or null',
        ['email'],
      ),
      INVALID_ID: invalidId.VALIDATION_FAILURE,
    },
    404: noSuchOrder,
  },
};
