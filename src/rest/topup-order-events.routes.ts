import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Access } from '../domain/access.ts';
import type { FollowPorts, OrderEdge } from '../domain/follow-topup-order.ts';
import { followTopupOrders, type FeedSelection } from '../domain/follow-topup-orders.ts';
import { maskSensitive } from '../domain/mask.ts';
import type { Clock, Store } from '../domain/ports.ts';
import { LOGGED_EVENT_TYPES } from '../domain/topup-order.ts';
import { errorAnswer } from './errors.ts';
import { EventStream } from './event-stream.ts';
import { OpenStreams } from './open-streams.ts';
import { Query } from './query.ts';
import { followTopupOrdersSchema } from './topup-order-events.schemas.ts';
import { orderFilterIn } from './topup-order-filter.ts';
import { eventOut } from './wire-events.ts';

export interface EventStreamDeps
  extends FollowPorts, Pick<Access, 'isStillAdmitted' | 'onAccessChange'> {
  readonly clock: Clock;
  readonly store: Pick<Store, 'pricing'>;
  /** How many streams a client may have open at a time, in each process. */
  readonly streamsPerClient: number;
}

/** A reader that has closed its half and takes nothing is cut off after this; milliseconds. */
const FINISH_MS_MAX = 1_000;

const EVENTS = '/api/v1/topups/orders/events';

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Proxies would hold events back until there are enough of them.
  'x-accel-buffering': 'no',
};

/** The feed of all orders as Server-Sent Events, for whoever has no WebSocket. */
export function topupOrderEventRoutes(app: FastifyInstance, deps: EventStreamDeps): void {
  const streams = new OpenStreams(deps);
  app.addHook('preClose', () => streams.finishAll());
  const openStream = (request: FastifyRequest): Promise<EventStream<OrderEdge>> => {
    const { caller } = request;
    if (caller === null) throw new Error('A stream has no caller');
    return streams.open(caller, () => eventStream(caller.clientId, request, deps));
  };
  app.get(
    EVENTS,
    // A HEAD would open a stream that nobody reads.
    { schema: followTopupOrdersSchema, exposeHeadRoute: false },
    async (request, reply) => {
      const stream = await openStream(request);
      endWithReader(stream, request.raw.socket, deps.clock);
      return reply.headers(HEADERS).send(stream);
    },
  );
  // Without a route of its own, a HEAD would ask for the order with the id "events".
  const headSchema = { ...followTopupOrdersSchema, hide: true };
  app.head(EVENTS, { schema: headSchema }, async (request, reply) => {
    (await openStream(request)).destroy();
    return reply.headers(HEADERS).send();
  });
}

/**
 * A reader that closes its half of the connection has gone, or wants no more than it asked for
 * before: the stream ends, and with it the connection, at once where nobody reads it.
 */
function endWithReader(stream: EventStream<OrderEdge>, socket: Socket, clock: Clock): void {
  const end = (): void => {
    stream.finish();
    const closed = new AbortController();
    socket.once('close', () => closed.abort());
    void clock.sleep(FINISH_MS_MAX, closed.signal).then(() => socket.destroy());
  };
  socket.once('end', end);
  stream.once('close', () => socket.off('end', end));
  if (socket.readableEnded) end();
}

async function eventStream(
  clientId: number,
  request: FastifyRequest,
  deps: EventStreamDeps,
): Promise<EventStream<OrderEdge>> {
  const edges = await followTopupOrders(clientId, selectionIn(request), deps);
  return new EventStream(edges, {
    textOf: (edge) => edgeText(edge, deps.store),
    faultOf: (error) => faultText(error, request),
  });
}

/** @throws Rejection VALIDATION_FAILURE */
function selectionIn(request: FastifyRequest): FeedSelection & { readonly after: string | null } {
  const query = new Query(request);
  const filter = orderFilterIn(query);
  const type = query.oneOf('type', LOGGED_EVENT_TYPES);
  const lastEventId = request.headers['last-event-id'];
  return {
    // No order is ever RECHARGED: nothing passes, and the cursor moves on.
    filter: filter ?? { statuses: [] },
    types: type === null ? null : [type],
    clientReference: filter?.clientReference ?? null,
    // A browser that comes back sends the header beside the address that it was given at first.
    // An empty one is that of a reader to whom nothing was told.
    after: typeof lastEventId === 'string' && lastEventId !== ''
      ? lastEventId
      : query.text('after'),
  };
}

/** An id without data makes no event: a browser only remembers where to go on. */
function edgeText({ cursor, node }: OrderEdge, store: Pick<Store, 'pricing'>): string {
  const id = `id: ${cursor}\n`;
  if (node === null) return `${id}\n`;
  const shown = { ...node, order: maskSensitive(node.order, store.pricing()) };
  return `${id}data: ${JSON.stringify(eventOut(shown))}\n\n`;
}

function faultText(error: unknown, request: FastifyRequest): string {
  const { status, body } = errorAnswer(error, request.id);
  if (status === 500) request.log.error({ err: error }, 'an event stream failed');
  return `event: error\ndata: ${JSON.stringify(body)}\n\n`;
}
