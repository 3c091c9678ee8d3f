import type { Clock } from '../domain/ports.ts';
import { startLoop, type Loop } from './loop.ts';

/** Positions of one step: numbering waits for a step, so it has to be short. */
const STEP_SIZE = 500;
/** Between two steps, so that whoever waited comes first; milliseconds. */
const STEP_PAUSE_MS = 20;
/** How long a position may be too old before somebody looks; milliseconds. */
const POLL_MS = 60_000;

/** Removes positions of the feed that are older than it is kept, in small steps. */
export function startFeedRetention(options: {
  /** Removes up to `limit` positions; answers how many. */
  readonly removeFeedPositions: (limit: number) => Promise<number>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}): Loop {
  return startLoop({
    ...options,
    runOnce: async () =>
      await options.removeFeedPositions(STEP_SIZE) > 0 ? STEP_PAUSE_MS : POLL_MS,
  });
}
