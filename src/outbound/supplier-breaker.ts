import {
  circuitBreaker, type CircuitBreakerPolicy, CircuitState, ConsecutiveBreaker, handleWhenResult,
} from 'cockatiel';

import type { Outcome } from '../domain/fulfilment-ports.ts';
import type { Clock } from '../domain/ports.ts';
import { isNoConnection, isStatusReason, NO_ANSWER_IN_TIME } from './supplier-http.ts';

/** Calls in a row that did not reach a supplier, after which its breaker opens. */
const UNREACHED_COUNT_MAX = 8;
/**
 * Calls that were turned away (429, 503 and the like), and the time that they span, without one
 * order taken or refused in between: these open it too. So no order climbs its ladder to a step of
 * an hour meanwhile, and all go at once when the supplier is back. What is over sooner is each
 * order's own.
 */
const TURNED_AWAY_COUNT_MAX = 16;
const TURNED_AWAY_MS_MAX = 10_000;
/** Those that are further apart are no storm. */
const TURNED_AWAY_GAP_MS = 30_000;
/** An open breaker rests this long before some calls may try again. */
const REST_MS = 1_000;
/**
 * So many at once: where only some orders hang, as those of one operator, the others are soon among
 * those that try, and one answer closes the breaker. Who is turned away is told so at once: in a
 * storm as many try as the supplier takes at a time, or one good order would stand for minutes
 * behind the others, and so would questions about what was taken before.
 */
const PROBES_MAX = 8;

export interface BreakerOptions {
  readonly clock: Clock;
  readonly unreachedCountMax?: number;
  readonly restMs?: number;
  readonly probesMax?: number;
  /** Calls that the supplier takes at a time. */
  readonly callsMax: number;
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
  readonly #callsMax: number;
  readonly #storm: Storm;
  readonly #breaker: CircuitBreakerPolicy;
  readonly #waiting = new Set<() => void>();
  #probeCount = 0;
  #restsUntilMs = -Infinity;

  constructor(options: BreakerOptions) {
    const { clock, unreachedCountMax, restMs = REST_MS, probesMax = PROBES_MAX } = options;
    this.#clock = clock;
    this.#restMs = restMs;
    this.#probesMax = probesMax;
    this.#callsMax = options.callsMax;
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
    this.#breaker.onStateChange(() => this.#wake());
  }

  get isClosed(): boolean {
    return this.#breaker.state === CircuitState.Closed;
  }

  get isResting(): boolean {
    return !this.isClosed && this.#clock.monotonicMs() < this.#restsUntilMs;
  }

  /** Calls that may try now whether the supplier is back. */
  get probesLeft(): number {
    const max = this.#storm.isOn() ? this.#callsMax : this.#probesMax;
    return Math.max(max - this.#probeCount, 0);
  }

  /**
   * Makes the call; null where it was not made, because the supplier rests.
   * @throws Error where those that try decide nothing before `signal` ends the wait
   */
  async run(call: Call, signal: AbortSignal): Promise<Outcome | null> {
    while (!this.isClosed) {
      if (this.isResting) return null;
      if (this.probesLeft > 0) return this.#probe(call);
      // Those after the rest decide for all that wait here, or leave their places to them.
      await this.#untilWoken(signal);
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
      // In a storm only an order that is taken or refused, which ends it, says that it is over.
      const isTelling = this.#isFailure(outcome) || !this.#storm.isOn();
      // Told, not asked: of several that end together the breaker refuses all but one.
      if (isTelling) await this.#breaker.execute(() => outcome).catch(() => undefined);
      return outcome;
    } finally {
      this.#probeCount -= 1;
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  #untilWoken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', end);
      };
      const wake = (): void => {
        leave();
        resolve();
      };
      const end = (): void => {
        leave();
        reject(new Error('The call was not made'));
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
    });
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
  #lastMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** That a question is answered ends no storm. */
  note(outcome: Outcome, isSubmit: boolean): void {
    if (isTurnedAway(outcome)) {
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - this.#lastMs > TURNED_AWAY_GAP_MS) this.#count = 0;
      if (this.#count === 0) this.#sinceMs = nowMs;
      this.#count += 1;
      this.#lastMs = nowMs;
    } else if (isSubmit && !('reason' in outcome)) {
      this.#count = 0;
    }
  }

  isOn(): boolean {
    const nowMs = this.#clock.monotonicMs();
    return this.#count >= TURNED_AWAY_COUNT_MAX && nowMs - this.#sinceMs >= TURNED_AWAY_MS_MAX
      && nowMs - this.#lastMs <= TURNED_AWAY_GAP_MS;
  }
}

/** Answered, and not with anything about the order. */
function isTurnedAway(outcome: Outcome): boolean {
  return 'reason' in outcome && isStatusReason(outcome.reason);
}

/** An answer, whatever it says, is no failure of the connection; nor is a reset after sending. */
function isUnreached(outcome: Outcome): boolean {
  return (outcome.kind === 'TRANSIENT' && isNoConnection(outcome.reason))
    || (outcome.kind === 'UNKNOWN' && outcome.reason === NO_ANSWER_IN_TIME);
}
