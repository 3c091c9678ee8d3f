import { cursorRefused, parseCursor, writeCursor, type FeedAddress } from './feed-cursor.ts';
import { FeedEdges, type FeedEdge } from './feed-edges.ts';
import type { Clock, FeedExtent, OrderFeed } from './ports.ts';
import { Rejection } from './rejection.ts';
import { isTerminal, type FeedEvent, type TopupOrder } from './topup-order.ts';

/** An event as the doors show it: of the log, or a snapshot that stands in none. */
export type OrderEdge = FeedEdge<FeedEvent>;

export interface FollowPorts {
  readonly feed: OrderFeed;
  readonly clock: Pick<Clock, 'now' | 'monotonicMs'>;
  readonly cursorKey: string;
}

/** Where one order's cursors are good. */
export function orderAddress(
  order: Pick<TopupOrder, 'clientId' | 'id'>,
  key: string,
): FeedAddress {
  return { clientId: order.clientId, kind: 'order', id: order.id, key };
}

/** The edge of one event of an order's feed. */
export function orderEdge(event: FeedEvent, address: FeedAddress): OrderEdge {
  return { cursor: writeCursor([event.sequence, event.version], address), node: event };
}

/**
 * The version of the order that a cursor stands behind.
 * @throws Rejection VALIDATION_FAILURE for a cursor that is not of the order, or of a lost time
 */
export async function versionAt(
  cursor: string,
  order: TopupOrder,
  { feed, cursorKey }: Pick<FollowPorts, 'feed' | 'cursorKey'>,
): Promise<number> {
  const [sequence = 0, version = 0] = parseCursor(cursor, orderAddress(order, cursorKey));
  // A cursor from the future: the database is not the one that it was made over.
  if (version > order.version) throw cursorRefused('CURSOR_AHEAD');
  // The order may have come as far again by other events than the cursor's owner was told of.
  assertNotLost(sequence, await feed.extent(order.clientId));
  return version;
}

/** @throws Rejection VALIDATION_FAILURE for a cursor of the time that a restored backup lacks */
export function assertNotLost(sequence: number, { skipped }: Pick<FeedExtent, 'skipped'>): void {
  const isLost = skipped.some(({ after, through }) => sequence > after && sequence < through);
  if (isLost) throw cursorRefused('CURSOR_AHEAD');
}

/**
 * What happens to one order, without gap or repeat: a snapshot first, or whatever came behind
 * `after`. Ends after the terminal event; what comes later still is read from the order's events.
 * @throws Rejection ORDER_NOT_FOUND, or VALIDATION_FAILURE for a cursor that is not of the order
 */
export async function followTopupOrder(
  order: TopupOrder,
  after: string | null,
  ports: FollowPorts,
): Promise<AsyncIterableIterator<OrderEdge>> {
  return after === null ? begin(order, ports) : resume(order, after, ports);
}

/**
 * From the order as it stands. The snapshot names the feed position it was read at, so the first
 * live event is the one right behind it, whatever is committed meanwhile.
 */
async function begin(
  { clientId, id }: TopupOrder,
  { feed, clock, cursorKey }: FollowPorts,
): Promise<AsyncIterableIterator<OrderEdge>> {
  const snapshot = await feed.snapshot(clientId, id);
  if (snapshot === null) throw new Rejection('ORDER_NOT_FOUND', 'Order not found');
  const { order, sequence } = snapshot;
  const { version } = order;
  const node: FeedEvent = {
    clientId,
    topupOrderId: id,
    sequence,
    version,
    type: 'SNAPSHOT',
    previousStatus: null,
    status: order.status,
    failureCode: order.failureCode,
    occurredAt: clock.now(),
    order,
  };
  const address = orderAddress(order, cursorKey);
  return new FeedEdges({
    first: [orderEdge(node, address)],
    watch: isTerminal(order.status) ? null : () => feed.watchOrder(clientId, id, version),
    edgeOf: (event) => orderEdge(event, address),
  });
}

/** From right behind a cursor; at once at the end where the order can bring nothing more. */
async function resume(
  order: TopupOrder,
  after: string,
  ports: FollowPorts,
): Promise<AsyncIterableIterator<OrderEdge>> {
  const { feed, cursorKey } = ports;
  const version = await versionAt(after, order, ports);
  const isAtEnd = isTerminal(order.status) && version === order.version;
  const address = orderAddress(order, cursorKey);
  return new FeedEdges({
    first: [],
    watch: isAtEnd ? null : () => feed.watchOrder(order.clientId, order.id, version),
    edgeOf: (event) => orderEdge(event, address),
  });
}
