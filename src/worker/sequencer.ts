import type { Clock } from '../domain/ports.ts';
import { startLoop, type Loop } from './loop.ts';

/** Events of one numbering: enough to share a commit, few enough to be quick. */
const BATCH_SIZE_MAX = 1000;
/** What a process killed right after its commit leaves behind waits at most this long. */
const POLL_MS = 250;

/** Moves committed events into the feeds of their clients; every process runs one. */
export function startSequencer(options: {
  readonly numberEvents: (limit: number) => Promise<number>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}): Loop {
  return startLoop({
    ...options,
    runOnce: async () => {
      const moved = await options.numberEvents(BATCH_SIZE_MAX);
      return moved >= BATCH_SIZE_MAX ? 0 : POLL_MS;
    },
  });
}
