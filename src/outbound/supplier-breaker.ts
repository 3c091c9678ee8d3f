import {
  circuitBreaker, type CircuitBreakerPolicy, CircuitState, ConsecutiveBreaker, Event,
  handleWhenResult,
} from 'cockatiel';

import type { Outcome } from '../domain/fulfilment-ports.ts';
import type { Clock } from '../domain/ports.ts';
import { isStatusReason, NO_ANSWER_IN_TIME, NO_CONNECTION } from './supplier-http.ts';

/** So many calls in a row that did not reach a supplier open its breaker. */
const UNREACHED_COUNT_MAX = 8;
/**
 * So many calls that were turned away (429, 503 and the like), for so long without one order taken
 * or refused in between, open it too: no order climbs its ladder to a step of an hour meanwhile,
 * and all go at once when the supplier is back. What is over sooner is each order's own.
 */
const TURNED_AWAY_COUNT_MAX = 16;
const TURNED_AWAY_MS_MAX = 10_000;
/** An open breaker rests this long before some calls may try again. */
const REST_MS = 1_000;
/**
 * So many at once: where only some orders hang, as those of one operator, the others are soon among
 * those that try, and one answer closes the breaker.
 */
const PROBES_MAX = 8;

export interface BreakerOptions {
  readonly clock: Clock;
  readonly unreachedCountMax?: number;
  readonly restMs?: number;
  readonly probesMax?: number;
}

/** One call to the supplier. */
export interface Call {
  readonly send: () => Promise<Outcome>;
  readonly isSubmit: boolean;
}

/** Opens where a supplier is not reached, or turns everything away. */
export class SupplierBreaker {
  readonly #clock: Clock;
  readonly #restMs: number;
  readonly #probesMax: number;
  readonly #storm: Storm;
  readonly #breaker: CircuitBreakerPolicy;
  #probeCount = 0;
  #restsUntilMs = -Infinity;

  constructor(options: BreakerOptions) {
    const { clock, unreachedCountMax, restMs = REST_MS, probesMax = PROBES_MAX } = options;
    this.#clock = clock;
    this.#restMs = restMs;
    this.#probesMax = probesMax;
    const storm = new Storm(clock);
    const unreached = new ConsecutiveBreaker(unreachedCountMax ?? UNREACHED_COUNT_MAX);
    this.#storm = storm;
    this.#breaker = circuitBreaker(handleWhenResult((told) => this.#isFailure(told as Outcome)), {
      breaker: {
        state: undefined,
        success: () => unreached.success(),
        failure: () => unreached.failure() || storm.isOn(),
      },
      // The rest is measured here: there it would be by the wall clock, which may step back.
      halfOpenAfter: -Infinity,
    });
    this.#breaker.onBreak(() => {
      this.#restsUntilMs = clock.monotonicMs() + this.#restMs;
    });
  }

  get isClosed(): boolean {
    return this.#breaker.state === CircuitState.Closed;
  }

  get isResting(): boolean {
    return !this.isClosed && this.#clock.monotonicMs() < this.#restsUntilMs;
  }

  /** Calls that may try now whether the supplier is back. */
  get probesLeft(): number {
    return Math.max(this.#probesMax - this.#probeCount, 0);
  }

  /**
   * Makes the call; null where it was not made, because the supplier rests.
   * @throws what `signal` says where those that try decide nothing before it does
   */
  async run(call: Call, signal: AbortSignal): Promise<Outcome | null> {
    while (!this.isClosed) {
      if (this.isResting) return null;
      if (this.probesLeft > 0) return this.#probe(call);
      // Those after the rest decide for all that wait here.
      await Event.toPromise(this.#breaker.onStateChange, signal);
    }
    return this.#breaker.execute(() => this.#send(call), signal);
  }

  async #send({ send, isSubmit }: Call): Promise<Outcome> {
    const outcome = await send();
    this.#storm.note(outcome, isSubmit);
    return outcome;
  }

  async #probe(call: Call): Promise<Outcome> {
    this.#probeCount += 1;
    try {
      const outcome = await this.#send(call);
      // In a storm, that questions are answered does not say that orders are taken.
      const isTelling = call.isSubmit || this.#isFailure(outcome) || !this.#storm.isOn();
      // Told, not asked: of several that end together the breaker refuses all but one.
      if (isTelling) await this.#breaker.execute(() => outcome).catch(() => undefined);
      return outcome;
    } finally {
      this.#probeCount -= 1;
    }
  }

  #isFailure(outcome: Outcome): boolean {
    return isUnreached(outcome) || (this.#storm.isOn() && isTurnedAway(outcome));
  }
}

/** How long a supplier has been turning everything away. */
class Storm {
  readonly #clock: Clock;
  #count = 0;
  #sinceMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** That a question is answered ends no storm. */
  note(outcome: Outcome, isSubmit: boolean): void {
    if (isTurnedAway(outcome)) {
      if (this.#count === 0) this.#sinceMs = this.#clock.monotonicMs();
      this.#count += 1;
    } else if (isSubmit && !('reason' in outcome)) {
      this.#count = 0;
    }
  }

  isOn(): boolean {
    return this.#count >= TURNED_AWAY_COUNT_MAX
      && this.#clock.monotonicMs() - this.#sinceMs >= TURNED_AWAY_MS_MAX;
  }
}

/** Answered, and not with anything about the order. */
function isTurnedAway(outcome: Outcome): boolean {
  return 'reason' in outcome && isStatusReason(outcome.reason);
}

/** An answer, whatever it says, is no failure of the connection; nor is a reset after sending. */
function isUnreached(outcome: Outcome): boolean {
  return (outcome.kind === 'TRANSIENT' && outcome.reason === NO_CONNECTION)
    || (outcome.kind === 'UNKNOWN' && outcome.reason === NO_ANSWER_IN_TIME);
}
