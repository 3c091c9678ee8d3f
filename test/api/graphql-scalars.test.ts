import { parseValue } from 'graphql';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { globalId, parseGlobalId } from '../../src/graphql/global-id.ts';
import { keepWrittenNumbers, parseJson } from '../../src/graphql/json-numbers.ts';
import {
  CountryCode, CurrencyCode, DateTime, Decimal, SafeInt,
} from '../../src/graphql/scalars.ts';

type Scalar = typeof Decimal | typeof SafeInt | typeof DateTime;

const fromLiteral = (scalar: Scalar, literal: string) => scalar.parseLiteral(parseValue(literal));
const fromJson = (scalar: Scalar, json: string) =>
  scalar.parseValue(JSON.parse(json, keepWrittenNumbers));

describe('Decimal', () => {
  test.each([
    ['"4.99"', '4.99'],
    ['"4.9900000000000001"', '4.9900000000000001'],
    ['"-1"', '-1'],
    ['"007.50"', '7.50'],
    ['"-00.50"', '-0.50'],
    ['"000"', '0'],
    ['5', '5'],
    ['12345678901234567890123456789012', '12345678901234567890123456789012'],
  ])('takes %s as a literal and as a variable', (written, amount) => {
    expect(fromLiteral(Decimal, written)).toBe(amount);
    expect(fromJson(Decimal, written)).toBe(amount);
  });

  test.each([
    '4.99', '5.0', '5.0000000000000000000001', '1e3', '-0.5', 'true', '{}', '[]',
    '""', '" 5"', '"5 "', '"+5"', '".5"', '"5."', '"1e3"', '"0x10"', '"1_000"', '"1,5"', '"NaN"',
    '"Infinity"', '"--5"', '"٥"', '"５"', '"5\\n"', '"5\\u0000"', `"${'1'.repeat(33)}"`,
    '1'.repeat(33),
  ])('refuses %s as a literal and as a variable', (written) => {
    expect(() => fromLiteral(Decimal, written)).toThrow(/Decimal must be/);
    expect(() => fromJson(Decimal, written)).toThrow(/Decimal must be/);
  });

  test('refuses JavaScript floats, which a GET request may bring', () => {
    expect(() => Decimal.parseValue(4.99)).toThrow(/floats are refused/);
    expect(() => Decimal.parseValue(2 ** 53)).toThrow(/floats are refused/);
  });

  test('is written as it is kept', () => {
    expect(Decimal.serialize('4.7405')).toBe('4.7405');
  });
});

describe('SafeInt', () => {
  test.each(['1', '0', '-1', '9007199254740991'])('takes %s', (written) => {
    expect(fromLiteral(SafeInt, written)).toBe(Number(written));
    expect(fromJson(SafeInt, written)).toBe(Number(written));
  });

  test.each(['9007199254740992', '9007199254740993', '1.5', '1.0', '1e3', '"1"', 'true'])(
    'refuses %s', (written) => {
      expect(() => fromLiteral(SafeInt, written)).toThrow(/SafeInt must be/);
      expect(() => fromJson(SafeInt, written)).toThrow(/SafeInt must be/);
    },
  );
});

describe('DateTime', () => {
  test('is written in UTC, in whole seconds', () => {
    expect(DateTime.serialize(new Date('2026-11-03T09:30:00.987Z'))).toBe('2026-11-03T09:30:00Z');
  });

  test.each(['"2026-11-03T09:30:00Z"', '"2026-11-03t09:30:00z"',
    '"2026-11-03T10:30:00.000+01:00"'])(
    'takes %s', (written) => {
      expect(fromLiteral(DateTime, written)).toEqual(new Date('2026-11-03T09:30:00Z'));
    },
  );

  test.each(['"2026-11-03"', '"3 Nov 2026"', '"2026-13-03T09:30:00Z"', '"2026-02-31T00:00:00Z"',
    '"2026-12-31T24:00:00Z"', '"2026-12-31T23:59:00+24:00"', '1730626200'])(
    'refuses %s', (written) => {
      expect(() => fromLiteral(DateTime, written)).toThrow(/DateTime must be/);
      expect(() => fromJson(DateTime, written)).toThrow(/DateTime must be/);
    },
  );
});

describe('codes', () => {
  test('are three capital letters', () => {
    expect(CurrencyCode.parseValue('USD')).toBe('USD');
    expect(CountryCode.parseValue('GLO')).toBe('GLO');
    for (const wrong of ['usd', 'US', 'USDT', 840, null, 'US\n']) {
      expect(() => CurrencyCode.parseValue(wrong)).toThrow(/CurrencyCode must be/);
      expect(() => CountryCode.parseValue(wrong)).toThrow(/CountryCode must be/);
    }
  });
});

describe('numbers in JSON', () => {
  test('go back into JSON as numbers', () => {
    const payload: unknown = JSON.parse('{"a":1.5,"b":2,"c":[1e3]}', keepWrittenNumbers);
    expect(JSON.stringify(payload)).toBe('{"a":1.5,"b":2,"c":[1000]}');
  });

  test('are kept wherever they stand, however they are written', () => {
    const space = fc.stringMatching(/^[ \t\r\n]{0,2}$/);
    const number = fc.stringMatching(
      /^-?(?:0|[1-9][0-9]{0,20})(?:\.[0-9]{1,20})?(?:[eE]-?[0-9])?$/,
    );
    const place = fc.constantFrom('#', '[#]', '[1,#]', '{"a":#}', '{"a":{"b":[0,#]},"c":"1.5"}');
    fc.assert(fc.property(place, number, space, (around, written, blank) => {
      const json = around.replace('#', `${blank}${written}${blank}`);
      expect(parseJson(json)).toEqual(JSON.parse(json, keepWrittenNumbers));
    }), { numRuns: 2_000 });
  });
});

describe('global ids', () => {
  test('come back as the integer they were made of', () => {
    const id = globalId('TopupOrder', 9_007_199_254_740_991);
    expect(parseGlobalId('TopupOrder', id)).toBe(9_007_199_254_740_991);
    expect(Buffer.from(globalId('TopupOrder', 12), 'base64url').toString()).toBe('TopupOrder:12');
  });

  test.each([
    globalId('Wallet', 12), globalId('TopupOrder', '012'), globalId('TopupOrder', 0),
    globalId('TopupOrder', '9007199254740993'), globalId('TopupOrder', 'x'), '', '12', '%%%',
    `${globalId('TopupOrder', 12)}=`, ` ${globalId('TopupOrder', 12)}`, 'x'.repeat(10_000),
  ])('of anything else are no order: %s', (id) => {
    expect(parseGlobalId('TopupOrder', id)).toBeNull();
  });
});
