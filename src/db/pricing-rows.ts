import type { InputField, Product, Variant } from '../domain/catalogue.ts';
import { Discounts, type Discount } from '../domain/discounts.ts';
import { canonical, type Amount } from '../domain/money.ts';
import type { PricingClient } from '../domain/pricing-snapshot.ts';

// Rows of the pricing tables, and what the domain makes of them.

export interface ProductRow {
  readonly id: number;
  readonly name: string;
  readonly topup_type: Product['topupType'];
  readonly country_code: string;
  readonly currency: string;
  readonly operator: string | null;
  readonly image_url: string | null;
  readonly input_fields: readonly InputFieldRow[];
  readonly input_fields_version: number;
  readonly fulfils_in_request: boolean;
  readonly is_active: boolean;
  readonly is_restricted: boolean;
}

interface InputFieldRow {
  readonly name: string;
  readonly label: string;
  readonly type: InputField['type'];
  readonly required: boolean;
  readonly pattern?: string;
  readonly min_length?: number;
  readonly max_length?: number;
  readonly options?: InputField['options'];
  readonly placeholder?: string;
  readonly help_text?: string;
  readonly sensitive?: boolean;
}

export interface SupplierRow {
  readonly id: number;
  readonly is_suspended: boolean;
  /** 0 to 100. */
  readonly health: number;
}

/** Some megabytes at most. */
const SHARED_COUNT_MAX = 10_000;

/** A row of variants in one text: its columns by the unit separator, null as nothing. */
export type VariantText = string;

export interface ClientRow {
  readonly client_id: number;
  readonly name: string;
  /** One that is not has no prices. */
  readonly is_active: boolean;
  readonly wallets: PricingClient['wallets'] | null;
  readonly discounts: readonly Discount[] | null;
  readonly entitlements: readonly (readonly [number | null, number | null, boolean])[] | null;
}

/** A product with the variants that it had; those that changed are put there later. */
export function toProduct(row: ProductRow, variants: readonly Variant[] = []): Product {
  return {
    id: row.id,
    name: row.name,
    topupType: row.topup_type,
    countryCode: row.country_code,
    currency: row.currency,
    operator: row.operator,
    imageUrl: row.image_url,
    inputFields: row.input_fields.map(toInputField),
    inputFieldsVersion: row.input_fields_version,
    fulfilsInRequest: row.fulfils_in_request,
    isActive: row.is_active,
    isRestricted: row.is_restricted,
    variants,
  };
}

function toInputField(row: InputFieldRow): InputField {
  return {
    name: row.name,
    label: row.label,
    type: row.type,
    isRequired: row.required,
    pattern: row.pattern ?? null,
    minLength: row.min_length ?? null,
    maxLength: row.max_length ?? null,
    // jsonb keeps no order of keys; ours is the documented one.
    options: (row.options ?? []).map(({ value, label }) => ({ value, label })),
    placeholder: row.placeholder ?? null,
    helpText: row.help_text ?? null,
    isSensitive: row.sensitive ?? false,
  };
}

/** A variant that knows who offers it, in the order of their routes. */
export interface OfferedVariant extends Variant {
  readonly supplierIds: readonly number[];
  readonly isInStock: boolean;
}

type Supply = Pick<Variant, 'isAvailable' | 'supplierHealth'>;
export type SupplyOf = (of: Pick<OfferedVariant, 'supplierIds' | 'isInStock'>) => Supply;

/** A variant is as healthy as the first of its suppliers that is not suspended. */
export function suppliedBy(suppliers: readonly SupplierRow[]): SupplyOf {
  const usable = new Map(suppliers.filter((supplier) => !supplier.is_suspended)
    .map(({ id, health }) => [id, health]));
  return ({ supplierIds, isInStock }) => {
    const first = supplierIds.find((id) => usable.has(id));
    const health = first === undefined ? undefined : usable.get(first);
    return { isAvailable: isInStock && health !== undefined, supplierHealth: health ?? 0 };
  };
}

/** From a row of text: its columns parted by the unit separator, U+001F. */
export function toVariant(text: VariantText, supplyOf: SupplyOf): OfferedVariant {
  const [id, productId, name = '', category, fixedAmounts = '', min = '', max = '', step = '',
    priority, isActive, stock, cost = '', suppliers = '', fields = '{}'] = text.split('\x1f');
  const isInStock = stock === 't';
  const supplierIds = supplierIdsOf(suppliers);
  const { isAvailable, supplierHealth } = supplyOf({ supplierIds, isInStock });
  return {
    id: Number(id),
    productId: Number(productId),
    name,
    category: category === '' ? null : category as Variant['category'],
    fixedAmounts: amountsOf(fixedAmounts),
    range: min === '' ? null : { min: trimmed(min), max: trimmed(max), step: trimmed(step) },
    fields: fieldsOf(fields),
    priority: Number(priority),
    isActive: isActive === 't',
    isAvailable,
    supplierHealth,
    costPercent: cost === '' ? null : trimmed(cost),
    supplierIds,
    isInStock,
  };
}

const supplierIdsOf = shared((text) => elements(text).map(Number));
const amountsOf = shared((text) => elements(text).map(trimmed));
const fieldsOf = shared((text) => JSON.parse(text) as Variant['fields']);

/** Equal texts share one value: most variants have the columns of others, and memory is dear. */
function shared<Value>(make: (text: string) => Value): (text: string) => Value {
  const made = new Map<string, Value>();
  return (text) => {
    const known = made.get(text);
    if (known !== undefined) return known;
    const value = make(text);
    if (made.size < SHARED_COUNT_MAX) made.set(text, value);
    return value;
  };
}

/** '{1.00,2.00}' -> 1.00 and 2.00: of an array of numbers, which have neither quotes nor commas. */
function elements(array: string): readonly string[] {
  return array === '' || array === '{}' ? [] : array.slice(1, -1).split(',');
}

/** A numeric with its scale in canonical form; there are hundreds of thousands of them. */
function trimmed(text: string): Amount {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** With its discounts and what it may buy. */
export function toClient(row: ClientRow): PricingClient {
  const entitlements = row.entitlements ?? [];
  const products = (isEnabled: boolean): ReadonlySet<number> => new Set(entitlements
    .filter((entitlement) => entitlement[2] === isEnabled)
    .map((entitlement) => entitlement[0])
    .filter((id) => id !== null));
  return {
    id: row.client_id,
    name: row.name,
    wallets: row.wallets ?? [],
    discounts: new Discounts((row.discounts ?? [])
      .map((discount) => ({ ...discount, percent: canonical(discount.percent) }))),
    enabledProducts: products(true),
    disabledProducts: products(false),
    disabledVariants: new Set(entitlements
      .filter(([, variantId, isEnabled]) => variantId !== null && !isEnabled)
      .map(([, variantId]) => variantId)
      .filter((id) => id !== null)),
  };
}
