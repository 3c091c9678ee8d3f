import type { PricedOrder } from '../domain/ports.ts';

type Field = string | number | boolean | null;

/**
 * One order of a placing call, as PostgreSQL writes a row of its type `placement`: each field in
 * its place. The database reads that in a third of the time that JSON takes.
 */
export function placementText(
  { requestId, order }: { readonly requestId: string; readonly order: PricedOrder },
  index: number,
): string {
  const { faceValue, charge, funding } = order;
  const fields: readonly Field[] = [
    index + 1, order.clientId, requestId, order.clientReference, order.inputDigest,
    order.productId, order.variantId, order.productName, order.variantName, order.countryCode,
    faceValue.amount, faceValue.currency, order.discountPercent, order.forexRate,
    order.forexRateId, charge.amount, charge.currency,
    funding.kind === 'WALLET' ? funding.walletId : null,
    funding.kind === 'VOUCHER' ? funding.codeHash : null,
    JSON.stringify(order.inputData), order.recipient, order.inputFieldsVersion,
    order.fulfilsInRequest, order.pricingVersion, order.priceValidUntil,
  ];
  return `(${fields.map(fieldText).join(',')})`;
}

/** What ends a field, or begins a quoted one. */
const SPECIAL = /[(),"\\]/;

/** Nothing at all is null; an empty text is quoted. */
function fieldText(field: Field): string {
  if (field === null) return '';
  if (typeof field !== 'string') return String(field);
  return field === '' || SPECIAL.test(field) ? `"${field.replaceAll(/["\\]/g, '$&$&')}"` : field;
}
