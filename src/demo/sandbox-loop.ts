import { setTimeout as sleep } from 'node:timers/promises';

export interface SandboxLoop {
  /** Something may be due sooner than was known. */
  wake(): void;
  /** Ends after the round under way, whose signal is aborted. */
  stop(): Promise<void>;
}

/** How long to wait for what other processes may have put in; milliseconds. */
const IDLE_MS = 500;
/** Rounds under load are this far apart, times the scale of all delays. */
const PAUSE_MS_MIN = 50;
const FAULT_PAUSE_MS = 500;
/** A reason of our own: without one each abort makes an error with its stack. */
const WOKEN = 'woken';

/**
 * Runs `runOnce`, which answers the milliseconds until it is wanted again (null: not known), again
 * and again until stopped. A fault is told and never ends the loop.
 */
export function startSandboxLoop(options: {
  readonly runOnce: (signal: AbortSignal) => Promise<number | null>;
  readonly delayScale: number;
  readonly log: (message: string) => void;
}): SandboxLoop {
  const stopping = new AbortController();
  const isStopping = (): boolean => stopping.signal.aborted;
  const pauseMsMin = Math.max(PAUSE_MS_MIN * options.delayScale, 5);
  let isWoken = false;
  let toldFault = '';
  let pause = new AbortController();

  const wait = (ms: number, signal: AbortSignal): Promise<void> =>
    sleep(ms, undefined, { signal }).catch(() => {});
  const run = async (): Promise<void> => {
    while (!isStopping()) {
      isWoken = false;
      let nextMs: number | null = FAULT_PAUSE_MS;
      try {
        nextMs = await options.runOnce(stopping.signal);
        toldFault = '';
      } catch (error) {
        const fault = String(error);
        if (fault !== toldFault && !isStopping()) {
          options.log(`A round of the sandbox supplier failed: ${fault}`);
        }
        toldFault = fault;
      }
      // No wake cuts this one short: a flood of them must not make a busy loop.
      await wait(pauseMsMin, stopping.signal);
      const leftMs = Math.min(nextMs ?? IDLE_MS, IDLE_MS) - pauseMsMin;
      pause = new AbortController();
      if (!isWoken && !isStopping() && leftMs > 0) await wait(leftMs, pause.signal);
    }
  };
  const running = run();
  return {
    wake() {
      isWoken = true;
      pause.abort(WOKEN);
    },
    async stop() {
      stopping.abort();
      pause.abort();
      await running;
    },
  };
}
