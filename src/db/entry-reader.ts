import type pg from 'pg';
import type { WakeUps } from './wake-ups.ts';

/** A lost wake-up costs at most this. */
const POLL_MS = 500;
/** Entries of one read; what is behind them is read at once after. */
const PAGE_SIZE = 500;

/** One event's place in its client's feed. */
export interface FeedEntry {
  readonly clientId: number;
  readonly sequence: number;
  readonly topupOrderId: number;
  readonly version: number;
}

/** Whoever hands new entries on to subscribers. */
export interface EntryFollower {
  /** Whether anybody waits for entries. */
  isFollowing(): boolean;
  handOut(entries: readonly FeedEntry[]): Promise<void>;
}

interface EntryRow {
  readonly client_id: number;
  readonly sequence: number;
  readonly topup_order_id: number;
  readonly version: number;
  readonly place: number;
}

/**
 * Reads the log once for all subscribers of the process: whatever stands behind the last place that
 * it saw, at every wake-up, and without one often enough that a lost wake-up does no harm. One read
 * at a time: whatever wakes during a read is seen by the one after it.
 */
export class EntryReader {
  readonly #pool: pg.Pool;
  readonly #onError: (error: Error) => void;
  readonly #followers: EntryFollower[] = [];
  readonly #stopListening: () => void;
  readonly #timer: NodeJS.Timeout;
  /** Everything up to here was handed out; null while nobody follows. */
  #place: number | null = null;
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

  serve(follower: EntryFollower): void {
    this.#followers.push(follower);
  }

  /**
   * Resolves once everything that is entered from now on will be handed out. Whoever asks follows
   * already: a reader without followers forgets its place.
   */
  async begin(): Promise<void> {
    if (this.#place !== null) return;
    const place = await this.#lastPlace();
    // Another one may have begun meanwhile.
    this.#place ??= place;
  }

  async close(): Promise<void> {
    this.#stopListening();
    clearInterval(this.#timer);
    await this.#reading;
  }

  #read(): void {
    if (this.#reading !== null) {
      this.#isReadingAgain = true;
      return;
    }
    this.#reading = this.#readPages()
      .catch(this.#onError)
      .finally(() => {
        this.#reading = null;
        if (!this.#isReadingAgain) return;
        this.#isReadingAgain = false;
        this.#read();
      });
  }

  async #readPages(): Promise<void> {
    for (let isMore = true; isMore && this.#place !== null;) {
      if (!this.#followers.some((follower) => follower.isFollowing())) {
        this.#place = null;
        return;
      }
      const { rows } = await this.#pool.query<EntryRow>({
        name: 'new_entries',
        text: `select client_id, sequence, topup_order_id, version, place from feed_entry
          where place > $1 order by place limit ${PAGE_SIZE}`,
        values: [this.#place],
      });
      const entries = rows.map(toEntry);
      // To all of them: some may have begun to follow during the read.
      for (const follower of this.#followers) await follower.handOut(entries);
      // Only now: a read that failed half-way is done again, and watchers know what they have.
      this.#place = rows.at(-1)?.place ?? this.#place;
      isMore = rows.length >= PAGE_SIZE;
    }
  }

  async #lastPlace(): Promise<number> {
    const { rows: [row] } = await this.#pool.query<{ place: number }>({
      name: 'last_place',
      text: 'select coalesce(max(place), 0) as place from feed_entry',
    });
    return row?.place ?? 0;
  }
}

function toEntry(row: EntryRow): FeedEntry {
  return {
    clientId: row.client_id,
    sequence: row.sequence,
    topupOrderId: row.topup_order_id,
    version: row.version,
  };
}
