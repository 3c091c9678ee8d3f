import type pg from 'pg';
import type { OrderEvents } from '../domain/order-events.ts';
import type { TopupOrderEvent } from '../domain/topup-order.ts';
import { toEvent } from './order-rows.ts';
import { askUntilBack } from './pool.ts';

/** Events of many orders in one statement, whatever the size of the page. */
export function createOrderEvents(pool: pg.Pool): OrderEvents {
  return {
    async findEventPages(clientId, pages) {
      const { rows } = await askUntilBack(() => pool.query<{ page: number }>({
        name: 'event_pages',
        text: `select p.page, e.* from unnest($2::bigint[], $3::int[], $4::int[], $5::int[])
            with ordinality p(order_id, after_version, through_version, size, page)
          cross join lateral (select v.client_id, v.topup_order_id, v.version, v.type,
              v.previous_status, v.status, v.failure_code, v.occurred_at,
              coalesce(v.sequence, f.sequence) as sequence
            from topup_order_event v
            left join lateral (select n.sequence from feed_entry n
              where n.client_id = v.client_id and n.topup_order_id = v.topup_order_id
                and n.version = v.version limit 1) f on true
            where v.client_id = $1 and v.topup_order_id = p.order_id
              and v.version > p.after_version and v.version <= p.through_version
              and coalesce(v.sequence, f.sequence) is not null
            order by v.version limit p.size) e
          order by p.page, e.version`,
        values: [
          clientId,
          pages.map(({ orderId }) => orderId),
          pages.map(({ afterVersion }) => afterVersion),
          pages.map(({ throughVersion }) => throughVersion),
          pages.map(({ limit }) => limit),
        ],
      }));
      const found: TopupOrderEvent[][] = pages.map(() => []);
      for (const row of rows) found[row.page - 1]?.push(toEvent(row));
      return found;
    },
  };
}
