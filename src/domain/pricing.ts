import type { Product, Variant } from './catalogue.ts';
import {
  add, compare, convert, isPositive, percentOf, subtract, type Amount, type Money,
} from './money.ts';
import type { Funding } from './ports.ts';
import type { ClientWallet, PricingClient, PricingSnapshot } from './pricing-snapshot.ts';
import { Rejection } from './rejection.ts';

/** The most that any amount of money can be: 20 digits, 4 of them decimals. */
const AMOUNT_MAX = '9999999999999999.9999';

/** What a wallet pays, and how it came about: all of it is kept on the order. */
export interface Charge {
  readonly discountPercent: string;
  readonly forexRate: string | null;
  readonly forexRateId: number | null;
  readonly charge: Money;
}

/** The client's discount in percent. */
export function discountPercent(client: PricingClient, product: Product, variant: Variant): string {
  return client.discounts.of(product, variant)?.percent ?? '0';
}

/**
 * Whether the client would pay less than the variant costs, by a discount that may not do so. A
 * voucher pays the face value.
 */
export function isSoldAtLoss(
  { client, product }: { readonly client: PricingClient; readonly product: Product },
  variant: Variant,
  by: Funding['kind'],
): boolean {
  if (variant.costPercent === null) return false;
  const { percent = '0', mayLose = false } = client.discounts.of(product, variant) ?? {};
  const given = by === 'VOUCHER' ? '0' : percent;
  return !mayLose && compare(add(variant.costPercent, given), '100') > 0;
}

/** Face value less the discount, 4 decimals, in the product's currency. */
export function discounted(faceValue: Amount, percent: string): Amount {
  return subtract(faceValue, percentOf(faceValue, percent));
}

/** What is sold, at which discount, and which wallet pays. */
interface Sale {
  readonly snapshot: PricingSnapshot;
  readonly faceValue: Money;
  readonly percent: string;
  readonly wallet: ClientWallet;
}

/**
 * Face value -> charge: the discount rounded half-up to 4 decimals; with forex rounded once more
 * to the wallet currency's precision.
 * @throws Rejection EXCHANGE_RATE_NOT_AVAILABLE where the directed pair has no rate;
 *   AMOUNT_NOT_AVAILABLE where the charge would round to nothing, or no wallet could hold it
 */
export function chargeFor(sale: Sale): Charge {
  const { percent, wallet: { currency } } = sale;
  return priced({ percent, currency, ...payableFor(sale) });
}

/**
 * What the wallet would pay, whether it could be charged or not, and by which rate.
 * @throws Rejection EXCHANGE_RATE_NOT_AVAILABLE where the directed pair has no rate
 */
export function payableFor(
  { snapshot, faceValue, percent, wallet }: Sale,
): { readonly amount: Amount; readonly rate: { id: number; rate: string } | null } {
  const total = discounted(faceValue.amount, percent);
  if (wallet.currency === faceValue.currency) return { amount: total, rate: null };
  const rate = snapshot.rate(faceValue.currency, wallet.currency);
  if (rate === undefined) {
    throw new Rejection('EXCHANGE_RATE_NOT_AVAILABLE',
      'Exchange rate not available for the wallet currency', { field: ['walletId'] });
  }
  const decimals = snapshot.precision(wallet.currency);
  return { amount: convert(total, { rate: rate.rate, decimals }), rate };
}

function priced(from: {
  percent: string; rate: { id: number; rate: string } | null; amount: Amount; currency: string;
}): Charge {
  if (!isPositive(from.amount)) {
    throw new Rejection('AMOUNT_NOT_AVAILABLE', 'Amount is too small for the wallet currency',
      { field: ['amount'] });
  }
  if (compare(from.amount, AMOUNT_MAX) > 0) {
    throw new Rejection('AMOUNT_NOT_AVAILABLE', 'Amount is too large for the wallet currency',
      { field: ['amount'] });
  }
  return {
    discountPercent: from.percent,
    forexRate: from.rate?.rate ?? null,
    forexRateId: from.rate?.id ?? null,
    charge: { amount: from.amount, currency: from.currency },
  };
}
