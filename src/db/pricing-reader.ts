import type pg from 'pg';
import type { Currency, PricingSnapshot } from '../domain/pricing-snapshot.ts';
import { withConnection } from './pool.ts';
import type { ClientRow, ProductRow, SupplierRow, VariantText } from './pricing-rows.ts';

/** Rows of one slice: parsed and put away in some milliseconds; then others have a turn. */
const SLICE_ROWS = 4000;
/** Each comes with its wallets and discounts. */
const CLIENTS_OF_SLICE = 200;

/** What is read whole at every version: all of it together is small. */
export interface PricingHead {
  readonly version: number;
  readonly removed_in: number;
  /** The moment of all that follows, by the database's clock: ISO 8601, to the microsecond. */
  readonly read_at: string;
  /** Whether that lies before the moment of the version that is known. */
  readonly is_set_back: boolean;
  readonly valid_until: Date | null;
  readonly currencies: readonly Currency[] | null;
  readonly prefixes: readonly (readonly [prefix: string, productId: number])[] | null;
  readonly rates: readonly (readonly [string, string, number, string])[] | null;
  readonly suppliers: readonly SupplierRow[] | null;
}

// $1: hours after which a rate is too old; null for never. $2: the moment of the version that is
// known. Of two ends the earlier one counts. An end that no JavaScript date can hold, such as
// infinity, is none to wait for. Rates of years stay in the table, and are never read whole: of
// each pair one is told, that which came into force last, be it open or with an end to come.
const HEAD_SQL = `
with recursive moment as materialized (
  select clock_timestamp() as at, $1 * interval '1 hour' as held
),
pair as (
  (select from_currency, to_currency from forex_rate order by 1, 2 limit 1)
  union all
  select n.* from pair p cross join lateral (
    select f.from_currency, f.to_currency from forex_rate f
      where (f.from_currency, f.to_currency) > (p.from_currency, p.to_currency)
      order by 1, 2 limit 1) n
),
rate as (
  select n.* from pair p cross join moment m cross join lateral (
    select * from (
      (select * from forex_rate f
        where f.from_currency = p.from_currency and f.to_currency = p.to_currency
          and f.valid_to is null and f.valid_from <= m.at
        order by f.valid_from desc, f.id desc limit 1)
      union all
      -- They are few, and to be found by their ends; a limit would have them sought by beginnings.
      (select * from forex_rate f
        where f.from_currency = p.from_currency and f.to_currency = p.to_currency
          and f.valid_to > m.at and f.valid_from <= m.at)) f
      where f.valid_from > m.at - m.held or m.held is null
      order by f.valid_from desc, f.id desc limit 1) n
),
edge as (
  select least(b.at, e.at, h.at) as at from pair p cross join moment m
    left join lateral (select f.valid_from as at from forex_rate f
      where f.from_currency = p.from_currency and f.to_currency = p.to_currency
        and f.valid_from > m.at and f.valid_from < '9999-01-01'
      order by f.valid_from limit 1) b on true
    left join lateral (select f.valid_to as at from forex_rate f
      where f.from_currency = p.from_currency and f.to_currency = p.to_currency
        and f.valid_to > m.at and f.valid_to < '9999-01-01'
      order by f.valid_to limit 1) e on true
    left join lateral (select f.valid_from + m.held as at from forex_rate f
      where f.from_currency = p.from_currency and f.to_currency = p.to_currency
        and f.valid_from > m.at - m.held and f.valid_from < '9999-01-01'
      order by f.valid_from limit 1) h on true
)
select
  (select version from pricing_version) as version,
  (select removed_in from pricing_version) as removed_in,
  (select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from moment) as read_at,
  (select coalesce(at < $2::timestamptz, false) from moment) as is_set_back,
  least(
    (select min(at) from edge),
    (select min(valid_from) from discount
      where valid_from > (select at from moment) and valid_from < '9999-01-01'),
    (select min(valid_to) from discount
      where valid_to > (select at from moment) and valid_to < '9999-01-01')) as valid_until,
  (select json_agg(c) from (select id, code, name, precision from currency order by code) c)
    as currencies,
  (select json_agg(json_build_array(prefix, product_id)) from operator_prefix) as prefixes,
  (select json_agg(json_build_array(r.from_currency, r.to_currency, r.id, r.rate::text)) from (
    select * from rate order by from_currency, to_currency) r) as rates,
  (select json_agg(s) from (select id, is_suspended, health from supplier order by id) s)
    as suppliers`;

// $1 as below; $2 the moment of that version, $3 of this one: between the two discounts may have
// begun or ended. What clients have is joined, not looked up for each.
const CLIENTS_SQL = `with changed as materialized (
    select client_id, name, is_active from client where changed_in > $1
      or client_id in (select client_id from discount
        where valid_from > $2 and valid_from <= $3 or valid_to > $2 and valid_to <= $3)
  )
  select row_to_json(c) from (
    select h.client_id, h.name, h.is_active, w.wallets, d.discounts, e.entitlements from changed h
    left join (
      select client_id, json_agg(json_build_object('id', id, 'currency', currency,
          'isDefault', is_default) order by id) as wallets
        from wallet where client_id in (select client_id from changed) group by client_id
    ) w on w.client_id = h.client_id
    left join (
      select client_id, json_agg(json_build_object('variantId', variant_id, 'productId', product_id,
          'category', category, 'topupType', topup_type, 'percent', percent::text,
          'mayLose', may_lose) order by id) as discounts
        from discount where client_id in (select client_id from changed)
          and valid_from <= $3 and (valid_to is null or valid_to > $3) group by client_id
    ) d on d.client_id = h.client_id
    left join (
      select client_id, json_agg(json_build_array(product_id, variant_id, is_enabled))
          as entitlements
        from entitlement where client_id in (select client_id from changed) group by client_id
    ) e on e.client_id = h.client_id) c`;

