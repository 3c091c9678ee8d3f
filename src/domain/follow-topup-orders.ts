import { cursorRefused, parseCursor, writeCursor, type FeedAddress } from './feed-cursor.ts';
import { FeedEdges } from './feed-edges.ts';
import { assertNotLost, type FollowPorts, type OrderEdge } from './follow-topup-order.ts';
import type { Clock, OrderFeed } from './ports.ts';
import { matchesFilter, type TopupOrderFilter } from './topup-order-filter.ts';
import type { FeedEvent, TopupOrderEventType } from './topup-order.ts';

/** A filter that passes little moves the cursor on at least every so many events ... */
const SILENT_EVENTS_MAX = 100;
/** ... and with the first event after so long a silence; milliseconds. */
const SILENCE_MS_MAX = 5_000;
/** Entries of one read of the log; a page under a filter may take several. */
const LOG_PAGE_SIZE = 500;
/** Entries that one page looks at, however few pass the filter: the next page goes on there. */
const LOOKED_AT_MAX = 5_000;

/** What is wanted of a client's feed. */
export interface FeedSelection {
  readonly filter: TopupOrderFilter | null;
  /** Null for every type. */
  readonly types: readonly TopupOrderEventType[] | null;
  /** Of the one order that is wanted; null or left out for all. */
  readonly clientReference?: string | null;
}

/**
 * What happens to all orders of a client, without gap or repeat and without end: an edge without a
 * node that tells where the feed stands, or whatever came behind `after`.
 * @throws Rejection VALIDATION_FAILURE for a cursor that cannot be gone on from
 */
export async function followTopupOrders(
  clientId: number,
  from: FeedSelection & { readonly after: string | null },
  { feed, clock, cursorKey }: FollowPorts,
): Promise<AsyncIterableIterator<OrderEdge>> {
  const address = feedAddress(clientId, cursorKey);
  const start = await startOf(from.after, address, feed);
  const opening = { cursor: writeCursor([start], address), node: null };
  return new FeedEdges({
    first: from.after === null ? [opening] : [],
    watch: () => feed.watchClient(clientId, start),
    edgeOf: selectEdges(from, address, clock),
  });
}

/** A page of a client's feed. */
export interface LogPage {
  readonly edges: readonly OrderEdge[];
  /** Whether more stands behind `endCursor`. */
  readonly hasMore: boolean;
  /** Behind everything that was looked at, whether it passed the filter or not. */
  readonly endCursor: string;
}

/**
 * Up to `first` events of all orders of a client behind `after`, or from where the feed begins:
 * catching up without a socket, by the cursors of the live feed.
 * @throws Rejection VALIDATION_FAILURE for a cursor that cannot be gone on from
 */
export async function readTopupOrderLog(
  clientId: number,
  from: Omit<FeedSelection, 'clientReference'>
    & { readonly after: string | null; readonly first: number },
  { feed, cursorKey }: Pick<FollowPorts, 'feed' | 'cursorKey'>,
): Promise<LogPage> {
  const address = feedAddress(clientId, cursorKey);
  let position = from.after === null
    ? (await feed.extent(clientId)).removedThrough
    : await startOf(from.after, address, feed);
  const edges: OrderEdge[] = [];
  const isWhole = from.filter === null && from.types === null;
  const limit = isWhole ? from.first + 1 : LOG_PAGE_SIZE;
  let hasMore = true;
  for (let lookedAt = 0; hasMore && lookedAt < LOOKED_AT_MAX;) {
    const events = await feed.readClient(clientId, { afterSequence: position, limit });
    hasMore = events.length === limit;
    lookedAt += events.length;
    for (const event of events) {
      if (edges.length === from.first) return pageOf(edges, { position, hasMore: true, address });
      position = event.sequence;
      if (isSelected(event, from)) edges.push(edgeAt(event, address));
    }
  }
  return pageOf(edges, { position, hasMore, address });
}

function pageOf(
  edges: readonly OrderEdge[],
  end: {
    readonly position: number; readonly hasMore: boolean; readonly address: FeedAddress;
  },
): LogPage {
  return { edges, hasMore: end.hasMore, endCursor: writeCursor([end.position], end.address) };
}

/** The sequence to begin behind: of the cursor, or where the feed stands now. */
async function startOf(
  after: string | null,
  address: FeedAddress,
  feed: OrderFeed,
): Promise<number> {
  const named = after === null ? null : parseCursor(after, address)[0] ?? 0;
  const extent = await feed.extent(address.clientId);
  const { removedThrough, lastSequence } = extent;
  if (named === null) return lastSequence;
  // A cursor from the future: the database is not the one that it was made over.
  if (named > lastSequence) throw cursorRefused('CURSOR_AHEAD');
  assertNotLost(named, extent);
  if (named < removedThrough) throw cursorRefused('CURSOR_EXPIRED');
  return named;
}

/** Passes what is selected on; now and then an edge without a node moves the cursor meanwhile. */
function selectEdges(
  selection: FeedSelection,
  address: FeedAddress,
  clock: Pick<Clock, 'monotonicMs'>,
): (event: FeedEvent) => OrderEdge | null {
  let silentCount = 0;
  let lastEdgeMs = clock.monotonicMs();
  return (event) => {
    const isShown = isSelected(event, selection);
    const nowMs = clock.monotonicMs();
    silentCount += 1;
    const isSilent = silentCount < SILENT_EVENTS_MAX && nowMs - lastEdgeMs < SILENCE_MS_MAX;
    if (!isShown && isSilent) return null;
    silentCount = 0;
    lastEdgeMs = nowMs;
    const edge = edgeAt(event, address);
    return isShown ? edge : { cursor: edge.cursor, node: null };
  };
}

function isSelected(
  event: FeedEvent,
  { filter, types, clientReference = null }: FeedSelection,
): boolean {
  if (types !== null && !types.includes(event.type)) return false;
  if (clientReference !== null && event.order.clientReference !== clientReference) return false;
  return filter === null || matchesFilter(event, filter);
}

function edgeAt(event: FeedEvent, address: FeedAddress): OrderEdge {
  return { cursor: writeCursor([event.sequence], address), node: event };
}

function feedAddress(clientId: number, key: string): FeedAddress {
  return { clientId, kind: 'orders', id: 0, key };
}
