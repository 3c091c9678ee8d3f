import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { InputField } from '../../src/domain/catalogue.ts';
import { NumberText } from '../../src/domain/money.ts';
import { normalisedPairs, parseRecipient } from '../../src/domain/recipient.ts';
import { Rejection } from '../../src/domain/rejection.ts';
import { field, product, rejectionOf } from './builders.ts';

const GAME = { player_id: '5123456789', server: 'asia' };

const parse = (inputData: object, fields?: readonly InputField[]) => parseRecipient(
  product(fields === undefined ? {} : { inputFields: fields }),
  Object.entries(inputData),
);

/** What `value` becomes in a field of its own; null where it is refused. */
function normalised(value: unknown, over: Partial<InputField>, countryCode = 'GLO') {
  const inputFields = [field({ name: 'x', ...over })];
  try {
    return parseRecipient(product({ inputFields, countryCode }), [['x', value]]).recipient;
  } catch (error) {
    if (error instanceof Rejection && error.code === 'INVALID_INPUT_FIELD') return null;
    throw error;
  }
}

function messageOf(inputData: object, fields?: readonly InputField[]): string {
  const rejection = rejectionOf(() => parse(inputData, fields));
  expect(rejection.code).toBe('INVALID_INPUT_FIELD');
  return rejection.message;
}

