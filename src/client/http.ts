import { errorOf, Passing, textOf, TopupRequestFailed, type WireError } from './errors.ts';
import type { TypedDocumentString } from './generated/graphql.ts';

/** A request that hangs longer is given up and sent again; milliseconds. */
const REQUEST_MS_MAX = 75_000;
/** Of the 4xx, those that are about the moment and not about the request. */
const PASSING_STATUSES = new Set([408, 425, 429]);

export interface HttpOptions {
  readonly url: string;
  readonly token: () => string | Promise<string>;
  readonly fetch: typeof globalThis.fetch;
}

/**
 * One request over HTTP.
 * @throws Passing for what may pass, an abort included; TopupRequestFailed for what will not
 */
export async function requestOnce<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  options: HttpOptions & { readonly signal?: AbortSignal | undefined },
): Promise<Data> {
  const { url, token, fetch } = options;
  const deadline = AbortSignal.timeout(REQUEST_MS_MAX);
  const signal = options.signal === undefined
    ? deadline : AbortSignal.any([deadline, options.signal]);
  // Made before anything is sent: what is no header throws here, and would at every try.
  const headers = new Headers({
    'authorization': `Bearer ${await askFor(token, signal)}`,
    'content-type': 'application/json',
    'accept': 'application/graphql-response+json, application/json;q=0.9',
  });
  const body = JSON.stringify({ query: document.toString(), variables });
  const response = await fetch(url, { method: 'POST', headers, body, signal })
    .catch((error: unknown) => {
      throw new Passing(textOf(error), { cause: error });
    });
  return dataOf<Data>(response);
}

/** A token that cannot be had is like a line that is cut, except that nothing was sent. */
async function askFor(token: HttpOptions['token'], signal: AbortSignal): Promise<string> {
  try {
    return await Promise.race([aborted(signal), (async () => token())()]);
  } catch (error) {
    throw new Passing(`No token: ${textOf(error)}`, { mayBeDone: false, cause: error });
  }
}

async function aborted(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

async function dataOf<Data>(response: Response): Promise<Data> {
  const answer = await response.json().catch(() => null) as {
    readonly data?: Data | null; readonly errors?: readonly WireError[];
  } | null;
  if (Array.isArray(answer?.errors)) throw withRetryAfter(errorOf(answer.errors), response);
  if (answer?.data === undefined || answer.data === null) {
    throw withRetryAfter(noGraphql(response.status), response);
  }
  return answer.data;
}

/** A proxy's own page, or an answer that was cut; behind a wrong address nothing is done. */
function noGraphql(status: number): Error {
  const message = `The address answered ${status}, without GraphQL`;
  return status >= 400 && status < 500 && !PASSING_STATUSES.has(status)
    ? new TopupRequestFailed(message, { code: `HTTP_${status}` })
    : new Passing(message);
}

function withRetryAfter(error: Error, response: Response): Error {
  const seconds = Number(response.headers.get('retry-after') ?? '0');
  if (error instanceof Passing && seconds > 0) {
    error.afterMs = Math.max(error.afterMs, seconds * 1000);
  }
  return error;
}
