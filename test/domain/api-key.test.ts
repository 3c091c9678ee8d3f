import { describe, expect, test } from 'vitest';
import { DEMO_API_KEYS } from '../../src/demo/demo-keys.ts';
import {
  areSecretsEqual, clientOfApiKey, hashApiSecret, isApiSecret, makeApiKey, secretPrefix,
} from '../../src/domain/api-key.ts';

const make = () => makeApiKey({ clientId: 3, environment: 'sandbox' });

describe('makeApiKey', () => {
  test('makes a public id that names its client, and a secret of 192 random bits', () => {
    const { id, secret } = make();
    expect(id).toMatch(/^tgk_sandbox_3_[0-9a-f]{16}$/);
    expect(secret).toMatch(/^tgs_sandbox_[0-9a-f]{48}[0-9a-f]{8}$/);
    expect(new Set(Array.from({ length: 100 }, () => make().secret)).size).toBe(100);
    expect(clientOfApiKey(id, 'sandbox')).toBe(3);
    expect(clientOfApiKey(id, 'production')).toBeNull();
  });

  test('lets a scanner tell a secret from what only looks like one', () => {
    const { secret } = make();
    expect(isApiSecret(secret)).toBe(true);
    for (const { apiSecret } of DEMO_API_KEYS) expect(isApiSecret(apiSecret)).toBe(true);
    const other = secret.at(-1) === '0' ? '1' : '0';
    for (const text of ['', secret.slice(1), `${secret.slice(0, -1)}${other}`, `${secret}0`]) {
      expect(isApiSecret(text), text).toBe(false);
    }
  });

  test.each(['', 'tgk_sandbox_0_0123456789abcdef', 'tgk_sandbox_03_0123456789abcdef',
    'tgk_sandbox_3_0123456789abcde', 'tgk_sandbox_3_0123456789abcdef\n',
    'tgk_sandbox_9999999999999999_0123456789abcdef',
  ])('finds no client in %j', (id) => {
    expect(clientOfApiKey(id, 'sandbox')).toBeNull();
  });

  test('shows four digits of a secret, and keeps a keyed hash', () => {
    const { secret } = make();
    expect(secretPrefix(secret)).toBe(secret.slice(0, 16));
    expect(hashApiSecret(secret, 'key')).toMatch(/^[0-9a-f]{64}$/);
    expect(hashApiSecret(secret, 'key')).not.toBe(hashApiSecret(secret, 'other'));
  });
});

describe('areSecretsEqual', () => {
  test.each([['a', 'a', true], ['', '', true], ['a', 'b', false], ['a', 'aa', false],
    ['', 'a', false], ['é', 'e\u0301', false], ['a'.repeat(64), 'a'.repeat(63), false],
  ])('%j, %j: %s, whatever their lengths', (one, other, isEqual) => {
    expect(areSecretsEqual(one, other)).toBe(isEqual);
  });
});
