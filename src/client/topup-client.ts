import { createOrder, type NewOrder } from './create-order.ts';
import {
  TopupOrderEventsDocument, TopupOrderUpdatedDocument, type EventPartsFragment,
  type OrderPartsFragment, type TopupOrderBy, type TopupOrderFilter,
} from './generated/graphql.ts';
import { Sockets } from './sockets.ts';
import { watch, type Watched } from './watch.ts';

export interface TopupClientOptions {
  /** The GraphQL address, e.g. 'https://gateway.example/graphql'. */
  readonly url: string;
  /**
   * A valid access token; asked for at every request and connection, so it may be a fresh one.
   * One that cannot be had now is asked for again; one that is refused, once more.
   */
  readonly token: () => string | Promise<string>;
  /**
   * Told of every failure that is followed by another try. A gateway that is not there looks like
   * one that is being restarted: it is tried until a signal ends it.
   */
  readonly onRetry?: (failure: Error) => void;
  /** The WebSocket address; by default `url` with ws: for http:. */
  readonly wsUrl?: string;
  /** A WebSocket class, where the runtime has none. */
  readonly webSocketImpl?: unknown;
  /** What the gateway takes on one socket (its SUBSCRIPTIONS_PER_SOCKET); 50 by default. */
  readonly watchesPerSocket?: number;
  readonly fetch?: typeof globalThis.fetch;
}

export interface WatchOptions {
  /** The cursor of the last edge that was handled: goes on right behind it. */
  readonly after?: string;
  /** Ends the watch as if nothing more came: ask the signal whether it was it. */
  readonly signal?: AbortSignal;
}

/** An event and the cursor to go on from; keep the cursor to resume after a restart. */
export type OrderEdge = Watched<EventPartsFragment>;

export interface TopupClient {
  /**
   * Places an order, exactly once: whatever goes wrong on the way, it asks again under the same
   * reference until it knows. Also resolves where the order has FAILED: that is its `status`.
   * @throws TopupRefused where the gateway refused it: nothing was debited
   * @throws TopupInDoubt where it was ended before it knew: has the reference to ask again under
   * @throws TopupRequestFailed, or the reason of the signal, where nothing can have been placed
   * @throws TypeError where the token is none that a header can hold: nothing was placed either
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

/**
 * A client of the gateway that resumes. Needs fetch and WebSocket: a browser, or Node 22.
 * @throws TypeError where an address is no URL: no try could mend that
 */
export function createTopupClient(options: TopupClientOptions): TopupClient {
  const { token, onRetry, fetch = globalThis.fetch } = options;
  const url = addressOf(options.url, 'http');
  const sockets = new Sockets({
    ...options, wsUrl: addressOf(options.wsUrl ?? url.replace('http', 'ws'), 'ws'),
  });
  const closing = new AbortController();
  const watchOf = (given: WatchOptions) => ({
    onRetry,
    after: given.after ?? null,
    signal: given.signal === undefined
      ? closing.signal : AbortSignal.any([closing.signal, given.signal]),
  });
  return {
    createOrder: (order, { signal } = {}) =>
      createOrder(order, { url, token, fetch, signal, onRetry }),
    watchOrder: (by, given = {}) => watch(sockets, {
      ...watchOf(given),
      endsWithItself: true,
      document: TopupOrderUpdatedDocument,
      variables: (after) => ({ by, after }),
      edgeOf: (data) => data.topupOrderUpdated,
    }),
    watchOrders: (filter = null, given = {}) => watch(sockets, {
      ...watchOf(given),
      endsWithItself: false,
      document: TopupOrderEventsDocument,
      variables: (after) => ({ filter, after }),
      edgeOf: (data) => data.topupOrderEvents,
    }),
    async close() {
      closing.abort();
      sockets.close();
    },
  };
}

function addressOf(text: string, scheme: 'http' | 'ws'): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== `${scheme}:` && url?.protocol !== `${scheme}s:`) {
    throw new TypeError(`Not an absolute ${scheme}: or ${scheme}s: URL: ${text}`);
  }
  // Nobody fetches such an address, and a WebSocket takes none with a fragment.
  if (scheme === 'http' && (url.username !== '' || url.password !== '')) {
    throw new TypeError(`A URL cannot carry a user and a password here: ${url.host}`);
  }
  url.hash = '';
  return url.href;
}