describe('parseRecipient', () => {
  test('echoes what is right, and tells who receives the value', () => {
    expect(parse(GAME)).toEqual({ inputData: GAME, recipient: '5123456789' });
  });

  test('writes the fields in the product\'s order, trimmed', () => {
    const { inputData } = parse({ server: ' asia', player_id: '\t5123456789\n' });
    expect(Object.entries(inputData)).toEqual(Object.entries(GAME));
  });

  test.each([
    [13, '+91 88796-85100', true],
    [13, '+918879685100', true],
    [10, '8879685100', true],
    [10, '+91 88796-85100', false],
  ])('takes a phone by its length, spaces or not: at most %i, %s', (maxLength, phone, isTaken) => {
    const airtel = product({
      countryCode: 'IND', inputFields: [field({ name: 'phone_number', type: 'phone', maxLength })],
    });
    const parse = () => parseRecipient(airtel, [['phone_number', phone]]).recipient;
    if (isTaken) expect(parse()).toBe('+918879685100');
    else expect(parse).toThrow('Invalid value');
  });

  test('holds a phone to its limits with the plus or without it, however it was written', () => {
    const sold = product({ countryCode: 'IND', inputFields: [field({
      name: 'phone_number', type: 'phone', pattern: '91[0-9]{10}', minLength: 12, maxLength: 12,
    })] });
    for (const written of ['+918879685100', '918879685100', '8879685100', '+91 88796-85100']) {
      expect(parseRecipient(sold, [['phone_number', written]]).recipient).toBe('+918879685100');
    }
  });

  test.each(['\\+254[0-9]{9}', '254[0-9]{9}'])('meets %s with a phone number', (pattern) => {
    const sold = product({
      countryCode: 'KEN', inputFields: [field({ name: 'phone_number', type: 'phone', pattern })],
    });
    for (const written of ['+254712345678', '254712345678', '0712 345678']) {
      expect(parseRecipient(sold, [['phone_number', written]]).recipient).toBe('+254712345678');
    }
  });

  test('normalises the phone of the documented example', () => {
    const airtel = product({
      countryCode: 'IND', inputFields: [field({ name: 'phone_number', type: 'phone' })],
    });
    const expected = { inputData: { phone_number: '+918879685100' }, recipient: '+918879685100' };
    expect(parseRecipient(airtel, [['phone_number', '+91 88796-85100']])).toEqual(expected);
  });

  test('leaves out optional fields that are absent or empty', () => {
    const fields = [field({ name: 'a' }), field({ name: 'b', isRequired: false })];
    expect(parse({ a: '1' }, fields).inputData).toEqual({ a: '1' });
    expect(parse({ a: '1', b: '  ' }, fields).inputData).toEqual({ a: '1' });
  });

  test('takes no input where none is required', () => {
    const none = product({ inputFields: [field({ name: 'b', isRequired: false })] });
    expect(parseRecipient(none, undefined)).toEqual({ inputData: {}, recipient: '' });
    expect(rejectionOf(() => parseRecipient(product(), undefined)).problems).toHaveLength(2);
  });

  test.each([
    [['note', 'player_id'], 'player_id'],
    [['note', 'phone_number'], 'phone_number'],
    [['account', 'note'], 'account'],
  ])('goes to the same one of the fields %j, whichever are filled in', (names, recipientName) => {
    const fields = names.map((name) => field({ name, isRequired: name === 'player_id' }));
    const sold = product({ inputFields: fields, countryCode: 'IND' });
    const values = Object.fromEntries(names.map((name) => [name, `value of ${name}`]));
    const recipientOf = (given: Record<string, string>) =>
      parseRecipient(sold, Object.entries(given)).recipient;
    expect(recipientOf(values)).toBe(values[recipientName]);
    const alone = { [recipientName]: 'alone' };
    expect(recipientOf(alone)).toBe('alone');
    if (recipientName === 'account') expect(recipientOf({ note: 'n' })).toBe('');
  });

  test.each([
    [null], ['x'], [true], [new NumberText('1')], [{ player_id: '5123456789' }],
  ])('refuses input data that is no object: %j', (entries) => {
    const rejection = rejectionOf(() => parseRecipient(product(), entries));
    expect(rejection.code).toBe('INVALID_INPUT_FIELD');
    expect(rejection.problems.map((each) => each.field)).toEqual([['inputData']]);
  });

  test.each([
    ['an unknown key', { ...GAME, zone: 'c4n4ry' }, 'Unknown input field: zone'],
    ['a key of other case', { ...GAME, Server: 'asia' }, 'Unknown input field: Server'],
    ['a missing key', { player_id: '5123456789' }, 'Missing required input field: server'],
    ['an empty value', { ...GAME, server: '' }, 'Missing required input field: server'],
    ['a blank value', { ...GAME, server: ' \n' }, 'Missing required input field: server'],
    ['a wrong value', { ...GAME, player_id: 'c4n4ry' }, 'Invalid value for input field: player_id'],
    ['all faults at once', { zone: '', server: 'c4n4ry' },
      'Unknown input field: zone; Missing required input field: player_id; '
      + 'Invalid value for input field: server'],
  ])('names %s', (_case, inputData, expected) => {
    expect(messageOf(inputData)).toBe(expected);
  });

  test.each([
    [new NumberText('5123456789')], [5123456789], [true], [null], [['5123456789']],
    [{ toString: '5123456789' }],
  ])('refuses a value that is not text: %j', (value) => {
    expect(messageOf({ ...GAME, player_id: value }))
      .toBe('Invalid value for input field: player_id');
  });

  test.each([
    ['__proto__'], ['constructor'], ['prototype'], ['toString'], ['hasOwnProperty'], ['valueOf'],
  ])('knows no field %s, and leaves every prototype alone', (name) => {
    const inputData = JSON.parse(`{"player_id": "5123456789", "${name}": {"isAdmin": true}}`);
    const entries = Object.entries(inputData as object);
    const rejection = rejectionOf(() => parseRecipient(product(), entries));
    expect(rejection.message).toContain(`Unknown input field: ${name}`);
    expect(Object.hasOwn(Object.prototype, 'isAdmin')).toBe(false);
  });

  test('finds no value for a field in a prototype', () => {
    const fields = [field({ name: 'constructor' })];
    expect(messageOf({}, fields)).toBe('Missing required input field: constructor');
  });

  test('answers 10,000 unknown keys shortly', () => {
    const keys = Array.from({ length: 10_000 }, (_, at) => [`${'k'.repeat(200)}${at}`, 'c4n4ry']);
    const rejection = rejectionOf(() => parseRecipient(product(), keys));
    expect(rejection.problems).toHaveLength(20);
    expect(rejection.message.length).toBeLessThan(2000);
    expect(rejection.message).not.toContain('c4n4ry');
  });

  test.each([
    ['a\r\nSet-Cookie: x', 'a??Set-Cookie: x'],
    ['\u0000\ud800é😀', '?????'],
  ])('shows the unknown key %j as %s', (name, shown) => {
    expect(messageOf({ ...GAME, [name]: 'x' })).toBe(`Unknown input field: ${shown}`);
  });

  test('lets the last of equal keys count', () => {
    const entries = [...Object.entries(GAME), ['server', 'europe']];
    expect(parseRecipient(product(), entries).inputData['server']).toBe('europe');
  });

  test('never shows a value', () => {
    const canary = fc.string({ unit: 'binary', maxLength: 300 }).map((text) => `c4n4ry${text}`);
    fc.assert(fc.property(canary, canary, fc.string(), (player, server, name) => {
      const attempt = () => parse({ player_id: player, server, [`x${name}`]: player });
      const { message, problems } = rejectionOf(attempt);
      expect(message + JSON.stringify(problems)).not.toContain('c4n4ry');
    }));
  });
});

