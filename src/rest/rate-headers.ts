import type { FastifyReply } from 'fastify';
import {
  RATE_WINDOW_MS, type RateClass, type RateLimits, type RateVerdict,
} from '../domain/rate-limits.ts';
import { retryAfterSeconds } from '../domain/rejection.ts';

const WINDOW_SECONDS = RATE_WINDOW_MS / 1000;

/**
 * What an answer says of its class: the fields of the IETF's draft 10, and those that clients of
 * older APIs read; all times in seconds from now. Nothing where nothing is counted. Where it
 * refuses, `t` says what `Retry-After` says, and never the time of the whole window; nothing is
 * reset before it.
 */
export function rateHeaders(
  rateClass: RateClass,
  verdict: RateVerdict,
): Readonly<Record<string, string>> {
  const { isAdmitted, limit, remaining, resetInMs } = verdict;
  if (limit === null) return {};
  const resetIn = Math.ceil(resetInMs / 1000);
  const toldIn = isAdmitted ? resetIn : retryAfterSeconds(verdict);
  return {
    'ratelimit-policy': `"${rateClass}";q=${limit};w=${WINDOW_SECONDS}`,
    ratelimit: `"${rateClass}";r=${remaining};t=${toldIn}`,
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(Math.max(resetIn, toldIn)),
  };
}

/** The same limits, telling on the answer what they said last. */
export function tellingRates(reply: FastifyReply, rateLimits: RateLimits): RateLimits {
  return {
    giveBack: (request) => rateLimits.giveBack(request),
    async take(request) {
      const verdict = await rateLimits.take(request);
      reply.headers(rateHeaders(request.class, verdict));
      return verdict;
    },
  };
}
