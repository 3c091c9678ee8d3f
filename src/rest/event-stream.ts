import { Readable } from 'node:stream';

/** What one reader may have waiting here before its feed waits for it; bytes. */
const BUFFER_BYTES = 16_384;
/** A browser that lost its stream comes back after this; milliseconds. */
const RETRY_MS = 1_000;

/**
 * Server-Sent Events out of an iterator. The next event is taken only when there is room for it: a
 * reader that stalls stops its feed, which goes back to the log for what came meanwhile.
 */
export class EventStream<Event> extends Readable {
  readonly #events: AsyncIterableIterator<Event>;
  readonly #textOf: (event: Event) => string;
  readonly #faultOf: (error: unknown) => string;
  #isTaking = false;
  #isFinished = false;

  constructor(events: AsyncIterableIterator<Event>, write: {
    readonly textOf: (event: Event) => string;
    /** The last words of a stream whose feed failed. */
    readonly faultOf: (error: unknown) => string;
  }) {
    super({ highWaterMark: BUFFER_BYTES });
    this.#events = events;
    this.#textOf = write.textOf;
    this.#faultOf = write.faultOf;
    this.push(`retry: ${RETRY_MS}\n\n`);
  }

  /** A comment, so that both sides notice a connection that is gone; none where others wait. */
  beat(): void {
    if (!this.#isFinished && this.readableLength === 0) this.push(':\n\n');
  }

  /** Ends the stream behind what was written; its reader comes back with its last id. */
  finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.push(null);
    this.#free();
  }

  override _read(): void {
    if (!this.#isTaking) void this.#take();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#isFinished = true;
    this.#free();
    callback(error);
  }

  async #take(): Promise<void> {
    this.#isTaking = true;
    try {
      for (let hasRoom = true; hasRoom;) {
        const step = await this.#events.next();
        if (step.done === true) return this.finish();
        hasRoom = !this.#isFinished && this.push(this.#textOf(step.value));
      }
    } catch (error) {
      if (!this.#isFinished) this.push(this.#faultOf(error));
      this.finish();
    } finally {
      this.#isTaking = false;
    }
  }

  #free(): void {
    void this.#events.return?.();
  }
}
