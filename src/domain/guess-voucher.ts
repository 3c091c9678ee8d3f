import type { Clock, Placement } from './ports.ts';
import { RateLimited, takeOrRefuse, type RateLimits, type RateRequest } from './rate-limits.ts';
import { tooBusy } from './rejection.ts';

/** Whoever waited so long for others of its client is told to come again; milliseconds. */
const WAIT_MS_MAX = 4000;

/** The guesses of one client that ask for a token, or hold one that may come back. */
interface UnderWay {
  count: number;
  /** When the next one ends: true. Where nobody is left who could give a token back: false. */
  next: PromiseWithResolvers<boolean>;
}

export interface VoucherGuessesOptions {
  readonly rateLimits: RateLimits;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/**
 * Places orders that name a voucher, each as one guess at its code. The token is taken before the
 * try and put back unless the code was bad: many guesses at once then get no further than one
 * after the other. Where the tokens are held by others of this process, a guess waits for those:
 * however many good codes come at once, none is refused.
 */
export class VoucherGuesses {
  readonly #options: VoucherGuessesOptions;
  readonly #clients = new Map<number, UnderWay>();

  constructor(options: VoucherGuessesOptions) {
    this.#options = options;
  }

  /**
   * @throws RateLimited where too many codes of the client were bad lately
   * @throws TemporarilyUnavailable where it would wait for too long; nothing was done
   */
  async place(clientId: number, place: () => Promise<Placement>): Promise<Placement> {
    const { rateLimits } = this.#options;
    const guess = { clientId, class: 'voucher.guesses', count: 1, mayComeBack: true } as const;
    await this.#take(guess);
    let isBad = false;
    try {
      const placement = await place();
      isBad = placement.verdict === 'VOUCHER_INVALID';
      return placement;
    } finally {
      // A token that cannot be put back costs a guess; of an order that stands the caller must
      // hear.
      if (!isBad) await rateLimits.giveBack(guess).catch(() => undefined);
      this.#end(clientId, true);
    }
  }

  /** Until the guess has its token, and counts as under way. */
  async #take(guess: RateRequest): Promise<void> {
    const { rateLimits, clock } = this.#options;
    const untilMs = clock.monotonicMs() + WAIT_MS_MAX;
    let underWay = this.#begin(guess.clientId);
    for (;;) {
      const { next } = underWay;
      try {
        await takeOrRefuse(rateLimits, guess);
        return;
      } catch (error) {
        // One that ended meanwhile may have given its token back too late for this answer.
        if (error instanceof RateLimited && underWay.next !== next) continue;
        if (!(error instanceof RateLimited) || underWay.count === 1) {
          this.#end(guess.clientId, !(error instanceof RateLimited));
          throw error;
        }
        underWay.count -= 1;
        if (clock.monotonicMs() > untilMs) throw tooBusy();
        if (!await next.promise) throw error;
        underWay = this.#begin(guess.clientId);
      }
    }
  }

  #begin(clientId: number): UnderWay {
    const underWay = this.#clients.get(clientId)
      ?? { count: 0, next: Promise.withResolvers<boolean>() };
    underWay.count += 1;
    this.#clients.set(clientId, underWay);
    return underWay;
  }

  #end(clientId: number, isWorthTrying: boolean): void {
    const underWay = this.#clients.get(clientId);
    if (underWay === undefined) return;
    underWay.count -= 1;
    underWay.next.resolve(isWorthTrying);
    underWay.next = Promise.withResolvers();
    if (underWay.count === 0) this.#clients.delete(clientId);
  }
}
