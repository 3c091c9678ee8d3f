import type pg from 'pg';
import type { Currency, PricingSnapshot } from '../domain/pricing-snapshot.ts';
import { withConnection } from './pool.ts';
import type { ClientRow, ProductRow, SupplierRow, VariantText } from './pricing-rows.ts';

/** Rows of one slice: parsed and put away in some milliseconds; then others have a turn. */
const SLICE_ROWS = 4000;

/** What is read whole at every version: all of it together is small. */
export interface PricingHead {
  readonly version: number;
  readonly removed_in: number;
  readonly valid_until: Date | null;
  readonly currencies: readonly Currency[] | null;
  readonly prefixes: readonly (readonly [prefix: string, productId: number])[] | null;
  readonly rates: readonly (readonly [string, string, number, string])[] | null;
  readonly suppliers: readonly SupplierRow[] | null;
  readonly clients: readonly ClientRow[] | null;
}

// $1: hours after which a rate is too old; null for never. Of two ends the earlier one counts. An
// end that no JavaScript date can hold, such as infinity, is none to wait for. Rates of years stay
// in the table: of each pair one is told, that which came into force last.
const HEAD_SQL = `
with rate as (
  select *, least(valid_to, valid_from + $1 * interval '1 hour') as ends_at from forex_rate
)
select
  (select version from pricing_version) as version,
  (select removed_in from pricing_version) as removed_in,
  (select min(edge) from (
    select valid_from as edge from rate union all select ends_at from rate
    union all select valid_from from discount union all select valid_to from discount
  ) e where edge > clock_timestamp() and edge < '9999-01-01') as valid_until,
  (select json_agg(c) from (select id, code, name, precision from currency order by code) c)
    as currencies,
  (select json_agg(json_build_array(prefix, product_id)) from operator_prefix) as prefixes,
  (select json_agg(json_build_array(r.from_currency, r.to_currency, r.id, r.rate::text)) from (
    select distinct on (from_currency, to_currency) * from rate
      where valid_from <= clock_timestamp() and (ends_at is null or ends_at > clock_timestamp())
      order by from_currency, to_currency, valid_from desc, id desc) r) as rates,
  (select json_agg(s) from (select id, is_suspended, health from supplier order by id) s)
    as suppliers,
  (select json_agg(c) from (select client_id, name,
      (select json_agg(json_build_object('id', w.id, 'currency', w.currency,
          'isDefault', w.is_default) order by w.id)
        from wallet w where w.client_id = c.client_id) as wallets,
      (select json_agg(json_build_object('variantId', d.variant_id, 'productId', d.product_id,
          'category', d.category, 'topupType', d.topup_type, 'percent', d.percent::text,
          'mayLose', d.may_lose))
        from discount d where d.client_id = c.client_id and d.valid_from <= clock_timestamp()
          and (d.valid_to is null or d.valid_to > clock_timestamp())) as discounts,
      (select json_agg(json_build_array(e.product_id, e.variant_id, e.is_enabled))
        from entitlement e where e.client_id = c.client_id) as entitlements
    from client c where c.is_active) c) as clients`;

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
  products(): AsyncIterable<readonly (readonly [ProductRow])[]>;
  variants(): AsyncIterable<readonly (readonly [VariantText])[]>;
}

/** Reads what changed since version `since`; null reads everything. Rates hold so many hours. */
export async function readPricing<Result>(
  pool: pg.Pool,
  { since, forexRateHoursMax }: {
    readonly since: number | null;
    readonly forexRateHoursMax: number;
  },
  use: (changes: PricingChanges) => Promise<Result>,
): Promise<Result> {
  return withConnection(pool, async (client) => {
    // Its plans are made for each read, and a whole catalogue is best read as it lies.
    await client.query('begin isolation level repeatable read read only; '
      + 'set local enable_seqscan = on');
    const { rows: [head] } = await client.query<PricingHead>({
      name: 'pricing', text: HEAD_SQL, values: [forexRateHoursMax === 0 ? null : forexRateHoursMax],
    });
    if (head === undefined) throw new Error('The price snapshot has no row');
    // A version of the future was read before an older backup was restored.
    const isWhole = since === null || head.removed_in > since || head.version < since;
    const from = isWhole ? -1 : since;
    const result = await use({
      head,
      isWhole,
      products: () => slices<readonly [ProductRow]>(client, PRODUCTS_SQL, from),
      variants: () => slices<readonly [VariantText]>(client, VARIANTS_SQL, from),
    });
    await client.query('commit');
    return result;
  });
}

/** Whether nothing changed since, and no edge of validity has passed; cheap. */
export async function isPricingCurrent(
  pool: pg.Pool,
  { version, validUntil }: Pick<PricingSnapshot, 'version' | 'validUntil'>,
): Promise<boolean> {
  const { rows } = await pool.query<{ is_current: boolean }>({
    name: 'pricing_version',
    text: `select version = $1 and coalesce(clock_timestamp() < $2, true) as is_current
      from pricing_version`,
    values: [version, validUntil],
  });
  return rows[0]?.is_current ?? false;
}

/** A cursor, so that neither side ever holds more than a slice. */
async function* slices<Row extends readonly unknown[]>(
  client: pg.PoolClient,
  sql: string,
  from: number,
): AsyncGenerator<readonly Row[]> {
  const select = sql.replaceAll('$1', String(from));
  await client.query(`declare slice no scroll cursor for ${select}`);
  const fetch = { text: `fetch ${SLICE_ROWS} from slice`, rowMode: 'array' } as const;
  for (let isLast = false; !isLast;) {
    const { rows } = await client.query<Row[]>(fetch) as unknown as { rows: readonly Row[] };
    isLast = rows.length < SLICE_ROWS;
    if (rows.length > 0) yield rows;
  }
  await client.query('close slice');
}
