import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NumberText } from '../../src/domain/money.ts';
import { HttpRefusal } from '../../src/rest/errors.ts';
import { parseJsonBody } from '../../src/rest/json-body.ts';

const parse = (text: string) => parseJsonBody(Buffer.from(text));

describe('parseJsonBody', () => {
  test('keeps every number as it was written', () => {
    for (const text of ['4.99', '4.990', '499e-2', '4.99E0', '-0', '0.0000', '1e400',
      '4.9900000000000001', '9007199254740993', '1'.repeat(1000)]) {
      expect(parse(`{"amount":${text}}`)['amount']).toEqual(new NumberText(text));
    }
    expect(parse('{"a":[1.0,{"b":2.50}]}')).toEqual(
      { a: [new NumberText('1.0'), { b: new NumberText('2.50') }] });
  });

  test('takes the last of equal keys', () => {
    for (const [text, last] of [
      ['{"amount":1,"amount":2.50}', '2.50'],
      ['{"amount":{"x":1},"amount":2.0}', '2.0'],
      ['{"amount":[1],"amount":"1","amount":3.00}', '3.00'],
    ] as const) {
      expect(parse(text)['amount']).toEqual(new NumberText(last));
    }
  });

  test('keeps __proto__ as a key like any other', () => {
    const body = parse('{"input_data":{"__proto__":{"isAdmin":true}},"__proto__":{"amount":1}}');
    expect(body['amount']).toBeUndefined();
    expect(Object.getPrototypeOf(body)).toBe(Object.prototype);
    const inputData = body['input_data'] as object;
    expect(Object.entries(inputData)).toEqual([['__proto__', { isAdmin: true }]]);
    expect(Object.getPrototypeOf(inputData)).toBe(Object.prototype);
    expect(Object.hasOwn(Object.prototype, 'isAdmin')).toBe(false);
  });

  test('refuses what is not one object', () => {
    for (const text of ['', ' ', '[]', '"x"', 'null', '1', 'true', '{} x', '{}{}', '{"a":1,}',
      '{"amount":NaN}', '{"amount":Infinity}', '{"amount":0x10}', '{"amount":01}',
      '{"amount":.5}', '{"amount":5.}', '{"amount":+5}', '\uFEFF{}', "{'a':1}", '{"a":"\n"}']) {
      expect(() => parse(text), text).toThrow(new HttpRefusal(400, {
        message: 'Invalid request body',
      }));
    }
  });

  test('refuses what is not UTF-8', () => {
    for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
      const body = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
      expect(() => parseJsonBody(body)).toThrow(HttpRefusal);
    }
    expect(() => parseJsonBody(Buffer.from('{"a":1}', 'utf16le'))).toThrow(HttpRefusal);
    expect(parse('{"a":"é\\ud800"}')['a']).toBe('é\ud800');
  });

  test('nests 32 levels deep and no deeper', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
    expect(parse(nested(32))['a']).toBeInstanceOf(Array);
    expect(() => parse(nested(33))).toThrow(HttpRefusal);
    expect(() => parse(nested(30_000))).toThrow(HttpRefusal);
    expect(parse(`{"a":"${'['.repeat(100)}\\"${'{'.repeat(100)}"}`)['a']).toHaveLength(201);
    expect(parse(`{"a":[${'[],'.repeat(500)}[]]}`)['a']).toHaveLength(501);
  });

  test('holds a thousand values and no more', () => {
    const list = (length: number) => `{"a":[${Array.from({ length }, () => '1').join()}]}`;
    expect(parse(list(1_000))['a']).toHaveLength(1_000);
    expect(() => parse(list(1_001))).toThrow(HttpRefusal);
    expect(parse(`{"a":"${','.repeat(5_000)}"}`)['a']).toHaveLength(5_000);
  });

  test('reads any object as JSON.parse does, numbers aside', () => {
    const plain = (value: unknown): unknown => {
      if (value instanceof NumberText) return JSON.parse(value.text);
      if (Array.isArray(value)) return value.map(plain);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
    };
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 8 })), (object) => {
      const text = JSON.stringify(object);
      expect(plain(parse(text))).toEqual(plain(JSON.parse(text)));
    }));
  });
});
