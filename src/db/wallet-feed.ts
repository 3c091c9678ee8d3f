import type pg from 'pg';
import type {
  WalletEvent, WalletFeed, WalletPositions, WalletStanding,
} from '../domain/follow-wallets.ts';
import { canonical } from '../domain/money.ts';
import type { Wallet } from '../domain/ports.ts';
import type { EntryFollower, EntryReader, FeedEntry } from './entry-reader.ts';
import { LogWatch } from './log-watch.ts';
import { askUntilBack } from './pool.ts';
import { hasTransfers, toTransfer, TRANSFER_COLUMNS, WITH_ORDER } from './wallet-reads.ts';

/** Transfers of one wallet in one read of the tails. */
const TAIL_PAGE_SIZE = 500;
/** What moves a wallet without an order, as funding does, is seen within this time. */
const POLL_MS = 500;

const WALLET_COLUMNS = `w.client_id, w.id as wallet_id, w.currency, w.type, w.balance,
  w.credit_limit, w.is_default, w.is_frozen`;

interface WalletRow {
  readonly client_id: number;
  readonly wallet_id: number;
  readonly currency: string;
  readonly type: Wallet['type'];
  readonly balance: string;
  readonly credit_limit: string;
  readonly is_default: boolean;
  readonly is_frozen: boolean;
}

interface Part {
  readonly clientId: number;
  /** Null for all wallets of the client. */
  readonly walletId: number | null;
  readonly positions: WalletPositions;
}

interface Tail {
  readonly positions: Map<number, number>;
  readonly watches: Set<LogWatch<WalletEvent>>;
}

/**
 * The transfers of wallets as iterators. An order's event says whose wallets are worth a look; all
 * that are watched in this process are looked at now and then. One read at a time.
 */
export class PostgresWalletFeed implements WalletFeed, EntryFollower {
  readonly #pool: pg.Pool;
  readonly #entries: EntryReader;
  readonly #tails = new Map<number, Tail>();
  readonly #timer: NodeJS.Timeout;
  readonly #onError: (error: Error) => void;
  /** Clients whose wallets are to be looked at. */
  readonly #asked = new Set<number>();
  #reading: Promise<void> | null = null;
  #isClosed = false;

  constructor(pool: pg.Pool, entries: EntryReader, onError: (error: Error) => void) {
    this.#pool = pool;
    this.#entries = entries;
    this.#onError = onError;
    this.#timer = setInterval(() => this.#read(this.#tails.keys()), POLL_MS);
    entries.serve(this);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const watch of this.#allWatches()) watch.end();
    this.#tails.clear();
    this.#asked.clear();
    await this.#reading;
  }

  /** Watchers that are registered; 0 once all are gone. */
  watchCount(): number {
    return this.#allWatches().length;
  }

