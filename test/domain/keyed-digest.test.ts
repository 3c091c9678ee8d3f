import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { keyedDigest } from '../../src/domain/keyed-digest.ts';

const KEYS = ['', 'k', 'k'.repeat(63), 'k'.repeat(64), 'k'.repeat(65), 'schlüssel '.repeat(40)];
const TEXTS = ['', 'a', 'a'.repeat(55), 'a'.repeat(64), 'request:["é","€","𝄞"]', 'a'.repeat(5000)];

it.each(KEYS)('is the HMAC that node:crypto makes, key %#', (key) => {
  for (const text of TEXTS) {
    expect(keyedDigest(text, key))
      .toBe(createHmac('sha256', key).update(text).digest('base64url'));
  }
});

it('forgets no key, whatever order they come in', () => {
  const made = ['a', 'b', 'a', 'c', 'a'].map((key) => keyedDigest('text', key));
  expect(made[2]).toBe(made[0]);
  expect(made[4]).toBe(made[0]);
  expect(new Set(made).size).toBe(3);
});
