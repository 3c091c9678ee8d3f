import type { Readable } from 'node:stream';
import type { Access, Caller } from '../domain/access.ts';
import { sleepUntil } from '../domain/deadline.ts';
import type { Clock } from '../domain/ports.ts';
import { HttpRefusal } from './errors.ts';

/** Between two comments on a stream on which nothing happens; milliseconds. */
const BEAT_MS = 12_000;
/** A reader that takes nothing is cut off this long after its stream has ended; milliseconds. */
const FINISH_MS_MAX = 1_000;

interface Stream extends Readable {
  beat(): void;
  finish(): void;
}

interface OpenStreamsOptions extends Pick<Access, 'isStillAdmitted' | 'onAccessChange'> {
  readonly clock: Clock;
  readonly streamsPerClient: number;
}

/** The streams that are open in this process: bounded a client, each as long as its token. */
export class OpenStreams {
  readonly #open = new Map<Stream, { readonly caller: Caller; readonly closed: AbortSignal }>();
  /** One for each stream that is open or being opened. */
  readonly #places = new Set<{ readonly clientId: number }>();
  readonly #options: OpenStreamsOptions;
  /** Null before the first stream: until then nobody's access matters here. */
  #stopListening: (() => void) | null = null;
  #isFinishing = false;

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
  }

  /**
   * Begins a stream and looks after it until it closes. Its place is taken before anything is
   * waited for: however many are begun at once, no more are open than the client may have.
   * @throws HttpRefusal 429 where it has as many already, and whatever `begin` throws
   */
  async open<Begun extends Stream>(caller: Caller, begin: () => Promise<Begun>): Promise<Begun> {
    const leave = this.#takePlace(caller.clientId);
    try {
      const stream = await begin();
      stream.once('close', leave);
      this.#lookAfter(stream, caller);
      return stream;
    } catch (error) {
      leave();
      throw error;
    }
  }

  #takePlace(clientId: number): () => void {
    const { streamsPerClient } = this.#options;
    const taken = [...this.#places].filter((each) => each.clientId === clientId);
    if (taken.length >= streamsPerClient) {
      throw new HttpRefusal(429, {
        message: `At most ${streamsPerClient} event streams at a time`,
        headers: { 'retry-after': '1' },
      });
    }
    const place = { clientId };
    this.#places.add(place);
    return () => this.#places.delete(place);
  }

  #lookAfter(stream: Stream, caller: Caller): void {
    this.#stopListening ??= this.#options.onAccessChange(() => this.#finishRevoked());
    const closing = new AbortController();
    this.#open.set(stream, { caller, closed: closing.signal });
    stream.once('close', () => {
      this.#open.delete(stream);
      closing.abort();
    });
    void this.#beat(stream, closing.signal);
    void this.#finishAtExpiry(stream, caller, closing.signal);
    // Either may have come while the stream was being opened.
    if (this.#isFinishing || !this.#options.isStillAdmitted(caller)) {
      void this.#finish(stream, closing.signal);
    }
  }

  /** Ends all streams; resolves when they are gone. */
  async finishAll(): Promise<void> {
    this.#isFinishing = true;
    this.#stopListening?.();
    await Promise.all([...this.#open].map(([stream, { closed }]) => this.#finish(stream, closed)));
  }

  #finishRevoked(): void {
    for (const [stream, { caller, closed }] of this.#open) {
      if (!this.#options.isStillAdmitted(caller)) void this.#finish(stream, closed);
    }
  }

  async #beat(stream: Stream, closed: AbortSignal): Promise<void> {
    while (!closed.aborted) {
      await this.#options.clock.sleep(BEAT_MS, closed);
      stream.beat();
    }
  }

  async #finishAtExpiry(stream: Stream, caller: Caller, closed: AbortSignal): Promise<void> {
    await sleepUntil(caller.expiresAtMs, this.#options.clock, closed);
    if (!closed.aborted) await this.#finish(stream, closed);
  }

  async #finish(stream: Stream, closed: AbortSignal): Promise<void> {
    stream.finish();
    await this.#options.clock.sleep(FINISH_MS_MAX, closed);
    stream.destroy();
  }
}
