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
// Of everyday use, though not of ISO 3166.
const KOSOVO: Country = { code: 'XKX', name: 'Kosovo' };

/** Everywhere a product can be used, in order of name; GLO comes first. */
export const COUNTRIES: readonly Country[] = [
  WORLDWIDE,
  // The package has Kosovo under a code that only some use.
  ...[KOSOVO, ...Object.keys(isoCountries.getAlpha3Codes())
    .filter((code) => isoCountries.alpha3ToAlpha2(code) !== 'XK').map(named)]
    .sort((a, b) => (a.name < b.name ? -1 : 1)),
];

const NAMES = new Map(COUNTRIES.map(({ code, name }) => [code, name]));

/** The country by its code; a code that is unknown is its own name. */
export function countryOf(code: string): Country {
  return { code, name: NAMES.get(code) ?? code };
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
  return { code, name: isoCountries.getName(code, 'en') ?? code };
}
