/**
 * Lets so much be done in one turn of the event loop, and the rest in the next ones, first come
 * first served: what is at hand follows itself without end otherwise, and whoever waits for the
 * network, the database among them, hears nothing until all of it is done.
 */
export class TurnQueue {
  readonly #perTurn: number;
  readonly #waiting: (() => void)[] = [];
  #startedCount = 0;
  #isTurnAwaited = false;

  constructor(perTurn: number) {
    this.#perTurn = perTurn;
  }

  /** Resolves when it is the caller's turn: at once, as long as there are few. */
  async pass(): Promise<void> {
    this.#awaitTurn();
    if (this.#startedCount < this.#perTurn) {
      this.#startedCount += 1;
      return;
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    setImmediate(() => {
      this.#isTurnAwaited = false;
      const starting = this.#waiting.splice(0, this.#perTurn);
      this.#startedCount = starting.length;
      if (starting.length > 0) this.#awaitTurn();
      for (const start of starting) start();
    });
  }
}
