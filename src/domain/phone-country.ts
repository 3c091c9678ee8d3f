import {
  getCountries, getCountryCallingCode, isSupportedCountry, parsePhoneNumberFromString,
  type CountryCode, type NumberType, type PhoneNumber,
} from 'libphonenumber-js/max';

/** Ranges of other types, such as toll-free ones, are of a whole calling code. */
const SHARED_TYPES: ReadonlySet<NumberType> =
  new Set(['MOBILE', 'FIXED_LINE', 'FIXED_LINE_OR_MOBILE']);

/**
 * Whether a number is of a country (alpha-2), as its country or valid in its plan: some territories
 * share a range with a neighbour, which alone the library names. The mobiles of Saint-Martin are
 * Guadeloupe's, those of Åland Finland's.
 */
export function isNumberOf(phone: PhoneNumber, country: string): boolean {
  // Of satellite and other worldwide numbers the country is undefined, and equals no other.
  if (phone.country === undefined || !isSupportedCountry(country)) return false;
  if (phone.country === country) return true;
  if (phone.countryCallingCode !== getCountryCallingCode(country)) return false;
  const shared = parsePhoneNumberFromString(phone.number);
  if (shared === undefined) return false;
  shared.country = country;
  return SHARED_TYPES.has(shared.getType());
}

/** The countries (alpha-2) that an E.164 number may be of; none where that cannot be told. */
export function countriesOfNumber(number: string): readonly CountryCode[] {
  const phone = parsePhoneNumberFromString(number);
  return phone === undefined ? [] : getCountries().filter((each) => isNumberOf(phone, each));
}
