import type { FastifyInstance } from 'fastify';
import type { ListPage } from '../domain/list-page.ts';
import { maskSensitive } from '../domain/mask.ts';
import type { OrderLists } from '../domain/order-list.ts';
import type { OrderStories } from '../domain/order-stories.ts';
import type { Store } from '../domain/ports.ts';
import { Rejection } from '../domain/rejection.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import { invalidBody, type JsonObject } from './json-body.ts';
import { pageIn, pagingHeaders } from './paging.ts';
import { idIn, Query } from './query.ts';
import { orderFilterIn } from './topup-order-filter.ts';
import {
  cancelTopupOrderSchema, createTopupOrderSchema, getTopupOrderSchema, listTopupOrdersSchema,
  setNotificationEmailSchema,
} from './topup-orders.schemas.ts';
import { orderOut, orderRequestIn } from './wire.ts';

const ORDERS = '/api/v1/topups/orders';

export interface TopupOrderStories extends Omit<OrderStories, 'quoteTopup'> {
  readonly store: OrderLists & Pick<Store, 'pricing'>;
}

/** What clients do with orders. `app` reads JSON bodies and knows its client. */
export function topupOrderRoutes(app: FastifyInstance, deps: TopupOrderStories): void {
  app.post<{ Body: JsonObject | undefined }>(
    ORDERS,
    { schema: createTopupOrderSchema, config: { rateClass: 'orders.create' } },
    async ({ clientId, body }) => {
      if (body === undefined) throw invalidBody();
      return orderOut(await deps.createTopupOrder(clientId, orderRequestIn(body)));
    },
  );

  app.get(ORDERS, { schema: listTopupOrdersSchema }, async (request, reply) => {
    const query = new Query(request);
    const page = pageIn(query);
    const filter = orderFilterIn(query);
    const found = filter === null
      ? NOTHING
      : await deps.store.listOrders(request.clientId, filter, page);
    reply.headers(pagingHeaders(page, found));
    return found.items.map((order) => orderOut(maskSensitive(order, deps.store.pricing())));
  });

  app.get<{ Params: { id: string } }>(
    `${ORDERS}/:id`,
    { schema: getTopupOrderSchema },
    async ({ clientId, params }) => {
      const order = await deps.refreshTopupOrder(clientId, idIn(params, 'Order'));
      if (order === null) throw new Rejection('ORDER_NOT_FOUND', 'Order not found');
      return orderOut(order);
    },
  );

  app.post<{ Params: { id: string } }>(
    `${ORDERS}/:id/cancel`,
    { schema: cancelTopupOrderSchema },
    async ({ clientId, params }) =>
      orderOut(await deps.cancelTopupOrder(clientId, idIn(params, 'Order'))),
  );

  app.patch<{ Params: { id: string }; Body: JsonObject | undefined }>(
    `${ORDERS}/:id/notification-email`,
    { schema: setNotificationEmailSchema },
    async ({ clientId, params, body }) => {
      if (body === undefined) throw invalidBody();
      const orderId = idIn(params, 'Order');
      return orderOut(await deps.setNotificationEmail(clientId, orderId, body['email']));
    },
  );
}

const NOTHING: ListPage<TopupOrder> = { items: [], totalCount: 0, hasMore: false };
