/** Values by text, bounded by the characters they take; the least recently used go first. */
export class BoundedCache<Value> {
  readonly #values = new Map<string, Value>();
  readonly #charactersMax: number;
  readonly #charactersOf: (key: string, value: Value) => number;
  #characters = 0;

  constructor(charactersMax: number, charactersOf: (key: string, value: Value) => number) {
    this.#charactersMax = charactersMax;
    this.#charactersOf = charactersOf;
  }

  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    // A Map keeps the order of insertion: put in again, it is the youngest.
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: string, value: Value): void {
    this.#delete(key);
    this.#values.set(key, value);
    this.#characters += this.#charactersOf(key, value);
    for (const oldest of this.#values.keys()) {
      if (this.#characters <= this.#charactersMax) break;
      this.#delete(oldest);
    }
  }

  #delete(key: string): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#characters -= this.#charactersOf(key, value);
  }
}
