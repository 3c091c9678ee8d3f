import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import type { OrderToSubmit, SandboxBook, SubmitReply } from './sandbox-book.ts';
import type { LogLine } from './sandbox-orders.ts';

/**
 * The sandbox supplier's protocol. JSON in and out; bodies up to 64 KiB.
 *
 * POST /<supplierCode>/orders              {reference, sku, amount: "4.99", currency, country,
 *                                          recipient, fields: {}}
 * GET  /<supplierCode>/orders/<reference>
 *   Signed by the caller: x-timestamp (Unix seconds, at most 5 minutes off) and x-signature, the
 *   hex HMAC-SHA256 of `<timestamp>.<METHOD>.<path>.<raw body>` with the supplier's key.
 *   200 {reference, status, code?, receipt?}, status one of
 *     PROCESSING, DELIVERED, REVERSED;
 *     REJECTED with a code, definitely not delivered; DECLINED, not delivered, no reason given;
 *     DUPLICATE: the reference was taken before, ask what became of it.
 *   Definitely without effect: 401 not authentic; 404 {status: "NOT_FOUND"} the reference is not
 *   known; 429 with Retry-After; 503. All else proves nothing, as 400 and 413, which what stands
 *   between the two may say as well.
 *   A repeated reference has no second effect and is answered the state of the first.
 *
 * POST /release/<reference>   lets an order go that waits to be released; unsigned
 * GET  /log[?reference=]      the log as JSON lines; unsigned
 *
 * What ends later is told by callback: POST <gateway>/callbacks/fulfilment/<supplierCode> with
 * {event_id, reference, status, code?, receipt?, occurred_at}, x-timestamp, and x-signature over
 * `<timestamp>.<raw body>`; repeated with the same event_id and body until answered 2xx. What comes
 * after it, as a late success, takes its time from then on.
 */

/** What stands behind the protocol. */
export interface SandboxDoor {
  readonly book: SandboxBook;
  readonly signingKeys: ReadonlyMap<string, string>;
  readonly nowMs: () => number;
  readonly readLogPage: (afterId: string, reference: string | null) => Promise<LogLine[]>;
  readonly log: (message: string) => void;
}

const BODY_BYTES_MAX = 65_536;
const SIGNATURE_AGE_MS_MAX = 300_000;

