import { tooBusy } from '../domain/rejection.ts';

/** What the beginnings of operations may take of one turn of the event loop; milliseconds. */
const TURN_MS = 4;

type Start = () => void;

/**
 * Begins the operations of a door a few in a turn of the event loop, those of each client in their
 * order, clients by turns. To parse and to check one takes up to twenty milliseconds, before its
 * client's limits can be asked; most take a fraction of one. A socket brings fifty in one packet,
 * and of the requests of HTTP dozens begin in a turn, whatever they ask for.
 */
export class OperationTurns {
  readonly #waiting = new Map<number, Start[]>();
  readonly #waitingMax: number;
  readonly #nowMs: () => number;
  #usedMs = 0;
  #isTurnAwaited = false;

  /** @param waitingMax of one client: those of sockets that are gone wait on until their turn */
  constructor(waitingMax: number, nowMs = (): number => performance.now()) {
    this.#waitingMax = waitingMax;
    this.#nowMs = nowMs;
  }

  /**
   * Calls `begin` now, as long as there are few, or in one of the next turns.
   * @throws TemporarilyUnavailable where too many of the client wait
   */
  run<Result>(clientId: number, begin: () => Promise<Result>): Promise<Result> {
    this.#awaitTurn();
    if (this.#waiting.size === 0 && this.#usedMs < TURN_MS) return this.#timed(begin);
    return new Promise((resolve, reject) => {
      const own = this.#waiting.get(clientId) ?? [];
      if (own.length >= this.#waitingMax) return reject(tooBusy());
      own.push(() => resolve(this.#timed(begin)));
      this.#waiting.set(clientId, own);
    });
  }

  /** Counts what is done at once; what a beginning waits for keeps nobody. */
  #timed<Result>(begin: () => Promise<Result>): Promise<Result> {
    const begunAtMs = this.#nowMs();
    try {
      return begin();
    } finally {
      this.#usedMs += this.#nowMs() - begunAtMs;
    }
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    setImmediate(() => {
      this.#isTurnAwaited = false;
      this.#usedMs = 0;
      this.#beginWaiting();
      if (this.#waiting.size > 0) this.#awaitTurn();
    });
  }

  #beginWaiting(): void {
    // A Map keeps the order of insertion, and this loop meets again what is put at its end.
    for (const [clientId, own] of this.#waiting) {
      const start = own.shift();
      this.#waiting.delete(clientId);
      if (own.length > 0) this.#waiting.set(clientId, own);
      start?.();
      if (this.#usedMs >= TURN_MS) return;
    }
  }
}