const PRODUCTS_SQL = `select row_to_json(p) from (select id, name, topup_type, country_code,
    currency, operator, image_url, input_fields, input_fields_version, fulfils_in_request,
    is_active, is_restricted
  from product where changed_in > $1 order by name collate "C", id) p`;

// One text for a row: to make and to parse JSON, or a dozen columns, would take longer than all the
// rest. The offers are joined, not looked up: for many variants that is ten times as fast.
const VARIANTS_SQL = `select concat_ws(E'\\x1f', v.id, v.product_id,
    replace(v.name, E'\\x1f', ' '), coalesce(v.category, ''), v.fixed_amounts,
    coalesce(v.min_amount::text, ''), coalesce(v.max_amount::text, ''),
    coalesce(v.amount_step::text, ''), v.priority, v.is_active, v.is_in_stock,
    coalesce(v.cost_percent::text, ''), coalesce(o.supplier_ids::text, ''), v.fields)
  from variant v left join (
    select variant_id, array_agg(supplier_id order by route) as supplier_ids from offer
    where is_active and variant_id in (select id from variant where changed_in > $1)
    group by variant_id) o on o.variant_id = v.id
  where v.changed_in > $1`;

/** What changed since a version, slice by slice, all of one moment. */
export interface PricingChanges {
  readonly head: PricingHead;
  /** Whether all rows come: there is no version to begin with, or rows were deleted since. */
  readonly isWhole: boolean;
  /** Whether all clients come, for the same or as the database's clock was set back. */
  readonly areClientsWhole: boolean;
  products(): AsyncIterable<readonly (readonly [ProductRow])[]>;
  variants(): AsyncIterable<readonly (readonly [VariantText])[]>;
  clients(): AsyncIterable<readonly (readonly [ClientRow])[]>;
}

/** A version that is known, and the moment of which it is. */
export type KnownPricing = Pick<PricingHead, 'version' | 'read_at'>;

/** Reads what changed since a version; null reads everything. Rates hold so many hours. */
export async function readPricing<Result>(
  pool: pg.Pool,
  { since, forexRateHoursMax }: {
    readonly since: KnownPricing | null;
    readonly forexRateHoursMax: number;
  },
  use: (changes: PricingChanges) => Promise<Result>,
): Promise<Result> {
  return withConnection(pool, async (client) => {
    await client.query('begin isolation level repeatable read read only');
    // By keys, as of any pooled connection: a plan that was made over four rates would read a table
    // of thousands whole, for each pair.
    const { rows: [head] } = await client.query<PricingHead>({
      name: 'pricing', text: HEAD_SQL,
      values: [forexRateHoursMax === 0 ? null : forexRateHoursMax, since?.read_at],
    });
    if (head === undefined) throw new Error('The price snapshot has no row');
    // A whole catalogue is best read as it lies, and joined at once: what nobody has analyzed yet
    // looks as if it had one client (seen: over 5 s for 20,000 clients, instead of 1.6 s).
    await client.query('set local enable_seqscan = on; set local enable_nestloop = off');
    // A version of the future was read before an older backup was restored.
    const isWhole = since === null || head.removed_in > since.version
      || head.version < since.version;
    const areClientsWhole = isWhole || head.is_set_back;
    const from = isWhole ? -1 : since.version;
    const moments = [areClientsWhole ? head.read_at : since.read_at, head.read_at];
    const result = await use({
      head,
      isWhole,
      areClientsWhole,
      products: () => slices<readonly [ProductRow]>(client, PRODUCTS_SQL, [from]),
      variants: () => slices<readonly [VariantText]>(client, VARIANTS_SQL, [from]),
      clients: () => slices<readonly [ClientRow]>(client, CLIENTS_SQL,
        [areClientsWhole ? -1 : from, ...moments.map((at) => `timestamptz '${at}'`)],
        CLIENTS_OF_SLICE),
    });
    await client.query('commit');
    return result;
  });
}

/** Whether nothing changed since, no edge of validity has passed, nor comes again; cheap. */
export async function isPricingCurrent(
  pool: pg.Pool,
  { version, readAt, validUntil }: Pick<PricingSnapshot, 'version' | 'readAt' | 'validUntil'>,
): Promise<boolean> {
  const { rows } = await pool.query<{ is_current: boolean }>({
    name: 'pricing_version',
    // A clock that was ahead at that time, and was set right, brings its edges back.
    text: `select version = $1 and coalesce(clock_timestamp() < $2, true)
        and clock_timestamp() >= $3 as is_current
      from pricing_version`,
    values: [version, validUntil, readAt],
  });
  return rows[0]?.is_current ?? false;
}

/**
 * A cursor, so that neither side ever holds more than a slice.
 * @param values literals for $1 and the next ones
 */
async function* slices<Row extends readonly unknown[]>(
  client: pg.PoolClient,
  sql: string,
  values: readonly (number | string)[],
  size = SLICE_ROWS,
): AsyncGenerator<readonly Row[]> {
  const select = sql.replaceAll(/\$([1-3])/g, (_, number) => String(values[number - 1]));
  await client.query(`declare slice no scroll cursor for ${select}`);
  const fetch = { text: `fetch ${size} from slice`, rowMode: 'array' } as const;
  for (let isLast = false; !isLast;) {
    const { rows } = await client.query<Row[]>(fetch) as unknown as { rows: readonly Row[] };
    isLast = rows.length < size;
    if (rows.length > 0) yield rows;
  }
  await client.query('close slice');
}
