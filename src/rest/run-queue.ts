/** Requests that begin in one turn of the event loop: some five milliseconds of work. */
const STARTS_PER_TURN = 32;
/** Whoever would wait longer before its request begins is refused at once; milliseconds. */
const WAIT_MS_MAX = 200;
/** Memory is bounded by this, whatever a request is expected to wait. */
const WAITING_MAX = 4096;
/** How much a new turn's duration counts against those before it. */
const NEWEST_WEIGHT = 0.2;

interface Waiting {
  readonly lane: number;
  readonly start: () => void;
}

/**
 * Requests that may run and have not begun. A process that begins all it reads reads the next ones
 * late: under three times its load everybody would wait for seconds, those who are refused in the
 * end as well. So a few begin in each turn of the event loop, at once as long as there are few, and
 * the others stand here, before anything was done for them.
 */
export class RunQueue {
  #waiting: Waiting[] = [];
  /** Of `#waiting`: those before it have begun. */
  #nextAt = 0;
  /** How many of each lane wait. */
  readonly #lanes = new Map<number, number>();
  #startedCount = 0;
  #isTurnAwaited = false;
  /** How long a turn takes while some wait, decaying mean; milliseconds. */
  #turnMs = 0;
  #lastTurnMs: number | null = null;

  get waitingCount(): number {
    return this.#waiting.length - this.#nextAt;
  }

  /**
   * Calls `start` now or in one of the next turns, in the order of the calls.
   * @param laneOf asked only where there is a queue; the flood of one lane refuses itself alone
   * @returns false where its turn would come too late: it is not called
   */
  add(laneOf: () => number, start: () => void): boolean {
    this.#awaitTurn();
    if (this.waitingCount === 0 && this.#startedCount < STARTS_PER_TURN) {
      this.#startedCount += 1;
      start();
      return true;
    }
    const lane = laneOf();
    const own = this.#lanes.get(lane) ?? 0;
    if (this.waitingCount >= WAITING_MAX || this.#expectedWaitMs(own) > WAIT_MS_MAX) return false;
    this.#lanes.set(lane, own + 1);
    this.#waiting.push({ lane, start });
    return true;
  }

  /** As if lanes took turns: one that has few waiting is not refused for those that have many. */
  #expectedWaitMs(own: number): number {
    const laneCount = this.#lanes.size + (own === 0 ? 1 : 0);
    const ahead = Math.min(this.waitingCount, (own + 1) * laneCount - 1);
    return Math.floor(ahead / STARTS_PER_TURN) * this.#turnMs;
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnAwaited = false;
    this.#startedCount = 0;
    this.#measure();
    if (this.waitingCount === 0) return;
    this.#awaitTurn();
    for (; this.#startedCount < STARTS_PER_TURN && this.waitingCount > 0; this.#startedCount += 1) {
      this.#take().start();
    }
  }

  #measure(): void {
    const nowMs = performance.now();
    const lastMs = this.#lastTurnMs;
    this.#lastTurnMs = this.waitingCount === 0 ? null : nowMs;
    if (lastMs !== null) this.#turnMs += (nowMs - lastMs - this.#turnMs) * NEWEST_WEIGHT;
  }

  #take(): Waiting {
    const taken = this.#waiting[this.#nextAt];
    if (taken === undefined) throw new Error('Nothing waits');
    this.#nextAt += 1;
    // Moving what is left down costs its length: once for as many as have gone.
    if (this.#nextAt * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#nextAt);
      this.#nextAt = 0;
    }
    const left = (this.#lanes.get(taken.lane) ?? 1) - 1;
    if (left === 0) this.#lanes.delete(taken.lane);
    else this.#lanes.set(taken.lane, left);
    return taken;
  }
}
