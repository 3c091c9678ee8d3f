import type { Order, OrderEvent } from './documents.ts';
import { part, say } from './element.ts';
import { OrderRow } from './order-row.ts';

/** Older orders leave the page. */
const ROWS_MAX = 50;

/** The list of orders, the youngest first, and what the feed says about itself. */
export class OrderList {
  readonly #rows = new Map<number, OrderRow>();
  readonly #list = part('orders', HTMLOListElement);
  readonly #empty = part('empty', HTMLElement);
  readonly #feed = part('feed', HTMLElement);
  readonly #news = part('news', HTMLElement);
  #lastSequence: number | null = null;
  #missedCount = 0;

  /** The feed begins, or begins anew: what was shown may be of data that is no more. */
  begin(): void {
    this.#lastSequence = null;
    this.#missedCount = 0;
    for (const { node } of this.#rows.values()) node.remove();
    this.#rows.clear();
    this.#empty.hidden = true;
    this.#feed.textContent = 'Following the feed: every event once, in order.';
  }

  /** All that was before is shown. */
  end(): void {
    this.#empty.hidden = this.#rows.size > 0;
  }

  has(orderId: number): boolean {
    return this.#rows.has(orderId);
  }

  /** An event of the feed, live. */
  take(event: OrderEvent): void {
    const { sequence, status, statusText, order } = event;
    if (this.#lastSequence !== null) this.#missedCount += sequence - this.#lastSequence - 1;
    this.#lastSequence = sequence;
    this.#feed.textContent = `Event ${sequence} of the feed, ${this.#missedCount} missed.`;
    if (status !== 'PENDING') say(this.#news, `Order ${order.orderId}: ${statusText}`);
    this.show(event);
  }

  /** Shows what happened to an order, live or read. */
  show(event: OrderEvent): void {
    const { orderId } = event.order;
    const row = this.#rows.get(orderId) ?? this.#addRow(event);
    row.show(event);
  }

  /** Shows where an order that was read stands, however many steps it took. */
  stand(order: Order): void {
    this.#rows.get(order.orderId)?.stand(order);
  }

  #addRow({ order }: OrderEvent): OrderRow {
    const row = new OrderRow(order);
    this.#rows.set(order.orderId, row);
    const ids = [...this.#rows.keys()].sort((a, b) => b - a);
    const next = ids[ids.indexOf(order.orderId) + 1];
    this.#list.insertBefore(row.node, this.#rows.get(next ?? -1)?.node ?? null);
    for (const old of ids.slice(ROWS_MAX)) {
      this.#rows.get(old)?.node.remove();
      this.#rows.delete(old);
    }
    this.#empty.hidden = true;
    return row;
  }
}
