import { errorOf, Passing, type WireError } from './errors.ts';
import type { TypedDocumentString } from './generated/graphql.ts';

/** A request that hangs longer is given up and sent again; milliseconds. */
const REQUEST_MS_MAX = 75_000;

export interface HttpOptions {
  readonly url: string;
  readonly token: () => string | Promise<string>;
  readonly fetch: typeof globalThis.fetch;
}

/**
 * One request over HTTP.
 * @throws Passing for what may pass; TopupRequestFailed for what will not
 */
export async function requestOnce<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  options: HttpOptions & { readonly signal?: AbortSignal | undefined },
): Promise<Data> {
  const { url, token, fetch, signal } = options;
  const deadline = AbortSignal.timeout(REQUEST_MS_MAX);
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'authorization': `Bearer ${await token()}`,
      'content-type': 'application/json',
      'accept': 'application/graphql-response+json, application/json;q=0.9',
    },
    body: JSON.stringify({ query: document.toString(), variables }),
    signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
  }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new Passing(String(error));
  });
  const answer = await response.json().catch(() => null) as {
    readonly data?: Data | null; readonly errors?: readonly WireError[];
  } | null;
  if (answer?.errors !== undefined) throw withRetryAfter(errorOf(answer.errors), response);
  if (answer?.data === undefined || answer.data === null) {
    // A proxy's own page, or an answer that was cut: nothing is known.
    throw withRetryAfter(new Passing(`The gateway answered ${response.status}`), response);
  }
  return answer.data;
}

function withRetryAfter(error: Error, response: Response): Error {
  const seconds = Number(response.headers.get('retry-after') ?? '0');
  return error instanceof Passing && seconds > 0
    ? new Passing(error.message, Math.max(error.afterMs, seconds * 1000))
    : error;
}
