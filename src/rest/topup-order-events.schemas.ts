import { z } from 'zod';
import { FAILURE_CODES, LOGGED_EVENT_TYPES, TOPUP_ORDER_STATUSES } from '../domain/topup-order.ts';
import { idSchema, refusal, timeSchema } from './envelope.schemas.ts';
import { followTopupOrders } from './topup-order-events.examples.ts';
import { STATUSES_ON_WIRE } from './topup-order-filter.ts';
import { topupOrder } from './topup-orders.schemas.ts';

/** What stands behind `data:`, as JSON in one line. */
const topupOrderEvent = z.object({
  sequence: idSchema(
    'Its place among all events of yours: 1, 2, 3 … without gap, until a backup is restored.',
    1207,
  ),
  version: idSchema('Its place among the events of its order, from 1.', 3),
  type: z.enum(LOGGED_EVENT_TYPES).meta({ description: 'What happened.' }),
  previous_status: z.enum(TOPUP_ORDER_STATUSES).optional().meta({
    description: 'Where the order stood before; absent for CREATED.',
  }),
  status: z.enum(TOPUP_ORDER_STATUSES).meta({ description: 'Where the event left the order.' }),
  status_text: z.string().meta({
    description: 'The status for people.', examples: ['Top-up delivered'],
  }),
  occurred_at: timeSchema('When it happened.'),
  order: topupOrder,
}).meta({
  id: 'TopupOrderEvent',
  description: 'One thing that happened to an order; the order may be a step further already.',
});

export const followTopupOrdersSchema = {
  operationId: 'followTopupOrders',
  summary: 'Follow orders',
  description: 'Server-Sent Events: what happens to your orders, each event once and in order, '
    + 'without end. The `id` of each is where to go on: send the last one as `Last-Event-ID` and '
    + 'nothing is lost or repeated. Without it the stream begins now. An `id` without data only '
    + 'moves the place on. The stream ends with its token, and with `event: error` where it '
    + 'cannot go on. The ids are the cursors of the GraphQL subscription `topupOrderEvents`.',
  tags: ['Orders'],
  headers: z.object({
    'last-event-id': z.string().optional().meta({
      description: 'The `id` of the last event that was received.',
    }),
  }),
  querystring: z.object({
    after: z.string().optional().meta({
      description: 'The same as `Last-Event-ID`, which wins, for clients that cannot send it.',
    }),
    type: z.enum(LOGGED_EVENT_TYPES).optional().meta({ description: 'Only events of this type.' }),
    status: z.enum(STATUSES_ON_WIRE).optional().meta({
      description: 'Only events that left an order there.',
    }),
    product_id: idSchema('Only orders of this product.', 4218).optional(),
    country: z.string().optional().meta({
      pattern: '^[A-Z]{3}$', description: 'Only orders for this country.', examples: ['GLO'],
    }),
    client_reference: z.string().min(1).max(255).optional().meta({
      pattern: '^[ -~]+$', description: 'Only the order with this reference.',
      examples: ['CAMPAIGN_DEC_24'],
    }),
    created_from: timeSchema('Only orders placed then or later.').optional(),
    created_to: timeSchema('Only orders placed in that second or earlier.').optional(),
    failure_code: z.enum(FAILURE_CODES).optional().meta({
      description: 'Only events of an order that failed with this code.',
      examples: ['INVALID_RECIPIENT'],
    }),
  }),
  response: {
    200: {
      description: 'The stream.',
      content: { 'text/event-stream': { schema: topupOrderEvent } },
    },
    400: refusal('The cursor cannot be gone on from, or a filter is malformed.'),
    429: refusal('As many streams are open as a client may have, or too many reads were made; '
      + 'come back after `Retry-After`.'),
  },
  'x-examples': followTopupOrders,
};
