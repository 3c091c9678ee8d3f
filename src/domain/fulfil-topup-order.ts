import { withDeadline } from './deadline.ts';
import { decideMove } from './decide-move.ts';
import type {
  ClaimedOrder, FulfilmentStore, MoveResult, Outcome, RecordedMove, Supplier,
  SupplierRegistry,
} from './fulfilment-ports.ts';
import type { Clock, OrderFeed } from './ports.ts';
import { TemporarilyUnavailable } from './rejection.ts';
import type { TopupOrder } from './topup-order.ts';

/** Half a minute: whatever holds an order's row for longer is not waited for. */
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
  const leftMs = order.callDeadlineMs - (deps.clock.monotonicMs() - order.claimedAtMs);
  if (leftMs <= 0) return { kind: 'TRANSIENT', reason: 'too late to call', retryAfterMs: null };
  return withDeadline(Math.ceil(leftMs), (signal) => (
    order.action === 'SUBMIT' ? supplier.submit(order, signal) : ask(supplier, order, signal)
  ));
}

/** Where a supplier cannot be asked, only one that de-duplicates may be sent to again. */
async function ask(supplier: Supplier, order: ClaimedOrder, signal: AbortSignal): Promise<Outcome> {
  if (order.canBeQueried) return supplier.query(order, signal);
  return order.dedupesByReference
    ? { kind: 'NOT_FOUND' }
    : { kind: 'UNKNOWN', reason: 'supplier can neither be asked nor be sent to again' };
}

/**
 * One bounded try inside a request: the same step as a worker's, then a wait for whatever the
 * supplier, a callback or a worker makes of the order. Returns the order as it stands after
 * `waitMs` or when `stopping` is aborted, at the latest; the step itself goes on and is recorded
 * even if nobody waits any more.
 */
export async function fulfilInRequest(
  order: TopupOrder,
  deps: Fulfilment & {
    readonly feed: Pick<OrderFeed, 'untilTerminal'>;
    readonly waitMs: number;
    readonly stopping: AbortSignal;
  },
): Promise<TopupOrder> {
  const { clock, waitMs, stopping } = deps;
  const startedMs = clock.monotonicMs();
  const claimed = await deps.store.claimOrder(order.clientId, order.id);
  if (claimed !== null) {
    const waited = new AbortController();
    const step = fulfilTopupOrder(claimed, deps);
    await Promise.race([step, clock.sleep(waitMs, AbortSignal.any([waited.signal, stopping]))]);
    waited.abort('not waited for');
  }
  const leftMs = Math.max(waitMs - (clock.monotonicMs() - startedMs), 0);
  return deps.feed.untilTerminal(order.clientId, order.id, { timeoutMs: leftMs, stopping });
}
