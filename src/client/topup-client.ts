import { createClient, type Client } from 'graphql-ws/client';
import { Passing, TopupRefused } from './errors.ts';
import {
  CreateTopupOrderDocument, TopupOrderEventsDocument, TopupOrderUpdatedDocument,
  type CreateTopupOrderInput, type EventPartsFragment, type OrderPartsFragment, type TopupOrderBy,
  type TopupOrderFilter,
} from './generated/graphql.ts';
import { requestOnce } from './http.ts';
import { Patience } from './patience.ts';
import { watch, type Watched } from './watch.ts';

/** An unanswered ping ends the socket: a line that is cut without a word is noticed. */
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;

export interface TopupClientOptions {
  /** The GraphQL address, e.g. 'https://gateway.example/graphql'. */
  readonly url: string;
  /** A valid access token; asked for at every request and connection, so it may be a fresh one. */
  readonly token: () => string | Promise<string>;
  /** The WebSocket address; by default `url` with ws: for http:. */
  readonly wsUrl?: string;
  /** A WebSocket class, where the runtime has none. */
  readonly webSocketImpl?: unknown;
  readonly fetch?: typeof globalThis.fetch;
}

/** An order to place; without a reference the client makes one of its own. */
export type NewOrder = CreateTopupOrderInput;

export interface WatchOptions {
  /** The cursor of the last edge that was handled: goes on right behind it. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

/** An event and the cursor to go on from; keep the cursor to resume after a restart. */
export type OrderEdge = Watched<EventPartsFragment>;

export interface TopupClient {
  /**
   * Places an order, exactly once: whatever goes wrong on the way, it asks again under the same
   * reference until it knows. Also resolves where the order has FAILED: that is its `status`.
   * @throws TopupRefused where the gateway refused it: nothing was debited
   */
  createOrder(order: NewOrder, options?: { readonly signal?: AbortSignal }):
    Promise<OrderPartsFragment>;
  /** One order, from a snapshot on (or behind `after`) to its end; survives every interruption. */
  watchOrder(by: TopupOrderBy, options?: WatchOptions): AsyncIterableIterator<OrderEdge>;
  /** All orders of the caller, from now on (or behind `after`); survives every interruption. */
  watchOrders(filter?: TopupOrderFilter | null, options?: WatchOptions):
    AsyncIterableIterator<OrderEdge>;
  /** Closes the connection and ends every watch. */
  close(): Promise<void>;
}

/** A client of the gateway that resumes. Needs fetch and WebSocket: a browser, or Node 22. */
export function createTopupClient(options: TopupClientOptions): TopupClient {
  const { url, token, fetch = globalThis.fetch } = options;
  const socket = openSocket(options);
  const closing = new AbortController();
  const watchOf = (given: WatchOptions): { after: string | null; signal: AbortSignal } => ({
    after: given.after ?? null,
    signal: given.signal === undefined
      ? closing.signal : AbortSignal.any([closing.signal, given.signal]),
  });
  return {
    createOrder: (order, { signal } = {}) => createOrder(order, { url, token, fetch, signal }),
    watchOrder: (by, given = {}) => watch(socket, {
      ...watchOf(given),
      endsWithItself: true,
      document: TopupOrderUpdatedDocument,
      variables: (after) => ({ by, after }),
      edgeOf: (data) => data.topupOrderUpdated,
    }),
    watchOrders: (filter = null, given = {}) => watch(socket, {
      ...watchOf(given),
      endsWithItself: false,
      document: TopupOrderEventsDocument,
      variables: (after) => ({ filter, after }),
      edgeOf: (data) => data.topupOrderEvents,
    }),
    async close() {
      closing.abort();
      await socket.dispose();
    },
  };
}

/** One connection for all watches; each watch resumes by itself, from its own cursor. */
function openSocket(options: TopupClientOptions): Client {
  let pongIsDue: ReturnType<typeof setTimeout> | undefined;
  const client = createClient({
    url: options.wsUrl ?? options.url.replace(/^http/, 'ws'),
    connectionParams: async () => ({ authorization: `Bearer ${await options.token()}` }),
    ...(options.webSocketImpl === undefined ? {} : { webSocketImpl: options.webSocketImpl }),
    // Its own retries would subscribe again without the cursor that was reached.
    retryAttempts: 0,
    keepAlive: PING_EVERY_MS,
    on: {
      ping: (isReceived) => {
        if (!isReceived) pongIsDue = setTimeout(() => client.terminate(), PONG_WITHIN_MS);
      },
      pong: (isReceived) => {
        if (isReceived) clearTimeout(pongIsDue);
      },
      closed: () => clearTimeout(pongIsDue),
    },
  });
  return client;
}

async function createOrder(
  order: NewOrder,
  options: Parameters<typeof requestOnce>[2],
): Promise<OrderPartsFragment> {
  const clientReference = order.clientReference ?? crypto.randomUUID();
  const input = { ...order, clientReference };
  const patience = new Patience();
  for (;;) {
    try {
      const { createTopupOrder } = await requestOnce(CreateTopupOrderDocument, { input }, options);
      const { order: placed, userErrors, duplicateOf } = createTopupOrder;
      if (placed !== null && placed !== undefined) return placed;
      // The same order under the same reference is this one, placed by an earlier try.
      const isOurs = userErrors.every((error) => error.code === 'DUPLICATE_CLIENT_REFERENCE'
        && error.details !== 'INPUT_MISMATCH');
      if (isOurs && duplicateOf !== null && duplicateOf !== undefined) return duplicateOf;
      throw new TopupRefused(userErrors);
    } catch (error) {
      if (!(error instanceof Passing)) throw error;
      await patience.afterFailure(error, options.signal);
    }
  }
}
