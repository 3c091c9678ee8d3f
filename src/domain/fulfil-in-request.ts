import { waitAtMost } from './deadline.ts';
import { fulfilTopupOrder, type Fulfilment } from './fulfil-topup-order.ts';
import type { OrderFeed } from './ports.ts';
import type { TopupOrder } from './topup-order.ts';

/** The last look at the order comes after the wait; milliseconds. */
const LAST_LOOK_MS = 500;

interface InRequest extends Fulfilment {
  readonly feed: Pick<OrderFeed, 'untilTerminal'>;
  readonly waitMs: number;
  /** Nobody waits any more once it is aborted. */
  readonly stopping: AbortSignal;
}

/**
 * One bounded try inside a request: the same step as a worker's, then a wait for whatever the
 * supplier, a callback or a worker makes of the order. Returns the order as it stands after
 * `waitMs` or when `stopping` is aborted, at the latest, and as it was placed where the database
 * does not tell by then; the step itself goes on and is recorded even if nobody waits any more.
 */
export async function fulfilInRequest(order: TopupOrder, deps: InRequest): Promise<TopupOrder> {
  const { clock, waitMs } = deps;
  return await waitAtMost(waitMs + LAST_LOOK_MS, tryInRequest(order, deps), { clock }) ?? order;
}

async function tryInRequest(order: TopupOrder, deps: InRequest): Promise<TopupOrder> {
  const { clock, waitMs, stopping } = deps;
  const startedMs = clock.monotonicMs();
  const claimed = await deps.store.claimOrder(order.clientId, order.id);
  if (claimed !== null) {
    await waitAtMost(waitMs, fulfilTopupOrder(claimed, deps), { clock, stopping });
  }
  const leftMs = Math.max(waitMs - (clock.monotonicMs() - startedMs), 0);
  return deps.feed.untilTerminal(order.clientId, order.id, { timeoutMs: leftMs, stopping });
}
