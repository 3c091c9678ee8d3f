import {
  createSourceEventStream, execute, type ExecutionArgs, type ExecutionResult,
} from 'graphql';
import { ClientShares } from '../domain/client-shares.ts';
import type { Clock } from '../domain/ports.ts';
import { carried, passesInMs } from './errors.ts';
import type { EventToll } from './event-toll.ts';
import { TurnQueue } from './turn-queue.ts';

/**
 * Events of all subscriptions that are executed in one turn of the event loop: some ten
 * milliseconds of work. Fifty feeds that catch up with 500 events took two seconds in one.
 */
const turns = new TurnQueue(128);
/**
 * Events of one client that are executed at once: each may read, and five hundred subscriptions
 * that show a wallet would hold up everybody's reads with each order. The events wait in the log.
 */
const shares = new ClientShares(4);

/** Results of one subscription; `return()` frees the source at once. */
export type ResultIterator = AsyncIterableIterator<ExecutionResult, undefined>;

interface Terms {
  readonly clientId: number;
  readonly toll: EventToll | null;
  readonly clock: Pick<Clock, 'sleep'>;
}

/**
 * graphql-js's `subscribe`, save that each event is executed in a context of its own: with one
 * for all, the loaders would show what they read for the first event for ever. An event of which
 * something cannot be read at the moment waits until it can: its cursor stands behind it, so that
 * nobody would hear of it again.
 */
export async function subscribeFreshly(
  args: ExecutionArgs,
  freshContext: () => unknown,
  { clientId, toll, clock }: Terms,
): Promise<ResultIterator | ExecutionResult> {
  const source = await createSourceEventStream(args);
  if (!(Symbol.asyncIterator in source)) return source;
  const events = source[Symbol.asyncIterator]();
  const ended = new Ended();
  const executed = async (rootValue: unknown): Promise<ExecutionResult | null> => {
    while (!ended.isSo) {
      const value = await shares.read(clientId, async () => {
        // Behind the wait: those that waited for the same read would be one turn otherwise.
        await turns.pass();
        return ended.isSo ? null : execute({ ...args, rootValue, contextValue: freshContext() });
      }, { isPatient: true });
      if (value === null) break;
      const waitMs = passesInMs(value.errors?.find((error) => passesInMs(error) !== null));
      if (waitMs === null) return value;
      await clock.sleep(waitMs, ended.signal);
    }
    return null;
  };
  // Written out: an async generator's return() would wait for the event that it hangs on.
  const results: ResultIterator = {
    [Symbol.asyncIterator]: () => results,
    async next() {
      const event = await nextOf(events);
      if (event.done === true) return { done: true, value: undefined };
      if (toll !== null && hasNode(event.value)) await pay(toll, { events, signal: ended.signal });
      const value = await executed(event.value);
      return value === null ? { done: true, value: undefined } : { done: false, value };
    },
    async return() {
      ended.set();
      await events.return?.();
      return { done: true, value: undefined };
    },
  };
  return results;
}

/** Whether a subscription has ended. A signal takes some memory: few subscriptions need one. */
class Ended {
  #isSo = false;
  #controller: AbortController | null = null;

  get isSo(): boolean {
    return this.#isSo;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isSo) this.#controller.abort();
    return this.#controller.signal;
  }

  set(): void {
    this.#isSo = true;
    this.#controller?.abort();
  }
}

/** An edge without a node only moves the cursor, and is free. */
function hasNode(edge: unknown): boolean {
  return (edge as { readonly node?: unknown } | null)?.node !== null;
}

/** A fault ends the subscription, and its source with it: whoever reads on would not end that. */
async function pay(
  toll: EventToll,
  { events, signal }: {
    readonly events: AsyncIterator<unknown>; readonly signal: AbortSignal;
  },
): Promise<void> {
  try {
    await toll(signal);
  } catch (error) {
    await events.return?.();
    throw carried(error);
  }
}

async function nextOf(events: AsyncIterator<unknown>): Promise<IteratorResult<unknown>> {
  try {
    return await events.next();
  } catch (error) {
    throw carried(error);
  }
}
