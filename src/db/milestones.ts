import type pg from 'pg';
import { askUntilBack } from './pool.ts';

/** Rows from one milestone to the next. */
const MILESTONE_EVERY = 1000;
/** More than this behind the last milestone, and the next are set. */
export const BEYOND_MAX = 2 * MILESTONE_EVERY;
/** What is counted row by row at most, for the first look into a long list: half a second. */
const COUNTED_BEYOND_MAX = 2_000_000;
/** One call sets 100 milestones. */
const CALLS_MAX = 1000;

/** A list that only grows at its young end, with a milestone at every thousandth row. */
interface LongList {
  readonly name: string;
  readonly table: string;
  readonly milestones: string;
  readonly milestoneId: string;
  /** The columns of the list's key, in the order of the values that name one list. */
  readonly key: readonly string[];
}

export const ORDERS_OF_CLIENT: LongList = {
  name: 'order',
  table: 'topup_order',
  milestones: 'order_milestone',
  milestoneId: 'topup_order_id',
  key: ['client_id'],
};

export const TRANSFERS_OF_WALLET: LongList = {
  name: 'wallet',
  table: 'transfer',
  milestones: 'wallet_milestone',
  milestoneId: 'transfer_id',
  key: ['client_id', 'wallet_id'],
};

/** Where a page of a list, newest first, begins. */
export interface PageStart {
  readonly totalCount: number;
  /** The milestone nearest above it; null where the page is counted from the newest row. */
  readonly fromId: number | null;
  /** Rows to pass over, from there. */
  readonly skip: number;
}

/** Counts long lists and finds their pages without walking through them. */
export class Milestones {
  readonly #pool: pg.Pool;
  readonly #onError: (error: Error) => void;
  readonly #setting = new Set<string>();

  constructor(options: { readonly pool: pg.Pool; readonly onError: (error: Error) => void }) {
    this.#pool = options.pool;
    this.#onError = options.onError;
  }

  /** `key` names the list: its client, and the wallet. */
  async find(list: LongList, key: readonly number[], offset: number): Promise<PageStart> {
    const { rows: [row] } = await askUntilBack(() => this.#pool.query<StartRow>({
      name: `${list.name}_milestones`,
      text: startSql(list),
      values: [...key, offset],
    }));
    if (row === undefined) throw new Error('A count has no row');
    const { marked, beyond, position, id } = row;
    if (beyond > BEYOND_MAX) void this.setNext(list, key);
    const totalCount = marked + beyond;
    return position === null
      ? { totalCount, fromId: null, skip: offset }
      : { totalCount, fromId: id, skip: position - (totalCount - offset) };
  }

  /** In the background: nobody waits for milestones, the next reader finds them. */
  async setNext(list: LongList, key: readonly number[]): Promise<void> {
    const name = `${list.name}:${key.join(':')}`;
    if (this.#setting.has(name)) return;
    this.#setting.add(name);
    try {
      const parameters = key.map((_, index) => `$${index + 1}`).join(', ');
      for (let calls = 0, isMore = true; isMore && calls < CALLS_MAX; calls += 1) {
        const { rows } = await this.#pool.query<{ is_more: boolean }>({
          name: `set_${list.name}_milestones`,
          text: `select set_${list.name}_milestones(${parameters}) as is_more`,
          values: [...key],
        });
        isMore = rows[0]?.is_more === true;
      }
    } catch (error) {
      this.#onError(error as Error);
    } finally {
      this.#setting.delete(name);
    }
  }
}

interface StartRow {
  readonly marked: number;
  readonly beyond: number;
  readonly position: number | null;
  readonly id: number | null;
}

// The n-th newest of N rows is the (N - n + 1)-th oldest, and milestones count from the oldest.
function startSql(list: LongList): string {
  const scope = list.key.map((column, index) => `${column} = $${index + 1}`).join(' and ');
  const offset = `$${list.key.length + 1}::bigint`;
  return `with last as materialized (select position, ${list.milestoneId} as id
      from ${list.milestones} where ${scope} order by position desc limit 1),
    total as (select coalesce((select position from last), 0) as marked,
      (select count(*) from (select from ${list.table}
        where ${scope} and id > coalesce((select id from last), 0)
        limit ${COUNTED_BEYOND_MAX}) b) as beyond)
    select t.marked, t.beyond, s.position, s.id from total t
    left join lateral (select position, ${list.milestoneId} as id from ${list.milestones}
      where ${scope} and position >= t.marked + t.beyond - ${offset}
      order by position limit 1) s on true`;
}
