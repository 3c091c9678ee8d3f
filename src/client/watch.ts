import type { Client } from 'graphql-ws/client';
import {
  errorOf, Passing, textOf, TokenRefused, TopupRequestFailed, type WireError,
} from './errors.ts';
import type { TypedDocumentString } from './generated/graphql.ts';
import { Patience, type PatienceOptions } from './patience.ts';

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
export async function* watch<Data, Variables, Event>(
  client: Client,
  of: Watch<Data, Variables, Event>,
): AsyncIterableIterator<Watched<Event>> {
  const patience = new Patience(of);
  const unlisten = client.on('connected', () => patience.tokenTaken());
  let cursor = of.after;
  try {
    while (!of.signal.aborted) {
      const results = open(client, of, cursor);
      try {
        for await (const result of results) {
          if (result.errors !== undefined) throw errorOf(result.errors);
          if (result.data === undefined || result.data === null) continue;
          patience.succeeded();
          const edge = of.edgeOf(result.data);
          cursor = edge.cursor;
          if (edge.node !== undefined && edge.node !== null) yield { cursor, event: edge.node };
        }
        if (of.endsWithItself) return;
        throw new Passing('The feed was completed');
      } catch (error) {
        await patience.afterFailure(faultOf(error));
      } finally {
        await results.return?.();
      }
    }
  } catch (error) {
    if (!of.signal.aborted) throw error;
  } finally {
    unlisten();
  }
}

interface Result<Data> {
  readonly data?: Data | null | undefined;
  readonly errors?: readonly WireError[] | undefined;
}

/** One subscription over one connection; the signal ends a wait for an event at once. */
function open<Data, Variables, Event>(
  client: Client,
  of: Watch<Data, Variables, Event>,
  after: string | null,
): AsyncIterableIterator<Result<Data>> {
  const results = client.iterate<Data>({
    query: of.document.toString(),
    variables: of.variables(after) as Record<string, unknown>,
  }) as AsyncIterableIterator<Result<Data>>;
  const stop = (): void => void results.return?.();
  of.signal.addEventListener('abort', stop, { once: true });
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => results.next(),
    return: async () => {
      of.signal.removeEventListener('abort', stop);
      await results.return?.();
      return { done: true, value: undefined };
    },
  };
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
