import type { FeedEvent, TopupOrderEvent } from '../domain/topup-order.ts';
import type { LogWatch } from './log-watch.ts';

type Watch = LogWatch<FeedEvent>;

/** What a watcher wants to hear of: one order, or all orders of the client. */
interface Subject {
  readonly clientId: number;
  readonly orderId: number | null;
}

interface Tail {
  /** Everything up to this sequence was handed out to those who were here. */
  cursor: number;
  /** Watchers by order; under null those of all orders. */
  readonly watches: Map<number | null, Set<Watch>>;
}

/** Who watches the feeds of which clients in this process, and how far each was handed out. */
export class FeedTails {
  readonly #tails = new Map<number, Tail>();
  readonly #lastSequence: (clientId: number) => Promise<number>;
  #hasEnded = false;

  constructor(lastSequence: (clientId: number) => Promise<number>) {
    this.#lastSequence = lastSequence;
  }

  /** Clients that somebody watches. */
  get size(): number {
    return this.#tails.size;
  }

  watchCount(): number {
    const sizes = [...this.#tails.values()].flatMap(({ watches }) => [...watches.values()]);
    return sizes.reduce((sum, { size }) => sum + size, 0);
  }

  cursors(): readonly { readonly clientId: number; readonly cursor: number }[] {
    return [...this.#tails].map(([clientId, { cursor }]) => ({ clientId, cursor }));
  }

  async register(watch: Watch, { clientId, orderId }: Subject): Promise<void> {
    let tail = this.#tails.get(clientId);
    if (tail === undefined) {
      const cursor = await this.#lastSequence(clientId);
      // Another watcher of this client may have come first while we asked.
      tail = this.#tails.get(clientId) ?? { cursor, watches: new Map() };
    }
    if (this.#hasEnded) watch.end();
    if (watch.isOver) return;
    this.#tails.set(clientId, tail);
    const watches = tail.watches.get(orderId) ?? new Set();
    watches.add(watch);
    tail.watches.set(orderId, watches);
  }

  unregister(watch: Watch, { clientId, orderId }: Subject): void {
    const tail = this.#tails.get(clientId);
    const watches = tail?.watches.get(orderId);
    watches?.delete(watch);
    if (watches?.size === 0) tail?.watches.delete(orderId);
    if (tail?.watches.size === 0) this.#tails.delete(clientId);
  }

  isWatched({ clientId, topupOrderId }: TopupOrderEvent): boolean {
    const watches = this.#tails.get(clientId)?.watches;
    return watches !== undefined && (watches.has(topupOrderId) || watches.has(null));
  }

  /** `read` is what was read of the log, `wanted` the part of it that somebody is told of. */
  handOut(read: readonly TopupOrderEvent[], wanted: readonly FeedEvent[]): void {
    for (const event of wanted) {
      const tail = this.#tails.get(event.clientId);
      if (tail === undefined || event.sequence <= tail.cursor) continue;
      for (const watch of tail.watches.get(event.topupOrderId) ?? []) watch.push(event);
      for (const watch of tail.watches.get(null) ?? []) watch.push(event);
    }
    for (const { clientId, sequence } of read) {
      const tail = this.#tails.get(clientId);
      if (tail !== undefined) tail.cursor = Math.max(tail.cursor, sequence);
    }
  }

  /** Ends every watch, and those that come too late. */
  end(): void {
    this.#hasEnded = true;
    for (const { watches } of [...this.#tails.values()]) {
      for (const each of [...watches.values()]) for (const watch of [...each]) watch.end();
    }
  }
}
