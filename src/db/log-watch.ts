import { isConnectionLost, isKnownNotCommitted } from './faults.ts';

/** Events one slow subscriber may have waiting before it is sent back to the log. */
const BUFFER_MAX = 64;
/** Events of one read of the log. */
const PAGE_SIZE = 500;
/** While the database is away it is asked again this often; milliseconds. */
const RETRY_PAUSE_MS = 200;

/** The part of the log that one subscriber follows, and where it stands in it. */
export interface WatchedLog<Event> {
  /** Resolves once everything that is committed from now on is pushed. */
  readonly register: (watch: LogWatch<Event>) => Promise<void>;
  readonly unregister: (watch: LogWatch<Event>) => void;
  /** Up to `limit` events behind the position, oldest first. */
  readonly read: (limit: number) => Promise<readonly Event[]>;
  /** Moves the position onto the event; false where it stands there or further already. */
  readonly advance: (event: Event) => boolean;
  /** Whether nothing follows this event ('LAST'), or it follows the end itself ('BEYOND'). */
  readonly endAt?: (event: Event) => 'LAST' | 'BEYOND' | null;
}

/**
 * One subscriber's events, each once and in order: from the log until it has caught up, then as
 * they are pushed. A reader that is too slow loses its buffer, not its events: they are logged.
 * An explicit iterator: `return()` wakes whoever waits in `next()` and frees all at once.
 */
export class LogWatch<Event> implements AsyncIterableIterator<Event> {
  readonly #log: WatchedLog<Event>;
  /** Read from the log; it comes before whatever is live. */
  #page: Event[] = [];
  #live: Event[] = [];
  #isStarted = false;
  #mustRead = true;
  #wake: (() => void) | null = null;
  #fault: Error | null = null;
  isOver = false;

  constructor(log: WatchedLog<Event>) {
    this.#log = log;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** A live event. Before a read of the log it is not kept: that read will bring it. */
  push(event: Event): void {
    if (this.#mustRead || this.isOver) return;
    if (this.#live.length >= BUFFER_MAX) {
      this.#live = [];
      this.#mustRead = true;
    } else {
      this.#live.push(event);
    }
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<Event, undefined>> {
    if (!this.#isStarted) await this.#start();
    while (!this.isOver) {
      const event = this.#take();
      if (event !== undefined) {
        const end = this.#log.endAt?.(event) ?? null;
        if (end !== null) this.end();
        if (end !== 'BEYOND') return { done: false, value: event };
      } else if (this.#mustRead) {
        await this.#read();
      } else {
        await this.#sleep();
      }
    }
    const fault = this.#fault;
    this.#fault = null;
    if (fault !== null) throw fault;
    return { done: true, value: undefined };
  }

  return(): Promise<IteratorResult<Event, undefined>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Ends the watch with an error for whoever reads it. */
  fail(fault: Error): void {
    if (this.isOver) return;
    this.#fault = fault;
    this.end();
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#page = [];
    this.#live = [];
    this.#log.unregister(this);
    this.#wake?.();
  }

  async #start(): Promise<void> {
    this.#isStarted = true;
    await this.#ask(() => this.#log.register(this));
  }

  /** The next event that is new; what is live stands behind everything that is to be read. */
  #take(): Event | undefined {
    const source = this.#page.length > 0 || this.#mustRead ? this.#page : this.#live;
    for (let event = source.shift(); event !== undefined; event = source.shift()) {
      if (this.#log.advance(event)) return event;
    }
    return source === this.#page && !this.#mustRead ? this.#take() : undefined;
  }

  async #read(): Promise<void> {
    const page = await this.#ask(() => {
      // From now on pushes are kept: this read may have begun before they were committed.
      this.#mustRead = false;
      this.#live = [];
      return this.#log.read(PAGE_SIZE);
    });
    if (page === null) return;
    this.#page = [...page];
    if (page.length >= PAGE_SIZE) this.#mustRead = true;
  }

  /** Asks until the database answers: a watch outlives its restart. Null once the watch is over. */
  async #ask<Result>(question: () => Promise<Result>): Promise<Result | null> {
    while (!this.isOver) {
      try {
        return await question();
      } catch (error) {
        if (!isConnectionLost(error) && !isKnownNotCommitted(error)) {
          this.end();
          throw error;
        }
        await this.#sleep(RETRY_PAUSE_MS);
      }
    }
    return null;
  }

  /** Until something is pushed, the watch is over, or the time is. */
  async #sleep(ms?: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
    this.#wake = null;
  }
}
