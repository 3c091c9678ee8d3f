import { TemporarilyUnavailable } from '../domain/rejection.ts';
import { isConnectionLost } from './pool.ts';

/** Beyond this many waiting items the process is behind; it says so rather than queue up. */
const WAITING_MAX = 4096;
const RETRY_AFTER_MS = 1000;

export interface BatcherOptions<Item, Result> {
  /** Most items of one call. */
  readonly sizeMax: number;
  /** Carries all items in one transaction; answers in their order. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Items that arrive together are done together: while one call is under way, the next ones wait
 * and then go as one. An item alone goes at once; no timer is involved.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  readonly #waiting: Waiting<Item, Result>[] = [];
  #isRunning = false;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  /** @throws TemporarilyUnavailable where too many wait already; nothing was done */
  add(item: Item): Promise<Result> {
    if (this.#waiting.length >= WAITING_MAX) {
      throw new TemporarilyUnavailable('Too many orders at once, please retry', RETRY_AFTER_MS);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#isRunning) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      await this.#runTogether(this.#waiting.splice(0, this.#options.sizeMax));
    }
    this.#isRunning = false;
  }

  async #runTogether(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map((each) => each.item));
      batch.forEach((each, index) => {
        const result = results[index];
        if (result === undefined) each.reject(new Error('A batched call left out a result'));
        else each.resolve(result);
      });
    } catch (error) {
      // Without a database each item would fail alone as well, one long wait after the other.
      const isFatal = batch.length === 1 || isConnectionLost(error);
      if (isFatal) for (const each of batch) each.reject(error);
      // One faulty item must not touch its neighbours: each goes again on its own.
      else for (const each of batch) await this.#runTogether([each]);
    }
  }
}
