import type { Clock } from '../domain/ports.ts';
import { takeAtMostAll, type RateLimits } from '../domain/rate-limits.ts';
import { TemporarilyUnavailable } from '../domain/rejection.ts';
import { OBJECTS_PER_POINT } from './operation-cost.ts';

/** More than an event with its whole order and the wallet has: what a subscription is for. */
const FREE_OBJECTS = 40;

/** Resolves when an event is paid for, or the signal aborts. */
export type EventToll = (signal: AbortSignal) => Promise<void>;

/**
 * What a subscription pays for its events: a point for each hundred objects beyond those that are
 * free; null where an event can have no more. Paid for once, it could have a page of a hundred
 * transactions made for each event of a log. Whoever has no points left waits for them; the events
 * wait in the log.
 */
export function eventToll(
  objectCount: number,
  { clientId, rateLimits, clock }: {
    readonly clientId: number;
    readonly rateLimits: RateLimits;
    readonly clock: Pick<Clock, 'sleep'>;
  },
): EventToll | null {
  const beyond = objectCount - FREE_OBJECTS;
  if (beyond <= 0) return null;
  let owedCount = 0;
  return async (signal) => {
    owedCount += beyond;
    const count = Math.floor(owedCount / OBJECTS_PER_POINT);
    if (count === 0) return;
    owedCount -= count * OBJECTS_PER_POINT;
    while (!signal.aborted) {
      const waitMs = await untilPaid({ clientId, class: 'read', count }, rateLimits);
      if (waitMs === null) return;
      await clock.sleep(waitMs, signal);
    }
  };
}

/** Null where it is paid; how long to wait otherwise, in ms. */
async function untilPaid(
  request: Parameters<RateLimits['take']>[0],
  rateLimits: RateLimits,
): Promise<number | null> {
  try {
    const verdict = await takeAtMostAll(rateLimits, request);
    return verdict.isAdmitted ? null : verdict.retryAfterMs;
  } catch (error) {
    // A subscription outlives a restart of the database.
    if (error instanceof TemporarilyUnavailable) return error.retryAfterMs;
    throw error;
  }
}
