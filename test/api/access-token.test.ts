import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { SignJWT, UnsecuredJWT, type JWTHeaderParameters, type JWTPayload } from 'jose';
import { describe, expect, test } from 'vitest';
import { SCOPES } from '../../src/domain/access.ts';
import { createTokens } from '../../src/rest/access-token.ts';

const SIGNING_KEY = 'a signing key of 32 bytes or more';
const START = Date.UTC(2026, 4, 19, 14, 30, 0, 500);
const NOW = Math.floor(START / 1000);
const GRANT = { clientId: 7, scopes: SCOPES, generation: 1, keyId: null, familyId: null };
const HEADER: JWTHeaderParameters = { alg: 'HS256', typ: 'at+jwt' };
const CLAIMS: JWTPayload = {
  iss: 'topup-gateway/sandbox', aud: 'topup-api/sandbox', sub: '7', jti: 'j', iat: NOW,
  exp: NOW + 60, scope: 'read orders:write', gen: 1,
};

function tokensAt(startMs = START) {
  let nowMs = startMs;
  const clock = { now: () => new Date(nowMs) };
  const tokens = createTokens({ signingKey: SIGNING_KEY, environment: 'sandbox', clock });
  const sign = async (clientId: number, ttlSeconds: number) =>
    (await tokens.signAccess({ ...GRANT, clientId }, { ttlSeconds })).token;
  const goTo = (seconds: number) => { nowMs = seconds * 1000; };
  return { ...tokens, sign, authenticate: tokens.readAccess, goTo };
}

