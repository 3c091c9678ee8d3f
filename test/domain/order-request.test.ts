import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  digestRequest, parseFaceValue, parseId, parseOrderRequest, type RawOrderRequest,
} from '../../src/domain/order-request.ts';
import { HASHING_KEY, number, rawRequest, rejectionOf, request } from './builders.ts';

const REQUIRED = 'Amount is required';
const TOO_MANY_DECIMALS = 'Amount must have at most 4 decimals';
const TOO_GREAT = 'Amount must be at most 999999999.9999';
const TOO_LONG = 'Amount has too many digits';

function refusalOf(over: Partial<RawOrderRequest>) {
  const rejection = rejectionOf(() => parseOrderRequest(rawRequest(over)));
  expect(rejection.code).toBe('VALIDATION_FAILURE');
  const { message, problems } = rejection;
  return { message, field: problems.map((each) => each.field.join('.')).join() };
}

describe('parseFaceValue', () => {
  test.each([
    ['4.99', '4.99'],
    ['4.990', '4.99'],
    ['499e-2', '4.99'],
    ['4.99E0', '4.99'],
    ['1', '1'],
    ['1e3', '1000'],
    ['0.0001', '0.0001'],
    ['0.5', '0.5'],
    ['999999999.9999', '999999999.9999'],
    ['9.99999999e8', '999999999'],
    ['4.9900000000000000000000000000', '4.99'],
  ])('reads %s as %s', (text, expected) => {
    expect(parseFaceValue(number(text))).toBe(expected);
  });

  test.each([
    ['4.990000000001', TOO_MANY_DECIMALS],
    ['4.9900000000000001', TOO_MANY_DECIMALS],
    ['4.99000000000000000001', TOO_MANY_DECIMALS],
    ['1e-7', TOO_MANY_DECIMALS],
    ['0.00001', TOO_MANY_DECIMALS],
    ['0.00005', TOO_MANY_DECIMALS],
    ['1e-9999', TOO_MANY_DECIMALS],
    ['1e400', TOO_GREAT],
    ['1e9999', TOO_GREAT],
    ['1000000000', TOO_GREAT],
    ['999999999.9999e1', TOO_GREAT],
    ['9007199254740993', TOO_GREAT],
    ['100000000000000000000000', TOO_GREAT],
    ['1e99999', TOO_LONG],
    ['1e-999999999999999999999999999', TOO_LONG],
    [`4.99${'0'.repeat(29)}`, TOO_LONG],
    ['9'.repeat(1_000_000), TOO_LONG],
    ['-0', REQUIRED],
    ['0', REQUIRED],
    ['-5', REQUIRED],
    ['0.0000', REQUIRED],
    ['0e5', REQUIRED],
    ['-0.00001', REQUIRED],
  ])('refuses the number %.40s: %s', (text, message) => {
    expect(refusalOf({ amount: number(text) })).toEqual({ message, field: 'amount' });
  });

  // No door lets these through as numbers; the domain does not rely on it.
  test.each([
    ['NaN'], ['Infinity'], ['-Infinity'], ['0x10'], ['0b1'], ['01'], ['00.5'], ['.5'], ['5.'],
    ['+5'], ['4,99'], ['1_000'], [' 4.99'], ['4.99\n'], ['٤'], [''], ['e5'], ['--1'],
  ])('refuses what is no number: %j', (text) => {
    expect(refusalOf({ amount: number(text) })).toEqual({ message: REQUIRED, field: 'amount' });
  });

  test.each([
    [undefined], [null], [true], [false], ['4.99'], ['NaN'], ['Infinity'], ['4,99'], [' 4.99'],
    ['4.99\n'], ['٤'], [''], [[number('4.99')]], [{}], [{ $gt: number('0') }], [4.99],
    [{ text: '4.99' }],
  ])('refuses what is not a number as written: %j', (amount) => {
    expect(refusalOf({ amount })).toEqual({ message: REQUIRED, field: 'amount' });
  });

  test('reads every amount of at most nine digits and four decimals exactly', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 999_999_999 }), fc.nat(9999), (whole, part) => {
      const text = `${whole}.${String(part).padStart(4, '0')}`;
      const expected = part === 0 ? String(whole) : text.replace(/0+$/, '');
      expect(parseFaceValue(number(text))).toBe(expected);
    }));
  });
});

