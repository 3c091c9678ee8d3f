import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { EventPage, FoundEvents, OrderEvents } from '../domain/order-events.ts';
import type { TopupOrderEvent } from '../domain/topup-order.ts';
import { EVENT_COLUMNS, toEvent } from './order-rows.ts';
import { askUntilBack } from './pool.ts';

/** An event is numbered some milliseconds after its commit, and later under load. */
const PAUSES_MS = [5, 10, 20, 40, 80, 160, 320];

/** Events of many orders in one statement, whatever the size of the page. */
export function createOrderEvents(pool: pg.Pool): OrderEvents {
  return {
    async findEventPages(clientId, pages) {
      const found = [...await readPages(pool, clientId, pages)];
      for (const pauseMs of PAUSES_MS) {
        const behind = [...found.keys()].filter((index) => isBehind(found[index], pages[index]));
        if (behind.length === 0) break;
        await sleep(pauseMs);
        const asked = behind.flatMap((index) => pages[index] ?? []);
        const again = await readPages(pool, clientId, asked);
        again.forEach((page, place) => {
          found[behind[place] ?? 0] = page;
        });
      }
      return found;
    },
  };
}

/** Of a page that is not full, whatever follows has no place yet. */
function isBehind(found: FoundEvents | undefined, page: EventPage | undefined): boolean {
  return found?.hasMore === true && found.events.length < (page?.first ?? 0);
}

interface PageRow {
  readonly page: number;
  readonly sequence: number | null;
}

async function readPages(
  pool: pg.Pool,
  clientId: number,
  pages: readonly EventPage[],
): Promise<readonly FoundEvents[]> {
  const { rows } = await askUntilBack(() => pool.query<PageRow>({
    name: 'event_pages',
    // What has had no place for long has lost it, and gets none any more.
    text: `select p.page, found.* from unnest($2::bigint[], $3::int[], $4::int[], $5::int[])
        with ordinality p(order_id, after_version, through_version, first, page)
      cross join lateral (select ${EVENT_COLUMNS},
          coalesce(e.sequence, f.sequence) as sequence
        from topup_order_event e
        left join lateral (select n.sequence from feed_entry n
          where n.client_id = e.client_id and n.topup_order_id = e.topup_order_id
            and n.version = e.version limit 1) f on true
        where e.client_id = $1 and e.topup_order_id = p.order_id
          and e.version > p.after_version and e.version <= p.through_version
          and (coalesce(e.sequence, f.sequence) is not null
            or e.occurred_at > clock_timestamp() - interval '1 minute')
        order by e.version limit p.first + 1) found
      order by p.page, found.version`,
    values: [
      clientId,
      pages.map(({ orderId }) => orderId),
      pages.map(({ afterVersion }) => afterVersion),
      pages.map(({ throughVersion }) => throughVersion),
      pages.map(({ first }) => first),
    ],
  }));
  const found = pages.map(() => ({ events: [] as TopupOrderEvent[], hasMore: false }));
  for (const row of rows) {
    const page = found[row.page - 1];
    if (page === undefined) continue;
    if (row.sequence === null || page.events.length === pages[row.page - 1]?.first) {
      page.hasMore = true;
    } else {
      page.events.push(toEvent(row));
    }
  }
  return found;
}
