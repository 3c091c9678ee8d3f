import type { FastifyInstance } from 'fastify';
import { NumberText } from '../domain/money.ts';
import { parseId, type RawOrderRequest } from '../domain/order-request.ts';
import type { Store } from '../domain/ports.ts';
import { Rejection } from '../domain/rejection.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import { invalidBody, type JsonObject } from './json-body.ts';
import {
  cancelTopupOrderSchema, createTopupOrderSchema, findTopupOrdersSchema, getTopupOrderSchema,
  setNotificationEmailSchema,
} from './topup-orders.schemas.ts';
import { orderOut, orderRequestIn } from './wire.ts';

const ORDERS = '/api/v1/topups/orders';

export interface TopupOrderStories {
  readonly createTopupOrder: (clientId: number, raw: RawOrderRequest) => Promise<TopupOrder>;
  /** @throws Rejection NOT_CANCELLABLE or ORDER_NOT_FOUND */
  readonly cancelTopupOrder: (clientId: number, orderId: number) => Promise<TopupOrder>;
  /** @throws Rejection VALIDATION_FAILURE or ORDER_NOT_FOUND */
  readonly setNotificationEmail:
    (clientId: number, orderId: number, email: unknown) => Promise<TopupOrder>;
  readonly store: Pick<Store, 'findOrder' | 'findOrderByReference'>;
}

/** What clients do with orders. `app` reads JSON bodies and knows its client. */
export function topupOrderRoutes(app: FastifyInstance, deps: TopupOrderStories): void {
  app.post<{ Body: JsonObject | undefined }>(
    ORDERS,
    { schema: createTopupOrderSchema },
    async ({ clientId, body }) => {
      if (body === undefined) throw invalidBody();
      return orderOut(await deps.createTopupOrder(clientId, orderRequestIn(body)));
    },
  );

  app.get(ORDERS, { schema: findTopupOrdersSchema }, async ({ clientId, raw }) => {
    const order = await deps.store.findOrderByReference(clientId, referenceOf(raw.url ?? ''));
    return order === null ? [] : [orderOut(order)];
  });

  app.get<{ Params: { id: string } }>(
    `${ORDERS}/:id`,
    { schema: getTopupOrderSchema },
    async ({ clientId, params }) => {
      const order = await deps.store.findOrder(clientId, orderIdOf(params.id));
      if (order === null) throw new Rejection('ORDER_NOT_FOUND', 'Order not found');
      return orderOut(order);
    },
  );

  app.post<{ Params: { id: string } }>(
    `${ORDERS}/:id/cancel`,
    { schema: cancelTopupOrderSchema },
    async ({ clientId, params }) =>
      orderOut(await deps.cancelTopupOrder(clientId, orderIdOf(params.id))),
  );

  app.patch<{ Params: { id: string }; Body: JsonObject | undefined }>(
    `${ORDERS}/:id/notification-email`,
    { schema: setNotificationEmailSchema },
    async ({ clientId, params, body }) => {
      if (body === undefined) throw invalidBody();
      const orderId = orderIdOf(params.id);
      return orderOut(await deps.setNotificationEmail(clientId, orderId, body['email']));
    },
  );
}

function orderIdOf(text: string): number {
  const id = parseId(new NumberText(text));
  if (id === null) {
    throw new Rejection('VALIDATION_FAILURE', 'Order ID must be a positive integer',
      { field: ['id'] });
  }
  return id;
}

/** The one client_reference of the query. Undecodable bytes become characters it may not have. */
function referenceOf(url: string): string {
  const start = url.indexOf('?');
  const query = new URLSearchParams(start === -1 ? '' : url.slice(start + 1));
  const [reference, ...others] = query.getAll('client_reference');
  if (reference === undefined) throw invalidReference('client_reference is required');
  if (others.length > 0 || !/^[\x20-\x7e]{1,255}$/.test(reference)) {
    throw invalidReference('client_reference must be 1 to 255 printable ASCII characters');
  }
  return reference;
}

function invalidReference(message: string): Rejection {
  return new Rejection('VALIDATION_FAILURE', message, { field: ['clientReference'] });
}
