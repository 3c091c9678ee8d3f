import {
  backoff, decideMove, isPassing, type Fulfilment,
} from './fulfil-topup-order.ts';
import type {
  Move, OrderAtSupplier, Outcome, RawCallback, SupplierCallback,
} from './fulfilment-ports.ts';

export type CallbackResult = 'REFUSED' | 'NOT_UNDERSTOOD' | 'TRY_LATER' | 'KEPT' | 'DONE';

/**
 * A supplier's unasked message. REFUSED: not authentic, nothing is stored. NOT_UNDERSTOOD:
 * authentic, and nothing is stored either. KEPT: authentic, but of no order that we know yet.
 * TRY_LATER: the order is in a worker's hands right now. DONE: applied, or already known.
 */
export async function receiveCallback(
  raw: RawCallback & { readonly supplierCode: string },
  deps: Fulfilment,
): Promise<CallbackResult> {
  const callback = deps.suppliers.find(raw.supplierCode)?.verifyCallback(raw) ?? null;
  if (callback === null) return 'REFUSED';
  if (callback === 'UNREADABLE') return 'NOT_UNDERSTOOD';
  const order = await findOrder(callback, deps);
  if (order === null) {
    const kept = await deps.store.strays.keep(callback);
    return kept === 'CONFLICTING_EVENT' ? 'REFUSED' : 'KEPT';
  }
  deps.reached?.('CALLBACK_VERIFIED');
  return apply(callback, order, deps, decideAfterCallback(order, callback.outcome, deps.random));
}

/** A callback that was kept, whose order may be there by now; answers as if it came just now. */
export async function applyStrayCallback(
  callback: SupplierCallback,
  deps: Fulfilment,
): Promise<CallbackResult> {
  const order = await findOrder(callback, deps);
  if (order === null) return 'KEPT';
  return apply(callback, order, deps, decideAfterStray(order, callback.outcome, deps.random));
}

/** It is older than the attempt that is noted, so a refusal is that of another one. */
function decideAfterStray(order: OrderAtSupplier, outcome: Outcome, random: () => number): Move {
  return outcome.kind === 'FAILED' ? { kind: 'NONE' } : decideAfterCallback(order, outcome, random);
}

const findOrder = ({ event }: SupplierCallback, { store }: Fulfilment) =>
  store.findSubmission(event.supplierReference, event.supplierCode);

async function apply(
  { event }: SupplierCallback,
  { clientId, orderId, route }: OrderAtSupplier,
  deps: Fulfilment,
  move: Move,
): Promise<CallbackResult> {
  const result = await deps.store.recordMove({
    clientId, orderId, route, leaseToken: null, move, callback: event,
  });
  deps.reached?.('CALLBACK_RECORDED');
  if (result === 'CONFLICTING_EVENT') return 'REFUSED';
  return result === 'STALE_LEASE' ? 'TRY_LATER' : 'DONE';
}

/**
 * Only final news moves an order unasked; that it was taken is noted. A refusal that an order may
 * have met before may be that of an earlier attempt, told late, while a later one is under way: the
 * supplier is asked first, and where it can neither be asked nor sent the same again, a person
 * decides.
 */
export function decideAfterCallback(
  order: OrderAtSupplier,
  outcome: Outcome,
  random: () => number,
): Move {
  if (outcome.kind === 'DELIVERED' || outcome.kind === 'REVERSED') {
    return decideMove(order, outcome, random);
  }
  if (outcome.kind === 'ACCEPTED') return { kind: order.wasAccepted ? 'NONE' : 'NOTE_ACCEPTED' };
  if (outcome.kind !== 'FAILED') return { kind: 'NONE' };
  const { failureCode } = outcome;
  const mayPass = isPassing(failureCode);
  if (mayPass && order.canBeQueried) {
    // While one of several sends may be on its way, an answer would prove nothing.
    const proofInMs = order.attemptCount === 1 ? 0 : Math.max(order.resendInMs, 0);
    return { kind: 'ASK_AGAIN', nextInMs: proofInMs };
  }
  if (!mayPass || order.attemptCount === 1) return decideMove(order, outcome, random);
  return order.dedupesByReference
    ? { kind: 'ASK_AGAIN', nextInMs: 0 }
    : { kind: 'REVIEW', nextInMs: backoff(order, random) };
}
