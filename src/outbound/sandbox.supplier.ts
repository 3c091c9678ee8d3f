import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { Agent } from 'undici';

import type {
  OrderAtSupplier, Outcome, RawCallback, Supplier, SupplierCallback,
} from '../domain/fulfilment-ports.ts';
import type { Clock } from '../domain/ports.ts';
import {
  isIdentifier, outcomeOf, parseAnswer, parseObject, type SandboxAnswer,
} from './sandbox-answers.ts';
import { sharedLookup } from './shared-lookup.ts';
import { CONCURRENCY_LIMIT } from './supplier-registry.ts';
import {
  ANSWER_BYTES_MAX, exchange, type Exchange, type HttpRequest, statusReason,
} from './supplier-http.ts';

/** As many as a registry lets through at a time, so that no call waits here for a connection. */
const CONNECTIONS_MAX = CONCURRENCY_LIMIT;
/** Shorter than servers keep idle connections: fewer requests meet one that is being closed. */
const KEEP_ALIVE_MS = 3_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** How old or how far ahead a callback's signature may be. */
const CALLBACK_WINDOW_MS = 300_000;

export interface SandboxSupplierOptions {
  readonly code: string;
  /** The supplier's own address, "http://host:port/sandbox-a"; may change between calls. */
  readonly baseUrl: () => string;
  /** The first signs, all verify: keys are rotated by adding the new one in front. */
  readonly signingKeys: readonly string[];
  readonly clock: Clock;
}

/**
 * A supplier that speaks the sandbox's protocol over HTTP, as every row of `supplier` does;
 * src/demo/sandbox-http.ts describes it. Another protocol is another file here, chosen in parts.ts.
 */
export function createSandboxSupplier(options: SandboxSupplierOptions): Supplier {
  const { code, clock, signingKeys } = options;
  const [signingKey] = signingKeys;
  if (signingKey === undefined) throw new Error(`Supplier ${code} has no signing key`);
  const agent = new Agent({
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    connect: { lookup: sharedLookup },
    // The caller's signal is the one deadline.
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
  });
  const call = async (
    order: OrderAtSupplier,
    action: 'SUBMIT' | 'QUERY',
    signal: AbortSignal,
  ): Promise<Exchange> => {
    const body = action === 'SUBMIT' ? submissionBody(order) : null;
    const tail = action === 'SUBMIT' ? '' : `/${encodeURIComponent(order.supplierReference)}`;
    const base = URL.parse(options.baseUrl());
    if (base === null) return { kind: 'NOT_SENT', reason: 'supplier has no valid address' };
    const path = `${base.pathname.replace(/\/$/, '')}/orders${tail}`;
    const method = action === 'SUBMIT' ? 'POST' : 'GET';
    const timestamp = Math.trunc(clock.now().getTime() / 1000);
    const signed = `${timestamp}.${method}.${path}.${body ?? ''}`;
    const request: HttpRequest = {
      origin: base.origin,
      path,
      method,
      headers: {
        accept: 'application/json',
        // Whoever is told nothing may compress its answer: RFC 9110, 12.5.3.
        'accept-encoding': 'identity',
        ...(body === null ? {} : { 'content-type': 'application/json' }),
        'x-timestamp': String(timestamp),
        'x-signature': createHmac('sha256', signingKey).update(signed).digest('hex'),
      },
      body,
      // An answer that came twice on a kept connection would be taken for the next order's, and by
      // "not now" that one be sent again: to who knows it by its reference without harm.
      reset: !order.dedupesByReference,
    };
    const endsAtMs = order.askedAtMs + order.callDeadlineMs;
    return exchange(agent, request, signal, () => clock.monotonicMs() >= endsAtMs);
  };
  return {
    code,
    async submit(order, signal) {
      return readSubmitAnswer(order, await call(order, 'SUBMIT', signal), clock);
    },
    async query(order, signal) {
      return readQueryAnswer(order, await call(order, 'QUERY', signal), clock);
    },
    verifyCallback(raw) {
      if (!isAuthentic(raw, signingKeys, clock)) return null;
      return readCallback(raw.body, code) ?? 'UNREADABLE';
    },
  };
}

function submissionBody(order: OrderAtSupplier): string {
  return JSON.stringify({
    reference: order.supplierReference,
    sku: order.supplierSku,
    amount: order.faceValue.amount,
    currency: order.faceValue.currency,
    country: order.countryCode,
    recipient: order.recipient,
    fields: order.inputData,
  });
}

/** Only what the protocol calls definite is definite; all else is asked about before a resend. */
function readSubmitAnswer(order: OrderAtSupplier, answered: Exchange, clock: Clock): Outcome {
  const unread = readWithoutAnswer(answered, clock);
  if (unread !== null) return unread;
  const answer = readAnswer(order, answered);
  if (answer === null) return notUnderstood(answered);
  // Taken before: that nothing is found of it later is no proof that it was not applied.
  if (answer.status === 'DUPLICATE') return { kind: 'ACCEPTED' };
  // A bare decline may be contradicted: the query decides. Of who cannot be asked, a repeat is the
  // question: it is answered the state of what was sent first.
  const isQuestion = order.isResent && order.dedupesByReference && !order.canBeQueried;
  if (answer.status === 'DECLINED' && !isQuestion) {
    return { kind: 'UNKNOWN', reason: 'supplier answers DECLINED' };
  }
  return outcomeOf(answer);
}

