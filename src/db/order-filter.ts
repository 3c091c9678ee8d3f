import type { OrderListFilter } from '../domain/order-list.ts';
import { TOPUP_ORDER_STATUSES, type TopupOrderStatus } from '../domain/topup-order.ts';
import { ANY_TIME, endOf, type OrderSpan } from './order-span.ts';

/** These have an index of their own, short beside that of what was delivered. */
const SHORT_PART = /o\.status = '(?:PENDING|FAILED|CANCELLED)'/;

/** More walks than this are not written out one by one. */
const PARTS_MAX = 16;

/**
 * A statement of more walks than this is not kept: each connection keeps what it prepared for as
 * long as it lives, some 50 kB for each walk.
 */
const KEPT_PARTS_MAX = 4;

/** A filter as conditions on `topup_order o`, of the client that is $1. */
export interface NarrowedOrders {
  /**
   * Tells one statement from the others that connections keep; empty without any condition. Null
   * where conditions are combined: a client could have tens of thousands of forms kept, and did
   * fill the database's memory with them.
   */
  readonly name: string | null;
  readonly where: readonly string[];
  readonly values: readonly unknown[];
  /**
   * Conditions of which an order that passes meets exactly one. Of each the orders lie along an
   * index by themselves, in their order: several values of a key, or what is PENDING and what has
   * ended.
   */
  readonly parts: readonly string[];
  /** Values of a key that are too many to be written out, and what equals one of them. */
  readonly each: {
    readonly values: string;
    readonly column: string;
    /** Says in `where` that it does. */
    readonly condition: string;
  } | null;
}

/**
 * What a filter asks for, as conditions on `topup_order o`; their values begin with `clientId` as
 * $1. `span` is where the orders of its span of time lie.
 */
export function narrowOrders(
  clientId: number,
  filter: OrderListFilter,
  span: OrderSpan = ANY_TIME,
): NarrowedOrders {
  const { productIds, countryCodes, walletIds, failureCodes } = filter;
  const statuses = statusesOf(filter);
  const values: unknown[] = [clientId];
  const where = ['o.client_id = $1'];
  const names: string[] = [];
  let parts = ['true'];
  let each: NarrowedOrders['each'] = null;
  const add = (name: string, value: unknown, conditionOf: (parameter: string) => string): void => {
    if (value === null || value === undefined) return;
    names.push(name);
    where.push(conditionOf(`$${values.push(value)}`));
  };
  const split = (conditions: readonly string[]): void => {
    parts = parts.flatMap((part) => conditions.map((each) => `${part} and ${each}`));
  };
  const addAny = (
    name: string,
    any: readonly unknown[] | null | undefined,
    [of, type]: readonly [column: string, type: string],
  ): void => {
    if (any === null || any === undefined) return;
    const distinct = [...new Set(any)];
    if (distinct.length === 1) {
      add(name, distinct[0], (it) => `${of} = ${it}`);
    } else if (distinct.length * parts.length > PARTS_MAX) {
      add(`${name}*`, distinct, (it) => `${of} = any (${it})`);
      const condition = where.at(-1) ?? '';
      each ??= { values: `$${values.length}::${type}[]`, column: of, condition };
    } else {
      // Of none of the values there is no part.
      names.push(`${name}${distinct.length}`);
      if (distinct.length === 0) where.push('false');
      else split(distinct.map((value) => `${of} = $${values.push(value)}`));
    }
  };
  if (statuses !== null) {
    names.push(`status${statuses.map((each) => each.slice(0, 1)).join('')}`);
    // Written out, so that the planner knows which partial index has them.
    if (statuses.length === 0) where.push('false');
    else split(statuses.map((each) => `o.status = '${each}'`));
  }
  const isIndexed = [productIds, countryCodes, walletIds].some((any) => (any?.length ?? 0) > 0);
  if (isIndexed && statuses === null && (failureCodes ?? null) === null) {
    split(["o.status <> 'PENDING'", "o.status = 'PENDING'"]);
  }
  addAny('product', productIds, ['o.product_id', 'bigint']);
  addAny('country', countryCodes, ['o.country_code', 'text']);
  addAny('wallet', walletIds, ['o.wallet_id', 'bigint']);
  // These lie together, among all that failed: one walk.
  if (failureCodes?.length === 1) {
    add('failure', failureCodes[0], (it) => `o.status = 'FAILED' and o.failure_code = ${it}`);
  } else {
    add('failure*', failureCodes, (it) => `o.status = 'FAILED' and o.failure_code = any (${it})`);
  }
  // As an id, because a list is read by ids.
  add('reference', filter.clientReference, (it) => `o.id = (select r.id from topup_order r
    where r.client_id = $1 and r.client_reference = ${it})`);
  add('from', filter.createdFrom,
    (it) => `o.created_at >= ${it} and o.id > $${values.push(span.afterId)}`);
  add('to', filter.createdTo,
    (it) => `o.created_at < ${endOf(it)} and o.id <= $${values.push(span.upToId)}`);
  const isKept = names.length <= 1 && parts.length <= KEPT_PARTS_MAX;
  return { name: isKept ? names.join('') : null, where, values, parts, each };
}

/** The statuses asked for, each once; null for all that there are. */
function statusesOf({ statuses }: OrderListFilter): readonly TopupOrderStatus[] | null {
  if (statuses === null || statuses === undefined) return null;
  const distinct = [...new Set(statuses)].sort();
  return distinct.length === TOPUP_ORDER_STATUSES.length ? null : distinct;
}

/**
 * The ids that pass, the newest first, `limit` of them. Each part is cut off by itself: with an
 * order and an end it is read along an index, whatever the planner thinks of the whole.
 */
export function newestIdsSql(
  narrowed: NarrowedOrders,
  { limit, bound }: { readonly limit: string; readonly bound: string },
): string {
  const end = `order by o.id desc limit ${limit}`;
  const newest = narrowed.parts.map((part) =>
    walkSql(narrowed, { conditions: [bound, part], end, endOfAll: end }));
  if (newest.length === 1) return `(${newest.join('')})`;
  return `(select o.id from (${newest.map((each) => `(${each})`).join(' union all ')}) o
    order by o.id desc limit ${limit})`;
}

/**
 * How many pass, counted up to `limit`: one walk after the other, so that nothing beyond that is
 * read. Each has its order, or it might go along what is PENDING of all clients.
 */
export function countSql(narrowed: NarrowedOrders, limit: number): string {
  const all = narrowed.parts.map((part) => `(${walkSql(narrowed, {
    conditions: [part], end: `order by o.id desc limit ${limit}`, endOfAll: `limit ${limit}`,
  })})`);
  return `select count(*) as count from (select from (${all.join(' union all ')}) o
    limit ${limit}) o`;
}

/** Along the orders of each value by itself, where there are too many for parts of their own. */
function walkSql(
  { where, each }: NarrowedOrders,
  { conditions, end, endOfAll }: {
    readonly conditions: readonly string[];
    readonly end: string;
    /** Of all values together. */
    readonly endOfAll: string;
  },
): string {
  const all = [...where, ...conditions];
  const walk = (those: readonly string[]): string =>
    `select o.id from topup_order o where ${those.join(' and ')} ${end}`;
  if (each === null || all.some((condition) => SHORT_PART.test(condition))) return walk(all);
  // One value is asked for at a time: all of them beside it would be looked through each time.
  const own = all.map((condition) => condition === each.condition
    ? `${each.column} = v.value`
    : condition);
  return `select o.id from unnest(${each.values}) v (value)
    cross join lateral (${walk(own)}) o ${endOfAll}`;
}