describe('a text field', () => {
  test.each([
    ['\u0000', 'NUL'], ['ab\u0000cd', 'NUL'], ['ab\ud800cd', 'a lone surrogate'],
    ['ab\udc00', 'a lone surrogate'], ['ab\r\ncd', 'a line break'], ['ab\tcd', 'a tab'],
    ['ab\u001bcd', 'an escape'], ['ab\u007fcd', 'DEL'], ['ab\u0085cd', 'a C1 control'],
    ['ab\u2028cd', 'a line separator'], ['ab\u2029cd', 'a paragraph separator'],
  ])('refuses %j: %s', (value) => {
    expect(normalised(value, {})).toBeNull();
  });

  test.each([
    ['José 😀'], ['a&b=c|d'], ['{{7*7}}'], ['http://127.0.0.1/'], ['x'.repeat(255)],
  ])('keeps %j as data where the product has no pattern', (value) => {
    expect(normalised(value, {})).toBe(value);
  });

  test.each([
    ['x'.repeat(256), {}],
    ['x'.repeat(256), { maxLength: 1000 }],
    ['x'.repeat(1_000_000), {}],
    ['x'.repeat(21), { maxLength: 20 }],
    ['\u{1f3ae}'.repeat(11), { maxLength: 10 }],
    ['\u{1f3ae}'.repeat(4), { minLength: 5 }],
    ['\u{1f3ae}'.repeat(256), {}],
    ['1234', { minLength: 5 }],
    // A pattern never meets a value long enough to hurt.
    ['1'.repeat(129), { pattern: '[0-9]+' }],
  ])('refuses the length of %.20s… by %j', (value, over) => {
    expect(normalised(value, over)).toBeNull();
  });

  test.each([
    ['12345', { minLength: 5 }],
    ['x'.repeat(20), { maxLength: 20 }],
    ['\u{1f3ae}'.repeat(10), { maxLength: 10 }],
    ['\u{1f3ae}'.repeat(5), { minLength: 5 }],
    ['\u{1f3ae}'.repeat(255), {}],
    ['1'.repeat(128), { pattern: '[0-9]+' }],
  ])('takes the length of %.20s… by %j', (value, over) => {
    expect(normalised(value, over)).toBe(value);
  });

  test.each([
    ['^[0-9]+$', '5123456789', true],
    ['^[0-9]+$', '51234x', false],
    ['^[0-9]+$', '٥١٢٣٤', false],
    ['^[0-9]+$', '51234&amount=1', false],
    // Unanchored, and with alternatives of which each anchor would bind only one.
    ['[0-9]+', 'x1x', false],
    ['[0-9]{4}|[0-9]{6}', '1234', true],
    ['[0-9]{4}|[0-9]{6}', '123456', true],
    ['[0-9]{4}|[0-9]{6}', '12345', false],
    ['[0-9]{4}|[0-9]{6}', 'x123456', false],
    ['^[0-9]{4}|[0-9]{6}$', '1234x', false],
    ['^[0-9]+$', '1234\n5678', false],
    ['.', '😀', true],
  ])('matches %s with %j: %s', (pattern, value, isTaken) => {
    expect(normalised(value, { pattern })).toBe(isTaken ? value : null);
  });
});

describe('a field of another type', () => {
  const options = [{ value: 'asia', label: 'Asia' }, { value: 'north_america', label: 'NA' }];

  test.each([
    ['select', 'asia', true],
    ['select', 'Asia', false],
    ['select', 'NA', false],
    ['select', 'mars', false],
    ['select', 'toString', false],
    ['number', '10', true],
    ['number', '10.50', true],
    ['number', '-1', false],
    ['number', '1e3', false],
    ['number', '0x10', false],
    ['number', '.5', false],
    ['number', 'NaN', false],
    ['number', '١٢', false],
    ['email', 'a.b+c@example.com', true],
    ['email', 'a@b@example.com', false],
    ['email', 'a@example', false],
    ['email', 'a@example..com', false],
    ['email', 'a@.example.com', false],
    ['email', 'a b@example.com', false],
    ['email', '<a@example.com>', false],
    ['email', 'a@example.com\r\nBcc: x@example.com', false],
  ] as const)('%s: %j is taken: %s', (type, value, isTaken) => {
    expect(normalised(value, { type, options })).toBe(isTaken ? value : null);
  });

  test('reads an e-mail of the greatest length at once', () => {
    expect(normalised(`a@${'a.'.repeat(126)}`, { type: 'email' })).toBeNull();
    expect(normalised(`${'@'.repeat(255)}`, { type: 'email' })).toBeNull();
  });
});

test('pairs that no field knows any more are as they were read when one did', () => {
  const fields = [field({ name: 'player_id' }), field({ name: 'note', isRequired: false })];
  const given = [['player_id', '5123456789'], ['note', ' hi '], ['server', '  ']];
  const before = normalisedPairs(product({ inputFields: fields }), given);
  expect(before).toEqual([['player_id', '5123456789'], ['note', 'hi']]);
  for (const now of [
    fields.slice(0, 1), [field({ name: 'player_id' }), field({ name: 'note', maxLength: 1 })],
  ]) {
    expect(normalisedPairs(product({ inputFields: now }), given)).toEqual(before);
  }
});
