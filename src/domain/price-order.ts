import { findProduct } from './catalogue-listing.ts';
import {
  digestRequest, parseOrderTerms, type OrderRequest, type OrderSubject, type RawOrderRequest,
} from './order-request.ts';
import type { PricedOrder } from './ports.ts';
import {
  priceByVoucher, priceByWallet, type Price, type PriceQuestion,
} from './price-by-funding.ts';
import type { PricingSnapshot } from './pricing-snapshot.ts';
import { priceByQuote } from './quote.ts';
import { parseRecipient } from './recipient.ts';
import { hashVoucherCode } from './voucher.ts';

/** A request, and the figures that it is priced with. */
export interface Pricing {
  readonly clientId: number;
  readonly raw: RawOrderRequest;
  readonly subject: OrderSubject;
  readonly snapshot: PricingSnapshot;
}

export interface PricingDeps {
  /** Key of the hashes of voucher codes and requests, and of the seals of quotes. */
  readonly hashingKey: string;
  /** A quote that has ended by then is refused; asked for a quote only. */
  readonly now: () => Date;
}

/**
 * Product, recipient, variant and charge of a request. Pure, over one snapshot.
 * @throws Rejection what the request is refused with; QuoteExpired where its quote has ended
 */
export function priceOrder(pricing: Pricing, deps: PricingDeps): PricedOrder {
  const { clientId, raw, subject, snapshot } = pricing;
  const sold = findProduct(snapshot, { clientId, productId: subject.productId });
  const { product } = sold;
  const { inputData, recipient } = parseRecipient(product, subject.inputData);
  const request = { ...subject, ...parseOrderTerms(raw) };
  const price = priceOf({ snapshot, ...sold, request }, deps);
  return {
    clientId,
    clientReference: request.clientReference,
    inputDigest: digestRequest(request, inputData, deps.hashingKey),
    productId: product.id,
    variantId: price.variant.id,
    productName: product.name,
    variantName: price.variant.name,
    countryCode: product.countryCode,
    faceValue: price.faceValue,
    discountPercent: price.discountPercent,
    forexRate: price.forexRate,
    forexRateId: price.forexRateId,
    charge: price.charge,
    funding: price.funding,
    inputData,
    recipient,
    inputFieldsVersion: product.inputFieldsVersion,
    fulfilsInRequest: product.fulfilsInRequest,
    pricingVersion: snapshot.version,
    priceValidUntil: price.validUntil,
  };
}

/** A voucher pays the face value, a quote what it says, and a wallet the price of the day. */
function priceOf(
  of: PriceQuestion & { readonly request: OrderRequest },
  { hashingKey: key, now }: PricingDeps,
): Price & { readonly validUntil: string | null } {
  const { voucherCode, quoteId } = of.request;
  // A quote outlives the figures it was made of; whether the product is sold is checked anyway.
  if (voucherCode === null && quoteId !== null) {
    return priceByQuote(of, { quoteId, key, now: now() });
  }
  const { validUntil } = of.snapshot;
  return voucherCode === null
    ? { ...priceByWallet(of), validUntil }
    : { ...priceByVoucher(of, hashVoucherCode(voucherCode, key)), validUntil };
}
