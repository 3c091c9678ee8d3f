import type pg from 'pg';
import type { OrderEvents } from '../domain/order-events.ts';
import type { TopupOrderEvent } from '../domain/topup-order.ts';
import { EVENT_COLUMNS, toEvent } from './order-rows.ts';
import { askUntilBack } from './pool.ts';

/** Events of many orders in one statement, whatever the size of the page. */
export function createOrderEvents(pool: pg.Pool): OrderEvents {
  return {
    async findEventPages(clientId, pages) {
      const { rows } = await askUntilBack(() => pool.query<{ page: number }>({
        name: 'event_pages',
        text: `select p.page, found.* from unnest($2::bigint[], $3::int[], $4::int[], $5::int[])
            with ordinality p(order_id, after_version, through_version, size, page)
          cross join lateral (select ${EVENT_COLUMNS},
              coalesce(e.sequence, f.sequence) as sequence
            from topup_order_event e
            left join lateral (select n.sequence from feed_entry n
              where n.client_id = e.client_id and n.topup_order_id = e.topup_order_id
                and n.version = e.version limit 1) f on true
            where e.client_id = $1 and e.topup_order_id = p.order_id
              and e.version > p.after_version and e.version <= p.through_version
              and coalesce(e.sequence, f.sequence) is not null
            order by e.version limit p.size) found
          order by p.page, found.version`,
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
