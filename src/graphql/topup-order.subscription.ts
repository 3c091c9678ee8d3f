import { Arg, Resolver, Root, Subscription } from 'type-graphql';
import { Rejection } from '../domain/rejection.ts';
import { isTerminal, type TopupOrder } from '../domain/topup-order.ts';
import type { OperationContext } from './context.ts';
import { cursorInvalid, parseCursor, writeCursor, type OrderFeedAddress } from './cursor.ts';
import { findOrderBy, TopupOrderBy } from './topup-order-by.ts';
import { TopupOrderEventEdge, type ShownEventEdge } from './topup-order-event.types.ts';
import { TopupOrderUpdates } from './topup-order-updates.ts';

interface TopupOrderUpdatedArgs {
  readonly by: TopupOrderBy;
  readonly after?: string | null;
}

@Resolver()
export class TopupOrderSubscription {
  @Subscription(() => TopupOrderEventEdge, {
    description: 'What happens to one order, without gap or repeat. The first edge is a SNAPSHOT '
      + 'of the order; with `after`, whatever came behind that cursor. Completes with the order.',
    subscribe: ({ args, context }) =>
      openUpdates(args as TopupOrderUpdatedArgs, context as OperationContext),
  })
  topupOrderUpdated(
    @Root() edge: ShownEventEdge,
    @Arg('by', () => TopupOrderBy, { description: 'Which order.' }) _by: TopupOrderBy,
    @Arg('after', () => String, {
      nullable: true,
      description: 'The cursor of the last edge that was received.',
    }) _after: string | null,
  ): ShownEventEdge {
    return edge;
  }
}

/** @throws Rejection ORDER_NOT_FOUND, or VALIDATION_FAILURE for a cursor that is not of it */
async function openUpdates(
  { by, after }: TopupOrderUpdatedArgs,
  { clientId, deps }: OperationContext,
): Promise<TopupOrderUpdates> {
  const order = await findOrderBy(by, { clientId, store: deps.store });
  if (order === null) throw orderNotFound();
  const address = { clientId, orderId: order.id, key: deps.cursorKey };
  return typeof after === 'string'
    ? resume(order, { after, address, deps })
    : begin({ address, deps });
}

type Deps = OperationContext['deps'];

/**
 * From the order as it stands. The snapshot names the feed position it was read at, so the first
 * live event is the one right behind it, whatever is committed meanwhile.
 */
async function begin(
  { address, deps }: { readonly address: OrderFeedAddress; readonly deps: Deps },
): Promise<TopupOrderUpdates> {
  const { clientId, orderId } = address;
  const snapshot = await deps.feed.snapshot(clientId, orderId);
  if (snapshot === null) throw orderNotFound();
  const { order, sequence } = snapshot;
  const position = { sequence, version: order.version };
  const node = {
    clientId,
    topupOrderId: orderId,
    ...position,
    type: 'SNAPSHOT' as const,
    previousStatus: null,
    status: order.status,
    failureCode: order.failureCode,
    occurredAt: deps.clock.now(),
    order,
  };
  return new TopupOrderUpdates({
    first: { cursor: writeCursor(position, address), node },
    watch: isTerminal(order.status)
      ? null
      : () => deps.feed.watchOrder(clientId, orderId, position),
    edgeOf: (event) => ({ cursor: writeCursor(event, address), node: event }),
  });
}

/** From right behind a cursor; at once at the end where the order can bring nothing more. */
function resume(
  order: TopupOrder,
  from: { readonly after: string; readonly address: OrderFeedAddress; readonly deps: Deps },
): TopupOrderUpdates {
  const { address, deps } = from;
  const position = parseCursor(from.after, address);
  // A cursor from the future: the database is not the one that it was made over.
  if (position.version > order.version) throw cursorInvalid();
  const isAtEnd = isTerminal(order.status) && position.version === order.version;
  return new TopupOrderUpdates({
    first: null,
    watch: isAtEnd
      ? null
      : () => deps.feed.watchOrder(address.clientId, address.orderId, position),
    edgeOf: (event) => ({ cursor: writeCursor(event, address), node: event }),
  });
}

function orderNotFound(): Rejection {
  return new Rejection('ORDER_NOT_FOUND', 'Order not found', { field: ['by'] });
}
