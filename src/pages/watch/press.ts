/** Where what is said of a press is shown. */
export interface PressWords {
  /** That it is under way, and what came of it. */
  readonly progress: (text: string) => void;
  /** What did not go as it was meant. */
  readonly trouble: (text: string) => void;
}

/** One press of a button: what became of its orders, by their numbers from 0 on. */
export class Press {
  readonly #troubles: string[];
  readonly #placed: number[] = [];
  readonly #words: PressWords;
  #openCount: number;

  constructor(count: number, words: PressWords) {
    this.#troubles = Array<string>(count).fill('');
    this.#openCount = count;
    this.#words = words;
    words.trouble('');
    words.progress(count === 1 ? 'Placing the order…' : `Placing ${count} orders…`);
  }

  /** Trouble that may pass: the order is still asked for. */
  wait(nth: number, trouble: string): void {
    this.#say(nth, trouble);
  }

  placed(nth: number, orderId: number): void {
    this.#placed.push(orderId);
    this.#say(nth, '');
    this.#end();
  }

  failed(nth: number, trouble: string): void {
    this.#say(nth, trouble);
    this.#end();
  }

  #end(): void {
    this.#openCount -= 1;
    if (this.#openCount > 0) return;
    const [count, ofAll] = [this.#placed.length, this.#troubles.length];
    if (ofAll === 1) {
      this.#words.progress(count === 0 ? '' : `Order ${this.#placed[0]} is placed.`);
    } else {
      this.#words.progress(`${count} of ${ofAll} orders are placed.`);
    }
  }

  #say(nth: number, trouble: string): void {
    this.#troubles[nth] = trouble;
    const counts = new Map<string, number>();
    for (const each of this.#troubles) {
      if (each !== '') counts.set(each, (counts.get(each) ?? 0) + 1);
    }
    const ofAll = this.#troubles.length;
    this.#words.trouble([...counts]
      .map(([each, count]) => ofAll === 1 ? each : `${count} of ${ofAll}: ${each}`).join('\n'));
  }
}
