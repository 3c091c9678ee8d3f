import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isConnectionLost } from './db/faults.ts';
import { TemporarilyUnavailable } from './domain/rejection.ts';
import { reasonOf } from './named-database.ts';
import { StartRefused } from './start-refused.ts';

/** How long a step of a start is tried; milliseconds. */
const STEP_MS_MAX = 15_000;
const PAUSE_MS = 200;

/** Runs one step of a start, again where a connection of it was lost. */
export type Steadily = <Result>(step: () => Promise<Result>) => Promise<Result>;

/**
 * A database that recovers, beside a machine with much else to do, is late with a connection now
 * and then: no reason for a start to end. Steps must bear to be repeated.
 * @throws StartRefused where the connection stays lost, the reason of `stopping`
 */
export function createSteadily(log: Logger, stopping: AbortSignal): Steadily {
  return async (step) => {
    const startedMs = performance.now();
    for (let isFirst = true; ; isFirst = false) {
      try {
        return await step();
      } catch (error) {
        if (!isPassing(error)) throw error;
        stopping.throwIfAborted();
        const reason = reasonOf(error);
        if (performance.now() - startedMs > STEP_MS_MAX) {
          throw new StartRefused(`The database was lost during the start: ${reason}`);
        }
        if (isFirst) log.warn({ reason }, 'The database cannot be reached; asking again');
        await delay(PAUSE_MS);
      }
    }
  };
}

/** A refusal has what the driver said as its cause. */
function isPassing(error: unknown): boolean {
  const told = error instanceof StartRefused ? error.cause : error;
  return isConnectionLost(told) || told instanceof TemporarilyUnavailable;
}
