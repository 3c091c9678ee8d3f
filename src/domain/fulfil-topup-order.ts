import { withDeadline } from './deadline.ts';
import type {
  ClaimedOrder, FulfilmentStore, Move, MoveResult, OrderAtSupplier, Outcome, RecordedMove,
  Supplier, SupplierRegistry,
} from './fulfilment-ports.ts';
import type { Clock } from './ports.ts';
import { TemporarilyUnavailable } from './rejection.ts';
import type { FailureCode } from './topup-order.ts';

/** Retries of many orders that failed together are spread by this share of the step. */
const JITTER = 0.2;
/** A supplier may ask for patience, but not for more than this. */
const RETRY_AFTER_MS_MAX = 3_600_000;
/** With what each waits, half a minute: whatever holds an order's row longer is not waited for. */
const RECORD_TRIES = 5;

/** The boundaries between the phases of an order: what a crash can fall between. */
export type Phase =
  | 'PLACED' | 'CLAIMED' | 'ANSWERED' | 'RECORDED' | 'CALLBACK_VERIFIED' | 'CALLBACK_RECORDED';

export interface Fulfilment {
  /** Told at each boundary: a worker counts its calls by it, tests kill the process there. */
  readonly reached?: (phase: Phase) => void;
  readonly store: FulfilmentStore;
  readonly suppliers: SupplierRegistry;
  readonly clock: Clock;
  /** 0 to 1; tests fix it. */
  readonly random: () => number;
  /** A call that brought no answer, or none that could be used; the order goes on without. */
  readonly onTrouble?: (supplierCode: string, reason: string) => void;
}

/**
 * Takes one claimed order one step further. The attempt was noted before (by the claim), the
 * supplier is called outside any transaction, and the outcome is recorded in one of its own; a
 * crash in between leaves the lease to expire, and whoever takes over asks before sending.
 */
export async function fulfilTopupOrder(
  order: ClaimedOrder,
  deps: Fulfilment,
): Promise<MoveResult> {
  deps.reached?.('CLAIMED');
  const outcome = await callSupplier(order, deps);
  deps.reached?.('ANSWERED');
  if ('reason' in outcome) deps.onTrouble?.(order.supplierCode, outcome.reason);
  const move = decideMove(order, outcome, deps.random);
  const { clientId, orderId, route, leaseToken } = order;
  const recorded = { clientId, orderId, route, leaseToken, move, callback: null };
  const record = LASTING.has(outcome.kind) ? recordAtLast : recordOnce;
  let result = await record(recorded, deps);
  // Whoever took over after the lease has to know what the supplier said.
  if (result === 'STALE_LEASE' && outcome.kind === 'ACCEPTED') {
    const noted = { ...recorded, leaseToken: null, move: { kind: 'NOTE_ACCEPTED' } as const };
    result = await record(noted, deps);
  }
  deps.reached?.('RECORDED');
  return result;
}

/**
 * That it was taken, delivered or taken back stays true. A refusal may be overtaken by the next
 * attempt, which begins when the lease has ended: it is recorded now or heard again.
 */
const LASTING: ReadonlySet<Outcome['kind']> =
  new Set<Outcome['kind']>(['ACCEPTED', 'DELIVERED', 'REVERSED']);

const recordOnce = (move: RecordedMove, { store }: Fulfilment): Promise<MoveResult> =>
  store.recordMove(move);

/** A supplier's word may not come again: while the order's row is locked, it is kept. */
async function recordAtLast(move: RecordedMove, deps: Fulfilment): Promise<MoveResult> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await deps.store.recordMove(move);
    } catch (error) {
      if (!(error instanceof TemporarilyUnavailable) || tried === RECORD_TRIES) throw error;
      await deps.clock.sleep(error.retryAfterMs);
    }
  }
}

