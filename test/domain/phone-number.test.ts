import fc from 'fast-check';
import examples from 'libphonenumber-js/mobile/examples';
import { getCountries, getExampleNumber } from 'libphonenumber-js/max';
import { describe, expect, test } from 'vitest';
import { alpha3Of } from '../../src/domain/countries.ts';
import { parsePhone } from '../../src/domain/phone-number.ts';

describe('parsePhone', () => {
  test.each([
    ['IND', '+91 88796-85100', '+918879685100'],
    ['IND', '+918879685100', '+918879685100'],
    ['IND', '08879685100', '+918879685100'],
    ['IND', '8879685100', '+918879685100'],
    ['IND', '00918879685100', '+918879685100'],
    ['FRA', '06 12 34 56 78', '+33612345678'],
    ['FRA', '+33 (0)6 12 34 56 78', '+33612345678'],
    ['KEN', '0712 345678', '+254712345678'],
    ['KEN', '+254712345678', '+254712345678'],
    ['USA', '+1 (415) 555-2671', '+14155552671'],
    ['USA', '(415) 555-2671', '+14155552671'],
    ['GBR', '07400 123456', '+447400123456'],
    ['DEU', '01512 3456789', '+4915123456789'],
    ['NGA', '0803 123 4567', '+2348031234567'],
    ['BRA', '(11) 96123-4567', '+5511961234567'],
    ['ARG', '011 15-2345-6789', '+5491123456789'],
    ['ITA', '312 345 6789', '+393123456789'],
    ['IDN', '0812-3456-7890', '+6281234567890'],
    ['KAZ', '+7 701 234 5678', '+77012345678'],
    ['PRI', '+1 787 234 5678', '+17872345678'],
    // Without the plus.
    ['DEU', '4915123456789', '+4915123456789'], ['DEU', '49-151-23456789', '+4915123456789'],
    ['DEU', '030 901820', '+4930901820'], ['IDN', '62812345678', '+62812345678'],
    ['IND', '918879685100', '+918879685100'], ['USA', '1 415 555 2671', '+14155552671'],
    ['ITA', '39 312 345 6789', '+393123456789'], ['XKX', '38344123456', '+38344123456'],
    // With 00, wherever it is not how abroad is dialled.
    ['THA', '0066673150087', '+66673150087'], ['USA', '0014155552671', '+14155552671'],
    ['KEN', '00254 712 345678', '+254712345678'],
    // Of lines that are neither mobile nor fixed, too.
    ['GBR', '056 1234 5678', '+445612345678'], ['FRA', '09 12 34 56 78', '+33912345678'],
    ['ITA', '+39 (0) 331 1234567', '+393311234567'], ['ITA', '+39 06 4455 6677', '+390644556677'],
    ['ITA', '+39 (0)6 4455 6677', '+390644556677'], ['GBR', '+44 (0)7400 123456', '+447400123456'],
    // As copied.
    ['IND', '\u202a+91 98765\u00a043210\u202c', '+919876543210'],
    ['IND', '(+91) 98765\u201143210', '+919876543210'],
    ['IND', '98765\u201343210\u200b', '+919876543210'],
    ['GLO', '+91 88796-85100', '+918879685100'],
    ['GLO', '+1 (415) 555-2671', '+14155552671'],
    ['GLO', '+33 6 12 34 56 78', '+33612345678'],
    ['GLO', '+883 5100 12345678', '+883510012345678'],
  ])('writes for %s %s as %s', (countryCode, value, expected) => {
    expect(parsePhone(value, countryCode)).toBe(expected);
    expect(parsePhone(expected, countryCode)).toBe(expected);
  });

  test.each([
    ['another country', 'IND', '+14155552671'],
    ['another country with the same calling code', 'CAN', '+1 (415) 555-2671'],
    ['another country with the same calling code', 'RUS', '+7 701 234 5678'],
    ['no country', 'IND', '+883 5100 12345678'],
    ['no country, for a product of no known one', 'ZZZ', '+883 5100 12345678'],
    ['a country, for a product of no known one', 'ZZZ', '+14155552671'],
    ['another country, dialled abroad', 'FRA', '0014155552671'],
    ['nowhere: national form, product for everywhere', 'GLO', '4155552671'],
    ['nowhere: foreign prefix, product for everywhere', 'GLO', '0014155552671'],
    ['everywhere without a plus', 'GLO', '33612345678'],
    ['a free service', 'IND', '1800 123 4567'], ['a free service', 'GBR', '0800 123 456'],
    ['a free service', 'GLO', '+1 800 555 1234'], ['a paid service', 'GBR', '0909 879 0123'],
    ['an emergency service', 'FRA', '112'],
    ['an emergency service', 'USA', '911'],
    ['an emergency service', 'IND', '100'],
    ['an emergency service, with a country', 'FRA', '+33 112'],
    ['nobody: too short', 'USA', '555-2671'],
    ['nobody: too long', 'IND', '+9188796851001'],
    ['nobody: 40 digits', 'IND', '8'.repeat(40)],
    ['nobody: 1 MB', 'IND', '8'.repeat(1_000_000)],
    ['nobody: only a country', 'IND', '+91'],
    ['nobody: separators', 'IND', '( ) - / . -'],
    ['Arabic digits', 'EGY', '٠١٠٠١٢٣٤٥٦٧'],
    ['Devanagari digits', 'IND', '+९१८८७९६८५१००'],
    ['full-width digits', 'IND', '８８７９６８５１００'],
    ['letters', 'USA', '1-800-FLOWERS'],
    ['an extension', 'USA', '(415) 555-2671 ext. 5'],
    ['an extension', 'USA', '(415) 555-2671;ext=5'],
    ['a link', 'USA', 'tel:+14155552671'],
    ['two pluses', 'IND', '++918879685100'],
    ['a plus inside', 'IND', '91+8879685100'],
    ['two numbers', 'IND', '8879685100/8879685101'],
    ['a line break', 'IND', '8879685100\n'],
  ])('refuses %s: %s %.40s', (_case, countryCode, value) => {
    expect(parsePhone(value, countryCode)).toBeNull();
  });

  // Also where the library names a neighbour that shares the range.
  test('takes a mobile of every country, in whatever form it is written', () => {
    const wrong = getCountries().flatMap((country) => {
      const example = getExampleNumber(country, examples);
      if (example === undefined) return [country];
      const { number, countryCallingCode: code, nationalNumber: rest } = example;
      const forms = [
        number, number.slice(1), `00${number.slice(1)}`, example.formatNational(),
        example.formatInternational(), `(+${code}) ${rest}`, `+${code} (0) ${rest}`,
      ];
      const found = forms.map((form) => parsePhone(form, alpha3Of(country) ?? ''));
      return found.every((each) => each === number) ? [] : [country];
    });
    // Ascension and Tristan da Cunha have no code of three letters.
    expect(wrong).toEqual(['AC', 'TA']);
  });

  test.each([
    ['GLP', '+590690001234', true], ['MAF', '+590690001234', true], ['MTQ', '+590690001234', false],
    ['MAF', '+590590271234', true], ['MTQ', '+590590271234', false],
    ['ALA', '+358412345678', true], ['FIN', '+358412345678', true], ['SWE', '+358412345678', false],
    ['USA', '+14165550123', false], ['CAN', '+14165550123', true], ['JAM', '+14165550123', false],
    ['JAM', '+18005551200', false], ['KAZ', '+78091234567', false],
    ['KAZ', '+79161234567', false], ['RUS', '+77011234567', false], ['ATA', '+61412345678', false],
  ] as const)('of a shared calling code: %s, %s: %s', (country, number, isTaken) => {
    expect(parsePhone(number, country)).toBe(isTaken ? number : null);
  });

  test('gives E.164 or nothing for any text, and the same again for its own answer', () => {
    const typed = fc.stringMatching(/^\+?[0-9 ().\-/]{4,20}$/);
    const countries = fc.constantFrom('IND', 'FRA', 'USA', 'KEN', 'GLO', 'ZZZ');
    fc.assert(fc.property(typed, countries, (value, countryCode) => {
      const phone = parsePhone(value, countryCode);
      if (phone === null) return;
      expect(phone).toMatch(/^\+[1-9][0-9]{6,14}$/);
      expect(parsePhone(phone, countryCode)).toBe(phone);
    }), { numRuns: 500 });
  });
});
