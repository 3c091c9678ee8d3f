import type { OrderListFilter } from '../domain/order-list.ts';
import { BEYOND_MAX } from './milestones.ts';

/** Between which ids all orders of a span of time lie; others may lie there as well. */
export interface OrderSpan {
  /** Exclusive. */
  readonly afterId: number;
  /** Inclusive. */
  readonly upToId: number;
}

export const ANY_TIME: OrderSpan = { afterId: 0, upToId: Number.MAX_SAFE_INTEGER };

/**
 * A moment as the end of a span, exclusive: times are shown in whole seconds, so what was placed
 * within the last one belongs to it.
 */
export const endOf = (moment: string): string =>
  `date_trunc('second', ${moment}::timestamptz) + interval '1 second'`;

/**
 * The milestones nearest to a span of time on its outer sides. The database's clock may have been
 * set back meanwhile: one side is bounded by the latest time of all that lies before, the other one
 * by the earliest of each thousand, and by what lies behind the last of them. Where too much lies
 * there to be looked at, that side has no bound.
 */
const FIND_SPAN = `
  select (select m.topup_order_id from order_milestone m
      where m.client_id = $1 and m.latest_at < $2
      order by m.latest_at desc, m.position desc limit 1) as after_id,
    b.is_far_behind,
    case when $3::timestamptz is not null and not b.is_far_behind and not exists (
        select from topup_order o where o.client_id = $1 and o.id > b.last_id
          and o.created_at < ${endOf('$3')})
      then coalesce((select m.topup_order_id from order_milestone m
        where m.client_id = $1 and m.earliest_at < ${endOf('$3')}
        order by m.position desc limit 1), 0) end as up_to_id
  from (select l.last_id, exists (select from topup_order o where o.client_id = $1
        and o.id > l.last_id order by o.id offset ${BEYOND_MAX}) as is_far_behind
      from (select coalesce((select m.topup_order_id from order_milestone m
        where m.client_id = $1 order by m.position desc limit 1), 0) as last_id) l) b`;

interface SpanRow {
  readonly after_id: number | null;
  readonly up_to_id: number | null;
  readonly is_far_behind: boolean;
}

/**
 * Where the orders of the filter's span lie; asks only where it has one. `onFarBehind` is called
 * where the next milestones are due.
 */
export async function findSpan(
  ask: (query: { readonly name: string; readonly text: string; readonly values: unknown[] }) =>
  Promise<readonly SpanRow[]>,
  of: {
    readonly clientId: number;
    readonly filter: OrderListFilter;
    readonly onFarBehind: () => void;
  },
): Promise<OrderSpan> {
  const from = of.filter.createdFrom ?? null;
  const to = of.filter.createdTo ?? null;
  if (from === null && to === null) return ANY_TIME;
  const [found] = await ask({
    name: 'order_span', text: FIND_SPAN, values: [of.clientId, from, to],
  });
  if (found?.is_far_behind === true) of.onFarBehind();
  return {
    afterId: found?.after_id ?? ANY_TIME.afterId,
    upToId: found?.up_to_id ?? ANY_TIME.upToId,
  };
}
