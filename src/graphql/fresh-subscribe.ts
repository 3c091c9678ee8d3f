import {
  createSourceEventStream, execute, type ExecutionArgs, type ExecutionResult,
} from 'graphql';
import { carried } from './errors.ts';
import type { EventToll } from './event-toll.ts';
import { TurnQueue } from './turn-queue.ts';

/**
 * Events of all subscriptions that are executed in one turn of the event loop: some ten
 * milliseconds of work. Fifty feeds that catch up with 500 events took two seconds in one.
 */
const turns = new TurnQueue(128);

/** Results of one subscription; `return()` frees the source at once. */
export type ResultIterator = AsyncIterableIterator<ExecutionResult, undefined>;

/**
 * graphql-js's `subscribe`, save that each event is executed in a context of its own: with one
 * for all, the loaders would show what they read for the first event for ever.
 */
export async function subscribeFreshly(
  args: ExecutionArgs,
  freshContext: () => unknown,
  toll: EventToll | null,
): Promise<ResultIterator | ExecutionResult> {
  const source = await createSourceEventStream(args);
  if (!(Symbol.asyncIterator in source)) return source;
  const events = source[Symbol.asyncIterator]();
  const ended = toll === null ? null : new AbortController();
  // Written out: an async generator's return() would wait for the event that it hangs on.
  const results: ResultIterator = {
    [Symbol.asyncIterator]: () => results,
    async next() {
      const event = await nextOf(events);
      if (event.done === true) return { done: true, value: undefined };
      if (toll !== null && ended !== null && hasNode(event.value)) {
        await pay(toll, { events, signal: ended.signal });
        if (ended.signal.aborted) return { done: true, value: undefined };
      }
      await turns.pass();
      const contextValue = freshContext();
      const value = await execute({ ...args, rootValue: event.value, contextValue });
      return { done: false, value };
    },
    async return() {
      ended?.abort();
      await events.return?.();
      return { done: true, value: undefined };
    },
  };
  return results;
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
