import { newReference } from '../reference.ts';
import { DELAYS, orderInput, OUTCOMES, PRODUCTS } from './choices.ts';
import { CREATE, type CreateResult } from './documents.ts';
import { element, part, say } from './element.ts';
import type { Gateway } from './gateway.ts';
import { Press } from './press.ts';

const MIXED_COUNT = 10;
const IN_DOUBT = 'It may have been placed: load the page again, and look.';
const NOT_ASKED = 'Not placed: load the page again.';

type Chosen = readonly [product: number, outcome: number, delay: number];

/** The choices, and the buttons that order. */
export class OrderForm {
  readonly #gateway: Gateway;
  readonly #product = part('product', HTMLSelectElement);
  readonly #outcome = part('outcome', HTMLSelectElement);
  readonly #delay = part('delay', HTMLSelectElement);
  readonly #answer = part('answer', HTMLElement);
  readonly #progress = part('progress', HTMLElement);
  #pressCount = 0;

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
    const form = part('form', HTMLFormElement);
    // Neither the second click of a double one nor a key that is held down orders again.
    form.addEventListener('click', (event) => stopIf(event.detail > 1, event), true);
    form.addEventListener('keydown', (event) => stopIf(event.repeat, event), true);
    form.addEventListener('submit', (event) => {
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
    this.#pressCount += 1;
    const nthPress = this.#pressCount;
    const show = (node: HTMLElement) => (text: string): void => {
      // What was said of an earlier press is not said any more.
      if (nthPress === this.#pressCount) say(node, text);
    };
    const press = new Press(chosen.length, {
      progress: show(this.#progress), trouble: show(this.#answer),
    });
    chosen.forEach((each, nth) => {
      if (this.#gateway.isRefused) return press.failed(nth, NOT_ASKED);
      this.#place(each, () => {
        press.wait(nth, 'Asked for; it is placed when the gateway is back.');
      }).then((orderId) => press.placed(nth, orderId), (error: unknown) => {
        // Any other end is that of the socket: what was sent over it may have been done.
        press.failed(nth, error instanceof Error ? error.message : IN_DOUBT);
      });
    });
  }

  /**
   * The id of the order. `onCut` is called where it has to be asked for again.
   * @throws the gateway's refusal, or the end of a socket that is not to be opened again
   */
  async #place([at, outcomeAt, delayAt]: Chosen, onCut: () => void): Promise<number> {
    const [product, outcome, delay] = [PRODUCTS[at], OUTCOMES[outcomeAt], DELAYS[delayAt]];
    if (product === undefined || outcome === undefined || delay === undefined) {
      throw new Error('Nothing is chosen');
    }
    const reference = `WATCH-${newReference()}`;
    const input = orderInput(product, { outcome, delay, reference });
    const { createTopupOrder } = await this.#gateway
      .askUntilAnswered<CreateResult>(CREATE, { input }, onCut);
    // Asked again after a cut, the gateway may tell of the order that it has placed already.
    const placed = createTopupOrder.order ?? createTopupOrder.duplicateOf;
    if (placed !== null) return placed.orderId;
    throw new Error(createTopupOrder.userErrors[0]?.message ?? 'Not placed.');
  }
}

function stopIf(isRepeated: boolean, event: Event): void {
  if (!isRepeated || !(event.target instanceof HTMLButtonElement)) return;
  event.preventDefault();
  event.stopPropagation();
}
