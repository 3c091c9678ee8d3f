import isoCountries from 'i18n-iso-countries/index.js';
import english from 'i18n-iso-countries/langs/en.json' with { type: 'json' };

// By itself, the package loads the names in eighty languages.
isoCountries.registerLocale(english);

/** ISO 3166-1 alpha-3, or GLO for what is used worldwide. */
export interface Country {
  readonly code: string;
  readonly name: string;
}

const WORLDWIDE: Country = { code: 'GLO', name: 'Global' };
// Of everyday use, though not of ISO 3166; the package, and who follows it, say XKK.
const KOSOVO: Country = { code: 'XKX', name: 'Kosovo' };
const OTHER_KOSOVO = 'XKK';

// As people look for them, where the package says "The Republic of …".
const SHORT_NAMES: Readonly<Record<string, string>> =
  { CHN: 'China', GMB: 'Gambia', MKD: 'North Macedonia' };

/** Everywhere a product can be used, in order of name; GLO comes first. */
export const COUNTRIES: readonly Country[] = [
  WORLDWIDE,
  ...[KOSOVO, ...Object.keys(isoCountries.getAlpha3Codes())
    .filter((code) => code !== OTHER_KOSOVO).map(named)]
    .sort((a, b) => a.name.localeCompare(b.name, 'en')),
];

const NAMES = new Map(COUNTRIES.map(({ code, name }) => [code, name]));

/** The code that we use of a country, by any that others use; null for what is no country. */
export function countryCodeOf(code: string): string | null {
  const ours = code === OTHER_KOSOVO ? KOSOVO.code : code;
  return NAMES.has(ours) ? ours : null;
}

/** The country by its code; a code that is unknown is its own name. */
export function countryOf(code: string): Country {
  return { code, name: NAMES.get(countryCodeOf(code) ?? code) ?? code };
}

/** "IND" -> "IN", and the code of Kosovo; undefined for what is no country. */
export function alpha2Of(alpha3: string): string | undefined {
  return alpha3 === KOSOVO.code ? 'XK' : isoCountries.alpha3ToAlpha2(alpha3);
}

/** "IN" -> "IND", and the code of Kosovo; undefined for what is no country. */
export function alpha3Of(alpha2: string): string | undefined {
  return alpha2 === 'XK' ? KOSOVO.code : isoCountries.alpha2ToAlpha3(alpha2);
}

function named(code: string): Country {
  return { code, name: SHORT_NAMES[code] ?? isoCountries.getName(code, 'en') ?? code };
}