async function callSupplier(order: ClaimedOrder, deps: Fulfilment): Promise<Outcome> {
  if (order.action === 'NO_ROUTE') {
    const isSold = order.supplierSku !== '';
    return { kind: 'FAILED', failureCode: isSold ? 'PRODUCT_OUT_OF_STOCK' : 'PRODUCT_UNAVAILABLE' };
  }
  const supplier = deps.suppliers.find(order.supplierCode);
  if (supplier === undefined) {
    return { kind: 'TRANSIENT', reason: 'not known to this process', retryAfterMs: null };
  }
  // Counted from the claim: a process that was stopped in between must not send any more, because
  // another one may hold the order by now.
  const leftMs = order.callDeadlineMs - (deps.clock.monotonicMs() - order.askedAtMs);
  if (leftMs <= 0) return { kind: 'TRANSIENT', reason: 'too late to call', retryAfterMs: null };
  return withDeadline(Math.ceil(leftMs), (signal) => (
    order.action === 'SUBMIT' ? supplier.submit(order, signal) : ask(supplier, order, signal)
  ));
}

/** Where a supplier cannot be asked, only one that de-duplicates may be sent to again. */
async function ask(
  supplier: Supplier,
  order: OrderAtSupplier,
  signal: AbortSignal,
): Promise<Outcome> {
  if (order.canBeQueried) return supplier.query(order, signal);
  return order.dedupesByReference
    ? { kind: 'NOT_FOUND' }
    : { kind: 'UNKNOWN', reason: 'supplier can neither be asked nor be sent to again' };
}

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
export function decideMove(order: OrderAtSupplier, outcome: Outcome, random: () => number): Move {
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
      return decideAfterTransient(order, outcome.retryAfterMs, random);
    case 'UNKNOWN':
      return decideAfterUnknown(order, random);
    case 'NOT_FOUND':
      return decideAfterNotFound(order, random);
  }
}

/**
 * One that is never finished is asked about for ever, and once the window is over, counted. That it
 * was taken is noted first: "not found" proves nothing then, and a person is told of it.
 */
function decideAfterAccepted(order: OrderAtSupplier, random: () => number): Move {
  const isOverdue = order.action === 'QUERY' && order.wasAccepted && order.windowLeftMs <= 0;
  return { kind: isOverdue ? 'REVIEW' : 'AWAIT', nextInMs: backoff(order, random) };
}

function decideAfterRefusal(order: OrderAtSupplier, code: FailureCode, random: () => number): Move {
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
  order: OrderAtSupplier,
  retryAfterMs: number | null,
  random: () => number,
): Move {
  const asked = Math.min(retryAfterMs ?? 0, RETRY_AFTER_MS_MAX);
  const nextInMs = Math.max(backoff(order, random), asked);
  // A question that got no answer says nothing of the order, nor does a repeat that was not taken.
  if (order.action === 'QUERY' || order.isResent) return keepAsking(order, nextInMs);
  // Definitely not applied: it is sent again, however long that takes.
  return { kind: 'RETRY', nextInMs };
}

function decideAfterUnknown(order: OrderAtSupplier, random: () => number): Move {
  return keepAsking(order, backoff(order, random));
}

function keepAsking(order: OrderAtSupplier, nextInMs: number): Move {
  const isHopeless = !order.canBeQueried && !order.dedupesByReference;
  return order.windowLeftMs > 0 && !isHopeless
    ? { kind: 'ASK_AGAIN', nextInMs }
    : { kind: 'REVIEW', nextInMs };
}

/** "Not found" proves non-delivery only once a send can no longer be on its way. */
function decideAfterNotFound(order: OrderAtSupplier, random: () => number): Move {
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

/** The ladder's step for this many calls without news, or steps by another count, +-20 %. */
export function backoff(
  order: OrderAtSupplier,
  random: () => number,
  steps = order.backoffStep,
): number {
  const rung = Math.min(Math.max(steps, 0), order.backoffMs.length - 1);
  const step = order.backoffMs[rung] ?? 0;
  return Math.trunc(step * (1 - JITTER + 2 * JITTER * random()));
}
