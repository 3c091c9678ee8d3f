import { cursorRefused } from '../domain/feed-cursor.ts';
import type { FeedEvent } from '../domain/topup-order.ts';
import { asSent, rejected, refused, type RouteExamples } from './examples.ts';
import { DELIVERED } from './topup-orders.examples.ts';
import { eventOut } from './wire-events.ts';

const EVENT: FeedEvent = {
  clientId: DELIVERED.clientId,
  topupOrderId: DELIVERED.id,
  sequence: 1207,
  version: 3,
  type: 'DELIVERED',
  previousStatus: 'PENDING',
  status: 'DELIVERED',
  failureCode: null,
  occurredAt: DELIVERED.completedAt ?? DELIVERED.createdAt,
  order: DELIVERED,
};

export const followTopupOrders: RouteExamples = {
  answers: {
    200: { DELIVERED: { summary: 'What stands behind `data:`', value: asSent(eventOut(EVENT)) } },
    400: {
      CURSOR_EXPIRED: rejected('VALIDATION_FAILURE', cursorRefused('CURSOR_EXPIRED').message),
    },
    429: refused(429, 'At most 20 event streams at a time'),
  },
};
