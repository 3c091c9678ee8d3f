import type { InputField, Product, Variant } from '../domain/catalogue.ts';
import { canonical } from '../domain/money.ts';
import type { Discount, PricingClient } from '../domain/pricing-snapshot.ts';

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

export interface VariantRow {
  readonly id: number;
  readonly product_id: number;
  readonly name: string;
  readonly category: Variant['category'];
  readonly fixed_amounts: readonly string[];
  readonly min_amount: string | null;
  readonly max_amount: string | null;
  readonly amount_step: string | null;
  readonly fields: Variant['fields'];
  readonly priority: number;
  readonly is_active: boolean;
  readonly is_available: boolean;
  readonly health: number;
}

export interface ClientRow {
  readonly client_id: number;
  readonly name: string;
  readonly wallets: PricingClient['wallets'] | null;
  readonly discounts: readonly Discount[] | null;
  readonly entitlements: readonly (readonly [number | null, number | null, boolean])[] | null;
}

/** A product with its variants. */
export function toProduct(row: ProductRow, variants: readonly Variant[]): Product {
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
    options: row.options ?? [],
    placeholder: row.placeholder ?? null,
    helpText: row.help_text ?? null,
    isSensitive: row.sensitive ?? false,
  };
}

export function toVariant(row: VariantRow): Variant {
  const { min_amount: min, max_amount: max, amount_step: step } = row;
  return {
    id: row.id,
    productId: row.product_id,
    name: row.name,
    category: row.category,
    fixedAmounts: row.fixed_amounts.map(canonical),
    range: min === null || max === null || step === null
      ? null
      : { min: canonical(min), max: canonical(max), step: canonical(step) },
    fields: row.fields,
    priority: row.priority,
    isActive: row.is_active,
    isAvailable: row.is_available,
    supplierHealth: row.health,
  };
}

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
    discounts: (row.discounts ?? [])
      .map((discount) => ({ ...discount, percent: canonical(discount.percent) })),
    enabledProducts: products(true),
    disabledProducts: products(false),
    disabledVariants: new Set(entitlements
      .filter(([, variantId, isEnabled]) => variantId !== null && !isEnabled)
      .map(([, variantId]) => variantId)
      .filter((id) => id !== null)),
  };
}
