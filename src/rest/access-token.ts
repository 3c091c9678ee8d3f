import { randomUUID } from 'node:crypto';
import { SCOPES, type AccessToken, type Grant, type Scope } from '../domain/access.ts';
import type { LogInDeps, Signed } from '../domain/log-in.ts';
import type { ClientOf } from './load-shedder.ts';
import { createJwts, SKEW_SECONDS, type Jwts, type JwtOptions } from './jwt.ts';

/** Ours have about 500 characters. */
const TOKEN_LENGTH_MAX = 2048;
/** Verified tokens that are remembered: some megabytes at most. */
const REMEMBERED_COUNT_MAX = 10_000;

export interface Tokens extends Pick<LogInDeps, 'signAccess' | 'signRefresh' | 'readRefresh'> {
  /**
   * Takes a whole Authorization header; null for every kind of fault alike. A token is refused
   * 30 s after its end. `expiresAtMs`, until when a connection may last, is the end itself, or
   * these 30 s later where the token is shown after it: all doors take it alike.
   */
  readAccess(authorization: string | undefined): Promise<AccessToken | null>;
  /** Whose an Authorization header was when it was read; 0 where it was not, or long ago. */
  readonly clientOf: ClientOf;
}

/** Access and refresh tokens: JWT by HS256. */
export function createTokens(options: JwtOptions): Tokens {
  const { clock } = options;
  const jwts = createJwts(options);
  const remembered = new Map<string, AccessToken>();

  const signAccess: Tokens['signAccess'] = (grant, { ttlSeconds, endsAt }) => {
    const end = Math.floor(clock.now().getTime() / 1000) + ttlSeconds;
    return signUntil(jwts, grant, Math.min(end, secondsOf(endsAt) ?? end));
  };

  const readAccess: Tokens['readAccess'] = async (authorization) => {
    const token = bearerToken(authorization);
    if (token === null) return null;
    const known = remembered.get(token);
    if (known !== undefined) {
      const now = clock.now();
      if (!hasEnded(known, now)) return asShown(known, now);
      remembered.delete(token);
      return null;
    }
    const read = await verifyAccess(jwts, token);
    if (read === null) return null;
    remember(remembered, token, read);
    return asShown(read, clock.now());
  };

  return {
    signAccess,
    readAccess,
    clientOf: (authorization) =>
      remembered.get(bearerToken(authorization) ?? '')?.clientId ?? 0,
    async signRefresh({ clientId, familyId, tokenId }, endsAt) {
      const expiresAt = secondsOf(endsAt) ?? 0;
      const token = await jwts.sign('rt+jwt', { clientId, tokenId, expiresAt, sid: familyId });
      return { token, expiresAt: new Date(expiresAt * 1000) };
    },
    async readRefresh(token) {
      const read = token.length > TOKEN_LENGTH_MAX ? null : await jwts.verify('rt+jwt', token);
      const familyId = read?.claims['sid'];
      if (read === null || !isUuid(familyId) || !isUuid(read.tokenId)) return null;
      return { clientId: read.clientId, familyId, tokenId: read.tokenId };
    },
  };
}

async function signUntil(jwts: Jwts, grant: Grant, expiresAt: number): Promise<Signed> {
  const token = await jwts.sign('at+jwt', {
    clientId: grant.clientId,
    tokenId: randomUUID(),
    expiresAt,
    scope: grant.scopes.join(' '),
    gen: grant.generation,
    ...(grant.keyId === null ? {} : { key: grant.keyId }),
    ...(grant.familyId === null ? {} : { sid: grant.familyId }),
  });
  return { token, expiresAt: new Date(expiresAt * 1000) };
}

async function verifyAccess(jwts: Jwts, token: string): Promise<AccessToken | null> {
  const read = await jwts.verify('at+jwt', token);
  if (read === null) return null;
  const { clientId, tokenId, expiresAtMs, claims } = read;
  const { gen: generation, key = null, sid = null } = claims;
  const scopes = scopesOf(claims['scope']);
  if (scopes.length === 0 || !Number.isSafeInteger(generation)) return null;
  return {
    clientId, tokenId, expiresAtMs, scopes,
    generation: generation as number,
    keyId: key as string | null,
    familyId: sid as string | null,
  };
}

function scopesOf(claim: unknown): readonly Scope[] {
  const words = typeof claim === 'string' ? claim.split(' ') : [];
  return SCOPES.filter((scope) => words.includes(scope));
}

function secondsOf(date: Date | undefined): number | null {
  return date === undefined ? null : Math.floor(date.getTime() / 1000);
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
}

/**
 * One spelling for each token: spaces, padding and spare bits in a signature would verify as well,
 * and each such text would be remembered as a token of its own.
 */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]$/;

/** The token of "Bearer <token>", or null. */
function bearerToken(authorization: string | undefined): string | null {
  if (authorization === undefined || authorization.length > TOKEN_LENGTH_MAX) return null;
  if (authorization.slice(0, 7).toLowerCase() !== 'bearer ') return null;
  const token = authorization.slice(7).trim();
  return TOKEN.test(token) ? token : null;
}

/** The same whole-second comparison as at the first verification. */
function hasEnded(token: AccessToken, now: Date): boolean {
  return token.expiresAtMs / 1000 <= Math.floor(now.getTime() / 1000) - SKEW_SECONDS;
}

/** Our clock may be ahead of the one that signed. */
function asShown(token: AccessToken, now: Date): AccessToken {
  if (now.getTime() < token.expiresAtMs) return token;
  return { ...token, expiresAtMs: token.expiresAtMs + SKEW_SECONDS * 1000 };
}

/** Refusals are not remembered: made-up tokens must not drive out real ones. */
function remember(tokens: Map<string, AccessToken>, token: string, read: AccessToken): void {
  if (tokens.size >= REMEMBERED_COUNT_MAX) {
    const oldest = tokens.keys().next();
    if (oldest.done !== true) tokens.delete(oldest.value);
  }
  tokens.set(token, read);
}
