import { DELAYS, orderInput, OUTCOMES, PRODUCTS } from './choices.ts';
import { CREATE, type CreateResult } from './documents.ts';
import { element, part } from './element.ts';
import type { Gateway } from './gateway.ts';

const MIXED_COUNT = 10;

/** The choices, and the buttons that order. */
export class OrderForm {
  readonly #gateway: Gateway;
  readonly #product = part('product', HTMLSelectElement);
  readonly #outcome = part('outcome', HTMLSelectElement);
  readonly #delay = part('delay', HTMLSelectElement);
  readonly #answer = part('answer', HTMLElement);

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

  #placeAll(chosen: readonly (readonly [product: number, outcome: number, delay: number])[]): void {
    this.#answer.textContent = '';
    void Promise.all(chosen.map((each) => this.#place(each))).catch((error: unknown) => {
      this.#answer.textContent = error instanceof Error ? error.message : 'Not placed.';
    });
  }

  async #place([at, outcomeAt, delayAt]: readonly [number, number, number]): Promise<void> {
    const [product, outcome, delay] = [PRODUCTS[at], OUTCOMES[outcomeAt], DELAYS[delayAt]];
    if (product === undefined || outcome === undefined || delay === undefined) return;
    const reference = `WATCH-${crypto.randomUUID()}`;
    const input = orderInput(product, { outcome, delay, reference });
    const { createTopupOrder } = await this.#gateway
      .askUntilAnswered<CreateResult>(CREATE, { input }, () => {
        this.#answer.textContent = 'Asked for; it is placed when the gateway is back.';
      });
    this.#answer.textContent = '';
    // Asked again after a cut, the gateway may tell of the order that it has placed already.
    if (createTopupOrder.order !== null || createTopupOrder.duplicateOf !== null) return;
    this.#answer.textContent = createTopupOrder.userErrors[0]?.message ?? 'Not placed.';
  }
}
