import { waitAtMost } from '../domain/deadline.ts';
import { fulfilTopupOrder, type Fulfilment, type Phase } from '../domain/fulfil-topup-order.ts';
import type { ClaimedOrder } from '../domain/fulfilment-ports.ts';
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
/** Orders that arrive within this time are claimed together; one that comes alone goes at once. */
const CLAIM_GAP_MS = 10;
/**
 * Whoever waits at the door goes before what is taken already: while this process places so many
 * orders at once, the next claim keeps off three times as long as a step takes. Where both share
 * two cores, 64 requests in flight are placed at 1.5 to 1.9 times the rate, and what they left is
 * fulfilled right after the rush; steps of an instant supplier are so short that 2,000 orders a
 * second are still kept up with.
 */
const CROWD = 32;
const YIELD_STEPS = 3;
/** However long a step takes: claims of full size still take 640 orders a second. */
const CLAIM_GAP_MS_MAX = 400;
/** How much a new step's duration counts against those before it; a claim brings up to 256. */
const NEWEST_WEIGHT = 0.01;
/** A lost wake-up costs at most this. */
const POLL_MS = 500;
/**
 * Beside a supplier that takes no more, a claim reads over what waits for it, some hundred orders
 * (more of them are set aside). One that found less than there was room for is not made again
 * before so many times of what it took, or a poll.
 */
const REST_FACTOR = 9;
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
 * What is due and was not claimed is in another worker's hands, or is being set aside: the claim
 * read over that, in so many milliseconds.
 */
function restBesideDue(claimMs: number): number {
  return Math.min(Math.max(REST_FACTOR * claimMs, POLL_MS / 10), POLL_MS);
}

/**
 * Claims due orders and takes each one step further. What it cannot finish is not lost: its lease
 * runs out and another worker asks the supplier what became of it.
 */
export function startFulfilmentWorker(deps: FulfilmentWorkerDeps): FulfilmentWorker {
  const inHand = new Set<Promise<unknown>>();
  const calling = new Set<ClaimedOrder>();
  /** From an order's claim to its recorded outcome, decaying mean; milliseconds. */
  let stepMs = 0;

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
        stepMs += NEWEST_WEIGHT * (deps.clock.monotonicMs() - order.askedAtMs - stepMs);
        inHand.delete(step);
        // Its next step may be due before what the loop is waiting for.
        loop.wake();
      });
    inHand.add(step);
  };

  let claimedAtMs = -Infinity;
  let restsUntilMs = -Infinity;
  const runOnce = async (): Promise<number> => {
    const crowding = Math.min(deps.placingCount() / CROWD, 1);
    const gapMs = Math.min(CLAIM_GAP_MS + YIELD_STEPS * stepMs * crowding, CLAIM_GAP_MS_MAX);
    const earlyMs = claimedAtMs + gapMs - deps.clock.monotonicMs();
    if (earlyMs > 0) await deps.clock.sleep(earlyMs);
    claimedAtMs = deps.clock.monotonicMs();
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
    if (isOneFull && claimedAtMs < restsUntilMs) return restsUntilMs - claimedAtMs;
    const orders = await deps.store.claimOrders({ limit, rooms });
    const endedAtMs = deps.clock.monotonicMs();
    if (isOneFull && orders.length < limit) {
      restsUntilMs = endedAtMs + Math.min(REST_FACTOR * (endedAtMs - claimedAtMs), POLL_MS);
    }
    orders.forEach(take);
    if (orders.length > 0) return 0;
    const dueInMs = await deps.store.nextDueInMs();
    if (dueInMs === null) return POLL_MS;
    if (dueInMs <= 0) return restBesideDue(endedAtMs - claimedAtMs);
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
