import { describe, expect, test } from 'vitest';
import { hashVoucherCode, normaliseVoucherCode } from '../../src/domain/voucher.ts';

describe('normaliseVoucherCode', () => {
  test.each([
    ['DEMO-0499-AAAA', 'DEMO0499AAAA'],
    ['  demo 0499-aaaa\t', 'DEMO0499AAAA'],
    ['ab-cd', 'ABCD'], ['demo–0499‑aaaa\u200b', 'DEMO0499AAAA'], ['ＤＥＭＯ　0499−A', 'DEMO0499A'],
    ['x'.repeat(64), 'X'.repeat(64)],
  ])('writes %j as %s', (code, expected) => {
    expect(normaliseVoucherCode(code)).toBe(expected);
  });

  test.each([
    [''], ['   '], ['-- --'], ['abc'], ['a-b-c'], ['x'.repeat(65)], ['code\u0000code'],
    ['كود-١٢٣٤'], ['A'.repeat(20) + ' '.repeat(1100)],
  ])('finds no code in %j', (code) => {
    expect(normaliseVoucherCode(code)).toBeNull();
  });
});

describe('hashVoucherCode', () => {
  test('depends on the code and on the key, and shows neither', () => {
    const hash = hashVoucherCode('DEMO0499AAAA', 'key');
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(hashVoucherCode('DEMO0499AAAA', 'key')).toBe(hash);
    expect(hashVoucherCode('DEMO0499AAAB', 'key')).not.toBe(hash);
    expect(hashVoucherCode('DEMO0499AAAA', 'yek')).not.toBe(hash);
  });
});
