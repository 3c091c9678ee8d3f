import type pg from 'pg';
import { ClientShares } from '../domain/client-shares.ts';
import type { FeedExtent, OrderFeed } from '../domain/ports.ts';
import { isTerminal, type FeedEvent, type TopupOrder } from '../domain/topup-order.ts';
import type { EntryFollower, EntryReader, FeedEntry } from './entry-reader.ts';
import { readClientEvents, readEvents, readExtent, readOrderEvents } from './feed-log.ts';
import { FeedTails } from './feed-tails.ts';
import { LogWatch } from './log-watch.ts';
import { ORDER_COLUMNS, toOrder } from './order-rows.ts';
import { askUntilBack } from './pool.ts';

/**
 * Pages of a log that are read for one client at a time. 550 replays under a filter took all
 * connections that orders are placed over, and the process: orders of others took 4 s.
 */
const READS_OF_CLIENT_MAX = 1;

/**
 * The event log as iterators. Each new event is handed to its watchers as the process reads it;
 * a watcher that joins or lags reads the log itself.
 */
export class PostgresOrderFeed implements OrderFeed, EntryFollower {
  readonly #pool: pg.Pool;
  readonly #entries: EntryReader;
  readonly #tails = new FeedTails();
  readonly #shares = new ClientShares(READS_OF_CLIENT_MAX);

  constructor(pool: pg.Pool, entries: EntryReader) {
    this.#pool = pool;
    this.#entries = entries;
    entries.serve(this);
  }

  /** Ends all watches, and those that come too late. */
  close(): void {
    this.#tails.end();
  }

  /** Watchers that are registered; 0 once all are gone. */
  watchCount(): number {
    return this.#tails.watchCount();
  }

  async snapshot(
    clientId: number,
    orderId: number,
  ): Promise<{ readonly order: TopupOrder; readonly sequence: number } | null> {
    const { rows } = await askUntilBack(() => this.#pool.query<{ sequence: number }>({
      name: 'order_snapshot',
      text: `select ${ORDER_COLUMNS}, coalesce((select last_sequence from feed_position p
          where p.client_id = o.client_id), 0) as sequence
        from topup_order o where o.client_id = $1 and o.id = $2`,
      values: [clientId, orderId],
    }));
    const [row] = rows;
    return row === undefined ? null : { order: toOrder(row), sequence: row.sequence };
  }

  watchOrder(clientId: number, orderId: number, afterVersion: number): LogWatch<FeedEvent> {
    let version = afterVersion;
    return new LogWatch<FeedEvent>({
      register: (watch) => this.#register(watch, { clientId, orderId }),
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
    return askUntilBack(() => readExtent(this.#pool, clientId));
  }

  watchClient(clientId: number, afterSequence: number): LogWatch<FeedEvent> {
    let sequence = afterSequence;
    const watched: LogWatch<FeedEvent> = new LogWatch({
      register: (watch) => this.#register(watch, { clientId, orderId: null }),
      unregister: (watch) => this.#tails.unregister(watch, { clientId, orderId: null }),
      // Whoever ended while it waited is not read for.
      read: (limit) => this.#shares.read(clientId, async () => watched.isOver
        ? []
        : readClientEvents(this.#pool, { clientId, afterSequence: sequence, limit }),
      { isPatient: true }),
      advance: (event) => {
        if (event.sequence <= sequence) return false;
        sequence = event.sequence;
        return true;
      },
    });
    return watched;
  }

  async readClient(clientId: number, from: {
    readonly afterSequence: number; readonly limit: number;
  }): Promise<readonly FeedEvent[]> {
    return askUntilBack(() => this.#shares.read(clientId, () =>
      readClientEvents(this.#pool, { clientId, ...from })));
  }

  async untilTerminal(
    clientId: number,
    orderId: number,
    { timeoutMs, stopping }: Parameters<OrderFeed['untilTerminal']>[2],
  ): Promise<TopupOrder> {
    const order = await this.#get(clientId, orderId);
    if (isTerminal(order.status) || timeoutMs <= 0 || stopping.aborted) return order;
    const events = this.watchOrder(clientId, orderId, order.version);
    const end = (): void => events.end();
    const timer = setTimeout(end, timeoutMs);
    stopping.addEventListener('abort', end);
    try {
      for await (const event of events) if (isTerminal(event.status)) break;
    } finally {
      clearTimeout(timer);
      stopping.removeEventListener('abort', end);
    }
    return this.#get(clientId, orderId);
  }

  async #get(clientId: number, orderId: number): Promise<TopupOrder> {
    const found = await this.snapshot(clientId, orderId);
    if (found === null) throw new Error('A placed order is not there');
    return found.order;
  }

  isFollowing(): boolean {
    return this.#tails.size > 0;
  }

  lose(fault: Error): void {
    this.#tails.fail(fault);
  }

  /** An event is read only where somebody is told of it, once for all of them. */
  async handOut(entries: readonly FeedEntry[]): Promise<void> {
    const wanted = entries.filter((entry) => this.#tails.isWatched(entry));
    for (const event of await readEvents(this.#pool, wanted)) this.#tails.handOut(event);
  }

  async #register(
    watch: LogWatch<FeedEvent>,
    subject: { readonly clientId: number; readonly orderId: number | null },
  ): Promise<void> {
    this.#tails.register(watch, subject);
    await this.#entries.begin();
  }
}
