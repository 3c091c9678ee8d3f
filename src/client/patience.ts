import { Passing, TokenRefused, TopupRequestFailed } from './errors.ts';

/** The first pause; each one doubles, up to the last. */
const PAUSE_MS_MIN = 200;
const PAUSE_MS_MAX = 15_000;
/** Whatever a server asks for: a timer that is set for over 24 days ends at once. */
const ASKED_MS_MAX = 3_600_000;

export interface PatienceOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of every failure that is followed by another try. */
  readonly onRetry?: ((failure: Error) => void) | undefined;
}

/** Pauses between tries, growing while nothing succeeds, spread so that clients do not march. */
export class Patience {
  readonly #options: PatienceOptions;
  #failureCount = 0;
  #isTokenRefused = false;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  succeeded(): void {
    this.#failureCount = 0;
  }

  /** A token may be good for a connection, and end with it before anything succeeds. */
  tokenTaken(): void {
    this.#isTokenRefused = false;
  }

  /**
   * Waits before the next try.
   * @throws what no next try can mend, a token that was refused twice running among it; and the
   *   reason of the signal, at once where it aborts
   */
  async afterFailure(error: unknown): Promise<void> {
    const { signal, onRetry } = this.#options;
    if (!(error instanceof Passing)) throw error;
    signal?.throwIfAborted();
    const isRefused = error instanceof TokenRefused;
    if (isRefused && this.#isTokenRefused) {
      throw new TopupRequestFailed(error.message, { code: 'UNAUTHENTICATED' });
    }
    this.#isTokenRefused = isRefused;
    onRetry?.(error);
    const step = Math.min(PAUSE_MS_MIN * 2 ** this.#failureCount, PAUSE_MS_MAX);
    this.#failureCount += 1;
    const askedMs = Math.min(error.afterMs, ASKED_MS_MAX);
    await pause(Math.max(askedMs, step * (0.5 + Math.random() / 2)), signal);
  }
}

async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal?.addEventListener('abort', over, { once: true });
  });
  signal?.throwIfAborted();
}
