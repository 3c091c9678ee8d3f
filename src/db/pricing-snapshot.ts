import type pg from 'pg';
import { compareProducts } from '../domain/catalogue-listing.ts';
import { canonical } from '../domain/money.ts';
import type { Currency, PricingSnapshot } from '../domain/pricing-snapshot.ts';
import {
  toClient, toProduct, toVariant, type ClientRow, type ProductRow, type VariantRow,
} from './pricing-rows.ts';

// One statement, so that version and figures belong to one database snapshot.
const SNAPSHOT_SQL = `
select
  (select version from pricing_version) as version,
  (select min(edge) from (
    select valid_from as edge from forex_rate union all select valid_to from forex_rate
    union all select valid_from from discount union all select valid_to from discount
  ) e where edge > clock_timestamp()) as valid_until,
  (select json_agg(c) from (select id, code, name, precision from currency order by code) c)
    as currencies,
  (select json_agg(json_build_array(prefix, product_id)) from operator_prefix) as prefixes,
  (select json_agg(json_build_array(from_currency, to_currency, id, rate::text)
      order by valid_from, id) from forex_rate
    where valid_from <= clock_timestamp()
      and (valid_to is null or valid_to > clock_timestamp())) as rates,
  (select json_agg(p) from (select id, name, topup_type, country_code, currency, operator,
      image_url, input_fields, input_fields_version, fulfils_in_request, is_active, is_restricted
    from product) p) as products,
  (select json_agg(v) from (select v.id, v.product_id, v.name, v.category,
      v.fixed_amounts::text[] as fixed_amounts, v.min_amount::text as min_amount,
      v.max_amount::text as max_amount, v.amount_step::text as amount_step, v.fields, v.priority,
      v.is_active,
      v.is_in_stock and f.health is not null as is_available, coalesce(f.health, 0) as health
    from variant v
    left join lateral (select s.health from offer o join supplier s on s.id = o.supplier_id
      where o.variant_id = v.id and o.is_active and not s.is_suspended
      order by o.route limit 1) f on true
    order by v.id) v) as variants,
  (select json_agg(c) from (select client_id, name,
      (select json_agg(json_build_object('id', w.id, 'currency', w.currency,
          'isDefault', w.is_default) order by w.id)
        from wallet w where w.client_id = c.client_id) as wallets,
      (select json_agg(json_build_object('variantId', d.variant_id, 'productId', d.product_id,
          'category', d.category, 'topupType', d.topup_type, 'percent', d.percent::text))
        from discount d where d.client_id = c.client_id and d.valid_from <= clock_timestamp()
          and (d.valid_to is null or d.valid_to > clock_timestamp())) as discounts,
      (select json_agg(json_build_array(e.product_id, e.variant_id, e.is_enabled))
        from entitlement e where e.client_id = c.client_id) as entitlements
    from client c where c.is_active) c) as clients`;

interface SnapshotRow {
  readonly version: number;
  readonly valid_until: Date | null;
  readonly currencies: readonly Currency[] | null;
  readonly prefixes: readonly (readonly [string, number])[] | null;
  readonly rates: readonly (readonly [string, string, number, string])[] | null;
  readonly products: readonly ProductRow[] | null;
  readonly variants: readonly VariantRow[] | null;
  readonly clients: readonly ClientRow[] | null;
}

/** Reads all that prices an order, at one version. */
export async function readPricingSnapshot(pool: pg.Pool): Promise<PricingSnapshot> {
  const { rows } = await pool.query<SnapshotRow>({ name: 'pricing', text: SNAPSHOT_SQL });
  const [row] = rows;
  if (row === undefined) throw new Error('The pricing snapshot has no row');
  return toSnapshot(row);
}

/** The version of the figures as they stand; cheap. */
export async function readPricingVersion(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ version: number }>({
    name: 'pricing_version',
    text: 'select version from pricing_version',
  });
  return rows[0]?.version ?? 0;
}

function toSnapshot(row: SnapshotRow): PricingSnapshot {
  const variants = (row.variants ?? []).map(toVariant);
  const byProduct = Map.groupBy(variants, (variant) => variant.productId);
  const products = new Map((row.products ?? []).map((product) =>
    [product.id, toProduct(product, byProduct.get(product.id) ?? [])]));
  const variantsById = new Map(variants.map((variant) => [variant.id, variant]));
  const clients = new Map((row.clients ?? []).map((client) =>
    [client.client_id, toClient(client)]));
  // Ordered by start: of two rates of a pair, the one that came into force later holds.
  const rates = new Map((row.rates ?? []).map(([from, to, id, rate]) =>
    [`${from}>${to}`, { id, rate: canonical(rate) }]));
  const currencies = row.currencies ?? [];
  const precisions = new Map(currencies.map(({ code, precision }) => [code, precision]));
  const listed = [...products.values()].sort(compareProducts);
  const prefixes = Map.groupBy(row.prefixes ?? [], ([prefix]) => prefix);
  return {
    version: row.version,
    validUntil: row.valid_until?.toISOString() ?? null,
    product: (id) => products.get(id),
    products: () => listed,
    productIdsByPrefix: (prefix) => (prefixes.get(prefix) ?? []).map(([, id]) => id),
    variant: (id) => variantsById.get(id),
    client: (id) => clients.get(id),
    rate: (from, to) => rates.get(`${from}>${to}`),
    currencies: () => currencies,
    precision(currency) {
      const digits = precisions.get(currency);
      if (digits === undefined) throw new Error(`No precision for currency ${currency}`);
      return digits;
    },
  };
}
