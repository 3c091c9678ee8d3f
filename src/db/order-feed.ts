import type pg from 'pg';
import type { FeedPosition, OrderFeed } from '../domain/ports.ts';
import { isTerminal, type TopupOrder, type TopupOrderEvent } from '../domain/topup-order.ts';
import { ORDER_COLUMNS, toEvent, toOrder } from './order-rows.ts';
import { OrderWatch } from './order-watch.ts';
import { readUntilBack } from './pool.ts';
import type { WakeUps } from './wake-ups.ts';

/** Events of one read; what is behind them is read at once after. */
const PAGE_SIZE = 500;
/** A lost wake-up costs at most this. */
const POLL_MS = 500;

const EVENT_COLUMNS = `e.client_id, e.topup_order_id, f.sequence, e.version, e.type,
  e.previous_status, e.status, e.failure_code, e.occurred_at`;

/** Events of one order that are in the feed already, by version. */
async function readOrderEvents(pool: pg.Pool, options: {
  readonly clientId: number;
  readonly orderId: number;
  readonly afterVersion: number;
  readonly limit: number;
}): Promise<readonly TopupOrderEvent[]> {
  const { rows } = await pool.query<object>({
    name: 'order_events',
    text: `select ${EVENT_COLUMNS} from topup_order_event e
      join feed_entry f using (client_id, topup_order_id, version)
      where e.client_id = $1 and e.topup_order_id = $2 and e.version > $3
      order by e.version limit $4`,
    values: [options.clientId, options.orderId, options.afterVersion, options.limit],
  });
  return rows.map(toEvent);
}

interface Tail {
  /** Everything up to this sequence was handed out to those who were here. */
  cursor: number;
  readonly orders: Map<number, Set<OrderWatch>>;
}

/**
 * The event log as iterators. One reader a process follows the feeds of the clients that somebody
 * watches and hands each event to its watchers; a watcher that joins or lags reads the log itself.
 */
export class PostgresOrderFeed implements OrderFeed {
  readonly #pool: pg.Pool;
  readonly #tails = new Map<number, Tail>();
  readonly #onError: (error: Error) => void;
  readonly #stopListening: () => void;
  readonly #timer: NodeJS.Timeout;
  #reading: Promise<void> | null = null;
  #isReadingAgain = false;

  constructor(options: {
    readonly pool: pg.Pool;
    readonly wakeUps: WakeUps;
    readonly onError: (error: Error) => void;
  }) {
    this.#pool = options.pool;
    this.#onError = options.onError;
    this.#stopListening = options.wakeUps.on('feed', () => this.#read());
    this.#timer = setInterval(() => this.#read(), POLL_MS);
  }

  async close(): Promise<void> {
    this.#stopListening();
    clearInterval(this.#timer);
    for (const tail of this.#tails.values()) {
      for (const watches of tail.orders.values()) for (const watch of watches) watch.end();
    }
    this.#tails.clear();
    await this.#reading;
  }

  /** Watchers that are registered; 0 once all are gone. */
  watchCount(): number {
    const sizes = [...this.#tails.values()].flatMap((tail) => [...tail.orders.values()]);
    return sizes.reduce((sum, watches) => sum + watches.size, 0);
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

  watchOrder(
    clientId: number,
    orderId: number,
    from: FeedPosition,
  ): AsyncIterableIterator<TopupOrderEvent> {
    const watch = new OrderWatch({
      afterVersion: from.version,
      // Registered before the first read of the log: what comes in between is buffered.
      register: (me) => this.#register(clientId, orderId, me),
      unregister: (me) => this.#unregister(clientId, orderId, me),
      readLog: (afterVersion, limit) =>
        readOrderEvents(this.#pool, { clientId, orderId, afterVersion, limit }),
      hasEnded: (version) => this.#hasEnded({ clientId, orderId, version }),
    });
    return watch;
  }

  async untilTerminal(clientId: number, orderId: number, timeoutMs: number): Promise<TopupOrder> {
    const order = await this.#get(clientId, orderId);
    if (isTerminal(order.status) || timeoutMs <= 0) return order;
    const events = this.watchOrder(clientId, orderId, { sequence: 0, version: order.version });
    const timer = setTimeout(() => void events.return?.(), timeoutMs);
    try {
      for (let step = await events.next(); step.done !== true; step = await events.next()) {
        if (isTerminal(step.value.status)) break;
      }
    } finally {
      clearTimeout(timer);
      await events.return?.();
    }
    return this.#get(clientId, orderId);
  }

  async #get(clientId: number, orderId: number): Promise<TopupOrder> {
    const found = await this.snapshot(clientId, orderId);
    if (found === null) throw new Error('A placed order is not there');
    return found.order;
  }

  async #hasEnded(of: { clientId: number; orderId: number; version: number }): Promise<boolean> {
    const { rows } = await this.#pool.query({
      name: 'order_has_ended',
      text: `select 1 from topup_order_event where client_id = $1 and topup_order_id = $2
        and version <= $3 and type in ('DELIVERED', 'FAILED', 'CANCELLED')`,
      values: [of.clientId, of.orderId, of.version],
    });
    return rows.length > 0;
  }

