import { createSecretKey, randomUUID } from 'node:crypto';
import { jwtVerify, SignJWT, type JWTVerifyOptions } from 'jose';
import { NumberText } from '../domain/money.ts';
import { parseId } from '../domain/order-request.ts';
import type { Authenticate, Caller, Clock } from '../domain/ports.ts';

const ISSUER = 'topup-gateway';
const AUDIENCE = 'topup-api';
const TYPE = 'at+jwt';
const ALGORITHM = 'HS256';
/** Clocks of issuer and gateway may differ by this much. */
const SKEW_SECONDS = 30;
/** HS256 is as strong as its hash only with a key of at least its length (RFC 7518, 3.2). */
const KEY_BYTES_MIN = 32;
/** Ours have about 300 characters. */
const TOKEN_LENGTH_MAX = 2048;
/** Verified tokens that are remembered: some megabytes at most. */
const REMEMBERED_COUNT_MAX = 10_000;

const CLAIMS: JWTVerifyOptions = {
  algorithms: [ALGORITHM],
  issuer: ISSUER,
  audience: AUDIENCE,
  typ: TYPE,
  requiredClaims: ['sub', 'jti', 'iat', 'exp'],
  clockTolerance: SKEW_SECONDS,
};

export interface AccessTokens {
  sign(clientId: number, ttlSeconds: number): Promise<string>;
  authenticate: Authenticate;
}

/**
 * Access tokens: JWT by HS256. `authenticate` takes the whole Authorization header and answers
 * null for every kind of fault alike. A token is refused 30 s after its end; `expiresAtMs` of the
 * caller is the end itself.
 */
export function createAccessTokens(options: {
  /** At least 32 bytes. */
  readonly signingKey: string;
  readonly clock: Pick<Clock, 'now'>;
}): AccessTokens {
  const { signingKey, clock } = options;
  if (Buffer.byteLength(signingKey) < KEY_BYTES_MIN) {
    throw new Error(`the token signing key needs at least ${KEY_BYTES_MIN} bytes`);
  }
  const key = createSecretKey(signingKey, 'utf8');
  const remembered = new Map<string, Caller>();

  const sign = async (clientId: number, ttlSeconds: number): Promise<string> => {
    const issuedAt = Math.floor(clock.now().getTime() / 1000);
    return new SignJWT()
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(String(clientId))
      .setJti(randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ttlSeconds)
      .sign(key);
  };

  const authenticate: Authenticate = async (authorization) => {
    const token = bearerToken(authorization);
    if (token === null) return null;
    const now = clock.now();
    const known = remembered.get(token);
    if (known !== undefined) {
      if (!hasEnded(known, now)) return known;
      remembered.delete(token);
      return null;
    }
    const caller = await verify(token, key, now).catch(() => null);
    if (caller !== null) remember(remembered, token, caller);
    return caller;
  };

  return { sign, authenticate };
}

/** The token of "Bearer <token>", or null. */
function bearerToken(authorization: string | undefined): string | null {
  if (authorization === undefined || authorization.length > TOKEN_LENGTH_MAX) return null;
  if (authorization.slice(0, 7).toLowerCase() !== 'bearer ') return null;
  return authorization.slice(7).trim();
}

/** @throws where the token is not one of ours, or not valid now */
async function verify(
  token: string,
  key: ReturnType<typeof createSecretKey>,
  now: Date,
): Promise<Caller | null> {
  const { payload } = await jwtVerify(token, key, { ...CLAIMS, currentDate: now });
  const { sub = '', iat = Infinity, exp = 0 } = payload;
  const clientId = parseId(new NumberText(sub));
  const isIssued = iat <= now.getTime() / 1000 + SKEW_SECONDS;
  return clientId === null || !isIssued ? null : { clientId, expiresAtMs: exp * 1000 };
}

/** The same whole-second comparison as at the first verification. */
function hasEnded(caller: Caller, now: Date): boolean {
  return caller.expiresAtMs / 1000 <= Math.floor(now.getTime() / 1000) - SKEW_SECONDS;
}

/** Refusals are not remembered: made-up tokens must not drive out real ones. */
function remember(remembered: Map<string, Caller>, token: string, caller: Caller): void {
  if (remembered.size >= REMEMBERED_COUNT_MAX) {
    const oldest = remembered.keys().next();
    if (oldest.done !== true) remembered.delete(oldest.value);
  }
  remembered.set(token, caller);
}
