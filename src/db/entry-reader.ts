import type pg from 'pg';
import { TemporarilyUnavailable } from '../domain/rejection.ts';
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
  /** The log has lost what was handed out: whoever waits has to begin again. */
  lose(fault: Error): void;
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
  /** What stood there when it was read; null where the log was empty. */
  #last: EntryRow | null = null;
  #reading: Promise<void> | null = null;
  #isReadingAgain = false;
  #isChecking = false;

  constructor(options: {
    readonly pool: pg.Pool;
    readonly wakeUps: WakeUps;
    readonly onError: (error: Error) => void;
  }) {
    this.#pool = options.pool;
    this.#onError = options.onError;
    this.#stopListening = options.wakeUps.on('feed', () => this.#read());
    this.#timer = setInterval(() => {
      this.#isChecking = true;
      this.#read();
    }, POLL_MS);
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
    const last = await this.#lastEntry();
    // Another one may have begun meanwhile.
    if (this.#place === null) this.#goOnBehind(last);
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
        this.#last = null;
        return;
      }
      if (this.#isChecking) await this.#check();
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
      const last = rows.at(-1);
      if (last !== undefined) this.#goOnBehind(last);
      isMore = rows.length >= PAGE_SIZE;
    }
  }

  /**
   * A database that was promoted, or restored under us, may lack what we have read, and then gives
   * the same places to other events. Entries that are too old go as well, but the oldest first.
   */
  async #check(): Promise<void> {
    this.#isChecking = false;
    const last = this.#last;
    if (last === null) return;
    const { rows: [row] } = await this.#pool.query<{ is_there: boolean; has_older: boolean }>({
      name: 'is_entry_there',
      text: `select exists (select from feed_entry where place = $1 and client_id = $2
          and sequence = $3 and topup_order_id = $4 and version = $5) as is_there,
        exists (select from feed_entry where place <= $1) as has_older`,
      values: [last.place, last.client_id, last.sequence, last.topup_order_id, last.version],
    });
    if (row === undefined || row.is_there || !row.has_older) return;
    this.#goOnBehind(await this.#lastEntry());
    this.#onError(new Error('The database lacks events that were read from it: after a promotion'
      + ' that lost commits, or a restore, stop all processes and run npm run restored'));
    const fault = new TemporarilyUnavailable('Events were lost, please resume');
    for (const follower of this.#followers) follower.lose(fault);
  }

  #goOnBehind(last: EntryRow | null): void {
    this.#last = last;
    this.#place = last?.place ?? 0;
  }

  async #lastEntry(): Promise<EntryRow | null> {
    const { rows: [row] } = await this.#pool.query<EntryRow>({
      name: 'last_entry',
      text: `select client_id, sequence, topup_order_id, version, place from feed_entry
        order by place desc limit 1`,
    });
    return row ?? null;
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