function readQueryAnswer(order: OrderAtSupplier, answered: Exchange, clock: Clock): Outcome {
  const unread = readWithoutAnswer(answered, clock);
  if (unread !== null) return unread;
  if (isNotFound(order, answered)) return { kind: 'NOT_FOUND' };
  const answer = readAnswer(order, answered);
  return answer === null ? notUnderstood(answered) : outcomeOf(answer);
}

/** With its status, where that tells an operator more: a blocked address, a page that has moved. */
function notUnderstood(answered: Exchange): Outcome {
  const status = answered.kind === 'ANSWERED' && answered.status !== 200
    ? ` (${statusReason(answered.status)})` : '';
  return { kind: 'UNKNOWN', reason: `answer not understood${status}` };
}

/** The outcomes that need no body; null where the body has to be read. */
function readWithoutAnswer(answered: Exchange, clock: Clock): Outcome | null {
  if (answered.kind === 'NOT_SENT') {
    return { kind: 'TRANSIENT', reason: answered.reason, retryAfterMs: null };
  }
  if (answered.kind === 'NO_ANSWER') return { kind: 'UNKNOWN', reason: answered.reason };
  // By the protocol these two, and a refused signature, are said before anything is applied.
  if (answered.status === 503 || answered.status === 429 || answered.status === 401) {
    const retryAfterMs = readRetryAfter(answered.headers, clock);
    return { kind: 'TRANSIENT', reason: statusReason(answered.status), retryAfterMs };
  }
  // Something in between may say so of what it has passed on.
  if (answered.status >= 500) return { kind: 'UNKNOWN', reason: statusReason(answered.status) };
  return null;
}

/** A 404 of something in between, a page for instance, proves nothing. */
function isNotFound(order: OrderAtSupplier, answered: Exchange): boolean {
  if (answered.kind !== 'ANSWERED' || answered.status !== 404) return false;
  const answer = parseAnswer(parseObject(answered.body) ?? {});
  return answer?.status === 'NOT_FOUND'
    && (answer.reference === null || answer.reference === order.supplierReference);
}

function readAnswer(order: OrderAtSupplier, answered: Exchange): SandboxAnswer | null {
  if (answered.kind !== 'ANSWERED' || answered.status !== 200) return null;
  const contentType = answered.headers['content-type'];
  if (typeof contentType !== 'string' || !/^application\/json\b/i.test(contentType)) return null;
  const answer = parseAnswer(parseObject(answered.body) ?? {});
  return answer?.reference === order.supplierReference ? answer : null;
}

/**
 * Seconds or an HTTP date, as milliseconds from now; null where it is neither. A date is of the
 * supplier's clock, which its answer tells as well; ours may be another.
 */
function readRetryAfter(
  { 'retry-after': value, date }: (Exchange & { kind: 'ANSWERED' })['headers'],
  clock: Clock,
): number | null {
  if (typeof value === 'string' && /^\d+$/.test(value)) {
    return Number(value) * 1000;
  }
  const atMs = momentOf(value);
  if (atMs === null) return null;
  const fromMs = momentOf(date) ?? clock.now().getTime();
  return Math.max(atMs - fromMs, 0);
}

/** An HTTP date in milliseconds since 1970; null for anything else. */
function momentOf(value: string | readonly string[] | undefined): number | null {
  if (typeof value !== 'string' || !/^[A-Z][a-z]{2}, .{20} GMT$/.test(value)) return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
}

function isAuthentic(raw: RawCallback, signingKeys: readonly string[], clock: Clock): boolean {
  const timestamp = raw.headers['x-timestamp'];
  const signature = raw.headers['x-signature'];
  // Repeated headers come as a list, or joined by commas, and match neither pattern.
  if (typeof timestamp !== 'string' || !/^\d{1,12}$/.test(timestamp)) return false;
  if (typeof signature !== 'string' || !/^[0-9a-f]{64}$/.test(signature)) return false;
  if (Math.abs(clock.now().getTime() - Number(timestamp) * 1000) > CALLBACK_WINDOW_MS) return false;
  if (raw.body.byteLength > ANSWER_BYTES_MAX) return false;
  const given = Buffer.from(signature, 'hex');
  // Every key is tried, so that the time taken tells nothing about which one matched.
  return signingKeys.map((key) => {
    const made = createHmac('sha256', key).update(`${timestamp}.`).update(raw.body).digest();
    return made.length === given.length && timingSafeEqual(made, given);
  }).includes(true);
}

function readCallback(body: Uint8Array, supplierCode: string): SupplierCallback | null {
  const fields = parseObject(body);
  const answer = fields === null ? null : parseAnswer(fields);
  if (fields === null || answer === null || answer.reference === null) return null;
  const { event_id: eventId, occurred_at: occurredAt } = fields;
  if (!isIdentifier(eventId) || !isIdentifier(occurredAt)) return null;
  const outcome = outcomeOf(answer);
  // As applied, nobody would hear that it says nothing; as refused, it is told, and sent again.
  if (Number.isNaN(Date.parse(occurredAt)) || outcome.kind === 'UNKNOWN') return null;
  const bodyDigest = createHash('sha256').update(body).digest('hex');
  return {
    event: { supplierCode, eventId, supplierReference: answer.reference, bodyDigest },
    outcome,
  };
}