/** Answers HTTP requests; nothing that comes in makes it throw. */
export function createSandboxListener(door: SandboxDoor): RequestListener {
  return (request, response) => {
    // A caller that goes away while it is answered is no fault of ours.
    request.on('error', () => {});
    response.on('error', () => {});
    answer(request, response, door).catch((error: unknown) => {
      door.log(`The sandbox supplier failed to answer: ${String(error)}`);
      if (response.headersSent) response.destroy();
      else reply(response, 500, { status: 'FAULT' });
    });
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  door: SandboxDoor,
): Promise<void> {
  const body = await readBody(request);
  if (body === 'GONE') return;
  if (body === 'TOO_LARGE') {
    // What is still being sent is not read: the connection ends with this answer.
    response.setHeader('connection', 'close');
    return reply(response, 413, { status: 'TOO_LARGE' });
  }
  const [path = '', search = ''] = (request.url ?? '').split('?', 2);
  const [first = '', second = '', third, ...rest] = path.split('/').slice(1).map(decodeSegment);
  if (path === '/log') return answerLog(request, response, door, search);
  if (first === 'release' && second !== '' && third === undefined) {
    return answerRelease(request, response, door, second);
  }
  if (second !== 'orders' || rest.length > 0) {
    return reply(response, 404, { status: 'NO_SUCH_PATH' });
  }
  const signingKey = door.signingKeys.get(first);
  if (signingKey === undefined || !isAuthentic(request, body, signingKey, door.nowMs())) {
    return reply(response, 401, { status: 'UNAUTHORIZED' });
  }
  if (third === undefined && request.method === 'POST') {
    return answerSubmit(request, response, door, { supplierCode: first, body });
  }
  if (third !== undefined && request.method === 'GET') {
    return answerQuery(response, door, { supplierCode: first, reference: third });
  }
  return reply(response, 405, { status: 'METHOD_NOT_ALLOWED' });
}

async function answerSubmit(
  request: IncomingMessage,
  response: ServerResponse,
  door: SandboxDoor,
  submitted: { readonly supplierCode: string; readonly body: Buffer },
): Promise<void> {
  const order = parseOrder(submitted.supplierCode, submitted.body);
  if (order === null) return reply(response, 400, { status: 'NOT_UNDERSTOOD' });
  const said: SubmitReply = await door.book.submit(order);
  switch (said.kind) {
    case 'ANSWER':
      return reply(response, 200, said.answer);
    case 'UNAVAILABLE':
      return reply(response, 503, { reference: order.reference, status: said.kind });
    case 'TOO_MANY_REQUESTS':
      response.setHeader('retry-after', '1');
      return reply(response, 429, { reference: order.reference, status: said.kind });
    case 'CONNECTION_LOST':
      request.socket.destroy();
  }
}

async function answerQuery(
  response: ServerResponse,
  door: SandboxDoor,
  asked: { readonly supplierCode: string; readonly reference: string },
): Promise<void> {
  const { supplierCode, reference } = asked;
  const found = isReference(reference) ? await door.book.query(supplierCode, reference) : null;
  if (found === null) return reply(response, 404, { reference, status: 'NOT_FOUND' });
  return reply(response, 200, found);
}

async function answerRelease(
  request: IncomingMessage,
  response: ServerResponse,
  door: SandboxDoor,
  reference: string,
): Promise<void> {
  if (request.method !== 'POST') return reply(response, 405, { status: 'METHOD_NOT_ALLOWED' });
  const found = isReference(reference) ? await door.book.release(reference) : null;
  if (found === null) return reply(response, 404, { status: 'NOT_FOUND' });
  return reply(response, 200, found);
}

async function answerLog(
  request: IncomingMessage,
  response: ServerResponse,
  door: SandboxDoor,
  search: string,
): Promise<void> {
  if (request.method !== 'GET') return reply(response, 405, { status: 'METHOD_NOT_ALLOWED' });
  const reference = new URLSearchParams(search).get('reference');
  if (reference !== null && !isReference(reference)) {
    return reply(response, 400, { status: 'NOT_UNDERSTOOD' });
  }
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  await pipeline(Readable.from(logLines(door, reference)), response).catch((error: unknown) => {
    if (!request.destroyed && !response.destroyed) throw error;
  });
}

async function* logLines(door: SandboxDoor, reference: string | null): AsyncGenerator<string> {
  for (let afterId = '0'; ;) {
    const page = await door.readLogPage(afterId, reference);
    const last = page.at(-1);
    if (last === undefined) return;
    yield page.map(({ line }) => `${line}\n`).join('');
    afterId = last.id;
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer | 'TOO_LARGE' | 'GONE'> {
  const chunks: Buffer[] = [];
  let byteCount = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      byteCount += (chunk as Buffer).length;
      if (byteCount > BODY_BYTES_MAX) return 'TOO_LARGE';
      chunks.push(chunk as Buffer);
    }
  } catch {
    return 'GONE';
  }
  return Buffer.concat(chunks);
}

function reply(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json', 'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

function isAuthentic(
  request: IncomingMessage,
  body: Buffer,
  signingKey: string,
  nowMs: number,
): boolean {
  const { 'x-timestamp': timestamp, 'x-signature': signature } = request.headers;
  if (typeof timestamp !== 'string' || !/^\d{1,12}$/.test(timestamp)) return false;
  if (typeof signature !== 'string' || !/^[0-9a-f]{64}$/.test(signature)) return false;
  if (Math.abs(nowMs - Number(timestamp) * 1000) > SIGNATURE_AGE_MS_MAX) return false;
  const made = createHmac('sha256', signingKey)
    .update(`${timestamp}.${request.method}.${request.url}.`).update(body).digest();
  return timingSafeEqual(made, Buffer.from(signature, 'hex'));
}

/** Null where the body is no order. What is not needed for the outcome is checked all the same. */
function parseOrder(supplierCode: string, body: Buffer): OrderToSubmit | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString());
  } catch {
    return null;
  }
  if (typeof parsed !== 'object' || parsed === null) return null;
  const { reference, sku, amount, currency, country, recipient, fields } = parsed as Partial<
    Record<string, unknown>
  >;
  const matches = (value: unknown, pattern: RegExp): value is string =>
    typeof value === 'string' && pattern.test(value);
  const isWhole = matches(amount, /^(?!0+(?:\.0+)?$)\d{1,15}(?:\.\d{1,4})?$/)
    && matches(currency, /^[A-Z]{3}$/) && matches(country, /^[A-Z]{3}$/)
    && typeof fields === 'object' && fields !== null;
  if (!isWhole || !isReference(reference)) return null;
  if (!matches(sku, /^[\x21-\x7e]{1,100}$/)) return null;
  // Some goods have no recipient.
  if (!matches(recipient, /^[^\p{Cc}\p{Cs}]{0,255}$/u)) return null;
  return { supplierCode, reference, sku, recipient };
}

function isReference(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.:-]{1,100}$/.test(value);
}

/** A segment that is not well encoded stays as it is, and matches nothing. */
function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
