import { RATE_WINDOW_MS, type RateLimits, type RateVerdict } from '../domain/rate-limits.ts';
import type { OperationCost } from './guard.ts';
import type { Log } from './log.ts';
import type { Charge } from './operation-charge.ts';
import { countObjects, pointsOf } from './operation-cost.ts';

/** What was taken from the caller's limits, and how they stand. */
export interface Taken extends Charge {
  readonly verdict: RateVerdict;
}

/** `extensions.cost` of an answer, in points. */
export interface CostReport {
  readonly requestedQueryCost: number;
  /** What it turned out to be; null where nothing was executed. */
  readonly actualQueryCost: number | null;
  /** How the limit stands that was charged last; null where nothing is counted. */
  readonly throttleStatus: {
    readonly limitClass: string;
    readonly maximumAvailable: number;
    readonly currentlyAvailable: number;
    /** Points that come back in a second, in the mean. */
    readonly restoreRate: number;
  } | null;
}

/**
 * What an operation turned out to cost, by the JSON of its data; the estimate where nothing could
 * make it less.
 */
export function actualPoints(
  { isSized, estimate, points }: OperationCost,
  dataJson: () => string | undefined,
): number {
  if (!isSized) return points;
  const { readCount } = estimate;
  return Math.min(points, pointsOf({ readCount, objectCount: countObjects(dataJson() ?? '') }));
}

/**
 * In points; `actual` is null where nothing was executed. The throttle is that of the last limit
 * asked.
 */
export function reportCost(
  taken: readonly Taken[],
  { requested, actual }: { readonly requested: number; readonly actual: number | null },
): CostReport {
  const last = taken.at(-1);
  const limit = last?.verdict.limit ?? null;
  const returned = last?.class === 'read' && actual !== null ? requested - actual : 0;
  return {
    requestedQueryCost: requested,
    actualQueryCost: actual,
    throttleStatus: last === undefined || limit === null ? null : {
      limitClass: last.class,
      maximumAvailable: limit,
      currentlyAvailable: Math.min(limit, last.verdict.remaining + returned),
      restoreRate: limit / (RATE_WINDOW_MS / 1000),
    },
  };
}

/** Puts back the read points of a page that turned out shorter; nobody waits for it. */
export function returnUnused(
  taken: readonly Taken[],
  of: { readonly clientId: number; readonly unused: number },
  { rateLimits, log }: { readonly rateLimits: RateLimits; readonly log: Log },
): void {
  const reads = taken.find((each) => each.class === 'read');
  if (reads === undefined || reads.verdict.limit === null) return;
  const count = Math.min(of.unused, reads.count - 1);
  if (count <= 0) return;
  void giveBack({ clientId: of.clientId, class: 'read', count }, { rateLimits, log });
}

/** Puts back what was taken; an answer does not fail for it. */
export async function giveBack(
  charge: Parameters<RateLimits['giveBack']>[0],
  { rateLimits, log }: { readonly rateLimits: RateLimits; readonly log: Log },
): Promise<void> {
  try {
    await rateLimits.giveBack(charge);
  } catch (error) {
    log.error({ err: error }, 'Points were not given back');
  }
}
