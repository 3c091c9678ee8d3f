import { findProduct } from './catalogue-listing.ts';
import type { Product, Variant } from './catalogue.ts';
import { compare, subtract, type Money } from './money.ts';
import { parseOrderRequest, type RawOrderRequest } from './order-request.ts';
import type { Clock, Store, Wallet } from './ports.ts';
import { priceByWallet, type WalletPrice } from './price-by-funding.ts';
import { discounted } from './pricing.ts';
import { QUOTE_VALID_MS, sealQuote } from './quote.ts';
import { Rejection } from './rejection.ts';
import { availableOf } from './wallet-transaction.ts';

export interface QuoteTopupDeps {
  readonly store: Pick<Store, 'freshPricing' | 'findWalletsByIds'>;
  readonly clock: Pick<Clock, 'now'>;
  /** Seals quotes; the same in every process. */
  readonly hashingKey: string;
}

/** What a door read of a request for a quote. */
export type RawQuoteRequest =
  Pick<RawOrderRequest, 'productId' | 'amount' | 'walletId' | 'category' | 'allowForexFallback'>;

/** What an order placed now, or within the quote's time, costs. */
export interface TopupQuote {
  /** Locks the price where an order names it. */
  readonly id: string;
  readonly product: Product;
  readonly variant: Variant;
  readonly wallet: Wallet;
  readonly faceValue: Money;
  readonly discountPercent: string;
  /** Of the face value, in its currency; `total` is what is left of it. */
  readonly discount: Money;
  readonly total: Money;
  /** From the product's currency to the wallet's; null where they are the same. */
  readonly forexRate: string | null;
  /** What the wallet would pay, in its currency. */
  readonly charge: Money;
  readonly hasSufficientBalance: boolean;
  readonly expiresAt: Date;
}

/**
 * Prices a top-up as `createTopupOrder` would, and debits nothing. A lack of funds is told, not
 * refused. The price is locked by the quote's id alone: nothing is stored.
 * @throws Rejection where no order could be placed
 */
export async function quoteTopup(
  clientId: number,
  raw: RawQuoteRequest,
  deps: QuoteTopupDeps,
): Promise<TopupQuote> {
  const request = parseOrderRequest({ ...NOT_ASKED, ...raw });
  // Fresh, so that an order right after costs the same: that one would be told of old figures.
  const snapshot = await deps.store.freshPricing();
  const sold = findProduct(snapshot, { clientId, productId: request.productId });
  const price = priceByWallet({ snapshot, ...sold, request });
  const [wallet] = await deps.store.findWalletsByIds(clientId, [price.funding.walletId]);
  if (wallet === undefined) throw new Rejection('WALLET_NOT_FOUND', 'Wallet not found');
  const { variant, faceValue, discountPercent, forexRate, charge } = price;
  const { currency } = faceValue;
  const total = discounted(faceValue.amount, discountPercent);
  const expiresAt = endOfQuote(deps.clock.now());
  return {
    id: idOf(price, { clientId, productId: sold.product.id, expiresAt, key: deps.hashingKey }),
    product: sold.product,
    variant,
    wallet,
    faceValue,
    discountPercent,
    discount: { amount: subtract(faceValue.amount, total), currency },
    total: { amount: total, currency },
    forexRate,
    charge,
    hasSufficientBalance: compare(availableOf(wallet), charge.amount) >= 0,
    expiresAt,
  };
}

/** What only an order has. */
const NOT_ASKED = {
  inputData: undefined, clientReference: undefined, redeemVoucherCode: undefined,
  quoteId: undefined,
} as const;

/** In whole seconds, so that what is shown is when it ends. */
function endOfQuote(now: Date): Date {
  const second = now.getTime() - now.getMilliseconds();
  return new Date(second + QUOTE_VALID_MS);
}

function idOf(
  price: WalletPrice,
  of: { clientId: number; productId: number; expiresAt: Date; key: string },
): string {
  const { variant, funding, faceValue, discountPercent, forexRate, forexRateId, charge } = price;
  return sealQuote({
    clientId: of.clientId,
    productId: of.productId,
    variantId: variant.id,
    category: variant.category,
    walletId: funding.walletId,
    faceValue,
    discountPercent,
    forexRate,
    forexRateId,
    charge,
    expiresAtMs: of.expiresAt.getTime(),
  }, of.key);
}
