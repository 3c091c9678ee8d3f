import type { Clock } from '../domain/ports.ts';

/** After a fault a loop waits this long before it tries again; milliseconds. */
const FAULT_PAUSE_MS = 500;

/** A reason of our own, where an abort would make an error with its stack. */
const WOKEN = 'woken';

export interface Loop {
  /** Something is to be done: the next round starts at once. */
  wake(): void;
  /** Ends after the round under way. */
  stop(): Promise<void>;
}

/**
 * Runs `runOnce` again and again: at once after a wake-up, otherwise when the milliseconds that it
 * answered are over. One round at a time; a fault is reported and never ends the loop.
 */
export function startLoop(options: {
  readonly runOnce: () => Promise<number>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  /** A round ended without a fault. */
  readonly onRound?: () => void;
}): Loop {
  let isStopped = false;
  let isWoken = false;
  let pause = new AbortController();

  const run = async (): Promise<void> => {
    while (!isStopped) {
      isWoken = false;
      let pauseMs = FAULT_PAUSE_MS;
      try {
        pauseMs = await options.runOnce();
        options.onRound?.();
      } catch (error) {
        options.onError(error);
      }
      if (isWoken || isStopped) continue;
      pause = new AbortController();
      await options.clock.sleep(pauseMs, pause.signal);
    }
  };
  const running = run();

  return {
    wake() {
      isWoken = true;
      pause.abort(WOKEN);
    },
    async stop() {
      isStopped = true;
      pause.abort(WOKEN);
      await running;
    },
  };
}
