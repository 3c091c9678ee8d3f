import { validityDays, type InputField, type Product, type Variant } from '../domain/catalogue.ts';
import { countryOf, type Country } from '../domain/countries.ts';
import type { MobileNumberMatch } from '../domain/lookup-mobile-number.ts';
import { shownMoment } from '../domain/moment.ts';
import type { Currency } from '../domain/pricing-snapshot.ts';
import type { RawQuoteRequest, TopupQuote } from '../domain/quote-topup.ts';
import type { JsonObject } from './json-body.ts';
import { exactNumber } from './wire.ts';

/** The catalogue and quotes as they are documented; what is undefined is left out. */

type Wire = Readonly<Record<string, unknown>>;

/** As lists of products show it. */
export function productOut(product: Product): Wire {
  return {
    id: product.id,
    name: product.name,
    topup_type: product.topupType,
    country_code: product.countryCode,
    currency_code: product.currency,
    image_url: product.imageUrl ?? undefined,
    operator: product.operator ?? undefined,
  };
}

/** As it is shown by itself: with what an order of it has to bring. */
export function productWithFieldsOut(product: Product): Wire {
  return { ...productOut(product), input_fields: product.inputFields.map(inputFieldOut) };
}

function inputFieldOut(field: InputField): Wire {
  return {
    name: field.name,
    label: field.label,
    type: field.type,
    required: field.isRequired,
    pattern: field.pattern ?? undefined,
    min_length: field.minLength ?? undefined,
    max_length: field.maxLength ?? undefined,
    options: field.type === 'select' ? field.options : undefined,
    placeholder: field.placeholder ?? undefined,
    help_text: field.helpText ?? undefined,
    sensitive: field.isSensitive,
  };
}

/** `fixed_amounts` are text, as documented; the other amounts are numbers. */
export function variantOut(product: Product, variant: Variant): Wire {
  const { range } = variant;
  const days = validityDays(variant);
  return {
    id: variant.id,
    name: variant.name,
    category: variant.category ?? undefined,
    currency_code: product.currency,
    min_amount: range === null ? undefined : exactNumber(range.min),
    max_amount: range === null ? undefined : exactNumber(range.max),
    amount_step: range === null ? undefined : exactNumber(range.step),
    fixed_amounts: variant.fixedAmounts,
    available_in: [countryOf(product.countryCode)],
    fields: variant.fields,
    is_available: variant.isAvailable,
    validity: days === null ? undefined : { unit: 'DAY', quantity: days },
    product_id: product.id,
  };
}

/** A product that sells to a mobile number, and whether its operator was told by the number. */
export function matchOut({ product, isIdentified }: MobileNumberMatch): Wire {
  return {
    product_id: product.id,
    name: product.name,
    country_code: product.countryCode,
    identified: isIdentified,
  };
}

/** `precision` is the count of digits behind the point. */
export function currencyOut({ id, code, name, precision }: Currency): Wire {
  return { id, code, name, precision };
}

/** `code` is of ISO 3166, three letters, or GLO. */
export function countryOut({ code, name }: Country): Wire {
  return { code, name };
}

/** As it came: the story checks each value. */
export function quoteRequestIn(body: JsonObject): RawQuoteRequest {
  return {
    productId: body['product_id'],
    amount: body['amount'],
    walletId: body['wallet_id'],
    category: body['category'],
    allowForexFallback: true,
  };
}

/** Up to `discount` in the variant's currency, from there on in the wallet's. No tax, no fee. */
export function quoteOut(quote: TopupQuote): Wire {
  const isForex = quote.forexRate !== null;
  return {
    non_discounted_total: exactNumber(quote.faceValue.amount),
    discount_amount: exactNumber(quote.discount.amount),
    total_amount: exactNumber(quote.total.amount),
    discount: exactNumber(quote.discountPercent),
    gst_amount: 0,
    total_payable: exactNumber(quote.charge.amount),
    net_amount: exactNumber(quote.charge.amount),
    handling_fee_amount: 0,
    charges_details: {
      source_currency: quote.faceValue.currency,
      destination_currency: quote.charge.currency,
      forex_rate: quote.forexRate === null ? null : exactNumber(quote.forexRate),
      conversion_fee: isForex ? 0 : null,
    },
    product_id: quote.product.id,
    variant_id: quote.variant.id,
    variant_name: quote.variant.name,
    wallet_id: quote.wallet.id,
    sufficient_balance: quote.hasSufficientBalance,
    quote_id: quote.id,
    expires_at: shownMoment(quote.expiresAt),
  };
}
