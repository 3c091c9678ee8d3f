import { isJsonMap } from './graphql-request.ts';
import { keepWrittenNumbers } from './json-numbers.ts';

/**
 * A reviver for the messages of a socket. The protocol's library ends a socket whose request has
 * no `query`; where a persisted document is named instead, an empty one stands in for it.
 */
export function reviveMessage(
  key: string,
  value: unknown,
  written?: { readonly source?: string },
): unknown {
  if (key === 'payload' && isJsonMap(value) && namesDocument(value)) return { query: '', ...value };
  return keepWrittenNumbers(key, value, written);
}

function namesDocument({ documentId, extensions }: Readonly<Record<string, unknown>>): boolean {
  return typeof documentId === 'string'
    || (isJsonMap(extensions) && Object.hasOwn(extensions, 'persistedQuery'));
}
