import { tooBusy } from '../domain/rejection.ts';
import { answer, ApartLanes, type Waiting } from './apart-lanes.ts';
import { isAway, isLockTimeout } from './faults.ts';

/** Memory is bounded by this, whatever an item is expected to wait. */
const WAITING_MAX = 4096;
/** Whoever would wait longer for calls before its own hears so at once instead; milliseconds. */
const WAIT_MS_MAX = 400;
/** Behind calls that hang, whoever waited for this is not begun any more; milliseconds. */
const LATE_MS = 4000;
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

/**
 * Items that arrive together are done together: while one call is under way, the next ones wait
 * and then go as one. An item alone goes at once, with whatever else the same turn of the event
 * loop brings; no timer is involved. A call that fails is made again for each lane apart.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  readonly #lanes = new Map<number, Waiting<Item, Result>[]>();
  readonly #apart: ApartLanes<Item, Result>;
  #openCount = 0;
  /** In the lanes that go together. */
  #waitingCount = 0;
  #callCount = 0;
  #isStarting = false;
  /** How long a call takes, decaying mean; milliseconds. */
  #callMs = 0;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
    const { sizeMax, run } = options;
    const onFree = this.#takeBack.bind(this);
    this.#apart = new ApartLanes({ sizeMax, run, onFree });
  }

  /** Items whose call has not begun. */
  get waitingCount(): number {
    return this.#waitingCount + this.#apart.waitingCount;
  }

  /** Items that have no answer yet. */
  get openCount(): number {
    return this.#openCount;
  }

  /** @throws TemporarilyUnavailable where its turn would come too late; nothing was done */
  add(item: Item): Promise<Result> {
    const lane = this.#laneOf(item);
    if (this.#isTooLate(lane) && this.#options.isRefusable?.(item) !== false) {
      throw tooBusy();
    }
    this.#openCount += 1;
    return new Promise<Result>((resolve, reject) => {
      const waiting = { item, sinceMs: performance.now(), resolve, reject };
      if (this.#apart.has(lane)) this.#apart.add(lane, [waiting]);
      else this.#wait(lane, [waiting]);
    }).finally(() => { this.#openCount -= 1; });
  }

  #laneOf(item: Item): number {
    return this.#options.laneOf?.(item) ?? 0;
  }

  #wait(lane: number, items: readonly Waiting<Item, Result>[]): void {
    const queue = this.#lanes.get(lane) ?? [];
    if (queue.length === 0) this.#lanes.set(lane, queue);
    queue.push(...items);
    this.#waitingCount += items.length;
    this.#startSoon();
  }

  #takeBack(lane: number, items: readonly Waiting<Item, Result>[]): void {
    if (items.length > 0) this.#wait(lane, items);
  }

  #isTooLate(lane: number): boolean {
    if (this.#apart.has(lane)) return this.#apart.isFull(lane);
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
    while (this.#mayStart()) {
      const batch = this.#take();
      if (batch.length > 0) void this.#call(batch);
    }
  }

  async #call(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    this.#callCount += 1;
    const startedMs = performance.now();
    await this.#runTogether(batch);
    this.#callMs += (performance.now() - startedMs - this.#callMs) * NEWEST_WEIGHT;
    this.#callCount -= 1;
    this.#start();
  }

  /** The next batch: one of each lane in turn, going on where the last batch ended. */
  #take(): readonly Waiting<Item, Result>[] {
    const batch: Waiting<Item, Result>[] = [];
    for (const [lane, queue] of this.#lanes) {
      const next = this.#nextOf(queue);
      if (next !== undefined) batch.push(next);
      // A Map keeps the order of insertion, and this loop meets again what is put at its end.
      this.#lanes.delete(lane);
      if (queue.length > 0) this.#lanes.set(lane, queue);
      if (batch.length === this.#options.sizeMax) break;
    }
    this.#waitingCount -= batch.length;
    return batch;
  }

  /** The first one that is not too late. */
  #nextOf(queue: Waiting<Item, Result>[]): Waiting<Item, Result> | undefined {
    const beganMs = performance.now() - LATE_MS;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (next.sinceMs > beganMs || this.#options.isRefusable?.(next.item) === false) return next;
      this.#waitingCount -= 1;
      next.reject(tooBusy());
    }
    return undefined;
  }

  async #runTogether(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      answer(batch, await this.#options.run(batch.map((each) => each.item)));
    } catch (error) {
      // Without a database each item would fail alone as well, one long wait after the other.
      const isFatal = isAway(error) || (batch.length === 1 && !isLockTimeout(error));
      if (isFatal) for (const each of batch) each.reject(error);
      else this.#part(batch);
    }
  }

  /** Whoever waits in these lanes goes with them, behind what has failed. */
  #part(batch: readonly Waiting<Item, Result>[]): void {
    for (const [lane, items] of Map.groupBy(batch, ({ item }) => this.#laneOf(item))) {
      const waiting = this.#lanes.get(lane) ?? [];
      this.#lanes.delete(lane);
      this.#waitingCount -= waiting.length;
      this.#apart.add(lane, [...items, ...waiting]);
    }
  }
}
