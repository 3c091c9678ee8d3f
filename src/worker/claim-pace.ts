import type { Clock } from '../domain/ports.ts';

/** A lost wake-up costs at most this; milliseconds, as all times here. */
export const POLL_MS = 500;
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
/** A crowd counts for so long after it was seen: between two placing calls nobody may be there. */
const CROWD_SEEN_MS = 1_000;
/** How much a new step's duration counts against those before it; a claim brings up to 256. */
const NEWEST_WEIGHT = 0.01;
/**
 * Beside a supplier that takes no more, a claim reads over what waits for it, some hundred orders
 * (more of them are set aside). One that found less than there was room for is not made again
 * before so many times of what it took, or a poll.
 */
const REST_FACTOR = 9;

/** When a worker claims again. */
export class ClaimPace {
  readonly #clock: Clock;
  readonly #placingCount: () => number;
  /** From an order's claim to its recorded outcome, decaying mean. */
  #stepMs = 0;
  #lookedAtMs = -Infinity;
  #crowdSeenAtMs = -Infinity;
  #claimMs = 0;
  #restsUntilMs = -Infinity;
  #restsInCrowdUntilMs = -Infinity;

  /** `placingCount` counts the orders that this very process is placing. */
  constructor(options: { readonly clock: Clock; readonly placingCount: () => number }) {
    this.#clock = options.clock;
    this.#placingCount = options.placingCount;
  }

  /** A step ended that began at `claimedAtMs`. */
  stepped(claimedAtMs: number): void {
    this.#stepMs += NEWEST_WEIGHT * (this.#clock.monotonicMs() - claimedAtMs - this.#stepMs);
  }

  /** Waits until a look is far enough from the one before. */
  async keepOff(): Promise<void> {
    const crowding = Math.min(this.#placingCount() / CROWD, 1);
    const gapMs = Math.min(CLAIM_GAP_MS + YIELD_STEPS * this.#stepMs * crowding, CLAIM_GAP_MS_MAX);
    const earlyMs = this.#lookedAtMs + gapMs - this.#clock.monotonicMs();
    if (earlyMs > 0) await this.#clock.sleep(earlyMs);
    this.#lookedAtMs = this.#clock.monotonicMs();
    if (this.#placingCount() >= CROWD) this.#crowdSeenAtMs = this.#lookedAtMs;
  }

  /**
   * How long there is to be no claim beside a supplier that is full. In a crowd, hundreds of orders
   * come between two claims, and most wait for that one: it soon has room again, and then none of
   * them is read over or set aside. So that is waited for, at most a poll.
   */
  restBesideFullMs(): number {
    const isCrowded = this.#lookedAtMs < this.#crowdSeenAtMs + CROWD_SEEN_MS;
    const untilMs = isCrowded
      ? Math.max(this.#restsUntilMs, this.#restsInCrowdUntilMs) : this.#restsUntilMs;
    return Math.max(untilMs - this.#lookedAtMs, 0);
  }

  /** A claim ended that began with the last look; filled if it took all that there was room for. */
  claimed({ isOneFull, isFilled }: { isOneFull: boolean; isFilled: boolean }): void {
    const endedAtMs = this.#clock.monotonicMs();
    this.#claimMs = endedAtMs - this.#lookedAtMs;
    // Where others' orders took all of their room, more of them may be due.
    const goesOn = isOneFull && isFilled;
    this.#restsInCrowdUntilMs = goesOn ? -Infinity : endedAtMs + POLL_MS;
    if (isOneFull && !isFilled)
      this.#restsUntilMs = endedAtMs + Math.min(REST_FACTOR * this.#claimMs, POLL_MS);
  }

  /**
   * How long there is to be no claim after one that found nothing of what is due: that is in
   * another worker's hands, or is being set aside, and was read over.
   */
  restBesideDueMs(): number {
    return Math.min(Math.max(REST_FACTOR * this.#claimMs, POLL_MS / 10), POLL_MS);
  }
}
