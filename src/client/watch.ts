import type { Client } from 'graphql-ws/client';
import { Arrivals } from './arrivals.ts';
import {
  errorOf, Passing, textOf, TokenRefused, TopupRequestFailed, type WireError,
} from './errors.ts';
import type { TypedDocumentString } from './generated/graphql.ts';
import { Patience, type PatienceOptions } from './patience.ts';
import type { Sockets } from './sockets.ts';

/** How the gateway closes a socket whose token it does not take, or no longer. */
const REFUSED = 4403;

export interface Watched<Event> {
  readonly cursor: string;
  readonly event: Event;
}

interface Edge<Event> {
  readonly cursor: string;
  readonly node?: Event | null;
}

interface Watch<Data, Variables, Event> extends PatienceOptions {
  readonly document: TypedDocumentString<Data, Variables>;
  readonly variables: (after: string | null) => Variables;
  readonly edgeOf: (data: Data) => Edge<Event>;
  readonly after: string | null;
  /** The gateway completes it when nothing more can come; else a completion is an interruption. */
  readonly endsWithItself: boolean;
  readonly signal: AbortSignal;
}

/**
 * The events of one subscription across all its connections: every edge moves the cursor, every
 * new connection goes on behind it, so nothing is missed and nothing comes twice.
 * @throws TopupRequestFailed for what no new connection can mend
 */
export function watch<Data, Variables, Event>(
  sockets: Sockets,
  of: Watch<Data, Variables, Event>,
): AsyncIterableIterator<Watched<Event>> {
  const left = new AbortController();
  const events = follow(sockets, { ...of, signal: AbortSignal.any([of.signal, left.signal]) });
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => events.next(),
    // A generator takes a return() only when it yields: one that waits has to be woken.
    return: () => {
      left.abort();
      return events.return(undefined);
    },
  };
}

async function* follow<Data, Variables, Event>(
  sockets: Sockets,
  of: Watch<Data, Variables, Event>,
): AsyncGenerator<Watched<Event>, undefined> {
  const { client, tokenFault, prepare, leave } = sockets.enter();
  const patience = new Patience(of);
  const unlisten = client.on('connected', () => patience.tokenTaken());
  let cursor = of.after;
  try {
    while (!of.signal.aborted) {
      try {
        await prepare(of.signal);
        if (of.signal.aborted) return;
        for await (const data of dataOf(client, of, cursor)) {
          patience.succeeded();
          const edge = of.edgeOf(data);
          cursor = edge.cursor;
          if (edge.node !== undefined && edge.node !== null) yield { cursor, event: edge.node };
        }
        if (of.endsWithItself) return;
        throw new Passing('The feed was completed');
      } catch (error) {
        await patience.afterFailure(faultOf((tokenFault() ?? { thrown: error }).thrown));
      }
    }
  } catch (error) {
    if (!of.signal.aborted) throw error;
  } finally {
    unlisten();
    leave();
  }
}

interface Result<Data> {
  readonly data?: Data | null | undefined;
  readonly errors?: readonly WireError[] | undefined;
}

/** One subscription over one connection; the signal ends it at once, whatever it waits for. */
async function* dataOf<Data, Variables, Event>(
  client: Client,
  { document, variables, signal }: Watch<Data, Variables, Event>,
  after: string | null,
): AsyncGenerator<Data> {
  const arrivals = new Arrivals<Result<Data>>();
  const stop = (): void => arrivals.end();
  signal.addEventListener('abort', stop, { once: true });
  const leave = client.subscribe<Data>(
    { query: document.toString(), variables: variables(after) as Record<string, unknown> },
    {
      next: (result) => arrivals.add(result as Result<Data>),
      error: (fault) => arrivals.end(fault),
      complete: stop,
    },
  );
  try {
    for (;;) {
      const result = await arrivals.next();
      if (result === undefined || signal.aborted) return;
      if (result.errors !== undefined) throw errorOf(result.errors);
      if (result.data !== undefined && result.data !== null) yield result.data;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    leave();
  }
}

/** A refused subscription brings GraphQL errors; all else is about the connection and may pass. */
function faultOf(error: unknown): Error {
  if (error instanceof TopupRequestFailed || error instanceof Passing) return error;
  if (Array.isArray(error)) return errorOf(error as WireError[]);
  const { code, reason } = Object(error) as { readonly code?: unknown; readonly reason?: unknown };
  if (typeof code !== 'number' || typeof reason !== 'string') {
    return new Passing(textOf(error), { cause: error });
  }
  const message = `The socket was closed: ${code} ${reason}`;
  return code === REFUSED ? new TokenRefused(message) : new Passing(message);
}
