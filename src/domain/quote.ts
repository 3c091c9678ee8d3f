import { isVariantSoldTo } from './catalogue-listing.ts';
import { offers } from './catalogue.ts';
import { compare, type Money } from './money.ts';
import type { PriceQuestion, WalletPrice } from './price-by-funding.ts';
import { Rejection } from './rejection.ts';
import { sealed, unsealed } from './sealed-text.ts';
import type { TopupOrder } from './topup-order.ts';
import { chooseWallet } from './wallet.ts';

/** How long a quote locks its price. */
export const QUOTE_VALID_MS = 5 * 60 * 1000;
const PURPOSE = 'quote';
/** Longer than any quote of ours. */
const QUOTE_LENGTH_MAX = 1024;

/** The figures of a quote, as its id carries them. */
export interface QuotedTerms {
  readonly clientId: number;
  readonly productId: number;
  readonly variantId: number;
  /** Of the variant as it was then; a quote of before it was kept has none. */
  readonly category?: string | null;
  readonly walletId: number;
  readonly faceValue: Money;
  readonly discountPercent: string;
  readonly forexRate: string | null;
  readonly forexRateId: number | null;
  readonly charge: Money;
  readonly expiresAtMs: number;
}

/** The price was the client's until a moment that is over. */
export class QuoteExpired extends Rejection {
  constructor() {
    super('QUOTE_INVALID', 'Quote expired', { field: ['quoteId'] });
  }
}

/** The terms under our seal: every process reads it, and nothing is stored. */
export function sealQuote(terms: QuotedTerms, key: string): string {
  return sealed(JSON.stringify(terms), { purpose: PURPOSE, key });
}

/**
 * The quoted figures, where the quote is the client's own, still valid, for the same thing, and
 * what it names is still sold. What is sold counts as of now; only the price is as of then.
 * @throws QuoteExpired where its time is over
 * @throws Rejection QUOTE_INVALID, OUT_OF_STOCK, or what a wallet is refused with
 */
export function priceByQuote(
  of: PriceQuestion,
  quote: { readonly quoteId: string; readonly key: string; readonly now: Date },
): WalletPrice & { readonly validUntil: string } {
  const { client, product, request } = of;
  const terms = openQuote(quote.quoteId, quote.key);
  if (terms === null || terms.clientId !== client.id) throw invalid('Quote not found');
  if (terms.expiresAtMs <= quote.now.getTime()) throw new QuoteExpired();
  if (terms.productId !== product.id) throw mismatch('productId', 'product');
  // The catalogue has moved: whoever asked named the same product.
  if (terms.faceValue.currency !== product.currency) throw mismatch('quoteId', 'currency');
  if (compare(terms.faceValue.amount, request.amount) !== 0) throw mismatch('amount', 'amount');
  if ((request.walletId ?? terms.walletId) !== terms.walletId) {
    throw mismatch('walletId', 'wallet');
  }
  const variant = product.variants.find((each) => (
    each.id === terms.variantId && isVariantSoldTo(client, each) && offers(each, request.amount)));
  // Another variant may still be sold at this amount: without the quote.
  if (variant === undefined) throw invalid('What this quote is for is not sold any more');
  if (!variant.isAvailable) {
    throw new Rejection('OUT_OF_STOCK', 'What this quote is for is temporarily out of stock',
      { field: ['quoteId'] });
  }
  if (request.category !== null && request.category !== variant.category) {
    throw mismatch(request.category === terms.category ? 'quoteId' : 'category', 'category');
  }
  const wallet = chooseWallet(client, {
    walletId: terms.walletId, currency: product.currency, allowForexFallback: true,
  });
  if (wallet.currency !== terms.charge.currency) throw mismatch('quoteId', 'wallet');
  const { faceValue, discountPercent, forexRate, forexRateId, charge } = terms;
  const funding = { kind: 'WALLET', walletId: wallet.id } as const;
  // The atomic phase may come later, and places nothing behind the end.
  const validUntil = new Date(terms.expiresAtMs).toISOString();
  return {
    variant, faceValue, funding, discountPercent, forexRate, forexRateId, charge, validUntil,
  };
}

/** Whether the quote, ended or not, is for this amount of this variant, paid from this wallet. */
export function isOfQuote(
  order: Pick<TopupOrder, 'clientId' | 'variantId' | 'walletId' | 'faceValue'>,
  quoteId: string,
  key: string,
): boolean {
  const terms = openQuote(quoteId, key);
  return terms !== null && terms.clientId === order.clientId
    && terms.variantId === order.variantId && terms.walletId === order.walletId
    && compare(terms.faceValue.amount, order.faceValue.amount) === 0;
}

function openQuote(quoteId: string, key: string): QuotedTerms | null {
  const payload = unsealed(quoteId, { purpose: PURPOSE, key, lengthMax: QUOTE_LENGTH_MAX });
  return payload === null ? null : JSON.parse(payload) as QuotedTerms;
}

function mismatch(field: string, what: string): Rejection {
  return invalid(`Quote is for another ${what}`, field);
}

function invalid(message: string, field = 'quoteId'): Rejection {
  return new Rejection('QUOTE_INVALID', message, { field: [field] });
}
