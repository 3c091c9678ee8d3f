import { waitAtMost, withDeadline } from './deadline.ts';
import type { Fulfilment } from './fulfil-topup-order.ts';
import type { OrderAtSupplier } from './fulfilment-ports.ts';
import type { Store } from './ports.ts';
import { decideAfterCallback } from './receive-callback.ts';
import type { FulfilmentState, TopupOrder } from './topup-order.ts';

/** No reader waits longer for a supplier's word; the question itself goes on. */
const WAIT_MS_MAX = 1000;

/** States in which a supplier may know more than we do. */
const ASKED_ABOUT: ReadonlySet<FulfilmentState | null> = new Set<FulfilmentState | null>(
  ['AWAITING_SUPPLIER', 'OUTCOME_UNKNOWN', 'REVIEW'],
);

export interface OrderInquiry {
  /**
   * The order in hand at the supplier, where it may be asked about now: at most once in two
   * seconds, whichever process asks. It takes no lease.
   */
  askAboutOrder(clientId: number, orderId: number): Promise<OrderAtSupplier | null>;
}

export interface RefreshDeps {
  readonly store: Pick<Store, 'findOrder'> & OrderInquiry;
  readonly fulfilment: Fulfilment;
  /** Told of a question that failed; the reader is answered from what we know. */
  readonly onError: (error: unknown) => void;
}

/**
 * Reads an order; of one that is in a supplier's hands the supplier is asked first. The answer
 * counts like a callback, so leases and retries stay as they are, and only final news changes the
 * order. Readers of one process that come together share one question.
 */
export function createRefreshTopupOrder(
  deps: RefreshDeps,
): (clientId: number, orderId: number) => Promise<TopupOrder | null> {
  const asking = new Map<string, Promise<boolean>>();

  const askOnce = (clientId: number, orderId: number): Promise<boolean> => {
    const key = `${clientId}:${orderId}`;
    let answer = asking.get(key);
    if (answer === undefined) {
      answer = ask(clientId, orderId, deps)
        .catch((error: unknown) => {
          deps.onError(error);
          return false;
        })
        .finally(() => asking.delete(key));
      asking.set(key, answer);
    }
    return answer;
  };

  return async (clientId, orderId) => {
    const order = await deps.store.findOrder(clientId, orderId);
    if (order === null || !ASKED_ABOUT.has(order.fulfilmentState)) return order;
    const { clock } = deps.fulfilment;
    const isNews = await waitAtMost(WAIT_MS_MAX, askOnce(clientId, orderId), { clock }) ?? false;
    return isNews ? deps.store.findOrder(clientId, orderId) : order;
  };
}

/** Whether the supplier had news that changed the order. */
async function ask(clientId: number, orderId: number, deps: RefreshDeps): Promise<boolean> {
  const { store, suppliers, random } = deps.fulfilment;
  const order = await deps.store.askAboutOrder(clientId, orderId);
  const supplier = order === null ? undefined : suppliers.find(order.supplierCode);
  if (order === null || supplier === undefined) return false;
  const outcome = await withDeadline(order.callDeadlineMs, (signal) => (
    supplier.query(order, signal)
  ));
  const move = decideAfterCallback(order, outcome, random);
  if (move.kind === 'NONE') return false;
  const { route } = order;
  const result = await store.recordMove({
    clientId, orderId, route, leaseToken: null, move, callback: null,
  });
  return result === 'APPLIED';
}
