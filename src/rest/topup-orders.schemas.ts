import { z } from 'zod';
import { VARIANT_CATEGORIES } from '../domain/catalogue.ts';
import {
  FAILURE_CODES, PENDING_REASONS, TOPUP_ORDER_STATUSES,
} from '../domain/topup-order.ts';
import {
  amountSchema, currencySchema, idSchema, jsonAnswer, refusal, timeSchema,
} from './envelope.schemas.ts';
import { PAGING_HEADERS, pageParameters } from './paging.schemas.ts';
import { STATUSES_ON_WIRE } from './topup-order-filter.ts';
import * as examples from './topup-orders.examples.ts';

const TAGS = ['Orders'];

const inputData = z.record(z.string(), z.string()).meta({
  examples: [{ player_id: '5123456789', server: 'asia' }],
});

const refund = z.object({
  transaction_id: idSchema('The wallet transaction that credited it.', 7401124),
  amount: amountSchema('What was credited: the charge, without a second conversion.', 4.7405),
  refunded_at: timeSchema('When it was credited.').optional(),
}).meta({ description: 'Present once a wallet was refunded.' });

const reversal = z.object({
  transaction_id: idSchema('The wallet transaction that credited it.', 7401125).optional(),
  at: timeSchema('When it was reversed.'),
}).meta({ description: 'Present where the supplier took a delivered value back.' });

/** The documented fields, then ours, in the order of wire.ts. */
export const topupOrder = z.object({
  id: idSchema('The order id, as in /orders/{id}.', 9123456),
  client_reference: z.string().optional().meta({
    description: 'Your own key, as sent on create.', examples: ['CAMPAIGN_DEC_24'],
  }),
  product_id: idSchema('The product the order was placed against.', 4218),
  product_name: z.string().meta({
    description: 'Its name at that time.', examples: ['PUBG Mobile UC'],
  }),
  variant_name: z.string().meta({
    description: 'The name of the variant that was picked.', examples: ['325 UC'],
  }),
  country_code: z.string().meta({
    description: 'ISO 3166-1 alpha-3, or GLO.', examples: ['GLO'],
  }),
  amount: amountSchema('What was charged, after your discount: not the face value.', 4.7405),
  currency: currencySchema('The currency of the charge.'),
  status: z.enum(TOPUP_ORDER_STATUSES).meta({
    description: 'PENDING until DELIVERED, FAILED or CANCELLED; those never change.',
  }),
  status_text: z.string().meta({
    description: 'The status for people.', examples: ['Order submitted for fulfilment'],
  }),
  transaction_id: idSchema('The wallet transaction of the debit.', 7401123).optional(),
  failure_code: z.enum(FAILURE_CODES).optional().meta({
    description: 'Why, where the status is FAILED.',
  }),
  failure_reason: z.string().optional().meta({
    description: 'The failure for the end user; safe to render.',
    examples: [
      'The player ID you entered could not be found. Please double-check and try again.',
    ],
  }),
  is_user_fixable: z.boolean().optional().meta({
    description: 'Whether a corrected input may succeed, in a new order.',
  }),
  input_data: inputData.meta({
    description: 'The input as normalised: phone numbers are in E.164. In lists and events the '
      + 'values of sensitive fields are masked.',
  }),
  created_at: timeSchema('When it was placed.'),
  completed_at: timeSchema('When it ended.').optional(),
  wallet_id: idSchema('The wallet that paid; absent where a voucher did.', 1).optional(),
  face_amount: amountSchema('What was asked for.', 4.99),
  face_currency: currencySchema('The currency of the product.'),
  funding_source: z.enum(['WALLET', 'VOUCHER']).meta({ description: 'What paid for it.' }),
  forex_rate: z.number().optional().meta({
    description: 'The rate from the currency of the product to that of the wallet, where they '
      + 'differ.',
    examples: [1.17],
  }),
  refund: refund.optional(),
  reversal: reversal.optional(),
  receipt: z.record(z.string(), z.string()).optional().meta({
    description: 'What the supplier gave for it, such as a PIN.',
    examples: [{ pin: '1234-5678-9012' }],
  }),
  attempts: z.int().min(0).optional().meta({
    description: 'While PENDING: how often it was offered for fulfilment.',
  }),
  last_attempt_at: timeSchema('While PENDING: the last time.').optional(),
  next_attempt_at: timeSchema('While PENDING: when something is done about it next.').optional(),
  pending_reason: z.enum(PENDING_REASONS).optional().meta({
    description: 'While PENDING: why.',
  }),
  expected_by: timeSchema(
    'While PENDING: by then almost every recent order of the product was delivered.',
  ).optional(),
  notification_email: z.string().optional().meta({
    description: 'Who is told by mail how it ends.', examples: ['reader@example.com'],
  }),
}).meta({ id: 'TopupOrder', description: 'A placed order. Absent fields are left out.' });

