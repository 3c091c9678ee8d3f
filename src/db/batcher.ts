import { TemporarilyUnavailable } from '../domain/rejection.ts';
import { isConnectionLost } from './pool.ts';

/** Memory is bounded by this, whatever an item is expected to wait. */
const WAITING_MAX = 4096;
/** Whoever would wait longer for calls before its own hears so at once instead; milliseconds. */
const WAIT_MS_MAX = 400;
const RETRY_AFTER_MS = 1000;
/** How much a new call's duration counts against those before it. */
const NEWEST_WEIGHT = 0.2;

export interface BatcherOptions<Item, Result> {
  /** Most items of one call. */
  readonly sizeMax: number;
  /** Carries all items in one transaction; answers in their order. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  /**
   * Items of one lane go into calls in the order in which they came; lanes take turns, so that the
   * flood of one keeps no other waiting for longer than a call. One lane for all by default.
   */
  readonly laneOf?: (item: Item) => number;
  /**
   * From so many waiting items on, a second call goes beside the one under way: one of them keeps
   * the database busy while this process answers those of the other. One call at a time by default.
   */
  readonly secondCallFrom?: number;
  /** Whether an item is refused where its turn would come too late; all are by default. */
  readonly isRefusable?: (item: Item) => boolean;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Items that arrive together are done together: while one call is under way, the next ones wait
 * and then go as one. An item alone goes at once, with whatever else the same turn of the event
 * loop brings; no timer is involved.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  readonly #lanes = new Map<number, Waiting<Item, Result>[]>();
  #waitingCount = 0;
  #callCount = 0;
  #underWayCount = 0;
  #isStarting = false;
  /** How long a call takes, decaying mean; milliseconds. */
  #callMs = 0;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  /** Items whose call has not begun. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Items that have no answer yet. */
  get openCount(): number {
    return this.#waitingCount + this.#underWayCount;
  }

  /** @throws TemporarilyUnavailable where its turn would come too late; nothing was done */
  add(item: Item): Promise<Result> {
    const lane = this.#options.laneOf?.(item) ?? 0;
    if (this.#isTooLate(lane) && this.#options.isRefusable?.(item) !== false) {
      throw new TemporarilyUnavailable('Too many requests at once, please retry', RETRY_AFTER_MS);
    }
    return new Promise((resolve, reject) => {
      const queue = this.#lanes.get(lane) ?? [];
      if (queue.length === 0) this.#lanes.set(lane, queue);
      queue.push({ item, resolve, reject });
      this.#waitingCount += 1;
      this.#startSoon();
    });
  }

  #isTooLate(lane: number): boolean {
    return this.#waitingCount >= WAITING_MAX || this.#expectedWaitMs(lane) > WAIT_MS_MAX;
  }

  #expectedWaitMs(lane: number): number {
    const callsAhead = Math.floor(this.#countAhead(lane) / this.#options.sizeMax);
    // Of the next call nobody is refused, however slow the database is.
    if (callsAhead === 0) return 0;
    return (callsAhead + this.#callCount) * this.#callMs / Math.max(1, this.#callCount);
  }

  /** Who comes before a new item of this lane: its own, and of every other one more than these. */
  #countAhead(lane: number): number {
    const own = this.#lanes.get(lane)?.length ?? 0;
    const laneCount = this.#lanes.size + (own === 0 ? 1 : 0);
    return Math.min(this.#waitingCount, (own + 1) * laneCount - 1);
  }

  #startSoon(): void {
    if (this.#isStarting || !this.#mayStart()) return;
    this.#isStarting = true;
    setImmediate(() => {
      this.#isStarting = false;
      this.#start();
    });
  }

  #mayStart(): boolean {
    if (this.#callCount === 0) return this.#waitingCount > 0;
    const { secondCallFrom } = this.#options;
    return secondCallFrom !== undefined && this.#callCount === 1
      && this.#waitingCount >= secondCallFrom;
  }

  #start(): void {
    while (this.#mayStart()) void this.#call(this.#take());
  }

  async #call(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    this.#callCount += 1;
    this.#underWayCount += batch.length;
    const startedMs = performance.now();
    await this.#runTogether(batch);
    this.#callMs += (performance.now() - startedMs - this.#callMs) * NEWEST_WEIGHT;
    this.#callCount -= 1;
    this.#underWayCount -= batch.length;
    this.#start();
  }

  /** The next batch: one of each lane in turn, going on where the last batch ended. */
  #take(): readonly Waiting<Item, Result>[] {
    const batch: Waiting<Item, Result>[] = [];
    for (const [lane, queue] of this.#lanes) {
      const next = queue.shift();
      if (next !== undefined) batch.push(next);
      // A Map keeps the order of insertion, and this loop meets again what is put at its end.
      this.#lanes.delete(lane);
      if (queue.length > 0) this.#lanes.set(lane, queue);
      if (batch.length === this.#options.sizeMax) break;
    }
    this.#waitingCount -= batch.length;
    return batch;
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
