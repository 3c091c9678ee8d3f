import type { FeedEvent } from '../domain/topup-order.ts';
import type { FeedEntry } from './entry-reader.ts';
import type { LogWatch } from './log-watch.ts';

type Watch = LogWatch<FeedEvent>;

/** What a watcher wants to hear of: one order, or all orders of the client. */
interface Subject {
  readonly clientId: number;
  readonly orderId: number | null;
}

/** Watchers by order; under null those of all orders. */
type Watches = Map<number | null, Set<Watch>>;

/** Who watches the feeds of which clients in this process. */
export class FeedTails {
  readonly #tails = new Map<number, Watches>();
  #hasEnded = false;

  /** Clients that somebody watches. */
  get size(): number {
    return this.#tails.size;
  }

  /** For tests: how many watches there are. */
  watchCount(): number {
    return this.#all().length;
  }

  register(watch: Watch, { clientId, orderId }: Subject): void {
    if (this.#hasEnded) watch.end();
    if (watch.isOver) return;
    const tail: Watches = this.#tails.get(clientId) ?? new Map<number | null, Set<Watch>>();
    const watches = tail.get(orderId) ?? new Set();
    this.#tails.set(clientId, tail.set(orderId, watches.add(watch)));
  }

  unregister(watch: Watch, { clientId, orderId }: Subject): void {
    const tail = this.#tails.get(clientId);
    const watches = tail?.get(orderId);
    watches?.delete(watch);
    if (watches?.size === 0) tail?.delete(orderId);
    if (tail?.size === 0) this.#tails.delete(clientId);
  }

  isWatched({ clientId, topupOrderId }: FeedEntry): boolean {
    const tail = this.#tails.get(clientId);
    return tail !== undefined && (tail.has(topupOrderId) || tail.has(null));
  }

  /** Tells those who are concerned; each of them knows what it has been told already. */
  handOut(event: FeedEvent): void {
    const tail = this.#tails.get(event.clientId);
    for (const watch of tail?.get(event.topupOrderId) ?? []) watch.push(event);
    for (const watch of tail?.get(null) ?? []) watch.push(event);
  }

  /** Ends every watch, and those that come too late. */
  end(): void {
    this.#hasEnded = true;
    for (const watch of this.#all()) watch.end();
  }

  /** Fails the watches of now. */
  fail(fault: Error): void {
    for (const watch of this.#all()) watch.fail(fault);
  }

  #all(): readonly Watch[] {
    const watches = [...this.#tails.values()].flatMap((tail) => [...tail.values()]);
    return watches.flatMap((each) => [...each]);
  }
}
