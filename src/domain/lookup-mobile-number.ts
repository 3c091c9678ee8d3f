import { listProducts } from './catalogue-listing.ts';
import type { Product } from './catalogue.ts';
import { alpha3Of } from './countries.ts';
import { countriesOfNumber } from './phone-number.ts';
import type { PricingSnapshot } from './pricing-snapshot.ts';
import { takesAsRecipient } from './recipient.ts';
import { Rejection } from './rejection.ts';

/** A product that may top up a number. */
export interface MobileNumberMatch {
  readonly product: Product;
  /**
   * The number was first given to this product's operator, and to no other that we sell. It may
   * have been ported since: nothing that we can ask knows.
   */
  readonly isIdentified: boolean;
}

/**
 * The client's MOBILE products for a number in E.164: best guess first, then the other operators
 * of its country, because numbers are ported. Nothing is kept of the number.
 * @throws Rejection VALIDATION_FAILURE
 */
export function lookupMobileNumber(
  snapshot: PricingSnapshot,
  clientId: number,
  mobileNumber: unknown,
): readonly MobileNumberMatch[] {
  const number = parseMobileNumber(mobileNumber);
  const told = countriesOfNumber(number).map(alpha3Of).filter((each) => each !== undefined);
  const holders = new Set(holdersOf(snapshot, number, (countryCode) => (
    told.length === 0 || countryCode === 'GLO' || told.includes(countryCode))));
  const mobile = listProducts(snapshot, clientId, { type: 'MOBILE' });
  const guesses = mobile.filter(({ id }) => holders.has(id));
  const countries = new Set(told.length > 0 ? told : [guesses[0]?.countryCode]);
  const others = mobile.filter((each) => (
    countries.has(each.countryCode) && !holders.has(each.id)));
  const isOnlyOne = guesses.length === 1;
  return [
    ...guesses.map((product) => ({
      // Nobody's is what an order for it would refuse.
      product, isIdentified: isOnlyOne && takesAsRecipient(product, number),
    })),
    ...others.map((product) => ({ product, isIdentified: false })),
  ];
}

function parseMobileNumber(value: unknown): string {
  if (value === undefined || value === null || value === '') {
    throw invalid('mobile_number is required');
  }
  if (typeof value !== 'string' || !/^\+[1-9][0-9]{6,14}$/.test(value)) {
    throw invalid('mobile_number must be in E.164, such as +918879685100');
  }
  return value;
}

/**
 * The MOBILE products of the longest prefix that the number begins with, sold to the client or not.
 * A prefix may be that of a whole calling code: products of another country than the number's are
 * none of it.
 */
function holdersOf(
  snapshot: PricingSnapshot,
  number: string,
  mayBeOf: (countryCode: string) => boolean,
): readonly number[] {
  for (let length = number.length; length > 1; length -= 1) {
    const ids = snapshot.productIdsByPrefix(number.slice(0, length)).filter((id) => {
      const product = snapshot.product(id);
      return product?.topupType === 'MOBILE' && mayBeOf(product.countryCode);
    });
    if (ids.length > 0) return ids;
  }
  return [];
}

function invalid(message: string): Rejection {
  return new Rejection('VALIDATION_FAILURE', message, { field: ['mobileNumber'] });
}
