import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isJsonMap } from './graphql-request.ts';
import { parseJsonBytes } from './json-numbers.ts';

export const BODY_BYTES_MAX = 65_536;

/** A body that is no JSON object; Fastify trusts the status. Its words, if any, are shown. */
class UnreadableBody extends Error {
  readonly statusCode = 400;
}

/** Lets the routes of `scope` read JSON objects, and no other kind of body. */
export function acceptOnlyJson(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX },
    (_request, body, done) => {
      const parsed = parse(body as Buffer);
      if (isJsonMap(parsed)) done(null, parsed);
      else done(new UnreadableBody(Array.isArray(parsed) ? 'Operation batching disabled' : ''));
    },
  );
}

function parse(body: Buffer): unknown {
  try {
    return parseJsonBytes(body);
  } catch {
    return undefined;
  }
}

/** Compressed bodies are refused unread: what they unpack to has no bound. */
export function isPlainUtf8(request: FastifyRequest): boolean {
  const {
    'content-encoding': encoding = 'identity', 'content-type': type = '',
    'transfer-encoding': coding = 'chunked',
  } = request.headers;
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(type)?.[1] ?? 'utf-8';
  // Node undoes the chunks and leaves what else was done to the body for the transfer.
  const isPlain = encoding.toLowerCase() === 'identity' && coding.toLowerCase() === 'chunked';
  return isPlain && /^utf-?8$/i.test(charset);
}
