import type { Clock } from '../domain/ports.ts';
import { startLoop, type Loop } from './loop.ts';

/** Events of one numbering: enough to share a commit, few enough to be quick. */
const BATCH_SIZE_MAX = 1000;
/** What a process killed right after its commit leaves behind waits at most this long. */
const POLL_MS = 250;

/**
 * Between two rounds the sequencer rests, so that the events of this time share the next one: a
 * round costs the database as much as thirty events. The first event after a pause does not wait.
 */
const REST_MS_MIN = 3;
const REST_MS_MAX = 10;
/** How much longer than a round the rest is, within these bounds. */
const REST_PER_ROUND = 4;

/** Moves committed events into the feeds of their clients; every process runs one. */
export function startSequencer(options: {
  readonly numberEvents: (limit: number) => Promise<number>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}): Loop {
  return startLoop({
    ...options,
    runOnce: async () => {
      const startedMs = options.clock.monotonicMs();
      const moved = await options.numberEvents(BATCH_SIZE_MAX);
      if (moved >= BATCH_SIZE_MAX) return 0;
      const wantedMs = (options.clock.monotonicMs() - startedMs) * REST_PER_ROUND;
      const restMs = Math.min(REST_MS_MAX, Math.max(REST_MS_MIN, wantedMs));
      if (moved > 0) await options.clock.sleep(restMs);
      return POLL_MS;
    },
  });
}
