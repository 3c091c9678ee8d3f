import type pg from 'pg';
import { cursorRefused } from '../domain/feed-cursor.ts';
import type { FeedExtent } from '../domain/ports.ts';
import type { FeedEvent, TopupOrder, TopupOrderEvent } from '../domain/topup-order.ts';
import type { FeedEntry } from './entry-reader.ts';
import { EVENT_COLUMNS, ORDER_COLUMNS, toEvent, toOrder } from './order-rows.ts';

/**
 * Events of one order that have their number, by version. An event whose position was removed from
 * the feed keeps the number itself.
 */
export async function readOrderEvents(pool: pg.Pool, of: {
  readonly clientId: number;
  readonly orderId: number;
  readonly afterVersion: number;
  readonly limit: number;
}): Promise<readonly FeedEvent[]> {
  const { rows } = await pool.query<object>({
    name: 'order_events',
    text: `select ${EVENT_COLUMNS}, coalesce(e.sequence, f.sequence) as sequence
      from topup_order_event e
      left join feed_entry f using (client_id, topup_order_id, version)
      where e.client_id = $1 and e.topup_order_id = $2 and e.version > $3
        and coalesce(e.sequence, f.sequence) is not null
      order by e.version limit $4`,
    values: [of.clientId, of.orderId, of.afterVersion, of.limit],
  });
  return withOrders(pool, rows.map(toEvent));
}

/**
 * Events of one client by sequence.
 * @throws Rejection VALIDATION_FAILURE with the detail CURSOR_EXPIRED where the event right behind
 *   `afterSequence` was removed
 */
export async function readClientEvents(pool: pg.Pool, of: {
  readonly clientId: number;
  readonly afterSequence: number;
  readonly limit: number;
}): Promise<readonly FeedEvent[]> {
  const { rows } = await pool.query<object>({
    name: 'client_events',
    text: `select ${EVENT_COLUMNS}, f.sequence
      from feed_entry f join topup_order_event e using (client_id, topup_order_id, version)
      where f.client_id = $1 and f.sequence > $2 order by f.sequence limit $3`,
    values: [of.clientId, of.afterSequence, of.limit],
  });
  const events = rows.map(toEvent);
  const [first] = events;
  if (first !== undefined && first.sequence !== of.afterSequence + 1
    && !await wasSkipped(pool, { ...of, beforeSequence: first.sequence })) {
    throw cursorRefused('CURSOR_EXPIRED');
  }
  return withOrders(pool, events);
}

/** Whether nothing ever stood between two positions, but for what a restored backup had lost. */
async function wasSkipped(pool: pg.Pool, between: {
  readonly clientId: number; readonly afterSequence: number; readonly beforeSequence: number;
}): Promise<boolean> {
  const { rows } = await pool.query({
    name: 'feed_skip',
    text: `select from feed_skip
      where client_id = $1 and skipped_after = $2 and skipped_through = $3`,
    values: [between.clientId, between.afterSequence, between.beforeSequence - 1],
  });
  return rows.length > 0;
}

/** The events of entries, in their order, each with its order as it stands. */
export async function readEvents(
  pool: pg.Pool,
  entries: readonly FeedEntry[],
): Promise<readonly FeedEvent[]> {
  if (entries.length === 0) return [];
  const { rows } = await pool.query<object>({
    name: 'events_of_entries',
    // The limit keeps it a look-up by key, whatever plan was made while the tables were small.
    text: `select e.*, k.sequence
      from unnest($1::bigint[], $2::bigint[], $3::int[], $4::bigint[]) with ordinality
        k(client_id, topup_order_id, version, sequence, nth)
      cross join lateral (select ${EVENT_COLUMNS} from topup_order_event e
        where e.client_id = k.client_id and e.topup_order_id = k.topup_order_id
          and e.version = k.version limit 1) e
      order by k.nth`,
    values: [
      entries.map(({ clientId }) => clientId),
      entries.map(({ topupOrderId }) => topupOrderId),
      entries.map(({ version }) => version),
      entries.map(({ sequence }) => sequence),
    ],
  });
  return withOrders(pool, rows.map(toEvent));
}

/** Puts its order to each event: one read for all of them, whoever is told of them. */
async function withOrders(
  pool: pg.Pool,
  events: readonly TopupOrderEvent[],
): Promise<readonly FeedEvent[]> {
  const clientIds = new Map(events.map((event) => [event.topupOrderId, event.clientId]));
  if (clientIds.size === 0) return [];
  const { rows } = await pool.query<object>({
    name: 'orders_of_events',
    // The limit keeps it a look-up by key, whatever plan was made while the tables were small.
    text: `select o.* from unnest($1::bigint[], $2::bigint[]) k(client_id, id)
      cross join lateral (select ${ORDER_COLUMNS} from topup_order o
        where o.client_id = k.client_id and o.id = k.id limit 1) o`,
    values: [[...clientIds.values()], [...clientIds.keys()]],
  });
  const orders = new Map<number, TopupOrder>(
    rows.map(toOrder).map((order) => [order.id, order]),
  );
  return events.map((event) => {
    const order = orders.get(event.topupOrderId);
    if (order === undefined) throw new Error('An event stands without its order');
    return { ...event, order };
  });
}

interface ExtentRow {
  readonly last_sequence: number;
  readonly removed_through: number;
  readonly skipped: FeedExtent['skipped'] | null;
}

/** How far a client's feed reaches; a feed without events stands at 0. */
export async function readExtent(pool: pg.Pool, clientId: number): Promise<FeedExtent> {
  const { rows: [row] } = await pool.query<ExtentRow>({
    name: 'feed_extent',
    text: `select last_sequence, removed_through, (
        select json_agg(json_build_object('after', s.skipped_after, 'through', s.skipped_through))
        from feed_skip s where s.client_id = p.client_id) as skipped
      from feed_position p where p.client_id = $1`,
    values: [clientId],
  });
  return {
    removedThrough: row?.removed_through ?? 0,
    lastSequence: row?.last_sequence ?? 0,
    skipped: row?.skipped ?? [],
  };
}