const forge = (claims: JWTPayload, header = HEADER, key = SIGNING_KEY) =>
  new SignJWT(claims).setProtectedHeader(header).sign(Buffer.from(key));
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('createTokens', () => {
  test('knows its own token, whatever the case of the scheme', async () => {
    const { sign, authenticate } = tokensAt();
    const token = await sign(7, 60);
    const caller = { ...GRANT, expiresAtMs: (NOW + 60) * 1000, tokenId: expect.any(String) };
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      expect(await authenticate(`${scheme} ${token}`)).toEqual(caller);
    }
    expect(await sign(7, 60)).not.toBe(token);
    expect(await authenticate(`Bearer ${await forge(CLAIMS)}`)).toEqual(caller);
  });

  test('knows it in one spelling', async () => {
    const { sign, authenticate } = tokensAt();
    const token = await sign(7, 60);
    const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
      .indexOf(token.at(-1) ?? '');
    // The last character of 43 has two bits that say nothing.
    const spare = [1, 2, 3].map((bits) => token.slice(0, -1)
      + Buffer.from([(last | bits) << 2]).toString('base64url').charAt(0));
    expect(new Set(spare).size).toBe(3);
    const others = [`${token}=`, `${token.slice(0, -9)} ${token.slice(-9)}`,
      `${token.slice(0, -9)}\t${token.slice(-9)}`, ...spare];
    for (const other of others) expect(await authenticate(`Bearer ${other}`)).toBeNull();
    expect(await authenticate(`Bearer  ${token} `)).not.toBeNull();
  });

  test('refuses an ended token, also one that it remembers', async () => {
    const { sign, authenticate, goTo } = tokensAt();
    const header = `Bearer ${await sign(7, 60)}`;
    const until = async (): Promise<number> =>
      ((await authenticate(header))?.expiresAtMs ?? 0) / 1000;
    expect(await until()).toBe(NOW + 60);
    goTo(NOW + 59.999);
    expect(await until()).toBe(NOW + 60);
    // Shown when it has ended, it lasts as long as it is taken.
    for (const seconds of [60, 89.999]) {
      goTo(NOW + seconds);
      expect(await until()).toBe(NOW + 90);
    }
    goTo(NOW + 90);
    expect(await authenticate(header)).toBeNull();
    expect(await authenticate(header)).toBeNull();
    const fresh = tokensAt((NOW + 90) * 1000);
    expect(await fresh.authenticate(header)).toBeNull();
    fresh.goTo(NOW + 89.999);
    expect(await fresh.authenticate(header)).toMatchObject({ expiresAtMs: (NOW + 90) * 1000 });
  });

  test.each<[string, JWTPayload]>([
    ['another issuer', { iss: 'other' }],
    ['the other environment', {
      iss: 'topup-gateway/production', aud: 'topup-api/production',
    }],
    ['the audience of the other environment', { aud: 'topup-api/production' }],
    ['no scope', { scope: undefined } as never],
    ['an unknown scope', { scope: 'admin' }],
    ['no generation', { gen: undefined } as never],
    ['a generation that is text', { gen: '1' }],
    ['another audience', { aud: 'other' }],
    ['no audience', { aud: undefined } as never],
    ['ended', { exp: NOW - 31 }],
    ['no end', { exp: undefined } as never],
    ['not yet valid', { nbf: NOW + 31 }],
    ['issued in the future', { iat: NOW + 32 }],
    ['no issue time', { iat: undefined } as never],
    ['no id', { jti: undefined } as never],
    ['no subject', { sub: undefined } as never],
    ['subject 0', { sub: '0' }],
    ['subject 1e3', { sub: '1e3' }],
    ['subject above 2^53', { sub: '9007199254740993' }],
  ])('refuses claims: %s', async (_name, claims) => {
    const { authenticate } = tokensAt();
    expect(await authenticate(`Bearer ${await forge({ ...CLAIMS, ...claims })}`)).toBeNull();
  });

  test.each<[string, JWTHeaderParameters]>([
    ['refresh token', { ...HEADER, typ: 'rt+jwt' }],
    ['plain JWT', { ...HEADER, typ: 'JWT' }],
    ['no type', { alg: 'HS256' }],
    ['HS512', { ...HEADER, alg: 'HS512' }],
  ])('refuses headers: %s', async (_name, header) => {
    const { authenticate } = tokensAt();
    expect(await authenticate(`Bearer ${await forge(CLAIMS, header)}`)).toBeNull();
  });

  test('takes no key from the token', async () => {
    const { authenticate } = tokensAt();
    const other = 'some other key of 32 bytes or more';
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const rsa = await new SignJWT(CLAIMS).setProtectedHeader({ ...HEADER, alg: 'RS256' })
      .sign(privateKey);
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    for (const token of [
      rsa,
      await forge(CLAIMS, HEADER, pem),
      await forge(CLAIMS, HEADER, other),
      await forge(CLAIMS, { ...HEADER, kid: '../../dev/null' }, other),
      await forge(CLAIMS, { ...HEADER, jwk: { kty: 'oct' }, jku: 'file:///dev/null' }, other),
    ]) {
      expect(await authenticate(`Bearer ${token}`)).toBeNull();
    }
  });

  test('refuses unsigned tokens and garbage', async () => {
    const { authenticate, sign } = tokensAt();
    const good = await sign(7, 60);
    const [head = '', body = '', signature = ''] = good.split('.');
    const none = encode({ alg: 'none', typ: 'at+jwt' });
    for (const header of [
      undefined, '', 'Bearer', 'Bearer ', good, `Basic ${good}`, `Bearer${good}`, `Bearer ${good}x`,
      `Bearer ${new UnsecuredJWT(CLAIMS).encode()}`, `Bearer ${none}.${body}.`,
      `Bearer ${none}.${body}.${signature}`, `Bearer ${head}.${body}.`, `Bearer ${head}.${body}`,
      `Bearer ${head}.${encode({ ...CLAIMS, sub: '8' })}.${signature}`, `Bearer ${good} ${good}`,
      `Bearer ${'a'.repeat(3000)}`, 'Bearer a.b.c', 'Bearer ..', `Bearer ${good}, Bearer ${good}`,
    ]) {
      expect(await authenticate(header), header).toBeNull();
    }
  });

  test('reads no token of more than 2048 characters, however well signed', async () => {
    const { authenticate, readRefresh } = tokensAt();
    const ofLength = async (length: number, header: JWTHeaderParameters) => {
      const claims = { ...CLAIMS, sid: randomUUID(), jti: randomUUID(), pad: '' };
      // Three bytes take four characters.
      const missing = length - (await forge(claims, header)).length;
      return forge({ ...claims, pad: 'x'.repeat(Math.floor(missing * 3 / 4)) }, header);
    };
    const fits = await ofLength(2040, HEADER);
    expect(await authenticate(`Bearer ${fits}`)).not.toBeNull();
    expect(await authenticate(`Bearer ${await ofLength(2060, HEADER)}`)).toBeNull();
    const refresh = { ...HEADER, typ: 'rt+jwt' };
    expect(await readRefresh(await ofLength(2040, refresh))).not.toBeNull();
    expect(await readRefresh(await ofLength(2060, refresh))).toBeNull();
  });

  test('reads no refresh token whose ids are no UUIDs', async () => {
    const { readRefresh } = tokensAt();
    const header = { ...HEADER, typ: 'rt+jwt' };
    const claims = { ...CLAIMS, sid: randomUUID(), jti: randomUUID() };
    expect(await readRefresh(await forge(claims, header))).not.toBeNull();
    for (const wrong of [{ sid: 'one' }, { sid: 7 }, { jti: 'one' }]) {
      expect(await readRefresh(await forge({ ...claims, ...wrong }, header))).toBeNull();
    }
  });

  test('remembers the newest 10,000 tokens, and no more', async () => {
    const { sign, authenticate, clientOf } = tokensAt();
    const headers: string[] = [];
    for (let clientId = 1; clientId <= 10_001; clientId += 1) {
      headers.push(`Bearer ${await sign(clientId, 60)}`);
    }
    for (const header of headers) await authenticate(header);
    expect(headers.map(clientOf).filter((clientId) => clientId !== 0)).toHaveLength(10_000);
    expect([headers[0], headers[1], headers.at(-1)].map(clientOf)).toEqual([0, 2, 10_001]);
  });

  test('needs a key as long as its hash', () => {
    const clock = { now: () => new Date(START) };
    expect(() => createTokens({ signingKey: 'short', environment: 'sandbox', clock }))
      .toThrow('32 bytes');
  });
});
