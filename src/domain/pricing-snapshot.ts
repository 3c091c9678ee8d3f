import type { Product, Variant } from './catalogue.ts';
import type { Discounts } from './discounts.ts';

export interface ClientWallet {
  readonly id: number;
  readonly currency: string;
  readonly isDefault: boolean;
}

/** A client as pricing sees it. */
export interface PricingClient {
  readonly id: number;
  readonly name: string;
  readonly wallets: readonly ClientWallet[];
  readonly discounts: Discounts;
  readonly enabledProducts: ReadonlySet<number>;
  readonly disabledProducts: ReadonlySet<number>;
  readonly disabledVariants: ReadonlySet<number>;
}

/** A currency by ISO 4217: `id` is its numeric code, `precision` its digits after the point. */
export interface Currency {
  readonly id: number;
  readonly code: string;
  readonly name: string;
  readonly precision: number;
}

/** Everything that prices an order, at one version. Read-only and shared by all requests. */
export interface PricingSnapshot {
  readonly version: number;
  /** Database time of which it is, ISO 8601. */
  readonly readAt: string;
  /** Database time from which a rate or discount changes; null where no edge is known. */
  readonly validUntil: string | null;
  product(id: number): Product | undefined;
  /** All products in order of name, then id. */
  products(): readonly Product[];
  /** The products whose numbers begin with exactly this, e.g. '+9188'. */
  productIdsByPrefix(prefix: string): readonly number[];
  variant(id: number): Variant | undefined;
  client(id: number): PricingClient | undefined;
  rate(from: string, to: string): { readonly id: number; readonly rate: string } | undefined;
  /** All currencies in order of code. */
  currencies(): readonly Currency[];
  /** Digits after the point of a currency. */
  precision(currency: string): number;
}
