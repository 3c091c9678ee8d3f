import { createClient, type Client } from 'graphql-ws';
import type { GraphQLError } from 'graphql';
import { socketUrl } from '../session.ts';

const RETRY_MS_MIN = 200;
/** A gateway that is being restarted is back within seconds; nobody should wait longer than it. */
const RETRY_MS_MAX = 2_000;
/** Nearly a minute of them. */
const RETRY_COUNT_MAX = 30;
/** The token is no good, or no longer: asking again would not help. */
const REFUSED = 4403;
/** How a proxy may end a socket in the middle of everything; we never do. */
const NORMAL_CLOSURE = 1000;
const ENDED_HERE = 4499;

/**
 * Of one subscription, whose headers its socket is opened with. What ends it comes as a last result
 * in words: the explorer would print the event of a browser, or a stack.
 */
export function socketClient(headers: Readonly<Record<string, unknown>>): Client {
  const client = createClient({
    url: socketUrl(),
    connectionParams: headers,
    retryAttempts: RETRY_COUNT_MAX,
    retryWait: (retryCount) => new Promise((resolve) => {
      setTimeout(resolve, Math.min(RETRY_MS_MIN * 2 ** retryCount, RETRY_MS_MAX));
    }),
    shouldRetry: (fault) => isEnd(fault) && !isRefusal(fault),
  });
  client.on('closed', (event) => {
    // After this one the library retries without a pause.
    if (event instanceof CloseEvent && event.code === NORMAL_CLOSURE) client.terminate();
  });
  return {
    ...client,
    subscribe: (payload, sink) => client.subscribe(payload, {
      ...sink,
      error: (fault) => {
        sink.next({ errors: errorsOf(fault) });
        sink.complete();
      },
    }),
  };
}

/** The socket's, or by the library where it was ended here. */
function isEnd(fault: unknown): boolean {
  const { code } = (fault ?? {}) as { readonly code?: unknown };
  return fault instanceof Event || code === ENDED_HERE;
}

function isRefusal(fault: unknown): boolean {
  return fault instanceof CloseEvent && fault.code === REFUSED;
}

/** What is refused before it is executed comes as a list of errors; anything else is an end. */
function errorsOf(fault: unknown): readonly Pick<GraphQLError, 'message'>[] {
  return Array.isArray(fault) ? fault as readonly GraphQLError[] : [{ message: wordsOf(fault) }];
}

function wordsOf(fault: unknown): string {
  if (isRefusal(fault)) return 'A valid bearer token is required';
  if (!isEnd(fault)) return fault instanceof Error ? fault.message : String(fault);
  const isToldWhy = fault instanceof CloseEvent && fault.reason !== '';
  return isToldWhy ? fault.reason : 'The gateway cannot be reached';
}
