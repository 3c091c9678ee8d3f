/** What arrived and was not taken yet, in its order. */
export class Arrivals<Item> {
  readonly #items: Item[] = [];
  #isOver = false;
  #fault: unknown;
  #wake = (): void => undefined;

  add(item: Item): void {
    this.#items.push(item);
    this.#wake();
  }

  /** Nothing more will come; the fault, if any, is told behind what has come. */
  end(fault?: unknown): void {
    this.#isOver = true;
    this.#fault ??= fault;
    this.#wake();
  }

  /** The next item, or undefined at the end; for one taker at a time. */
  async next(): Promise<Item | undefined> {
    if (this.#items.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const item = this.#items.shift();
    if (item === undefined && this.#fault !== undefined) throw this.#fault as Error;
    return item;
  }
}
