import { isAway, isLockTimeout } from './faults.ts';

/** Calls for lanes apart at a time: each may wait for a lock, and holds a connection meanwhile. */
const CALLS_MAX = 4;
/** How long an item is tried for again before its caller hears of the lock; milliseconds. */
const LOCKED_MS_MAX = 5000;

export interface Waiting<Item, Result> {
  readonly item: Item;
  readonly sinceMs: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface ApartLanesOptions<Item, Result> {
  /** Most items of one call, and most that wait in a lane. */
  readonly sizeMax: number;
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Takes a lane back whose call went well, with what has come meanwhile. */
  readonly onFree: (lane: number, waiting: readonly Waiting<Item, Result>[]) => void;
}

/**
 * Lanes whose items failed a call that they shared. Each is called alone until a call of its goes
 * well: whoever waits for a lock that somebody keeps, or brings a fault, waits and fails for
 * itself.
 */
export class ApartLanes<Item, Result> {
  readonly #options: ApartLanesOptions<Item, Result>;
  /** In the order in which they are called; an empty one is kept while its lock may be. */
  readonly #queues = new Map<number, Waiting<Item, Result>[]>();
  readonly #called = new Set<number>();

  constructor(options: ApartLanesOptions<Item, Result>) {
    this.#options = options;
  }

  get waitingCount(): number {
    return [...this.#queues.values()].flat().length;
  }

  has(lane: number): boolean {
    return this.#queues.has(lane);
  }

  isFull(lane: number): boolean {
    return (this.#queues.get(lane)?.length ?? 0) >= this.#options.sizeMax;
  }

  add(lane: number, items: readonly Waiting<Item, Result>[]): void {
    this.#queues.set(lane, [...this.#queues.get(lane) ?? [], ...items]);
    this.#start();
  }

  #start(): void {
    for (const [lane, queue] of this.#queues) {
      if (this.#called.size === CALLS_MAX) return;
      if (queue.length > 0 && !this.#called.has(lane)) void this.#call(lane, queue);
    }
  }

  async #call(lane: number, queue: Waiting<Item, Result>[]): Promise<void> {
    this.#called.add(lane);
    const locked = await this.#run(queue.splice(0, this.#options.sizeMax));
    this.#called.delete(lane);
    const rest = this.#queues.get(lane) ?? [];
    this.#queues.delete(lane);
    // At the end: the next lane has its turn.
    if (locked !== null) this.#queues.set(lane, [...locked, ...rest]);
    else this.#options.onFree(lane, rest);
    this.#start();
  }

  /** What is to be tried again, where a lock was in the way; null where it was not. */
  async #run(
    batch: readonly Waiting<Item, Result>[],
  ): Promise<readonly Waiting<Item, Result>[] | null> {
    try {
      answer(batch, await this.#options.run(batch.map((each) => each.item)));
      return null;
    } catch (error) {
      if (isLockTimeout(error)) return stillPatient(batch, error);
      if (batch.length === 1 || isAway(error)) {
        for (const each of batch) each.reject(error);
        return null;
      }
      // One faulty item must not touch its neighbours: each goes again on its own.
      const locked: Waiting<Item, Result>[] = [];
      for (const each of batch) locked.push(...await this.#run([each]) ?? []);
      return locked.length === 0 ? null : locked;
    }
  }
}

/** Gives each item its result. */
export function answer<Item, Result>(
  batch: readonly Waiting<Item, Result>[],
  results: readonly Result[],
): void {
  batch.forEach((each, index) => {
    const result = results[index];
    if (result === undefined) each.reject(new Error('A batched call left out a result'));
    else each.resolve(result);
  });
}

function stillPatient<Item, Result>(
  batch: readonly Waiting<Item, Result>[],
  error: unknown,
): readonly Waiting<Item, Result>[] {
  const nowMs = performance.now();
  const isPatient = ({ sinceMs }: Waiting<Item, Result>): boolean =>
    nowMs - sinceMs < LOCKED_MS_MAX;
  for (const each of batch) if (!isPatient(each)) each.reject(error);
  return batch.filter(isPatient);
}
