/** Requests that begin in one turn of the event loop: some five milliseconds of work. */
const STARTS_PER_TURN = 32;
/** A turn within which nothing has begun for this long begins as many again; milliseconds. */
const LATE_MS = 50;
/** Whoever would wait longer before its request begins is refused at once; milliseconds. */
const WAIT_MS_MAX = 200;
/** Memory is bounded by these, whatever the expected wait: what a lane shares in, and all. */
const SHARED_MAX = 4096;
const WAITING_MAX = 2 * SHARED_MAX;
/** How much a new turn's duration counts against those before it. */
const NEWEST_WEIGHT = 0.2;

/** Whose a request is. */
export type Lane = number | string;
type Start = () => void;

/**
 * Requests that may run and have not begun. A process that begins all it reads reads the next ones
 * late: under three times its load everybody would wait for seconds, those who are refused in the
 * end as well. So a few begin in each turn of the event loop, at once as long as there are few, and
 * the others stand here, before anything was done for them. Lanes take turns. A turn that is spent
 * on refusals does not keep them waiting: of those who stand here some begin every LATE_MS.
 */
export class RunQueue {
  readonly #cutPolling: () => void;
  readonly #lanes = new Map<Lane, Start[]>();
  #waitingCount = 0;
  #startedCount = 0;
  #isTurnAwaited = false;
  /** When the last one began, or the turn that is awaited was asked for. */
  #begunAtMs = 0;
  #isPollingCut = false;
  /** How long a turn takes in which as many begin as may, decaying mean; milliseconds. */
  #turnMs = 0;
  /** When the last turn began, where it was such a one. */
  #fullTurnAtMs: number | null = null;

  /** @param cutPolling lets a turn of the loop end that lasts; called once in each */
  constructor(cutPolling: () => void = () => undefined) {
    this.#cutPolling = cutPolling;
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  /**
   * Calls `start` now or in one of the next turns, those of one lane in the order of the calls.
   * @param laneOf asked only where there is a queue; the flood of one lane refuses itself alone
   * @returns false where its turn would come too late: it is not called
   */
  add(laneOf: () => Lane, start: Start): boolean {
    if (!this.#isTurnAwaited) this.#awaitTurn();
    else if (performance.now() - this.#begunAtMs > LATE_MS) this.#beginWithin();
    if (this.#waitingCount === 0 && this.#startedCount < STARTS_PER_TURN) {
      this.#startedCount += 1;
      start();
      this.#begunAtMs = performance.now();
      return true;
    }
    const lane = laneOf();
    const queue = this.#lanes.get(lane) ?? [];
    if (!this.#hasRoom(queue.length)) return false;
    if (queue.length === 0) this.#lanes.set(lane, queue);
    queue.push(start);
    this.#waitingCount += 1;
    return true;
  }

  /** Before a new one come its own, and of every other lane one more than these. */
  #hasRoom(own: number): boolean {
    const laneCount = this.#lanes.size + (own === 0 ? 1 : 0);
    const ahead = Math.min(this.#waitingCount, (own + 1) * laneCount - 1);
    return ahead < SHARED_MAX && this.#waitingCount < WAITING_MAX
      && Math.floor(ahead / STARTS_PER_TURN) * this.#turnMs <= WAIT_MS_MAX;
  }

  #awaitTurn(): void {
    this.#isTurnAwaited = true;
    this.#begunAtMs = performance.now();
    setImmediate(() => {
      this.#isTurnAwaited = false;
      this.#isPollingCut = false;
      this.#begin();
    });
  }

  #beginWithin(): void {
    this.#begin();
    if (this.#isPollingCut) return;
    this.#isPollingCut = true;
    this.#cutPolling();
  }

  #begin(): void {
    this.#measure();
    this.#startedCount = 0;
    if (this.#waitingCount > 0 && !this.#isTurnAwaited) this.#awaitTurn();
    // A Map keeps the order of insertion, and this loop meets again what is put at its end.
    for (const [lane, queue] of this.#lanes) {
      const start = queue.shift();
      this.#lanes.delete(lane);
      if (queue.length > 0) this.#lanes.set(lane, queue);
      this.#startedCount += 1;
      this.#waitingCount -= 1;
      start?.();
      if (this.#startedCount === STARTS_PER_TURN) break;
    }
    this.#begunAtMs = performance.now();
  }

  /** From the beginning of one full turn to that of the next. */
  #measure(): void {
    const nowMs = performance.now();
    if (this.#fullTurnAtMs !== null) {
      // A long pause of the whole process is one pause, and not how long turns take.
      const tookMs = Math.min(nowMs - this.#fullTurnAtMs, WAIT_MS_MAX);
      this.#turnMs += (tookMs - this.#turnMs) * NEWEST_WEIGHT;
    }
    this.#fullTurnAtMs = this.#waitingCount >= STARTS_PER_TURN ? nowMs : null;
  }
}
