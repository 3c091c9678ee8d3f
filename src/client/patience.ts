import { Passing } from './errors.ts';

/** The first pause; each one doubles, up to the last. */
const PAUSE_MS_MIN = 200;
const PAUSE_MS_MAX = 15_000;

/** Pauses between tries, growing while nothing succeeds, spread so that clients do not march. */
export class Patience {
  #failureCount = 0;

  succeeded(): void {
    this.#failureCount = 0;
  }

  /** Waits before the next try; at once over where the signal aborts, which then throws. */
  async afterFailure(error: unknown, signal?: AbortSignal): Promise<void> {
    const step = Math.min(PAUSE_MS_MIN * 2 ** this.#failureCount, PAUSE_MS_MAX);
    this.#failureCount += 1;
    const asked = error instanceof Passing ? error.afterMs : 0;
    await pause(Math.max(asked, step * (0.5 + Math.random() / 2)), signal);
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
