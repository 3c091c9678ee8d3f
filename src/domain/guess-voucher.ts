import type { Clock, Placement } from './ports.ts';
import {
  RATE_WINDOW_MS, RateLimited, takeOrRefuse, type RateLimits, type RateRequest,
} from './rate-limits.ts';
import { tooBusy } from './rejection.ts';

/** Whoever waited so long for others of its client is told to come again; milliseconds. */
const WAIT_MS_MAX = 4000;
/** A token that was taken this lately may be held by another process, which says nothing of it. */
const ELSEWHERE_MS_MAX = 500;
/** How often such a token is asked for; milliseconds. */
const ASK_AGAIN_MS = 50;

/** The guesses of one client. Somebody is under way for as long as anybody waits. */
interface Guesses {
  /** That ask for a token, or hold one that may come back. */
  underWayCount: number;
  /** Tokens that came back so far. */
  backCount: number;
  /** In their order; called with whether a token came back for whoever it is. */
  readonly waiting: ((isBack: boolean) => void)[];
}

export interface VoucherGuessesOptions {
  readonly rateLimits: RateLimits;
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
}

/**
 * Places orders that name a voucher, each as one guess at its code. The token is taken before the
 * try and put back unless the code was bad: many guesses at once then get no further than one
 * after the other. Where others of this process hold the tokens, a guess waits for one to come
 * back, in the order of arrival: good codes that come together are not refused for each other.
 * Where another process holds them, one of this one asks for them a while, for all that wait.
 */
export class VoucherGuesses {
  readonly #options: VoucherGuessesOptions;
  readonly #clients = new Map<number, Guesses>();

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
    const guesses = this.#guessesOf(clientId);
    await this.#take(guess, guesses);
    let isBad = false;
    let isBack = false;
    try {
      const placement = await place();
      isBad = placement.verdict === 'VOUCHER_INVALID';
      return placement;
    } finally {
      // A token that cannot be put back costs a guess; of an order that stands the caller must
      // hear.
      if (!isBad) isBack = await rateLimits.giveBack(guess).then(() => true, () => false);
      this.#leave(clientId, guesses, isBack);
    }
  }

  /** Until the guess has its token, and counts as under way. */
  async #take(guess: RateRequest, guesses: Guesses): Promise<void> {
    const { rateLimits, clock } = this.#options;
    const untilMs = clock.monotonicMs() + WAIT_MS_MAX;
    // Nobody overtakes those who wait.
    let isLastTry = false;
    if (guesses.waiting.length > 0) isLastTry = !await this.#wait(guesses, untilMs, 'LAST');
    else guesses.underWayCount += 1;
    for (;;) {
      const { backCount } = guesses;
      try {
        await takeOrRefuse(rateLimits, guess);
        return;
      } catch (error) {
        const isOver = clock.monotonicMs() > untilMs;
        // What came back meanwhile came too late for this answer.
        const mayTryAgain = error instanceof RateLimited && !isLastTry;
        if (mayTryAgain && !isOver && guesses.backCount !== backCount) continue;
        const isAlone = guesses.underWayCount === 1;
        const isHeld = isAlone && error instanceof RateLimited && mayBeHeldElsewhere(error);
        if (mayTryAgain && !isOver && isHeld) {
          await clock.sleep(ASK_AGAIN_MS);
          continue;
        }
        // Whoever waits behind it asks on, where it gives up.
        this.#leave(guess.clientId, guesses, isOver && isHeld);
        if (!mayTryAgain || (isAlone && !isHeld)) throw error;
        if (isOver) throw tooBusy();
        isLastTry = !await this.#wait(guesses, untilMs, 'FIRST');
      }
    }
  }

  /** Until it is this one's turn, and it is under way. False where no token will come back. */
  #wait(guesses: Guesses, untilMs: number, place: 'FIRST' | 'LAST'): Promise<boolean> {
    const { clock } = this.#options;
    const { waiting } = guesses;
    const ended = new AbortController();
    return new Promise((resolve, reject) => {
      const wake = (isBack: boolean): void => {
        ended.abort();
        resolve(isBack);
      };
      if (place === 'FIRST') waiting.unshift(wake);
      else waiting.push(wake);
      void clock.sleep(untilMs - clock.monotonicMs(), ended.signal).then(() => {
        const at = waiting.indexOf(wake);
        if (at !== -1) waiting.splice(at, 1);
        // Whoever was woken is settled by now.
        reject(tooBusy());
      });
    });
  }

  #leave(clientId: number, guesses: Guesses, isBack: boolean): void {
    const { waiting } = guesses;
    guesses.underWayCount -= 1;
    if (isBack) {
      guesses.backCount += 1;
      this.#wake(guesses, 1, true);
    }
    // Nobody is left whose token could come back.
    if (guesses.underWayCount === 0) this.#wake(guesses, waiting.length, false);
    if (guesses.underWayCount === 0) this.#clients.delete(clientId);
  }

  /** From here on they count as under way. */
  #wake(guesses: Guesses, count: number, isBack: boolean): void {
    for (const wake of guesses.waiting.splice(0, count)) {
      guesses.underWayCount += 1;
      wake(isBack);
    }
  }

  #guessesOf(clientId: number): Guesses {
    const guesses = this.#clients.get(clientId)
      ?? { underWayCount: 0, backCount: 0, waiting: [] };
    this.#clients.set(clientId, guesses);
    return guesses;
  }
}

/** The last token of those in the way was taken a moment ago: it may be on its way back. */
function mayBeHeldElsewhere({ verdict }: RateLimited): boolean {
  return verdict.resetInMs > RATE_WINDOW_MS - ELSEWHERE_MS_MAX;
}
