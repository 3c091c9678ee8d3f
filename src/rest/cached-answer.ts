import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** A catalogue is asked for again every few minutes at the most, and told by its tag if it held. */
const CACHE_CONTROL = 'private, max-age=300';
/** By origin, too: what one page may read, kept by the browser, is no answer for another's. */
const VARY = 'authorization, origin';

/**
 * Answers JSON that its caller may keep, or 304 where the caller has it already. The tag covers
 * `headers` too: a list that grew elsewhere is not the same page.
 */
export function answerCached(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: { readonly body: unknown; readonly headers?: Readonly<Record<string, string>> },
): FastifyReply {
  const { body, headers = {} } = answer;
  const text = JSON.stringify(body);
  const hash = createHash('sha256').update(text).update(JSON.stringify(headers));
  const tag = `"${hash.digest('base64url')}"`;
  reply.headers({ ...headers, etag: tag, 'cache-control': CACHE_CONTROL, vary: VARY });
  if (isKnown(request.headers['if-none-match'], tag)) {
    reply.code(304);
    // Without a text Fastify would say that HEAD is spared one of 0 bytes.
    if (request.method !== 'HEAD') return reply.send();
  }
  return reply.type('application/json; charset=utf-8').send(text);
}

/** By weak comparison, as RFC 9110 asks of this header. */
function isKnown(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const known = ifNoneMatch.split(',').map((each) => each.trim().replace(/^W\//, ''));
  return known.includes(tag) || known.includes('*');
}