  standings(clientId: number): Promise<readonly WalletStanding[]> {
    return askUntilBack(() => readStandings(this.#pool, clientId));
  }

  hasAll(clientId: number, positions: WalletPositions): Promise<boolean> {
    return askUntilBack(() => hasTransfers(this.#pool, clientId, positions));
  }

  watchWallets(clientId: number, from: {
    readonly walletId: number | null; readonly positions: WalletPositions;
  }): LogWatch<WalletEvent> {
    const { walletId } = from;
    const positions = new Map(from.positions);
    return new LogWatch<WalletEvent>({
      register: (watch) => this.#register(watch, clientId),
      unregister: (watch) => this.#unregister(watch, clientId),
      read: async (limit) => (await readTransfers(
        this.#pool, [{ clientId, walletId, positions }], limit,
      )).map(({ event }) => event),
      advance: ({ wallet, transfer }) => {
        const isWanted = walletId === null || wallet.id === walletId;
        if (!isWanted || (transfer?.id ?? 0) <= (positions.get(wallet.id) ?? 0)) return false;
        positions.set(wallet.id, transfer?.id ?? 0);
        return true;
      },
    });
  }

  async #register(watch: LogWatch<WalletEvent>, clientId: number): Promise<void> {
    let tail = this.#tails.get(clientId);
    if (tail === undefined) {
      const standings = await readStandings(this.#pool, clientId);
      // Another watcher of this client may have come first while we asked.
      tail = this.#tails.get(clientId) ?? {
        positions: new Map(standings.map((each) => [each.wallet.id, each.lastTransferId])),
        watches: new Set(),
      };
    }
    if (this.#isClosed) watch.end();
    if (watch.isOver) return;
    this.#tails.set(clientId, tail);
    tail.watches.add(watch);
    await this.#entries.begin();
  }

  #unregister(watch: LogWatch<WalletEvent>, clientId: number): void {
    const tail = this.#tails.get(clientId);
    tail?.watches.delete(watch);
    if (tail?.watches.size === 0) this.#tails.delete(clientId);
  }

  lose(fault: Error): void {
    for (const watch of this.#allWatches()) watch.fail(fault);
  }

  #allWatches(): readonly LogWatch<WalletEvent>[] {
    return [...this.#tails.values()].flatMap(({ watches }) => [...watches]);
  }

  isFollowing(): boolean {
    return this.#tails.size > 0;
  }

  /** Nobody waits for the wallets: what a read misses, the next look finds. */
  handOut(entries: readonly FeedEntry[]): Promise<void> {
    this.#read(entries.map(({ clientId }) => clientId));
    return Promise.resolve();
  }

  /** Reads what is new of the clients; what is asked for during a read is read right after it. */
  #read(clientIds: Iterable<number>): void {
    for (const clientId of clientIds) if (this.#tails.has(clientId)) this.#asked.add(clientId);
    if (this.#asked.size === 0 || this.#reading !== null) return;
    const asked = [...this.#asked];
    this.#asked.clear();
    this.#reading = this.#readTails(asked)
      .catch(this.#onError)
      .finally(() => {
        this.#reading = null;
        this.#read([]);
      });
  }

  async #readTails(clientIds: readonly number[]): Promise<void> {
    for (let isMore = true; isMore;) {
      const parts = clientIds.flatMap((clientId) => {
        const tail = this.#tails.get(clientId);
        return tail === undefined ? [] : [{ clientId, walletId: null, positions: tail.positions }];
      });
      if (parts.length === 0) return;
      const read = await readTransfers(this.#pool, parts, TAIL_PAGE_SIZE);
      for (const { clientId, event } of read) this.#handOut(clientId, event);
      isMore = read.length >= TAIL_PAGE_SIZE;
    }
  }

  #handOut(clientId: number, event: WalletEvent): void {
    const tail = this.#tails.get(clientId);
    const id = event.transfer?.id ?? 0;
    if (tail === undefined || id <= (tail.positions.get(event.wallet.id) ?? 0)) return;
    tail.positions.set(event.wallet.id, id);
    for (const watch of tail.watches) watch.push(event);
  }
}

async function readStandings(pool: pg.Pool, clientId: number): Promise<readonly WalletStanding[]> {
  const { rows } = await pool.query<WalletRow & { readonly last_transfer_id: number }>({
    name: 'wallet_standings',
    text: `select ${WALLET_COLUMNS}, coalesce((select max(t.id) from transfer t
        where t.client_id = w.client_id and t.wallet_id = w.id), 0) as last_transfer_id
      from wallet w where w.client_id = $1 order by w.id`,
    values: [clientId],
  });
  return rows.map((row) => ({ wallet: toWallet(row), lastTransferId: row.last_transfer_id }));
}

/**
 * Up to `limit` transfers of each wallet behind its position, by id. A wallet without a position is
 * read from its beginning: it was opened since.
 */
async function readTransfers(
  pool: pg.Pool,
  parts: readonly Part[],
  limit: number,
): Promise<readonly { readonly clientId: number; readonly event: WalletEvent }[]> {
  const known = parts.flatMap(({ clientId, positions }) =>
    [...positions].map(([walletId, position]) => ({ clientId, walletId, position })));
  const { rows } = await pool.query<WalletRow>({
    name: 'wallet_tails',
    text: `select ${TRANSFER_COLUMNS}, ${WALLET_COLUMNS}
      from unnest($1::bigint[], $2::bigint[]) c(client_id, wallet_id)
      join wallet w on w.client_id = c.client_id
        and w.id = coalesce(c.wallet_id, w.id)
      left join unnest($3::bigint[], $4::bigint[], $5::bigint[]) p(client_id, wallet_id, last_id)
        on p.client_id = w.client_id and p.wallet_id = w.id
      cross join lateral (select n.* from transfer n
        where n.client_id = w.client_id and n.wallet_id = w.id and n.id > coalesce(p.last_id, 0)
        order by n.id limit $6) t
      ${WITH_ORDER} order by t.id`,
    values: [
      parts.map(({ clientId }) => clientId),
      parts.map(({ walletId }) => walletId),
      known.map(({ clientId }) => clientId),
      known.map(({ walletId }) => walletId),
      known.map(({ position }) => position),
      limit,
    ],
  });
  return rows.map((row) => {
    const transfer = toTransfer(row);
    const { balanceAfter: balance, createdAt: occurredAt } = transfer;
    const event = { wallet: toWallet(row), transfer, balance, occurredAt };
    return { clientId: row.client_id, event };
  });
}

function toWallet(row: WalletRow): Wallet {
  return {
    id: row.wallet_id,
    currency: row.currency,
    type: row.type,
    balance: canonical(row.balance),
    creditLimit: canonical(row.credit_limit),
    isDefault: row.is_default,
    isFrozen: row.is_frozen,
  };
}