  async #register(clientId: number, orderId: number, watch: OrderWatch): Promise<void> {
    let tail = this.#tails.get(clientId);
    if (tail === undefined) {
      const { rows } = await this.#pool.query<{ last_sequence: number }>({
        name: 'feed_position',
        text: 'select last_sequence from feed_position where client_id = $1',
        values: [clientId],
      });
      // Another watcher of this client may have come first while we asked.
      const cursor = rows[0]?.last_sequence ?? 0;
      tail = this.#tails.get(clientId) ?? { cursor, orders: new Map() };
      this.#tails.set(clientId, tail);
    }
    if (watch.isOver) return;
    const watches = tail.orders.get(orderId) ?? new Set();
    watches.add(watch);
    tail.orders.set(orderId, watches);
  }

  #unregister(clientId: number, orderId: number, watch: OrderWatch): void {
    const tail = this.#tails.get(clientId);
    const watches = tail?.orders.get(orderId);
    watches?.delete(watch);
    if (watches?.size === 0) tail?.orders.delete(orderId);
    if (tail?.orders.size === 0) this.#tails.delete(clientId);
  }

  #read(): void {
    if (this.#tails.size === 0) return;
    if (this.#reading !== null) {
      this.#isReadingAgain = true;
      return;
    }
    this.#reading = this.#readAll()
      .catch(this.#onError)
      .finally(() => {
        this.#reading = null;
        if (this.#isReadingAgain) {
          this.#isReadingAgain = false;
          this.#read();
        }
      });
  }

  async #readAll(): Promise<void> {
    for (let isMore = true; isMore && this.#tails.size > 0;) {
      const tails = [...this.#tails];
      const { rows } = await this.#pool.query<object>({
        name: 'feed_tail',
        text: `select ${EVENT_COLUMNS}
          from unnest($1::bigint[], $2::bigint[]) c(client_id, cursor)
          cross join lateral (select * from feed_entry n where n.client_id = c.client_id
            and n.sequence > c.cursor order by n.sequence limit ${PAGE_SIZE}) f
          join topup_order_event e on e.client_id = f.client_id
            and e.topup_order_id = f.topup_order_id and e.version = f.version
          order by f.client_id, f.sequence`,
        values: [tails.map(([clientId]) => clientId), tails.map(([, tail]) => tail.cursor)],
      });
      for (const event of rows.map(toEvent)) this.#handOut(event);
      isMore = rows.length >= PAGE_SIZE;
    }
  }

  #handOut(event: TopupOrderEvent): void {
    const tail = this.#tails.get(event.clientId);
    if (tail === undefined || event.sequence <= tail.cursor) return;
    tail.cursor = event.sequence;
    for (const watch of tail.orders.get(event.topupOrderId) ?? []) watch.push(event);
  }
}
