import fc from 'fast-check';
import examples from 'libphonenumber-js/mobile/examples';
import { getCountries, getExampleNumber } from 'libphonenumber-js/max';
import { describe, expect, test } from 'vitest';
import type { InputField } from '../../src/domain/catalogue.ts';
import { alpha3Of } from '../../src/domain/countries.ts';
import { NumberText } from '../../src/domain/money.ts';
import { normalisedPairs, parsePhone, parseRecipient } from '../../src/domain/recipient.ts';
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

  // One's own country's numbers, also where the library names a neighbour that shares the range.
  test('takes a mobile of every country, in either form', () => {
    const refused = getCountries().filter((country) => {
      const example = getExampleNumber(country, examples);
      const asked = [example?.number ?? '', example?.formatNational() ?? ''];
      return asked.some((each) => parsePhone(each, alpha3Of(country) ?? '') !== example?.number);
    });
    // Ascension and Tristan da Cunha have no code of three letters.
    expect(refused).toEqual(['AC', 'TA']);
  });

  test.each([
    ['GLP', '+590690001234', true], ['MAF', '+590690001234', true], ['MTQ', '+590690001234', false],
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
