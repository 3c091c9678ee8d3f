import { Arg, Resolver, Root, Subscription } from 'type-graphql';
import { followTopupOrder, type OrderEdge } from '../domain/follow-topup-order.ts';
import { followTopupOrders } from '../domain/follow-topup-orders.ts';
import type { TopupOrderEventType } from '../domain/topup-order.ts';
import type { OperationContext } from './context.ts';
import { getOrderBy, TopupOrderBy } from './topup-order-by.ts';
import { EVENT_TYPES_DESCRIPTION, TopupOrderEventEdge } from './topup-order-event.types.ts';
import { TopupOrderFilterInput } from './topup-order-filter.ts';
import { TopupOrderEventTypeEnum } from './topup-order.enums.ts';

interface UpdatedArgs {
  readonly by: TopupOrderBy;
  readonly after?: string | null;
}

interface EventsArgs {
  readonly filter?: TopupOrderFilterInput | null;
  readonly types?: readonly TopupOrderEventType[] | null;
  readonly after?: string | null;
}

const AFTER_DESCRIPTION = 'The cursor of the last edge that was received; the feed goes on behind '
  + 'it.';

@Resolver()
export class TopupOrderSubscription {
  @Subscription(() => TopupOrderEventEdge, {
    description: 'What happens to one order, without gap or repeat. The first edge is a SNAPSHOT '
      + 'of the order; with `after`, whatever came behind that cursor. Completes once the order '
      + 'has ended; what comes later (REVERSED, LATE_NEWS) is told by `topupOrderEvents`.',
    subscribe: ({ args, context }) => openOne(args as UpdatedArgs, context as OperationContext),
  })
  topupOrderUpdated(
    @Root() edge: OrderEdge,
    @Arg('by', () => TopupOrderBy, { description: 'Which order.' }) _by: TopupOrderBy,
    @Arg('after', () => String, { nullable: true, description: AFTER_DESCRIPTION })
    _after: string | null,
  ): OrderEdge {
    return edge;
  }

  @Subscription(() => TopupOrderEventEdge, {
    description: 'What happens to all orders of the caller, without gap or repeat and without '
      + 'end. The first edge has a cursor and no node and tells where the feed stands; with '
      + '`after`, whatever came behind that cursor. Under a filter, an edge without a node moves '
      + 'the cursor on now and then.',
    subscribe: ({ args, context }) => openAll(args as EventsArgs, context as OperationContext),
  })
  topupOrderEvents(
    @Root() edge: OrderEdge,
    @Arg('filter', () => TopupOrderFilterInput, {
      nullable: true, description: 'Which orders; all without it.',
    }) _filter: TopupOrderFilterInput | null,
    @Arg('types', () => [TopupOrderEventTypeEnum], {
      nullable: true, description: EVENT_TYPES_DESCRIPTION,
    }) _types: readonly TopupOrderEventType[] | null,
    @Arg('after', () => String, { nullable: true, description: AFTER_DESCRIPTION })
    _after: string | null,
  ): OrderEdge {
    return edge;
  }
}

/** @throws Rejection ORDER_NOT_FOUND, or VALIDATION_FAILURE for a cursor that is not of it */
async function openOne(
  { by, after }: UpdatedArgs,
  { clientId, deps }: OperationContext,
): Promise<AsyncIterableIterator<OrderEdge>> {
  const order = await getOrderBy(by, { clientId, store: deps.store });
  return followTopupOrder(order, after ?? null, deps);
}

/** @throws Rejection VALIDATION_FAILURE for a cursor that cannot be gone on from */
async function openAll(
  { filter, types, after }: EventsArgs,
  { clientId, deps }: OperationContext,
): Promise<AsyncIterableIterator<OrderEdge>> {
  const selection = { filter: filter ?? null, types: types ?? null, after: after ?? null };
  return followTopupOrders(clientId, selection, deps);
}
