import { DELAYS, orderInput, OUTCOMES, PRODUCTS } from './choices.ts';
import { CREATE, type CreateResult } from './documents.ts';
import { element, part } from './element.ts';
import type { Gateway } from './gateway.ts';

const MIXED_COUNT = 10;
const IN_DOUBT = 'It may have been placed: load the page again, and look.';

type Chosen = readonly [product: number, outcome: number, delay: number];

/** The choices, and the buttons that order. */
export class OrderForm {
  readonly #gateway: Gateway;
  readonly #product = part('product', HTMLSelectElement);
  readonly #outcome = part('outcome', HTMLSelectElement);
  readonly #delay = part('delay', HTMLSelectElement);
  readonly #answer = part('answer', HTMLElement);
  /** Of the last press. */
  #words: Words | null = null;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
    for (const [select, choices] of [
      [this.#product, PRODUCTS], [this.#outcome, OUTCOMES], [this.#delay, DELAYS],
    ] as const) {
      select.append(...choices.map(({ label }, index) => {
        const option = element('option', '', label);
        option.value = String(index);
        return option;
      }));
    }
    part('form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#placeAll([[
        this.#product.selectedIndex, this.#outcome.selectedIndex, this.#delay.selectedIndex,
      ]]);
    });
    part('ten', HTMLButtonElement).addEventListener('click', () => {
      // Any product with any outcome: the lists have no common length.
      this.#placeAll(Array.from({ length: MIXED_COUNT }, (_, index) => [
        index % PRODUCTS.length, (index * 3) % (OUTCOMES.length - 1), index % 2,
      ]));
    });
  }

  #placeAll(chosen: readonly Chosen[]): void {
    const words = new Words(chosen.length, (text) => {
      // What was said of an earlier press is not said any more.
      if (words === this.#words) this.#answer.textContent = text;
    });
    this.#words = words;
    words.say(0, '');
    chosen.forEach((each, nth) => {
      this.#place(each, (text) => words.say(nth, text)).catch((error: unknown) => {
        // Any other end is that of the socket: what was sent over it may have been done.
        words.say(nth, error instanceof Error ? error.message : IN_DOUBT);
      });
    });
  }

  /** @throws the gateway's refusal, or the end of a socket that is not to be opened again */
  async #place(
    [at, outcomeAt, delayAt]: Chosen,
    say: (text: string) => void,
  ): Promise<void> {
    const [product, outcome, delay] = [PRODUCTS[at], OUTCOMES[outcomeAt], DELAYS[delayAt]];
    if (product === undefined || outcome === undefined || delay === undefined) return;
    const reference = `WATCH-${crypto.randomUUID()}`;
    const input = orderInput(product, { outcome, delay, reference });
    const { createTopupOrder } = await this.#gateway
      .askUntilAnswered<CreateResult>(CREATE, { input }, () => {
        say('Asked for; it is placed when the gateway is back.');
      });
    // Asked again after a cut, the gateway may tell of the order that it has placed already.
    const isPlaced = createTopupOrder.order !== null || createTopupOrder.duplicateOf !== null;
    say(isPlaced ? '' : createTopupOrder.userErrors[0]?.message ?? 'Not placed.');
  }
}

/** What is said of the orders of one press, by their numbers from 0 on; '' of one placed. */
class Words {
  readonly #texts: string[];
  readonly #show: (text: string) => void;

  constructor(count: number, show: (text: string) => void) {
    this.#texts = Array<string>(count).fill('');
    this.#show = show;
  }

  say(nth: number, text: string): void {
    this.#texts[nth] = text;
    const counts = new Map<string, number>();
    for (const each of this.#texts) {
      if (each !== '') counts.set(each, (counts.get(each) ?? 0) + 1);
    }
    const ofAll = this.#texts.length;
    this.#show([...counts]
      .map(([each, count]) => ofAll === 1 ? each : `${count} of ${ofAll}: ${each}`).join('\n'));
  }
}
