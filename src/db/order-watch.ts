import type { TopupOrderEvent } from '../domain/topup-order.ts';

/** Events one slow subscriber may have waiting before it is sent back to the log. */
const BUFFER_MAX = 64;
/** Events of one read of the log. */
const PAGE_SIZE = 500;

const ENDS: ReadonlySet<TopupOrderEvent['type']> = new Set(['DELIVERED', 'FAILED', 'CANCELLED']);

interface WatchOptions {
  readonly afterVersion: number;
  readonly register: (watch: OrderWatch) => Promise<void>;
  readonly unregister: (watch: OrderWatch) => void;
  readonly readLog: (afterVersion: number, limit: number) => Promise<readonly TopupOrderEvent[]>;
  readonly hasEnded: (version: number) => Promise<boolean>;
}

/** An explicit iterator: `return()` wakes whoever waits in `next()` and frees all at once. */
export class OrderWatch implements AsyncIterableIterator<TopupOrderEvent> {
  readonly #options: WatchOptions;
  #buffer: TopupOrderEvent[] = [];
  #version: number;
  #isStarted = false;
  #mustReadLog = true;
  #wake: (() => void) | null = null;
  isOver = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#version = options.afterVersion;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** A live event. A reader that is too slow loses its buffer, not its events: they are logged. */
  push(event: TopupOrderEvent): void {
    if (this.#buffer.length >= BUFFER_MAX) {
      this.#buffer = [];
      this.#mustReadLog = true;
    } else {
      this.#buffer.push(event);
    }
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<TopupOrderEvent, undefined>> {
    if (!this.#isStarted) await this.#start();
    while (!this.isOver) {
      const event = this.#take();
      if (event !== null) {
        this.#version = event.version;
        if (ENDS.has(event.type)) this.end();
        return { done: false, value: event };
      }
      if (this.#mustReadLog) await this.#readLog();
      else await new Promise<void>((resolve) => { this.#wake = resolve; });
      this.#wake = null;
    }
    return { done: true, value: undefined };
  }

  return(): Promise<IteratorResult<TopupOrderEvent, undefined>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#buffer = [];
    this.#options.unregister(this);
    this.#wake?.();
  }

  async #start(): Promise<void> {
    this.#isStarted = true;
    await this.#options.register(this);
    if (!this.isOver && await this.#options.hasEnded(this.#version)) this.end();
  }

  /** The next event by version; repeats between log and live are dropped, a gap asks the log. */
  #take(): TopupOrderEvent | null {
    for (let event = this.#buffer.shift(); event !== undefined; event = this.#buffer.shift()) {
      if (event.version === this.#version + 1) return event;
      if (event.version > this.#version) {
        this.#buffer = [];
        this.#mustReadLog = true;
        return null;
      }
    }
    return null;
  }

  async #readLog(): Promise<void> {
    this.#mustReadLog = false;
    const events = await this.#options.readLog(this.#version, PAGE_SIZE);
    if (events.length >= PAGE_SIZE) this.#mustReadLog = true;
    this.#buffer.unshift(...events);
  }
}
