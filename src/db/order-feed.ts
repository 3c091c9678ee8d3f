import type pg from 'pg';
import type { FeedExtent, FeedPosition, OrderFeed } from '../domain/ports.ts';
import { isTerminal, type FeedEvent, type TopupOrder } from '../domain/topup-order.ts';
import {
  readClientEvents, readExtent, readOrderEvents, readTails, TAIL_PAGE_SIZE, withOrders,
} from './feed-log.ts';
import { FeedTails } from './feed-tails.ts';
import { LogWatch } from './log-watch.ts';
import { ORDER_COLUMNS, toOrder } from './order-rows.ts';
import { readUntilBack } from './pool.ts';
import { startTailReader, type TailReader } from './tail-reader.ts';
import type { WakeUps } from './wake-ups.ts';

/**
 * The event log as iterators. One reader a process follows the feeds of the clients that somebody
 * watches and hands each event to its watchers; a watcher that joins or lags reads the log itself.
 */
export class PostgresOrderFeed implements OrderFeed {
  readonly #pool: pg.Pool;
  readonly #tails: FeedTails;
  readonly #reader: TailReader;

  constructor(options: {
    readonly pool: pg.Pool;
    readonly wakeUps: WakeUps;
    readonly onError: (error: Error) => void;
  }) {
    this.#pool = options.pool;
    this.#tails = new FeedTails(async (clientId) =>
      (await readExtent(options.pool, clientId)).lastSequence);
    this.#reader = startTailReader({ ...options, readTails: () => this.#readTails() });
  }

  async close(): Promise<void> {
    this.#tails.end();
    await this.#reader.close();
  }

  /** Watchers that are registered; 0 once all are gone. */
  watchCount(): number {
    return this.#tails.watchCount();
  }

  async snapshot(
    clientId: number,
    orderId: number,
  ): Promise<{ readonly order: TopupOrder; readonly sequence: number } | null> {
    const { rows } = await readUntilBack(() => this.#pool.query<{ sequence: number }>({
      name: 'order_snapshot',
      text: `select ${ORDER_COLUMNS}, coalesce((select last_sequence from feed_position p
          where p.client_id = o.client_id), 0) as sequence
        from topup_order o where o.client_id = $1 and o.id = $2`,
      values: [clientId, orderId],
    }));
    const [row] = rows;
    return row === undefined ? null : { order: toOrder(row), sequence: row.sequence };
  }

  watchOrder(clientId: number, orderId: number, from: FeedPosition): LogWatch<FeedEvent> {
    let { version } = from;
    return new LogWatch<FeedEvent>({
      register: (watch) => this.#tails.register(watch, { clientId, orderId }),
      unregister: (watch) => this.#tails.unregister(watch, { clientId, orderId }),
      read: (limit) => readOrderEvents(this.#pool, {
        clientId, orderId, afterVersion: version, limit,
      }),
      advance: (event) => {
        if (event.version <= version) return false;
        version = event.version;
        return true;
      },
      endAt: (event) => {
        if (!isTerminal(event.status)) return null;
        return event.type === 'REVERSED' || event.type === 'LATE_NEWS' ? 'BEYOND' : 'LAST';
      },
    });
  }

  async extent(clientId: number): Promise<FeedExtent> {
    return readUntilBack(() => readExtent(this.#pool, clientId));
  }

  watchClient(clientId: number, afterSequence: number): LogWatch<FeedEvent> {
    let sequence = afterSequence;
    return new LogWatch<FeedEvent>({
      register: (watch) => this.#tails.register(watch, { clientId, orderId: null }),
      unregister: (watch) => this.#tails.unregister(watch, { clientId, orderId: null }),
      read: (limit) => readClientEvents(this.#pool, { clientId, afterSequence: sequence, limit }),
      advance: (event) => {
        if (event.sequence <= sequence) return false;
        sequence = event.sequence;
        return true;
      },
    });
  }

  async readClient(clientId: number, from: {
    readonly afterSequence: number; readonly limit: number;
  }): Promise<readonly FeedEvent[]> {
    return readUntilBack(() => readClientEvents(this.#pool, { clientId, ...from }));
  }

  async untilTerminal(clientId: number, orderId: number, timeoutMs: number): Promise<TopupOrder> {
    const order = await this.#get(clientId, orderId);
    if (isTerminal(order.status) || timeoutMs <= 0) return order;
    const events = this.watchOrder(clientId, orderId, { sequence: 0, version: order.version });
    const timer = setTimeout(() => events.end(), timeoutMs);
    try {
      for await (const event of events) if (isTerminal(event.status)) break;
    } finally {
      clearTimeout(timer);
    }
    return this.#get(clientId, orderId);
  }

  async #get(clientId: number, orderId: number): Promise<TopupOrder> {
    const found = await this.snapshot(clientId, orderId);
    if (found === null) throw new Error('A placed order is not there');
    return found.order;
  }

  async #readTails(): Promise<void> {
    for (let isMore = true; isMore && this.#tails.size > 0;) {
      const events = await readTails(this.#pool, this.#tails.cursors());
      // An order is read only where somebody is told of it.
      const wanted = await withOrders(this.#pool, events.filter(
        (event) => this.#tails.isWatched(event),
      ));
      this.#tails.handOut(events, wanted);
      isMore = events.length >= TAIL_PAGE_SIZE;
    }
  }
}
