import { describe, expect, test } from 'vitest';
import { lookupMobileNumber } from '../../src/domain/lookup-mobile-number.ts';
import { client, field, product, rejectionOf, snapshot } from './builders.ts';

const mobile = (id: number, name: string, countryCode: string, pattern: string | null = null) =>
  product({
    id, name, countryCode, topupType: 'MOBILE',
    inputFields: [field({ name: 'phone_number', type: 'phone', pattern })],
  });
const figures = snapshot({
  products: [
    mobile(1, 'Airtel', 'IND'), mobile(2, 'Jio', 'IND'), mobile(3, 'Vi', 'IND'),
    mobile(4, 'Orange', 'FRA'), product({ id: 5, name: 'Game', countryCode: 'IND' }),
    mobile(6, 'Orange Caraïbe', 'GLP'), mobile(7, 'Dauphin', 'MAF'),
    mobile(8, 'Sure', 'SHN'), mobile(9, 'Sure, by the day', 'SHN'), mobile(10, 'Digicel', 'JAM'),
    mobile(11, 'T-Mobile', 'USA'), mobile(12, 'Safaricom', 'KEN', '254[17][0-9]{8}'),
  ],
  clients: [client(), client({ id: 2, disabledProducts: new Set([1]) })],
  prefixes: {
    '+91997': [5], '+9188': [1], '+91': [2], '+9177': [1, 3], '+247': [8], '+1': [11], '+254': [12],
  },
});
const told = (number: unknown, clientId = 1) => lookupMobileNumber(figures, clientId, number)
  .map(({ product: { id }, isIdentified }) => [id, isIdentified]);

describe('lookupMobileNumber', () => {
  test.each<[string, string, [number, boolean][]]>([
    ['the longest prefix, then the others of the country', '+918879685100',
      [[1, true], [2, false], [3, false]]],
    ['a shorter prefix where no longer one fits that is MOBILE, too', '+919979685100',
      [[2, true], [1, false], [3, false]]],
    ['nobody as identified where two share the prefix', '+917779685100',
      [[1, false], [3, false], [2, false]]],
    ['the operators of the country where no prefix is known', '+33612345678', [[4, false]]],
    ['the operators of each country that shares the range', '+590690001234',
      [[6, false], [7, false]]],
    ['the operators beside the one whose prefix it is, of a country without a code', '+24740123',
      [[8, false], [9, false]]],
    ['nobody as identified for a number that no order takes', '+18005551234', [[11, false]]],
    ['nobody of another country by a prefix of the whole calling code', '+18763012345',
      [[10, false]]],
    ['the only operator of a whole calling code', '+14155552671', [[11, true]]],
    ['nothing for a country in which nothing is sold', '+4712345678', []],
    ['the operator whose pattern it meets', '+254712345678', [[12, true]]],
    ['nobody as identified whose pattern it does not meet', '+254202345678', [[12, false]]],
    ['nothing for a number of no country', '+99912345678', []],
  ])('tells %s', (_case, number, expected) => {
    expect(told(number)).toEqual(expected);
  });

  test('does not pass a number on to an operator that never had it', () => {
    expect(told('+918879685100', 2)).toEqual([[2, false], [3, false]]);
  });

  test.each([
    [undefined, 'mobile_number is required'], [null, 'mobile_number is required'],
    ['', 'mobile_number is required'], ['918879685100', /E\.164/], ['+0918879685100', /E\.164/],
    ['+91 88796 85100', /E\.164/], ['+91887', /E\.164/], ['+9188796851001234', /E\.164/],
    ['+918879685100\n', /E\.164/], ['+٩١٨٨٧٩٦٨٥١٠٠', /E\.164/], [918879685100, /E\.164/],
    [['+918879685100'], /E\.164/],
  ])('refuses %j', (number, message) => {
    const rejection = rejectionOf(() => told(number));
    expect(rejection.code).toBe('VALIDATION_FAILURE');
    expect(rejection.message).toMatch(message);
  });
});
