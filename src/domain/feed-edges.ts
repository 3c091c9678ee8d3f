/** A thing that happened with the place from which a feed can go on behind it. */
export interface FeedEdge<Node> {
  readonly cursor: string;
  /** Null on an edge that only moves the cursor. */
  readonly node: Node | null;
}

/** Where the edges of one subscription come from. */
export interface EdgeSource<Event, Node> {
  /** The edges before all others. */
  readonly first: readonly FeedEdge<Node>[];
  /** Opens the live events; null where nothing can follow any more. */
  readonly watch: (() => AsyncIterableIterator<Event>) | null;
  /** Null where the event is passed over without a word. */
  readonly edgeOf: (event: Event) => FeedEdge<Node> | null;
}

type Result<Node> = IteratorResult<FeedEdge<Node>, undefined>;

/**
 * The edges of one subscription. Written out instead of an async generator, whose `return()` would
 * wait for the event that it hangs on: here it wakes whoever waits and frees the feed at once.
 */
export class FeedEdges<Event, Node> implements AsyncIterableIterator<FeedEdge<Node>> {
  readonly #source: EdgeSource<Event, Node>;
  readonly #first: FeedEdge<Node>[];
  #events: AsyncIterableIterator<Event> | null = null;
  #hasEnded = false;
  readonly #waiters = new Set<() => void>();

  constructor(source: EdgeSource<Event, Node>) {
    this.#source = source;
    this.#first = [...source.first];
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Result<Node>> {
    const { watch } = this.#source;
    if (this.#hasEnded) return done();
    const first = this.#first.shift();
    if (first !== undefined) return { done: false, value: first };
    if (watch === null) return this.return();
    this.#events ??= watch();
    return this.#nextOf(this.#events);
  }

  async return(): Promise<Result<Node>> {
    this.#hasEnded = true;
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
    const events = this.#events;
    this.#events = null;
    await events?.return?.();
    return done();
  }

  async throw(error: unknown): Promise<Result<Node>> {
    await this.return();
    throw error;
  }

  /** The next edge, or the end, whichever comes first; nothing is left waiting for the other. */
  async #nextOf(events: AsyncIterableIterator<Event>): Promise<Result<Node>> {
    const { promise: ended, resolve: wake } = Promise.withResolvers<null>();
    const waiter = (): void => wake(null);
    this.#waiters.add(waiter);
    try {
      for (;;) {
        const result = await Promise.race([events.next(), ended]);
        if (result === null || this.#hasEnded) return done();
        if (result.done === true) return await this.return();
        const value = this.#source.edgeOf(result.value);
        if (value !== null) return { done: false, value };
      }
    } catch (error) {
      return await this.throw(error);
    } finally {
      this.#waiters.delete(waiter);
    }
  }
}

function done(): { done: true; value: undefined } {
  return { done: true, value: undefined };
}
