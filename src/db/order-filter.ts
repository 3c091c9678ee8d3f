import type { OrderListFilter } from '../domain/order-list.ts';

/**
 * Ids and times of orders that were placed at one moment may cross, by the length of a placing
 * call. A milestone so far outside of a span has no order of the span on its far side.
 */
const CROSSING = `interval '1 minute'`;

/** A filter as conditions on `topup_order o`, of the client that is $1. */
export interface NarrowedOrders {
  /** Tells one statement from another. */
  readonly name: string;
  readonly where: readonly string[];
  readonly values: readonly unknown[];
  /** Found by indexes that have what is PENDING apart from what has ended. */
  readonly isHalved: boolean;
}

export function narrowOrders(clientId: number, filter: OrderListFilter): NarrowedOrders {
  const { statuses, productIds, countryCodes, walletIds, failureCodes } = filter;
  const values: unknown[] = [clientId];
  const where = ['o.client_id = $1'];
  const names: string[] = [];
  const add = (name: string, value: unknown, conditionOf: (parameter: string) => string): void => {
    if (value === null || value === undefined) return;
    names.push(name);
    where.push(conditionOf(`$${values.push(value)}`));
  };
  const addAny = (name: string, any: readonly unknown[] | null | undefined, of: string): void => {
    // One value keeps the order of an index, several do not.
    if (any?.length === 1) add(name, any[0], (it) => `${of} = ${it}`);
    else add(`${name}*`, any, (it) => `${of} = any (${it})`);
  };
  if (statuses !== null && statuses !== undefined) {
    const known = [...new Set(statuses)].sort();
    names.push(`status${known.map((each) => each.slice(0, 1)).join('')}`);
    // Written out, so that the planner knows which partial index has them.
    where.push(known.length === 0 ? 'false' : `o.status in ('${known.join("', '")}')`);
  }
  addAny('product', productIds, 'o.product_id');
  addAny('country', countryCodes, 'o.country_code');
  addAny('wallet', walletIds, 'o.wallet_id');
  addAny('failure', failureCodes, "o.status = 'FAILED' and o.failure_code");
  // As an id, because a list is read by ids.
  add('reference', filter.clientReference, (it) => `o.id = (select r.id from topup_order r
    where r.client_id = $1 and r.client_reference = ${it})`);
  add('from', filter.createdFrom, (it) => `o.created_at >= ${it} and o.id > coalesce((
    select m.topup_order_id from order_milestone m where m.client_id = $1
      and m.created_at < ${it}::timestamptz - ${CROSSING} order by m.created_at desc limit 1), 0)`);
  // Times are shown in whole seconds: what was placed within the last one belongs to it.
  add('to', filter.createdTo, (it) => `o.created_at
    < date_trunc('second', ${it}::timestamptz) + interval '1 second' and o.id < coalesce((
    select m.topup_order_id from order_milestone m where m.client_id = $1
      and m.created_at > ${it}::timestamptz + ${CROSSING} order by m.created_at limit 1),
    9223372036854775807)`);
  const isOfEither = (statuses ?? failureCodes ?? null) === null;
  const isIndexed = productIds?.length === 1 || countryCodes?.length === 1;
  return { name: names.join('+'), where, values, isHalved: isOfEither && isIndexed };
}

/**
 * The ids that pass, the newest first, `limit` of them. Both halves are cut off by themselves: with
 * an order and an end each is read along an index, whatever the planner thinks of the whole.
 */
export function newestIdsSql(
  { where, isHalved }: NarrowedOrders,
  { limit, bound = 'true' }: { readonly limit: string; readonly bound?: string },
): string {
  const half = (condition: string): string => `(select o.id from topup_order o
    where ${[...where, bound, condition].join(' and ')} order by o.id desc limit ${limit})`;
  if (!isHalved) return half('true');
  return `(select o.id from (${half("o.status <> 'PENDING'")} union all
    ${half("o.status = 'PENDING'")}) o order by o.id desc limit ${limit})`;
}