describe('parseId', () => {
  test.each([
    ['1', 1], ['4218', 4218], ['2147483648', 2_147_483_648],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('reads %s', (text, expected) => {
    expect(parseId(number(text))).toBe(expected);
  });

  test.each([
    ['0'], ['-1'], ['1.5'], ['1e3'], ['01'], ['4218.0'], ['0x10'], ['9007199254740992'],
    ['9223372036854775808'], ['1'.repeat(40)], ['１２'], ['1;drop'], ['../1'], ['%00'], ['1\n'],
    [''],
  ])('finds no id in %j', (text) => {
    expect(parseId(number(text))).toBeNull();
  });

  test.each([
    [undefined], [null], ['4218'], [4218], [true], [[number('4218')]], [{}],
  ])('takes no other form: %j', (value) => {
    expect(parseId(value)).toBeNull();
  });
});

describe('parseOrderRequest', () => {
  test('reads the documented example', () => {
    expect(parseOrderRequest(rawRequest())).toEqual(request());
  });

  test.each([
    [undefined], [null], [number('0')], [number('-1')], [number('1.5')], [number('1e3')], ['4218'],
    [number('9223372036854775808')],
  ])('asks for the product ID where it is %j', (productId) => {
    const expected = { message: 'Product ID is required', field: 'productId' };
    expect(refusalOf({ productId })).toEqual(expected);
  });

  test.each([
    ['A'], [' A'], ['A '], ['a'], [' '], ['~'], ['x'.repeat(255)], ['\'; drop table--'], ['%'],
    ['_'], ['${jndi:ldap://x}'], ['<script>'], ['null'],
  ])('keeps the reference %j byte for byte', (clientReference) => {
    expect(parseOrderRequest(rawRequest({ clientReference })).clientReference)
      .toBe(clientReference);
  });

  test.each([
    [''], ['x'.repeat(256)], ['a\n'], ['a\u0000'], ['\u007f'], ['\t'], ['😀'], ['é'], ['e\u0301'],
    ['Ａ'], ['\u202eA'], ['\ud800'], [number('123')], [['A']], [{ A: 'A' }], [true],
  ])('refuses the reference %j', (clientReference) => {
    expect(refusalOf({ clientReference })).toEqual({
      message: 'Client reference must be 1 to 255 printable ASCII characters',
      field: 'clientReference',
    });
  });

  test.each([
    ['Airtime', 'Airtime'], ['Data', 'Data'], ['Bundle', 'Bundle'], [undefined, null], [null, null],
  ])('takes the category %j', (category, expected) => {
    expect(parseOrderRequest(rawRequest({ category })).category).toBe(expected);
  });

  test.each([
    ['airtime'], ['AIRTIME'], [' Airtime'], [''], ['toString'], [number('1')], [['Airtime']], [{}],
  ])('refuses the category %j', (category) => {
    expect(refusalOf({ category })).toEqual({
      message: 'Category must be one of Airtime, Data, Bundle', field: 'category',
    });
  });

  test.each([
    [undefined, null], [null, null], [number('7'), 7], [number('2147483648'), 2_147_483_648],
  ])('takes the wallet %j', (walletId, expected) => {
    expect(parseOrderRequest(rawRequest({ walletId })).walletId).toBe(expected);
  });

  test.each([
    [number('0')], [number('-1')], [number('1.5')], ['1'], [''], [false], [{}], [[]],
  ])('refuses the wallet %j', (walletId) => {
    expect(refusalOf({ walletId })).toEqual({
      message: 'Wallet ID must be a positive integer', field: 'walletId',
    });
  });

  test.each([
    [undefined, null],
    [null, null],
    [' demo-0499 aaaa ', 'DEMO0499AAAA'],
    ['x'.repeat(64), 'X'.repeat(64)],
    // Of no usable form: refused later, in the same words as an unknown code.
    ['', ''], ['abc', ''], ['- - -', ''], ['x'.repeat(65), ''], ['码码码码', ''],
  ])('takes the voucher code %j as %j', (redeemVoucherCode, expected) => {
    expect(parseOrderRequest(rawRequest({ redeemVoucherCode })).voucherCode).toBe(expected);
  });

  test.each([
    [number('1234')], [true], [['DEMO-0499-AAAA']], [{}],
  ])('refuses the voucher code %j', (redeemVoucherCode) => {
    expect(refusalOf({ redeemVoucherCode })).toEqual({
      message: 'Voucher code must be text', field: 'redeemVoucherCode',
    });
  });

  test.each([
    ['DEMO-0499-AAAA'], [''],
  ])('refuses the voucher %j together with a wallet', (redeemVoucherCode) => {
    expect(refusalOf({ redeemVoucherCode, walletId: number('1') })).toEqual({
      message: 'A voucher cannot be combined with a wallet', field: 'redeemVoucherCode',
    });
  });

  test('checks in the documented order and tells the first fault', () => {
    const faults = {
      productId: null, amount: null, clientReference: '', walletId: 'x', category: 'x',
      redeemVoucherCode: true,
    } as const;
    const order = Object.keys(faults) as (keyof typeof faults)[];
    const right = rawRequest();
    const told = order.map((_name, at) => {
      const mended = Object.fromEntries(order.slice(0, at).map((name) => [name, right[name]]));
      return refusalOf({ ...faults, ...mended }).field;
    });
    expect(told).toEqual(order);
  });
});

describe('digestRequest', () => {
  const pairs = { player_id: '5123456789', server: 'asia' };
  const digest = (over: Parameters<typeof request>[0] = {}, inputData: unknown = pairs) =>
    digestRequest(request(over), inputData, HASHING_KEY);

  test('is equal for a repeated request, whatever the order of its fields', () => {
    const turned = { server: 'asia', player_id: '5123456789' };
    const sent = [['server', 'asia'], ['player_id', '5123456789']];
    expect(digest({}, turned)).toBe(digest());
    expect(digest({}, sent)).toBe(digest());
    expect(digest({ inputData: 'as sent, before it was normalised' })).toBe(digest());
  });

  test('does not depend on the reference', () => {
    expect(digest({ clientReference: null })).toBe(digest());
  });

  test.each([
    ['product', { productId: 4219 }, pairs],
    ['amount', { amount: '4.98' }, pairs],
    ['wallet', { walletId: 1 }, pairs],
    ['category', { category: 'Data' }, pairs],
    ['voucher', { voucherCode: 'DEMO0499AAAA' }, pairs],
    ['unusable voucher', { voucherCode: '' }, pairs],
    ['leave to use forex', { allowForexFallback: false }, pairs],
    ['value of a field', {}, { ...pairs, server: 'europe' }],
    ['name of a field', {}, { player_id: '5123456789', zone: 'asia' }],
    ['number of fields', {}, { player_id: '5123456789' }],
    ['place of the values', {}, { player_id: 'asia', server: '5123456789' }],
  ] as const)('tells another %s', (_case, over, inputData) => {
    expect(digest(over, inputData)).not.toBe(digest());
  });

  test('is not fooled by quotes, commas and brackets in a value', () => {
    const one = { a: 'x","b' };
    const two = { a: 'x', b: '' };
    const three = { 'a","x': 'b' };
    expect(new Set([one, two, three].map((each) => digest({}, each))).size).toBe(3);
  });

  test('survives input_data of any JSON form', () => {
    fc.assert(fc.property(fc.jsonValue(), (inputData) => {
      expect(digest({}, inputData)).toMatch(/^[\w-]{43}$/);
    }));
  });

  test('needs the key: a voucher code cannot be guessed from what is stored', () => {
    const asked = request({ voucherCode: 'DEMO0499AAAA' });
    expect(digestRequest(asked, pairs, 'another key'))
      .not.toBe(digestRequest(asked, pairs, HASHING_KEY));
  });

  test('is one of a kind for different amounts and products', () => {
    fc.assert(fc.property(
      fc.record({ productId: fc.nat(), amount: fc.nat().map(String) }),
      fc.record({ productId: fc.nat(), amount: fc.nat().map(String) }),
      (a, b) => {
        const isSame = a.productId === b.productId && a.amount === b.amount;
        expect(digest(a) === digest(b)).toBe(isSame);
      },
    ));
  });
});
