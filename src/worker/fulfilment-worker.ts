import { waitAtMost } from '../domain/deadline.ts';
import { fulfilTopupOrder, type Fulfilment, type Phase } from '../domain/fulfil-topup-order.ts';
import type { ClaimedOrder } from '../domain/fulfilment-ports.ts';
import { ClaimPace, POLL_MS } from './claim-pace.ts';
import { startLoop } from './loop.ts';
import { startRerouting } from './rerouting.ts';

/**
 * Orders whose suppliers one process calls at a time: more than a few suppliers may have in hand
 * that take connections and never answer, or they would keep the orders of all others waiting.
 */
const CALLS_MAX = 1536;
/**
 * Orders one process works on at a time, those included whose outcome is being recorded: where rows
 * of one client are locked, the orders of others go on beside it.
 */
const IN_HAND_MAX = 2048;
/** Orders of one claim: enough to share a commit, few enough to be sent within milliseconds. */
const CLAIM_MAX = 256;
/** The shortest pause before an order that is nearly due. */
const PAUSE_MS_MIN = 5;

export interface FulfilmentWorker {
  wake(): void;
  /** Claims no more and lets the attempts in hand finish, at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

export interface FulfilmentWorkerDeps extends Fulfilment {
  /** Orders that this very process is placing. */
  readonly placingCount: () => number;
  readonly onError: (error: unknown, order?: ClaimedOrder) => void;
  readonly onRound?: () => void;
}

/**
 * Claims due orders and takes each one step further. What it cannot finish is not lost: its lease
 * runs out and another worker asks the supplier what became of it.
 */
export function startFulfilmentWorker(deps: FulfilmentWorkerDeps): FulfilmentWorker {
  const inHand = new Set<Promise<unknown>>();
  const calling = new Set<ClaimedOrder>();
  const pace = new ClaimPace(deps);

  const take = (order: ClaimedOrder): void => {
    calling.add(order);
    const reached = (phase: Phase): void => {
      if (phase === 'ANSWERED') calling.delete(order);
      deps.reached?.(phase);
    };
    const step = fulfilTopupOrder(order, { ...deps, reached })
      .catch((error: unknown) => deps.onError(error, order))
      .finally(() => {
        calling.delete(order);
        pace.stepped(order.askedAtMs);
        inHand.delete(step);
        // Its next step may be due before what the loop is waiting for.
        loop.wake();
      });
    inHand.add(step);
  };

  const runOnce = async (): Promise<number> => {
    await pace.keepOff();
    const rooms = deps.suppliers.rooms();
    // The database locks as many orders as it is asked for, whether there is room for them or not.
    const roomCount = Object.values(rooms).reduce((sum, room) => sum + room, 0);
    const limit = Math.min(
      CALLS_MAX - calling.size, IN_HAND_MAX - inHand.size, CLAIM_MAX,
      // A process without any supplier claims still: each attempt tells that none is known.
      Object.keys(rooms).length > 0 ? roomCount : Infinity,
    );
    // The end of a step wakes the loop.
    if (limit <= 0) return POLL_MS;
    const isOneFull = Object.values(rooms).includes(0);
    const restMs = isOneFull ? pace.restBesideFullMs() : 0;
    if (restMs > 0) return restMs;
    const orders = await deps.store.claimOrders({ limit, rooms });
    pace.claimed({ isOneFull, isFilled: orders.length >= limit });
    orders.forEach(take);
    if (orders.length > 0) return 0;
    const dueInMs = await deps.store.nextDueInMs();
    if (dueInMs === null) return POLL_MS;
    if (dueInMs <= 0) return pace.restBesideDueMs();
    return Math.min(Math.max(dueInMs, PAUSE_MS_MIN), POLL_MS);
  };

  const loop = startLoop({
    runOnce, clock: deps.clock, onError: deps.onError, onRound: () => deps.onRound?.(),
  });
  const rerouting = startRerouting({ ...deps, onRerouted: () => loop.wake() });
  return {
    wake: () => loop.wake(),
    async stop(graceMs) {
      await Promise.all([loop.stop(), rerouting.stop()]);
      await waitAtMost(graceMs, Promise.all(inHand), deps);
    },
  };
}
