import { add, compare, isOnStep, stepBelow, type Amount } from './money.ts';
import { Rejection } from './rejection.ts';

export const TOPUP_TYPES = ['GAMING', 'MOBILE', 'UTILITY'] as const;
export type TopupType = (typeof TOPUP_TYPES)[number];

export const VARIANT_CATEGORIES = ['Airtime', 'Data', 'Bundle'] as const;
export type VariantCategory = (typeof VARIANT_CATEGORIES)[number];

export const INPUT_FIELD_TYPES = ['text', 'number', 'phone', 'email', 'select'] as const;

/** One key of a product's input_data. Lengths count characters; `pattern` is anchored. */
export interface InputField {
  readonly name: string;
  readonly label: string;
  readonly type: (typeof INPUT_FIELD_TYPES)[number];
  readonly isRequired: boolean;
  readonly pattern: string | null;
  readonly minLength: number | null;
  readonly maxLength: number | null;
  readonly options: readonly { readonly value: string; readonly label: string }[];
  readonly placeholder: string | null;
  readonly helpText: string | null;
  readonly isSensitive: boolean;
}

/** A sellable form of a product: listed amounts, a range with a step, or both. */
export interface Variant {
  readonly id: number;
  readonly productId: number;
  readonly name: string;
  readonly category: VariantCategory | null;
  readonly fixedAmounts: readonly Amount[];
  readonly range: { readonly min: Amount; readonly max: Amount; readonly step: Amount } | null;
  /** What else is told of it, e.g. `validity_days`; free text by free names. */
  readonly fields: Readonly<Record<string, string>>;
  readonly priority: number;
  readonly isActive: boolean;
  /** In stock and offered by a supplier that is not suspended. */
  readonly isAvailable: boolean;
  /** 0 to 100: the health of the first supplier that can be used. */
  readonly supplierHealth: number;
  /** What its dearest supplier takes, in percent of the face value; null where not known. */
  readonly costPercent: string | null;
}

export interface Product {
  readonly id: number;
  readonly name: string;
  readonly topupType: TopupType;
  readonly countryCode: string;
  readonly currency: string;
  /** The mobile network or game platform. */
  readonly operator: string | null;
  readonly imageUrl: string | null;
  readonly inputFields: readonly InputField[];
  readonly inputFieldsVersion: number;
  readonly fulfilsInRequest: boolean;
  readonly isActive: boolean;
  readonly isRestricted: boolean;
  readonly variants: readonly Variant[];
}

export interface PickOptions {
  readonly amount: Amount;
  readonly category: VariantCategory | null;
  readonly isEntitled: (variant: Variant) => boolean;
  /** What this client would pay, all in one currency; lower is better. Asked of several only. */
  readonly payable: (variant: Variant) => Amount;
}

/**
 * The best variant for an amount: exact fixed match, lowest payable, supplier health, priority,
 * lowest id. Never rounds to a nearby amount.
 * @throws Rejection CATEGORY_NOT_AVAILABLE, AMOUNT_NOT_AVAILABLE or OUT_OF_STOCK
 */
export function pickVariant(product: Product, options: PickOptions): Variant {
  const sold = product.variants
    .filter((variant) => variant.isActive && options.isEntitled(variant));
  const inCategory = sold.filter(
    (variant) => options.category === null || variant.category === options.category,
  );
  if (inCategory.length === 0 && options.category !== null) {
    throw new Rejection('CATEGORY_NOT_AVAILABLE',
      `No variant of this product in category ${options.category}`, { field: ['category'] });
  }
  const matching = inCategory.filter((variant) => offers(variant, options.amount));
  if (matching.length === 0) {
    // Amounts that are out of stock are suggested only where nothing is in stock.
    const inStock = inCategory.filter((variant) => variant.isAvailable);
    throw amountNotAvailable(options.amount, inStock.length > 0 ? inStock : inCategory);
  }
  const available = matching.filter((variant) => variant.isAvailable);
  const [first] = available;
  if (first !== undefined && available.length === 1) return first;
  const ranked = available
    .map((variant) => ({
      variant,
      isFixed: isFixedAmount(variant, options.amount),
      payable: options.payable(variant),
    }))
    .sort((a, b) =>
      Number(b.isFixed) - Number(a.isFixed)
      || compare(a.payable, b.payable)
      || b.variant.supplierHealth - a.variant.supplierHealth
      || b.variant.priority - a.variant.priority
      || a.variant.id - b.variant.id);
  const best = ranked[0];
  if (best === undefined) {
    throw new Rejection('OUT_OF_STOCK', 'This amount is temporarily out of stock',
      { field: ['amount'] });
  }
  return best.variant;
}

/** For how many days it lasts once delivered; -1 is for ever, null is not told. */
export function validityDays({ fields }: Variant): number | null {
  const days = fields['validity_days'] ?? '';
  return /^(-1|[1-9][0-9]{0,4})$/.test(days) ? Number(days) : null;
}

function isFixedAmount(variant: Variant, amount: Amount): boolean {
  return variant.fixedAmounts.some((fixed) => compare(fixed, amount) === 0);
}

/** Whether the variant is sold at this amount, in stock or not. */
export function offers(variant: Variant, amount: Amount): boolean {
  if (isFixedAmount(variant, amount)) return true;
  const range = variant.range;
  return range !== null
    && compare(amount, range.min) >= 0
    && compare(amount, range.max) <= 0
    && isOnStep(amount, { from: range.min, step: range.step });
}

function amountNotAvailable(amount: Amount, variants: readonly Variant[]): Rejection {
  const allowed = variants.flatMap((variant) => [
    ...variant.fixedAmounts,
    ...(variant.range === null ? [] : nearestInRange(amount, variant.range)),
  ]);
  const below = allowed.filter((each) => compare(each, amount) < 0).sort(compare).at(-1);
  const above = allowed.filter((each) => compare(each, amount) > 0).sort(compare).at(0);
  const nearest = [below, above].filter((each) => each !== undefined).join(', ');
  const hint = nearest === '' ? '' : `. Nearest allowed amounts: ${nearest}`;
  return new Rejection('AMOUNT_NOT_AVAILABLE', `Amount ${amount} is not available${hint}`,
    { field: ['amount'] });
}

function nearestInRange(
  amount: Amount,
  range: { min: Amount; max: Amount; step: Amount },
): readonly Amount[] {
  const grid = { from: range.min, step: range.step };
  const highest = stepBelow(range.max, grid);
  if (compare(amount, range.min) < 0) return [range.min];
  if (compare(amount, highest) > 0) return [highest];
  const below = stepBelow(amount, grid);
  return [below, add(below, range.step)].filter((each) => compare(each, highest) <= 0);
}
