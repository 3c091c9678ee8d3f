import type { ClaimedOrder, Move, Outcome } from './fulfilment-ports.ts';
import type { FailureCode } from './topup-order.ts';

/** Retries of many orders that failed together are spread by this share of the step. */
const JITTER = 0.2;
/**
 * While a supplier turns everything away no order waits longer than this, and none climbs its
 * ladder: it would stand on a step of an hour when the supplier is back. Milliseconds; less than
 * the silence that ends a storm.
 */
const STORM_PAUSE_MS_MAX = 20_000;
/** A supplier may ask for patience, but not for more than this. */
const RETRY_AFTER_MS_MAX = 3_600_000;
/** Definite refusals that may pass with time: tried again until the window ends. */
const RETRIED_IN_WINDOW: ReadonlySet<FailureCode> = new Set<FailureCode>(
  ['OPERATOR_UNAVAILABLE', 'OPERATOR_LIMIT_EXCEEDED'],
);
/** Definite refusals of this supplier only: the next route may still deliver. */
const TRIED_ELSEWHERE: ReadonlySet<FailureCode> = new Set<FailureCode>(
  ['PRODUCT_UNAVAILABLE', 'PRODUCT_OUT_OF_STOCK'],
);

/** Whether the order may still be delivered after this refusal: later, or by another route. */
export function isPassing(code: FailureCode): boolean {
  return RETRIED_IN_WINDOW.has(code) || TRIED_ELSEWHERE.has(code);
}

/**
 * What an outcome means for the order. A transient answer never ends an order, an unknown one is
 * asked about before anything is sent again, and only definite news is final.
 */
export function decideMove(order: ClaimedOrder, outcome: Outcome, random: () => number): Move {
  switch (outcome.kind) {
    case 'DELIVERED':
      return { kind: 'DELIVER', receipt: outcome.receipt };
    case 'REVERSED':
      return { kind: 'REVERSE' };
    case 'ACCEPTED':
      return decideAfterAccepted(order, random);
    case 'FAILED':
      return decideAfterRefusal(order, outcome.failureCode, random);
    case 'TRANSIENT':
      return decideAfterTransient(order, outcome.retryAfterMs, pauseAfter(outcome, order, random));
    case 'UNKNOWN':
      return keepAsking(order, pauseAfter(outcome, order, random));
    case 'NOT_FOUND':
      return decideAfterNotFound(order, random);
  }
}

/** One that is never finished is asked about for ever, and once the window is over, counted. */
function decideAfterAccepted(order: ClaimedOrder, random: () => number): Move {
  const isOverdue = order.action === 'QUERY' && order.windowLeftMs <= 0;
  return { kind: isOverdue ? 'REVIEW' : 'AWAIT', nextInMs: backoff(order, random) };
}

function decideAfterRefusal(order: ClaimedOrder, code: FailureCode, random: () => number): Move {
  // Looked up while one of several attempts may still be on its way, it may be what an earlier one
  // met. Of who cannot be asked it came by callback.
  const isLookedUp = order.action === 'QUERY' && order.canBeQueried && order.attemptCount !== 1;
  if (isPassing(code) && isLookedUp && order.resendInMs > 0) {
    return { kind: 'ASK_AGAIN', nextInMs: order.resendInMs };
  }
  if (RETRIED_IN_WINDOW.has(code) && order.windowLeftMs > 0) {
    // Questions in between, a reader's among them, make the pause no longer.
    const steps = Math.min(order.backoffStep, Math.max(order.attemptCount - 1, 0));
    const pauseMs = backoff(order, random, steps);
    return { kind: 'RETRY', nextInMs: Math.min(pauseMs, order.windowLeftMs) };
  }
  if (TRIED_ELSEWHERE.has(code) && order.hasNextRoute) return { kind: 'NEXT_ROUTE' };
  return { kind: 'FAIL', failureCode: code };
}

function decideAfterTransient(
  order: ClaimedOrder,
  retryAfterMs: number | null,
  pause: Pause,
): Move {
  const asked = Math.min(retryAfterMs ?? 0, RETRY_AFTER_MS_MAX);
  const longer = { ...pause, nextInMs: Math.max(pause.nextInMs, asked) };
  // A question that got no answer says nothing of the order, nor does a repeat that was not taken.
  if (order.action === 'QUERY' || order.isResent) return keepAsking(order, longer);
  // Definitely not applied: it is sent again, however long that takes.
  return { kind: 'RETRY', ...longer };
}

function keepAsking(order: ClaimedOrder, pause: Pause): Move {
  const isHopeless = !order.canBeQueried && !order.dedupesByReference;
  return order.windowLeftMs > 0 && !isHopeless
    ? { kind: 'ASK_AGAIN', ...pause }
    : { kind: 'REVIEW', nextInMs: pause.nextInMs };
}

/** "Not found" proves non-delivery only once a send can no longer be on its way. */
function decideAfterNotFound(order: ClaimedOrder, random: () => number): Move {
  if (order.resendInMs > 0) return { kind: 'ASK_AGAIN', nextInMs: order.resendInMs };
  // What was lost before the window ended gets one send after it: age alone fails no order.
  const isInTime = order.windowLeftMs > 0 || !order.isTriedAfterWindow;
  // `ask` says so in the name of a supplier that cannot be asked: nobody confirmed anything. Nor
  // is it proof from one that had taken the order before.
  if (order.canBeQueried && !order.wasAccepted) {
    return isInTime ? { kind: 'RETRY', nextInMs: 0 } : { kind: 'FAIL', failureCode: 'UNKNOWN' };
  }
  // Then only sending the same again can tell, to one that de-duplicates and still sells it.
  return isInTime && order.dedupesByReference && order.supplierSku !== ''
    ? { kind: 'RESEND', nextInMs: backoff(order, random, order.attemptCount - 1) }
    : { kind: 'REVIEW', nextInMs: backoff(order, random) };
}

/** Until the order is attended again; `isHeld`: no step of its ladder. */
interface Pause {
  readonly nextInMs: number;
  readonly isHeld?: true;
}

function pauseAfter(
  { isSaidToAll }: { readonly isSaidToAll?: boolean },
  order: ClaimedOrder,
  random: () => number,
): Pause {
  const nextInMs = backoff(order, random);
  if (isSaidToAll !== true) return { nextInMs };
  return { nextInMs: Math.min(nextInMs, spread(STORM_PAUSE_MS_MAX, random)), isHeld: true };
}

/** The ladder's step for this many calls without news, or steps by another count, +-20 %. */
export function backoff(
  order: ClaimedOrder,
  random: () => number,
  steps = order.backoffStep,
): number {
  const rung = Math.min(Math.max(steps, 0), order.backoffMs.length - 1);
  const step = order.backoffMs[rung] ?? 0;
  return spread(step, random);
}

function spread(ms: number, random: () => number): number {
  return Math.trunc(ms * (1 - JITTER + 2 * JITTER * random()));
}