const createRequest = z.object({
  product_id: idSchema('The product to top up.', 4218),
  amount: z.number().gt(0).meta({
    description: 'The face value in the currency of the product: an available denomination, or '
      + 'within its range. At most 4 decimals.',
    examples: [4.99],
  }),
  input_data: inputData.optional().meta({
    description: 'Values by the names of the input fields of the product. Required fields must be '
      + 'there, unknown ones are refused.',
  }),
  client_reference: z.string().min(1).max(255).optional().meta({
    pattern: '^[ -~]+$',
    description: 'Your own key, unique per client: what makes a repeated request safe. '
      + 'Printable ASCII, compared byte by byte.',
    examples: ['CAMPAIGN_DEC_24'],
  }),
  wallet_id: idSchema(
    'The wallet that pays. Without it: the one in the currency of the variant, else your default.',
    1,
  ).optional(),
  category: z.enum(VARIANT_CATEGORIES).optional().meta({
    description: 'Narrows the choice of the variant.', examples: ['Airtime'],
  }),
  redeem_voucher_code: z.string().optional().meta({
    description: 'Pays with a voucher of yours instead of a wallet.',
    examples: ['DEMO-0499-AAAA'],
  }),
  quote_id: z.string().optional().meta({
    description: 'Charges what this quote says, whatever changed since. It must be of the same '
      + 'product, amount and, where given, wallet and category.',
    examples: ['Wm1N2sVb0kq3yQ'],
  }),
}).meta({ id: 'CreateTopupOrder' });

const orderId = z.object({ id: idSchema('The order id.', 1) });
const NO_SUCH_ORDER = refusal('No order of yours has this id.');
const INVALID_ID = refusal('The id is no positive integer.');

export const createTopupOrderSchema = {
  operationId: 'createTopupOrder',
  summary: 'Create an order',
  description: 'Debits the wallet, or redeems the voucher, and places the order, in one '
    + 'transaction. The answer is 200 for every placed order, also for one that has FAILED '
    + 'already; a refused request leaves nothing behind. After a lost answer, look the '
    + '`client_reference` up before you send again.',
  tags: TAGS,
  body: createRequest,
  response: {
    200: jsonAnswer('The order that was placed, PENDING or already terminal.', topupOrder),
    400: refusal('The request is refused; nothing was placed or debited.'),
    404: refusal('The product, or the wallet, is none of yours.'),
  },
  'x-examples': examples.createTopupOrder,
};

export const listTopupOrdersSchema = {
  operationId: 'listTopupOrders',
  summary: 'List orders',
  description: 'Your orders, the newest first. A page past the end is empty. With the '
    + '`client_reference` of a request whose answer was lost: an empty list means that the same '
    + 'request may be sent again.',
  tags: TAGS,
  querystring: pageParameters().extend({
    status: z.enum(STATUSES_ON_WIRE).optional().meta({
      description: 'Where they stand. No order is ever RECHARGED.', examples: ['DELIVERED'],
    }),
    product_id: idSchema('What was ordered.', 4218).optional(),
    country: z.string().optional().meta({
      pattern: '^[A-Z]{3}$', description: 'ISO 3166-1 alpha-3, or GLO.', examples: ['GLO'],
    }),
    client_reference: z.string().min(1).max(255).optional().meta({
      pattern: '^[ -~]+$',
      description: 'Exactly as on create: at most one order has it.',
      examples: ['CAMPAIGN_DEC_24'],
    }),
    created_from: timeSchema('Placed then or later.').optional(),
    created_to: timeSchema('Placed in that second or earlier.').optional(),
    failure_code: z.enum(FAILURE_CODES).optional().meta({
      description: 'Why they failed.', examples: ['INVALID_RECIPIENT'],
    }),
  }),
  response: {
    200: jsonAnswer('One page of orders.', z.array(topupOrder)),
    400: refusal('A page or a filter is malformed, or repeated.'),
  },
  'x-answer-headers': PAGING_HEADERS,
  'x-examples': examples.listTopupOrders,
};

export const getTopupOrderSchema = {
  operationId: 'getTopupOrder',
  summary: 'Get an order',
  description: 'An order of yours as it stands now. Of one that is under way the supplier is asked '
    + 'first, at most every 2 seconds and for a second. Poll it until its status is terminal.',
  tags: TAGS,
  params: orderId,
  response: { 200: jsonAnswer('The order.', topupOrder), 400: INVALID_ID, 404: NO_SUCH_ORDER },
  'x-examples': examples.getTopupOrder,
};

export const cancelTopupOrderSchema = {
  operationId: 'cancelTopupOrder',
  summary: 'Cancel an order',
  description: 'Cancels and refunds an order that was not offered to a supplier yet. Submission is '
    + 'immediate, so this serves orders that are held. An order that is CANCELLED already answers '
    + '200 again.',
  tags: TAGS,
  params: orderId,
  response: {
    200: jsonAnswer('The order, CANCELLED.', topupOrder),
    400: refusal('The id is no positive integer, or it is too late to cancel.'),
    404: NO_SUCH_ORDER,
  },
  'x-examples': examples.cancelTopupOrder,
};

export const setNotificationEmailSchema = {
  operationId: 'setTopupOrderNotificationEmail',
  summary: 'Name who is told by mail',
  description: 'The reader is told once how the order ends; at once if it has ended, which '
    + 'ten addresses may be. `null` clears the address.',
  tags: TAGS,
  params: orderId,
  body: z.object({
    email: z.union([z.email().max(254), z.null()]).meta({
      description: 'The reader, or null for nobody.', examples: ['reader@example.com'],
    }),
  }).meta({ id: 'NotificationEmail' }),
  response: {
    200: jsonAnswer('The order, with the new address.', topupOrder),
    400: refusal('The id or the address is malformed, or ten others were told how it ended.'),
    404: NO_SUCH_ORDER,
  },
  'x-examples': examples.setNotificationEmail,
};
