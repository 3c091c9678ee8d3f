import { fulfilTopupOrder, type Fulfilment } from '../domain/fulfil-topup-order.ts';
import type { ClaimedOrder } from '../domain/fulfilment-ports.ts';
import { startLoop } from './loop.ts';

/** Orders one process works on at a time: as many as a supplier takes calls, so none waits. */
const IN_HAND_MAX = 64;
/** A claim waits until so many can be taken: it is woken by each one that ends. */
const ROOM_MIN = 16;
/** A lost wake-up costs at most this. */
const POLL_MS = 500;
/** The shortest pause before an order that is nearly due. */
const PAUSE_MS_MIN = 5;

export interface FulfilmentWorker {
  wake(): void;
  /** Claims no more and lets the attempts in hand finish, at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Claims due orders and takes each one step further. What it cannot finish is not lost: its lease
 * runs out and another worker asks the supplier what became of it.
 */
export function startFulfilmentWorker(
  deps: Fulfilment & {
    readonly onError: (error: unknown, order?: ClaimedOrder) => void;
    readonly onRound?: () => void;
  },
): FulfilmentWorker {
  const inHand = new Set<Promise<void>>();

  const take = (order: ClaimedOrder): void => {
    const step = fulfilTopupOrder(order, deps)
      .then(() => undefined)
      .catch((error: unknown) => deps.onError(error, order))
      .finally(() => {
        inHand.delete(step);
        // Its next step may be due before what the loop is waiting for.
        loop.wake();
      });
    inHand.add(step);
  };

  const runOnce = async (): Promise<number> => {
    const room = IN_HAND_MAX - inHand.size;
    // Orders are claimed together, or a busy worker would ask for each one as another ends.
    if (room < ROOM_MIN) return POLL_MS;
    const orders = await deps.store.claimOrders({
      limit: room,
      closedSuppliers: deps.suppliers.closedCodes(),
    });
    orders.forEach(take);
    if (orders.length === room) return 0;
    const dueInMs = await deps.store.nextDueInMs();
    if (dueInMs === null) return POLL_MS;
    // What is due and was not claimed is in another worker's hands, or waits for a supplier.
    return dueInMs <= 0 ? POLL_MS / 10 : Math.min(Math.max(dueInMs, PAUSE_MS_MIN), POLL_MS);
  };

  const loop = startLoop({
    runOnce, clock: deps.clock, onError: deps.onError, onRound: () => deps.onRound?.(),
  });
  return {
    wake: () => loop.wake(),
    async stop(graceMs) {
      await loop.stop();
      const over = new AbortController();
      await Promise.race([Promise.all(inHand), deps.clock.sleep(graceMs, over.signal)]);
      over.abort();
    },
  };
}
