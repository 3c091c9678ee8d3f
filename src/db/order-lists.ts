import type pg from 'pg';
import { ClientShares } from '../domain/client-shares.ts';
import { COUNTED_MAX, type ListPage, type OffsetPage } from '../domain/list-page.ts';
import type { OrderListFilter, OrderLists } from '../domain/order-list.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import { ORDERS_OF_CLIENT, type Milestones } from './milestones.ts';
import { countSql, narrowOrders, newestIdsSql, type NarrowedOrders } from './order-filter.ts';
import { findSpan } from './order-span.ts';
import { ORDER_COLUMNS, toOrder } from './order-rows.ts';
import { askUntilBack } from './pool.ts';

/** Half of the connections that lists have (LIST_POOL_SIZE in parts.ts). */
const READS_OF_CLIENT_MAX = 2;

/** One statement about the orders of a client. */
type Ask = <Row extends object>(query: pg.QueryConfig) => Promise<readonly Row[]>;

/** Lists of a client's orders. A page deep in the whole list costs what the first one does. */
export function createOrderLists(options: {
  readonly pool: pg.Pool;
  readonly milestones: Milestones;
}): OrderLists {
  const { pool, milestones } = options;
  const shares = new ClientShares(READS_OF_CLIENT_MAX);
  const askOf = (clientId: number): Ask => async <Row extends object>(query: pg.QueryConfig) => {
    // A place is held for a try, and not while a database that is away is waited for.
    const { rows } = await askUntilBack(() =>
      shares.read(clientId, () => pool.query<Row>(query)));
    return rows;
  };
  const narrow = async (ask: Ask, clientId: number, filter: OrderListFilter) => {
    const onFarBehind = (): void => void milestones.setNext(ORDERS_OF_CLIENT, [clientId]);
    const span = await findSpan(ask, { clientId, filter, onFarBehind });
    return narrowOrders(clientId, filter, span);
  };
  return {
    async listOrders(clientId, filter, page) {
      const ask = askOf(clientId);
      const narrowed = await narrow(ask, clientId, filter);
      if (isNarrowed(narrowed)) return listNarrowed(ask, narrowed, page);
      const { offset, limit } = page;
      const { totalCount, fromId, skip } = await milestones.find(
        ORDERS_OF_CLIENT, [clientId], offset,
      );
      if (offset >= totalCount) return { items: [], totalCount, hasMore: false };
      const beforeId = fromId === null ? null : fromId + 1;
      const items = await readOrders(ask, narrowed, { beforeId, skip, limit });
      return { items, totalCount, hasMore: offset + items.length < totalCount };
    },
    async listOrdersBefore(clientId, filter, { beforeId, limit }) {
      const ask = askOf(clientId);
      const narrowed = await narrow(ask, clientId, filter);
      return readOrders(ask, narrowed, { beforeId, skip: 0, limit });
    },
    async countOrders(clientId, filter) {
      const ask = askOf(clientId);
      const narrowed = await narrow(ask, clientId, filter);
      if (isNarrowed(narrowed)) return countNarrowed(ask, narrowed);
      return (await milestones.find(ORDERS_OF_CLIENT, [clientId], 0)).totalCount;
    },
  };
}

function isNarrowed({ name }: NarrowedOrders): boolean {
  return name !== '';
}

async function listNarrowed(
  ask: Ask,
  narrowed: NarrowedOrders,
  { offset, limit }: OffsetPage,
): Promise<ListPage<TopupOrder>> {
  // One further than asked for: a count that stopped early does not know whether more follow.
  const [rows, totalCount] = await Promise.all([
    readOrders(ask, narrowed, { beforeId: null, skip: offset, limit: limit + 1 }),
    countNarrowed(ask, narrowed),
  ]);
  return { items: rows.slice(0, limit), totalCount, hasMore: rows.length > limit };
}

async function readOrders(
  ask: Ask,
  narrowed: NarrowedOrders,
  page: { readonly beforeId: number | null; readonly skip: number; readonly limit: number },
): Promise<readonly TopupOrder[]> {
  const { name, values } = narrowed;
  const parameter = (nth: number): string => `$${values.length + nth}`;
  const bound = `o.id < ${parameter(1)}`;
  const bounds = [page.beforeId ?? Number.MAX_SAFE_INTEGER, page.limit];
  const isFirst = page.skip === 0 && narrowed.parts.length === 1 && narrowed.each === null;
  const rows = await ask(isFirst
    ? {
        // One walk along an index: 16 pages of memory where the way below reads 204, for 50 orders.
        ...kept('orders_first', name),
        text: `select ${ORDER_COLUMNS} from topup_order o
          where ${[...narrowed.where, ...narrowed.parts, bound].join(' and ')}
          order by o.id desc limit ${parameter(2)}`,
        values: [...values, ...bounds],
      }
    : {
        // The ids alone are counted off, out of an index, and only the page itself is read: by
        // key, as the limit makes sure, whatever plan was made while the table was small.
        ...kept('orders', name),
        text: `select ${ORDER_COLUMNS} from (select o.id from ${newestIdsSql(narrowed, {
          limit: `${parameter(3)}::bigint + ${parameter(2)}::bigint`, bound,
        })} o order by o.id desc offset ${parameter(3)}) page
          cross join lateral (select * from topup_order t
            where t.client_id = $1 and t.id = page.id limit 1) o order by o.id desc`,
        values: [...values, ...bounds, page.skip],
      });
  return rows.map(toOrder);
}

/** Under which name connections keep a statement; what has none is planned each time. */
function kept(kind: string, name: string | null): { readonly name?: string } {
  return name === null ? {} : { name: `${kind}:${name}` };
}

async function countNarrowed(ask: Ask, narrowed: NarrowedOrders): Promise<number> {
  const [row] = await ask<{ count: number }>({
    ...kept('count', narrowed.name),
    text: countSql(narrowed, COUNTED_MAX),
    values: [...narrowed.values],
  });
  return row?.count ?? 0;
}
