import { OperationTypeNode, type GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, FieldResolver, Info, Int, Query, Resolver, Root } from 'type-graphql';
import { orderAddress, orderEdge, versionAt } from '../domain/follow-topup-order.ts';
import { maskSensitive } from '../domain/mask.ts';
import type { FoundEvents } from '../domain/order-events.ts';
import { Rejection, TemporarilyUnavailable } from '../domain/rejection.ts';
import type { FeedEvent, TopupOrder } from '../domain/topup-order.ts';
import { parseIdCursor, writeConnectionCursor } from './connection-cursor.ts';
import {
  AFTER_DESCRIPTION, FIRST_DESCRIPTION, pageOf, parseFirst, type Connection,
} from './connection.types.ts';
import type { OperationContext } from './context.ts';
import { TopupOrderConnection, TopupOrderEventConnection } from './topup-order-connection.types.ts';
import { TopupOrderFilterInput } from './topup-order-filter.ts';
import { TopupOrderType } from './topup-order.types.ts';

/**
 * No event yet, and more to come, where they cannot be read now or not as they were asked for:
 * failing here would take the whole order out of the answer, though it is placed, and to ask for a
 * mutation again is not to read again.
 * @throws what it was, anywhere else
 */
function unreadBehindMutation(error: unknown, { operation }: GraphQLResolveInfo): FoundEvents {
  const isBehind = operation.operation === OperationTypeNode.MUTATION;
  const isExpected = error instanceof TemporarilyUnavailable || error instanceof Rejection;
  if (!isBehind || !isExpected) throw error;
  return { events: [], hasMore: true };
}

/** The list of orders, and the list of one order's events. */
@Resolver(() => TopupOrderType)
export class TopupOrdersResolver {
  @Query(() => TopupOrderConnection, {
    description: 'Orders of the caller, the newest first. New ones do not move a page that was '
      + 'begun.',
  })
  async topupOrders(
    @Arg('filter', () => TopupOrderFilterInput, {
      nullable: true, description: 'Which orders; all without it.',
    }) filter: TopupOrderFilterInput | null,
    @Arg('first', () => Int, { description: FIRST_DESCRIPTION }) first: number,
    @Arg('after', () => String, { nullable: true, description: AFTER_DESCRIPTION })
    after: string | null,
    @Ctx() { clientId, deps, loaders }: OperationContext,
  ): Promise<Connection<TopupOrder>> {
    const limit = parseFirst(first) + 1;
    const address = { clientId, connection: 'topupOrders', key: deps.cursorKey };
    const beforeId = parseIdCursor(after, address);
    const wanted = filter ?? {};
    const orders = await deps.store.listOrdersBefore(clientId, wanted, { beforeId, limit });
    for (const order of orders) loaders.orders.prime(order.id, order);
    const pricing = deps.store.pricing();
    return pageOf(orders.map((order) => maskSensitive(order, pricing)), {
      first,
      isAfter: beforeId !== null,
      cursorOf: ({ id }) => writeConnectionCursor([id], address),
      totalCount: () => deps.store.countOrders(clientId, wanted),
    });
  }

  @FieldResolver(() => TopupOrderEventConnection, {
    description: 'What happened to it, the oldest first.',
  })
  async events(
    @Root() order: TopupOrder,
    @Arg('first', () => Int, { description: FIRST_DESCRIPTION }) first: number,
    @Arg('after', () => String, { nullable: true, description: AFTER_DESCRIPTION })
    after: string | null,
    @Ctx() { deps, loaders }: OperationContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<FeedEvent>> {
    const { cursorKey } = deps;
    const isAfter = typeof after === 'string';
    const read = async (): Promise<FoundEvents> => loaders.eventPages.load({
      orderId: order.id,
      afterVersion: isAfter ? await versionAt(after, order, deps) : 0,
      throughVersion: order.version,
      first: parseFirst(first),
    });
    const { events, hasMore } = await read()
      .catch((error: unknown) => unreadBehindMutation(error, info));
    const address = orderAddress(order, cursorKey);
    const withOrder = events.map((event) => ({ ...event, order }));
    const cursorOf = (event: FeedEvent): string => orderEdge(event, address).cursor;
    return pageOf(withOrder, {
      first, isAfter, cursorOf, followedFrom: hasMore ? { cursor: after } : null,
    });
  }
}
