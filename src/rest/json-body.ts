import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { jsonExtentOf } from '../domain/json-extent.ts';
import { NumberText } from '../domain/money.ts';
import { HttpRefusal } from './errors.ts';

/** The greatest body that any door takes. */
export const BODY_BYTES_MAX = 65_536;
/** The reviver recurses once a level, and no documented body needs more than two. */
const NESTING_MAX = 32;
/** It is called for each value; no documented body has a hundred, and strangers send bodies too. */
const VALUES_MAX = 1_000;

/** A JSON object as it was sent, with every number as NumberText. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Lets the routes of `app` read JSON bodies, and no other kind. */
export function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  // Clients name the type of their forms where they send nothing, and nothing has no type.
  app.addHook('onRequest', (request, _reply, done) => {
    const { headers } = request;
    if (headers['content-length'] === '0') delete headers['content-type'];
    done();
  });
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX },
    (request, body: Buffer, done) => {
      let parsed: JsonObject | undefined;
      try {
        assertPlainUtf8(request);
        // A POST that needs no body is often sent with the content type all the same.
        parsed = body.length === 0 ? undefined : parseJsonBody(body);
      } catch (error) {
        done(error as Error);
        return;
      }
      done(null, parsed);
    },
  );
}

/** Compressed bodies are refused unread: what they unpack to has no bound. @throws HttpRefusal */
export function assertPlainUtf8(request: FastifyRequest): void {
  const {
    'content-encoding': encoding = 'identity', 'content-type': type = '',
    'transfer-encoding': coding = 'chunked',
  } = request.headers;
  // Node undoes the chunks and leaves what else was done to the body for the transfer.
  const isPlain = encoding.toLowerCase() === 'identity' && coding.toLowerCase() === 'chunked';
  if (!isPlain || (type.includes(';') && !isUtf8Type(type))) throw new HttpRefusal(415);
}

function isUtf8Type(contentType: string): boolean {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1] ?? 'utf-8';
  return /^utf-?8$/i.test(charset);
}

/**
 * Reads one JSON object, strict in encoding and depth; of equal keys the last one counts, and a
 * key `__proto__` is a key like any other.
 * @throws HttpRefusal 400 for everything else
 */
export function parseJsonBody(body: Buffer): JsonObject {
  const text = body.toString();
  const { depth, valueCount } = jsonExtentOf(text);
  if (!isUtf8(body) || depth > NESTING_MAX || valueCount > VALUES_MAX) throw invalidBody();
  const value = parse(text);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    && !(value instanceof NumberText);
  if (!isObject) throw invalidBody();
  return value as JsonObject;
}

/** "Invalid request body", the documented words. */
export function invalidBody(): HttpRefusal {
  return new HttpRefusal(400, { message: 'Invalid request body' });
}

// TypeScript's library does not know the third argument, which Node has: a value's source text.
type SourceReviver = (key: string, value: unknown, context: { readonly source: string }) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver: SourceReviver) => unknown;

function parse(text: string): unknown {
  try {
    return parseWithSource(text, keepNumberText);
  } catch {
    throw invalidBody();
  }
}

function keepNumberText(
  _key: string,
  value: unknown,
  context: { readonly source: string },
): unknown {
  return typeof value === 'number' ? new NumberText(context.source) : value;
}
