// The statements of an import, in the order in which they run.

/** What the file says, beside the tables that it is merged into. */
export const STAGING = `
create temporary table file_product on commit drop as
  select 0 as line, p.* from product p where false;
create temporary table file_variant on commit drop as
  select 0 as line, v.* from variant v where false;
create temporary table file_offer (line int, variant_id bigint, route smallint, supplier text,
  supplier_id bigint, supplier_sku text) on commit drop;
create temporary table file_prefix (prefix text, product_id bigint) on commit drop;
create temporary table file_prefixed (product_id bigint) on commit drop`;

export const STAGE_PRODUCTS =
  'insert into file_product select * from json_populate_recordset(null::file_product, $1)';

export const STAGE_PREFIXES = `
with given as (select (p ->> 'id')::bigint as product_id, p -> 'prefixes' as prefixes
    from json_array_elements($1) p where p -> 'prefixes' is not null),
  prefixed as (insert into file_prefixed select product_id from given)
insert into file_prefix select prefix, product_id
  from given, json_array_elements_text(prefixes) prefix`;

export const STAGE_VARIANTS =
  'insert into file_variant select * from json_populate_recordset(null::file_variant, $1)';

export const STAGE_OFFERS = `
insert into file_offer (line, variant_id, route, supplier, supplier_sku)
  select (v ->> 'line')::int, (v ->> 'id')::bigint, o.route, o.offer ->> 'supplier',
    o.offer ->> 'sku'
  from json_array_elements($1) v,
    json_array_elements(v -> 'offers') with ordinality o (offer, route)`;

/** What the file refers to, and neither it nor the database has. */
export const FILE_PROBLEMS = `
select line, message from (
  select line, 'currency_code: ' || currency || ' is no currency' as message from file_product
    where currency not in (select code from currency)
  union all
  select line, 'product_id: there is no product ' || product_id from file_variant
    where product_id not in (select id from file_product union select id from product)
  union all
  select line, 'offers: there is no supplier ' || supplier from file_offer
    where supplier not in (select code from supplier)
) p order by line limit 1000`;

const PRODUCT_COLUMNS = ['name', 'topup_type', 'country_code', 'currency', 'operator', 'image_url',
  'input_fields', 'fulfils_in_request', 'is_active', 'is_restricted'];
const VARIANT_COLUMNS = ['product_id', 'name', 'category', 'fixed_amounts', 'min_amount',
  'max_amount', 'amount_step', 'fields', 'priority', 'is_active', 'is_in_stock',
  'cost_percent'];

/** Inserts what is new and writes over what differs; a row that is the same is not touched. */
function merge(table: string, columns: readonly string[], more: readonly string[] = []): string {
  const list = columns.join(', ');
  const from = (row: string): string => columns.map((column) => `${row}.${column}`).join(', ');
  const sets = [...columns.map((column) => `${column} = excluded.${column}`), ...more];
  return `insert into ${table} (id, ${list}) select id, ${list} from file_${table} order by id
    on conflict (id) do update set ${sets.join(', ')}
    where (${from(table)}) is distinct from (${from('excluded')})`;
}

export const MERGE: readonly string[] = [
  'analyze file_product, file_variant, file_offer, file_prefix',
  merge('product', PRODUCT_COLUMNS, [`input_fields_version = product.input_fields_version
    + (product.input_fields is distinct from excluded.input_fields)::int`]),
  merge('variant', VARIANT_COLUMNS),
  'update file_offer f set supplier_id = s.id from supplier s where s.code = f.supplier',
  // The offers of a variant are replaced where they differ: two routes may change places.
  `delete from offer o using file_variant v where o.variant_id = v.id and not exists (
    select from file_offer f where f.variant_id = o.variant_id and f.route = o.route
      and f.supplier_id = o.supplier_id and f.supplier_sku = o.supplier_sku and o.is_active)`,
  `insert into offer (variant_id, route, supplier_id, supplier_sku)
    select variant_id, route, supplier_id, supplier_sku from file_offer
    order by variant_id, route on conflict (variant_id, route) do nothing`,
  `delete from operator_prefix p using file_prefixed f where p.product_id = f.product_id
    and not exists (select from file_prefix g
      where g.product_id = p.product_id and g.prefix = p.prefix)`,
  `insert into operator_prefix (prefix, product_id) select distinct prefix, product_id
    from file_prefix on conflict do nothing`,
  'analyze product, variant, offer, operator_prefix',
];
