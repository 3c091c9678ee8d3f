import {
  getCountries, getCountryCallingCode, isSupportedCountry, parsePhoneNumberFromString,
  type CountryCode, type NumberType, type PhoneNumber,
} from 'libphonenumber-js/max';
import { alpha2Of } from './countries.ts';

/** Ranges of other types, such as toll-free ones, are of a whole calling code. */
const SHARED_TYPES: ReadonlySet<NumberType> =
  new Set(['MOBILE', 'FIXED_LINE', 'FIXED_LINE_OR_MOBILE']);
const MOBILE_TYPES: ReadonlySet<NumberType> = new Set(['MOBILE', 'FIXED_LINE_OR_MOBILE']);
/** Services, to which nobody can send a value. */
const SERVICE_TYPES: ReadonlySet<NumberType> =
  new Set(['TOLL_FREE', 'PREMIUM_RATE', 'SHARED_COST', 'UAN', 'VOICEMAIL']);

/**
 * A subscriber's number in E.164, or null; also null for another country's (alpha-3), unless that
 * is GLO.
 */
export function parsePhone(written: string, countryCode: string): string | null {
  const value = withPlainSeparators(written);
  // Only ASCII digits and the usual separators: other scripts' digits and letters are refused.
  if (!/^\+?[0-9 ().\-/]{4,32}$/.test(value)) return null;
  const region = alpha2Of(countryCode) as CountryCode | undefined;
  const read = (text: string): PhoneNumber | undefined => {
    const phone = parsePhoneNumberFromString(text, {
      ...(region === undefined ? {} : { defaultCountry: region }), extract: false,
    });
    if (phone === undefined || !phone.isValid()) return undefined;
    const isAtHome = countryCode === 'GLO' || (region !== undefined && isNumberOf(phone, region));
    return isAtHome && !SERVICE_TYPES.has(phone.getType()) ? phone : undefined;
  };
  const first = read(value);
  if (isMobile(first)) return first.number;
  const others = otherReadingsOf(value, region !== undefined).map(read);
  return (others.find(isMobile) ?? first)?.number ?? null;
}

/** What else may have been meant; not asked where the number as it stands is a mobile. */
function otherReadingsOf(value: string, isOfCountry: boolean): readonly string[] {
  const readings: string[] = [];
  // Where lines may be as long, "49 151 23456789" is one of Germany's too, and 49 its area. Abroad
  // is dialled otherwise in many countries, and written with 00 in all.
  if (isOfCountry && !value.includes('+')) readings.push(`+${value.replace(/^[ (]*00/, '')}`);
  // No part of "+39 (0) 331 1234567", though lines of Italy begin with a 0.
  if (value.includes('(0)')) readings.push(value.replace('(0)', ''));
  return readings;
}

function isMobile(phone: PhoneNumber | undefined): phone is PhoneNumber {
  return phone !== undefined && MOBILE_TYPES.has(phone.getType());
}

/** Of what was copied from a page or from contacts: marks of direction, other spaces, dashes. */
function withPlainSeparators(written: string): string {
  return written
    .replaceAll(/\p{Cf}/gu, '').replaceAll(/\p{Zs}/gu, ' ').replaceAll(/[\p{Pd}\u2212]/gu, '-')
    .replace(/^\((\+[0-9]+)\)/, '$1');
}

/**
 * Whether a number is of a country (alpha-2), as its country or valid in its plan: some territories
 * share a range with a neighbour, which alone the library names. The mobiles of Saint-Martin are
 * Guadeloupe's, those of Åland Finland's.
 */
function isNumberOf(phone: PhoneNumber, country: string): boolean {
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
