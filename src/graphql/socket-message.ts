import { isJsonMap, MalformedRequest } from './graphql-request.ts';
import { parseJsonBytes } from './json-numbers.ts';

type JsonMap = Readonly<Record<string, unknown>>;

/**
 * A message of a socket. The protocol's library ends a socket whose request has no `query`; where
 * a persisted document is named instead, an empty one stands in for it.
 * @throws MalformedRequest for what is no JSON in UTF-8
 */
export function readMessage(bytes: Buffer): unknown {
  const message = parse(bytes);
  if (!isJsonMap(message)) return message;
  const { type, payload } = message;
  // A ping may carry anything, and its pong carries the same.
  if (type !== 'subscribe' || !isJsonMap(payload) || !namesDocument(payload)) return message;
  return { ...message, payload: { ...payload, query: payload['query'] ?? '' } };
}

function parse(bytes: Buffer): unknown {
  try {
    // A message has one level around what a request has over HTTP.
    return parseJsonBytes(bytes, 1);
  } catch {
    throw new MalformedRequest('A message must be JSON');
  }
}

function namesDocument({ documentId, extensions }: JsonMap): boolean {
  return typeof documentId === 'string'
    || (isJsonMap(extensions) && Object.hasOwn(extensions, 'persistedQuery'));
}
