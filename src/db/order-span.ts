import type { OrderListFilter } from '../domain/order-list.ts';

/** Between which ids all orders of a span of time lie; others may lie there as well. */
export interface OrderSpan {
  /** Exclusive. */
  readonly afterId: number;
  /** Inclusive. */
  readonly upToId: number;
}

export const ANY_TIME: OrderSpan = { afterId: 0, upToId: Number.MAX_SAFE_INTEGER };

/**
 * As many behind the last milestone are looked at one by one. Milestones are set where more lie
 * there, and a clock that was set back only then would be seen as soon as they are.
 */
const BEYOND_MAX = 2000;

/**
 * A moment as the end of a span, exclusive: times are shown in whole seconds, so what was placed
 * within the last one belongs to it.
 */
export const endOf = (moment: string): string =>
  `date_trunc('second', ${moment}::timestamptz) + interval '1 second'`;

/**
 * The milestones nearest to a span of time on its outer sides. The database's clock may have been
 * set back meanwhile: one side is bounded by the latest time of all that lies before, the other one
 * by the last thousand, and by what lies behind all of them.
 */
const FIND_SPAN = `
  select (select m.topup_order_id from order_milestone m
      where m.client_id = $1 and m.created_at < $2
      order by m.created_at desc, m.position desc limit 1) as after_id,
    case when $3::timestamptz is not null and not exists (
        select from (select o.created_at from topup_order o
            where o.client_id = $1 and o.id > coalesce((select m.topup_order_id
              from order_milestone m where m.client_id = $1 order by m.position desc limit 1), 0)
            order by o.id limit ${BEYOND_MAX}) beyond
          where beyond.created_at < ${endOf('$3')})
      then coalesce((select m.topup_order_id from order_milestone m
        where m.client_id = $1 and m.earliest_at < ${endOf('$3')}
        order by m.position desc limit 1), 0) end as up_to_id`;

/** Where the orders of the filter's span lie; asks only where it has one. */
export async function findSpan(
  ask: (query: { readonly name: string; readonly text: string; readonly values: unknown[] }) =>
  Promise<readonly { readonly after_id: number | null; readonly up_to_id: number | null }[]>,
  clientId: number,
  filter: OrderListFilter,
): Promise<OrderSpan> {
  const from = filter.createdFrom ?? null;
  const to = filter.createdTo ?? null;
  if (from === null && to === null) return ANY_TIME;
  const [found] = await ask({
    name: 'order_span', text: FIND_SPAN, values: [clientId, from, to],
  });
  return {
    afterId: found?.after_id ?? ANY_TIME.afterId,
    upToId: found?.up_to_id ?? ANY_TIME.upToId,
  };
}
