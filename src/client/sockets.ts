import { createClient, type Client } from 'graphql-ws/client';
import { NextToken } from './next-token.ts';

/** An unanswered ping ends the socket: a line that is cut without a word is noticed. */
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;
/** Before it is acknowledged nothing is pinged; a token may take as long before that. */
const ACKNOWLEDGED_WITHIN_MS = 30_000;
/** How a proxy may end a socket in the middle of everything, and we one that nobody needs. */
const NORMAL_CLOSURE = 1000;
/** What a gateway takes on one socket, unless it was told otherwise. */
const WATCHES_PER_SOCKET = 50;

export interface SocketOptions {
  readonly wsUrl: string;
  readonly token: () => string | Promise<string>;
  readonly webSocketImpl?: unknown;
  readonly watchesPerSocket?: number;
  readonly acknowledgedWithinMs?: number;
}

interface Connection {
  readonly client: Client;
  /** Why the last try to connect had no token, as it was thrown; null where it had one. */
  readonly tokenFault: () => { readonly thrown: unknown } | null;
  /**
   * Until there is a token for the connection that comes next, or the signal. With one that is
   * open, or being made, there is nothing to wait for.
   * @throws what `token` throws; Passing where it takes too long
   */
  readonly prepare: (signal: AbortSignal) => Promise<void>;
}

interface Shared extends Connection {
  readonly abandon: () => void;
  watchCount: number;
}

/** A watch's share of a connection. */
export interface Place extends Connection {
  readonly leave: () => void;
}

/** The connections of all watches: one for as many as fit, and a further one for the next. */
export class Sockets {
  readonly #options: SocketOptions;
  readonly #shared = new Set<Shared>();

  constructor(options: SocketOptions) {
    this.#options = options;
  }

  enter(): Place {
    const { watchesPerSocket = WATCHES_PER_SOCKET } = this.#options;
    const shared = [...this.#shared].find(({ watchCount }) => watchCount < watchesPerSocket)
      ?? this.#open();
    shared.watchCount += 1;
    return {
      ...shared,
      leave: () => {
        shared.watchCount -= 1;
        if (shared.watchCount > 0) return;
        // Its socket closes now; the next watch opens another one, and does not wait for that.
        this.#shared.delete(shared);
        shared.abandon();
      },
    };
  }

  /** Ends connections that are still being made, too. */
  close(): void {
    for (const { client } of this.#shared) client.terminate();
  }

  #open(): Shared {
    const shared = { ...openSocket(this.#options), watchCount: 0 };
    this.#shared.add(shared);
    return shared;
  }
}

/** Connects with the first watch and closes behind the last; each resumes from its own cursor. */
function openSocket(options: SocketOptions): Omit<Shared, 'watchCount'> {
  const { wsUrl, token, webSocketImpl, acknowledgedWithinMs = ACKNOWLEDGED_WITHIN_MS } = options;
  let ackIsDue: ReturnType<typeof setTimeout> | undefined;
  let pongIsDue: ReturnType<typeof setTimeout> | undefined;
  let tokenFault: { readonly thrown: unknown } | null = null;
  let tryNumber = 0;
  let isOpening = false;
  let isConnecting = false;
  let prepared: string | null = null;
  const nextToken = new NextToken(token, acknowledgedWithinMs);
  const client = createClient({
    url: wsUrl,
    connectionParams: async () => {
      const number = tryNumber;
      try {
        return { authorization: `Bearer ${prepared ?? await token()}` };
      } catch (thrown) {
        // This try was given up meanwhile; the socket of another one is not its own.
        if (number !== tryNumber) return {};
        tokenFault = { thrown };
        // To throw would begin the next try beside this socket, whose end comes a round trip later
        // and is taken for that of the next one, which nobody would ever close.
        client.terminate();
        return {};
      }
    },
    // Of old runtimes the global one may be that of `ws`, too.
    webSocketImpl: deafToFaults(webSocketImpl ?? globalThis.WebSocket),
    // Its own retries would subscribe again without the cursor that was reached.
    retryAttempts: 0,
    keepAlive: PING_EVERY_MS,
    on: {
      connecting: () => {
        tokenFault = null;
        isOpening = true;
        isConnecting = true;
        prepared = nextToken.take();
        tryNumber += 1;
        ackIsDue = setTimeout(() => client.terminate(), acknowledgedWithinMs);
      },
      connected: () => { isConnecting = false; clearTimeout(ackIsDue); },
      ping: (isReceived) => {
        if (!isReceived) pongIsDue = setTimeout(() => client.terminate(), PONG_WITHIN_MS);
      },
      pong: (isReceived) => {
        if (isReceived) clearTimeout(pongIsDue);
      },
      closed: (event) => {
        isOpening = false;
        isConnecting = false;
        clearTimeout(ackIsDue);
        clearTimeout(pongIsDue);
        // After this one the library does it all the same, and without a pause.
        if (codeOf(event) === NORMAL_CLOSURE) client.terminate();
      },
    },
  });
  return {
    client,
    tokenFault: () => tokenFault,
    // One that is being made would hold the program until it is made, or given up.
    abandon: () => { if (isConnecting) client.terminate(); },
    prepare: async (signal) => {
      if (isOpening) return;
      tokenFault = null;
      await nextToken.prepare(signal);
    },
  };
}

function codeOf(event: unknown): unknown {
  return (Object(event) as { readonly code?: unknown }).code;
}

type SocketClass = new (...args: unknown[]) => { addEventListener?: AddEventListener };
type AddEventListener = (type: 'error', listener: () => void) => void;

/**
 * The same class, whose sockets have a listener for errors from the first to the last. Those of
 * `ws` tell one when they are closed while they connect, by when the protocol's library has stopped
 * listening, and an error that nobody hears ends the program. Of what failed the `close` tells.
 */
function deafToFaults(webSocketImpl: unknown): unknown {
  if (typeof webSocketImpl !== 'function') return webSocketImpl;
  return new Proxy(webSocketImpl as SocketClass, {
    construct(target, args: unknown[]) {
      const socket = new target(...args);
      socket.addEventListener?.('error', () => undefined);
      return socket;
    },
  });
}
