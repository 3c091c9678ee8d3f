import type pg from 'pg';
import { JOB_SCHEMA, UNDELIVERABLE_QUEUE } from './job-schema.ts';

export interface OpenWorkCounts {
  readonly ordersPending: number;
  readonly ordersInReview: number;
  /** Nobody would take them, for longer than their suppliers' retry windows; still tried. */
  readonly ordersPastWindow: number;
  readonly ordersOverdue: number;
  readonly casesOpen: number;
  /** Committed events that have no place in a feed yet. */
  readonly eventsUnnumbered: number;
  /** Given up, and kept for a person. */
  readonly mailsUndeliverable: number;
}

/**
 * Counts what has not ended; over the index of pending orders, however many have ended. A window
 * that ended within the last five seconds counts as open: the last try may be under way to it.
 */
export async function countOpenWork(pool: pg.Pool): Promise<OpenWorkCounts> {
  const { rows } = await pool.query<OpenWorkCounts>({
    name: 'open_work',
    text: `select count(*) as "ordersPending",
        count(*) filter (where fulfilment_state = 'REVIEW') as "ordersInReview",
        count(*) filter (where fulfilment_state = 'RETRY_WAIT'
          and retry_until < clock_timestamp() - interval '5 seconds'
          and (retry_until < next_action_at
            or exists (select from supplier s where s.is_suspended and s.id = coalesce(
              (select m.supplier_id from submission m where m.client_id = o.client_id
                and m.topup_order_id = o.id and m.route = o.route),
              (select f.supplier_id from offer f where f.variant_id = o.variant_id
                and f.route = o.route))))
          and not exists (select from submission m where m.client_id = o.client_id
            and m.topup_order_id = o.id and m.state <> 'NOT_APPLIED')) as "ordersPastWindow",
        count(*) filter (where next_action_at < clock_timestamp() - interval '2 minutes')
          as "ordersOverdue",
        (select count(*) from reconciliation_case where resolved_at is null) as "casesOpen",
        (select count(*) from feed_inbox) as "eventsUnnumbered",
        (select count(*) from ${JOB_SCHEMA}.job where name = $1 and state < 'completed')
          as "mailsUndeliverable"
      from topup_order o where status = 'PENDING'`,
    values: [UNDELIVERABLE_QUEUE],
  });
  const [counts] = rows;
  if (counts === undefined) throw new Error('A count has no row');
  return counts;
}
