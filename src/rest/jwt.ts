import { createSecretKey } from 'node:crypto';
import { jwtVerify, SignJWT, type JWTPayload } from 'jose';
import type { Environment } from '../domain/api-key.ts';
import { idOf } from '../domain/order-request.ts';
import type { Clock } from '../domain/ports.ts';

const ALGORITHM = 'HS256';
/** Clocks of issuer and gateway may differ by this much. */
export const SKEW_SECONDS = 30;
/** HS256 is as strong as its hash only with a key of at least its length (RFC 7518, 3.2). */
const KEY_BYTES_MIN = 32;

/** `typ` of the header: a token of the one kind is never taken for the other. */
export type TokenType = 'at+jwt' | 'rt+jwt';

export interface JwtOptions {
  /** At least 32 bytes. */
  readonly signingKey: string;
  /** Tokens of the one environment are refused by the other. */
  readonly environment: Environment;
  readonly clock: Pick<Clock, 'now'>;
}

export interface VerifiedToken {
  readonly clientId: number;
  readonly tokenId: string;
  readonly expiresAtMs: number;
  /** All claims, as signed. */
  readonly claims: JWTPayload;
}

export interface Jwts {
  /** `expiresAt` in seconds since the epoch. */
  sign(type: TokenType, claims: {
    readonly clientId: number; readonly tokenId: string; readonly expiresAt: number;
    readonly [more: string]: unknown;
  }): Promise<string>;
  /** Null where the token is not one of ours, or not valid now. */
  verify(type: TokenType, token: string): Promise<VerifiedToken | null>;
}

/** Signs and verifies by HS256 and nothing else, whatever a token says of itself. */
export function createJwts({ signingKey, environment, clock }: JwtOptions): Jwts {
  if (Buffer.byteLength(signingKey) < KEY_BYTES_MIN) {
    throw new Error(`the token signing key needs at least ${KEY_BYTES_MIN} bytes`);
  }
  const key = createSecretKey(signingKey, 'utf8');
  const issuer = `topup-gateway/${environment}`;
  const audience = `topup-api/${environment}`;
  return {
    sign: (type, { clientId, tokenId, expiresAt, ...more }) => new SignJWT(more)
      .setProtectedHeader({ alg: ALGORITHM, typ: type })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(String(clientId))
      .setJti(tokenId)
      .setIssuedAt(Math.floor(clock.now().getTime() / 1000))
      .setExpirationTime(expiresAt)
      .sign(key),
    async verify(type, token) {
      const now = clock.now();
      const verified = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        issuer,
        audience,
        typ: type,
        requiredClaims: ['sub', 'jti', 'iat', 'exp'],
        clockTolerance: SKEW_SECONDS,
        currentDate: now,
      }).catch(() => null);
      return verified === null ? null : read(verified.payload, now);
    },
  };
}

function read(claims: JWTPayload, now: Date): VerifiedToken | null {
  const { sub = '', jti = '', iat = Infinity, exp = 0 } = claims;
  const clientId = idOf(sub);
  const isIssued = iat <= now.getTime() / 1000 + SKEW_SECONDS;
  if (clientId === null || !isIssued) return null;
  return { clientId, tokenId: jti, expiresAtMs: exp * 1000, claims };
}
