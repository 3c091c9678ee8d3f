import type { Money, Order, OrderEvent } from './documents.ts';
import { element, flash } from './element.ts';

const STEP_TEXTS: Readonly<Record<string, string>> = {
  CREATED: 'Placed and paid',
  SUBMITTED: 'Handed to the supplier',
  RETRY_SCHEDULED: 'Will be tried again',
  DELIVERED: 'Delivered',
  FAILED: 'Failed and refunded',
  CANCELLED: 'Cancelled and refunded',
  REVERSED: 'Taken back by the supplier',
  LATE_NEWS: 'Late news of a supplier',
};

const DAY: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short', year: 'numeric' };

/** One order of the list: what it is, where it stands, and every step it took. */
export class OrderRow {
  readonly node = element('li', 'order');
  readonly #status = element('strong', 'status');
  readonly #note = element('p', 'note');
  readonly #steps = element('ol', 'steps');
  readonly #versions = new Set<number>();

  constructor(order: Order) {
    const title = element('h3', '', `${order.productName} · ${order.variantName}`);
    const recipient = order.inputData.map(({ value }) => value).join(' · ');
    this.#steps.setAttribute('aria-label', `Steps of order ${order.orderId}`);
    this.node.dataset['order'] = String(order.orderId);
    this.node.append(
      element('div', 'what',
        title,
        element('p', 'who', `#${order.orderId}${recipient === '' ? '' : `  to ${recipient}`}`)),
      element('p', 'charge', showMoney(order.charge)),
      this.#status,
      this.#steps,
      this.#note,
    );
  }

  /** Shows one event of the order; an event that is there already changes nothing. */
  show(event: OrderEvent): void {
    const { version, type, status, occurredAt, order } = event;
    if (this.#versions.has(version)) return;
    const isLatest = version > Math.max(0, ...this.#versions);
    this.#versions.add(version);
    this.#addStep(version, element('li', type.toLowerCase(),
      element('span', 'version', `${version}`),
      element('span', 'step', STEP_TEXTS[type] ?? type),
      showTime(occurredAt, version)));
    if (!isLatest) return;
    this.#showStatus(status, order);
    flash(this.node);
  }

  /** The end of the order as it was read, where its steps were too many to be read up to it. */
  stand(order: Order): void {
    // What was heard meanwhile may be newer than what was read, but no order leaves its end.
    const isOpen = this.node.dataset['status'] === 'PENDING';
    if (isOpen && order.status !== 'PENDING') this.#showStatus(order.status, order);
  }

  #showStatus(status: Order['status'], order: Order): void {
    this.node.dataset['status'] = status;
    this.#status.textContent = status;
    this.#note.textContent = noteOf(status, order);
  }

  #addStep(version: number, step: HTMLLIElement): void {
    step.value = version;
    const steps = [...this.#steps.children] as HTMLLIElement[];
    this.#steps.insertBefore(step, steps.find((each) => each.value > version) ?? null);
  }
}

/** What a person wants to know besides the status. */
function noteOf(status: Order['status'], order: Order): string {
  const { failure, refund, reversal, receipt } = order;
  // The order was read after the event, and may be further than it.
  if (status === 'PENDING') return '';
  const parts = [
    failure === null ? '' : failure.reason,
    refund === null ? '' : `${showMoney(refund.amount)} are back in the wallet.`,
    reversal === null ? '' : `${showMoney(reversal.amount)} were credited.`,
    ...(receipt ?? []).map(({ name, value }) => `${name}: ${value}`),
  ];
  return parts.filter((part) => part !== '').join(' ');
}

/** '9995.2595' as '9,995.2595': every digit stays, so it is never made a number. */
export function showMoney({ amount, currency }: Money): string {
  const [whole = '', decimals] = amount.split('.');
  const grouped = whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
  // A currency with one decimal does not exist: 4980.7 is read more easily as 4,980.70.
  const cents = decimals === undefined ? '' : `.${decimals.padEnd(2, '0')}`;
  return `${grouped}${cents} ${currency}`;
}

/** The first step of an order tells its day as well. */
function showTime(iso: string, version: number): HTMLTimeElement {
  const at = new Date(iso);
  const day = version === 1 ? `${at.toLocaleDateString('en-GB', DAY)}, ` : '';
  const time = element('time', '', `${day}${at.toLocaleTimeString('en-GB')}`);
  time.dateTime = iso;
  time.title = iso;
  return time;
}
