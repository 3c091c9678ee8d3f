import type { Environment } from './api-key.ts';
import { retryAfterSeconds } from './rejection.ts';

/** What is counted apart. `read` is whatever has no class of its own. */
export type RateClass =
  | 'login' | 'login.address' | 'refresh' | 'read' | 'orders.create' | 'charges' | 'lookup'
  | 'voucher.guesses';

/** Tokens a minute, each class of one client. */
export type RateFigures = Readonly<Record<RateClass, number>>;

/**
 * Where a client has no figures of its own. `login.address` counts who shows no key of ours, and
 * many may share an address; a guess is a voucher code that was not accepted.
 */
export const DEFAULT_RATES: Readonly<Record<Environment, RateFigures>> = {
  sandbox: {
    login: 30, 'login.address': 300, refresh: 30, read: 600, 'orders.create': 120, charges: 300,
    lookup: 240, 'voucher.guesses': 5,
  },
  production: {
    login: 10, 'login.address': 100, refresh: 20, read: 300, 'orders.create': 60, charges: 120,
    lookup: 120, 'voucher.guesses': 5,
  },
};

/** Limits hold over any 60 seconds, not over minutes of the clock. */
export const RATE_WINDOW_MS = 60_000;

export interface RateRequest {
  /** 0 for callers who are not known. */
  readonly clientId: number;
  /** Who is counted where no client is known. */
  readonly subject?: string;
  readonly class: RateClass;
  /** How many tokens at once; all of them are admitted, or none. */
  readonly count: number;
  /** Tokens that others hold may come back at any moment: no refusal is repeated from memory. */
  readonly mayComeBack?: boolean;
}

export interface RateVerdict {
  readonly isAdmitted: boolean;
  /** Tokens a minute; null where nothing is counted, and the figures below mean nothing. */
  readonly limit: number | null;
  readonly remaining: number;
  /** Until all tokens are there again, if none is taken meanwhile. */
  readonly resetInMs: number;
  /** Until this request would be admitted; 0 where it was. */
  readonly retryAfterMs: number;
}

/** The counts of all processes over one database. */
export interface RateLimits {
  /** Takes tokens, or none where they are not there. What is refused here is not counted. */
  take(request: RateRequest): Promise<RateVerdict>;
  /** Puts tokens back that turned out not to be owed. */
  giveBack(request: RateRequest): Promise<void>;
}

export const NOT_LIMITED: RateVerdict = {
  isAdmitted: true, limit: null, remaining: 0, resetInMs: 0, retryAfterMs: 0,
};

/** Too many requests of a class; nothing was done. */
export class RateLimited extends Error {
  readonly class: RateClass;
  readonly verdict: RateVerdict;

  constructor(rateClass: RateClass, verdict: RateVerdict) {
    super(`Rate limit exceeded. Retry after ${retryAfterSeconds(verdict)} seconds.`);
    this.name = 'RateLimited';
    this.class = rateClass;
    this.verdict = verdict;
  }
}

/** Tokens taken, or refused, and how many were asked for in the end. */
export interface CountedVerdict extends RateVerdict {
  readonly count: number;
}

/**
 * Takes the tokens, or of a client that may have fewer in a minute as many as it may have: what is
 * dearer than a whole minute would be refused for ever. The least is one.
 */
export async function takeAtMostAll(
  limits: RateLimits,
  request: RateRequest,
): Promise<CountedVerdict> {
  for (let { count } = request; ;) {
    const verdict = await limits.take({ ...request, count });
    const isLess = isNeverAdmitted(verdict, count) && verdict.limit > 0;
    if (!isLess) return { ...verdict, count };
    count = verdict.limit;
  }
}

/** Whether as many tokens as were refused are more than a whole minute has. */
export function isNeverAdmitted(
  verdict: RateVerdict,
  count: number,
): verdict is RateVerdict & { readonly limit: number } {
  return !verdict.isAdmitted && verdict.limit !== null && count > verdict.limit;
}

/** @throws RateLimited where the tokens are not there */
export async function takeOrRefuse(
  limits: RateLimits,
  request: RateRequest,
): Promise<RateVerdict> {
  const verdict = await limits.take(request);
  if (!verdict.isAdmitted) throw new RateLimited(request.class, verdict);
  return verdict;
}
