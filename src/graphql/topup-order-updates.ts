import type { TopupOrderEvent } from '../domain/topup-order.ts';
import type { ShownEventEdge } from './topup-order-event.types.ts';

/** Where the edges of one subscription come from. */
export interface EdgeSource {
  /** The edge before all others, or null. */
  readonly first: ShownEventEdge | null;
  /** Opens the live events; null where nothing can follow any more. */
  readonly watch: (() => AsyncIterableIterator<TopupOrderEvent>) | null;
  readonly edgeOf: (event: TopupOrderEvent) => ShownEventEdge;
}

type Result = IteratorResult<ShownEventEdge, undefined>;

/**
 * The edges of one order. Written out instead of an async generator, whose `return()` would wait
 * for the event that it hangs on: here it wakes whoever waits and frees the feed at once.
 */
export class TopupOrderUpdates implements AsyncIterableIterator<ShownEventEdge> {
  readonly #source: EdgeSource;
  #first: ShownEventEdge | null;
  #events: AsyncIterableIterator<TopupOrderEvent> | null = null;
  #hasEnded = false;
  readonly #waiters = new Set<() => void>();

  constructor(source: EdgeSource) {
    this.#source = source;
    this.#first = source.first;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Result> {
    const { watch } = this.#source;
    if (this.#hasEnded) return done();
    if (this.#first !== null) {
      const value = this.#first;
      this.#first = null;
      return { done: false, value };
    }
    if (watch === null) return this.return();
    this.#events ??= watch();
    return this.#nextOf(this.#events);
  }

  async return(): Promise<Result> {
    this.#hasEnded = true;
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
    const events = this.#events;
    this.#events = null;
    await events?.return?.();
    return done();
  }

  async throw(error: unknown): Promise<Result> {
    await this.return();
    throw error;
  }

  /** The next event, or the end, whichever comes first; nothing is left waiting for the other. */
  async #nextOf(events: AsyncIterableIterator<TopupOrderEvent>): Promise<Result> {
    const { promise: ended, resolve: wake } = Promise.withResolvers<null>();
    const waiter = (): void => wake(null);
    this.#waiters.add(waiter);
    try {
      const result = await Promise.race([events.next(), ended]);
      if (result === null || this.#hasEnded) return done();
      if (result.done === true) return await this.return();
      return { done: false, value: this.#source.edgeOf(result.value) };
    } catch (error) {
      return await this.throw(error);
    } finally {
      this.#waiters.delete(waiter);
    }
  }
}

function done(): Result {
  return { done: true, value: undefined };
}
