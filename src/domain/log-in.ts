import { createHmac, randomUUID } from 'node:crypto';
import {
  assertMayCallFrom, standingOf, Unauthenticated, type Grant, type Scope, type Standings,
} from './access.ts';
import {
  areSecretsEqual, clientOfApiKey, hashApiSecret, isApiSecret, type Environment,
} from './api-key.ts';
import { strangerOf } from './network.ts';
import { takeOrRefuse, type RateLimits } from './rate-limits.ts';
import { Rejection } from './rejection.ts';

const ACCESS_TTL_SECONDS = 60 * 60;
const REFRESH_TTL_SECONDS = 7 * 24 * 60 * 60;

/** The one refresh token of a family that counts. */
export interface RefreshToken {
  readonly clientId: number;
  readonly familyId: string;
  readonly tokenId: string;
}

/** What a family of tokens may be given now. */
export interface FamilyGrant {
  readonly keyId: string;
  readonly scopes: readonly Scope[];
  readonly generation: number;
  /** The database's clock; no token of the family lives longer. */
  readonly endsAt: Date;
}

export interface AccessStore {
  findSecretHash(clientId: number, keyId: string): Promise<string | null>;
  /** Null where key or client are not live. */
  openFamily(token: RefreshToken & {
    readonly keyId: string; readonly ttlSeconds: number;
  }): Promise<FamilyGrant | null>;
  /** Puts `next` in the place of the token shown; one shown again ends its family. */
  rotateFamily(shown: RefreshToken & {
    readonly nextTokenId: string; readonly ttlSeconds: number;
  }): Promise<FamilyGrant | 'REUSED' | 'REFUSED'>;
  endTokens(clientId: number): Promise<void>;
}

export interface Signed {
  readonly token: string;
  readonly expiresAt: Date;
}

export interface LogInDeps {
  readonly store: AccessStore;
  readonly standings: Standings;
  readonly rateLimits: RateLimits;
  readonly signAccess: (
    grant: Grant, lives: { readonly ttlSeconds: number; readonly endsAt?: Date },
  ) => Promise<Signed>;
  readonly signRefresh: (token: RefreshToken, endsAt: Date) => Promise<Signed>;
  /** Null for every kind of fault alike. */
  readonly readRefresh: (token: string) => Promise<RefreshToken | null>;
  readonly environment: Environment;
  readonly hashingKey: string;
  /** A token was shown twice: one of two holders is a thief. */
  readonly onReuse: (token: RefreshToken) => void;
}

export interface LoggedIn {
  readonly clientId: number;
  readonly access: Signed;
  readonly refresh: Signed;
}

/**
 * From key and secret to tokens. Atomic: opening the family, which asks again whether key and
 * client are live.
 * @throws Rejection, Unauthenticated, Forbidden, RateLimited
 */
export async function logIn(
  shown: { readonly username: unknown; readonly password: unknown; readonly address: string },
  deps: LogInDeps,
): Promise<LoggedIn> {
  const { username, password, address } = shown;
  if (!isFilled(username) || !isFilled(password)) {
    throw new Rejection('VALIDATION_FAILURE', 'Username and password are required');
  }
  const clientId = clientOfApiKey(username, deps.environment);
  const hash = clientId === null ? null : await deps.store.findSecretHash(clientId, username);
  await countLogin({ username, address, clientId: hash === null ? null : clientId }, deps);
  // Compared in any case: the time tells nothing of whether there is such a key.
  const isRight = areSecretsEqual(hashApiSecret(password, deps.hashingKey), hash ?? '');
  if (clientId === null || !isRight || !isApiSecret(password)) throw invalidCredentials();
  assertMayCallFrom(address, await standingOf(clientId, deps.standings));
  const first = { clientId, familyId: randomUUID(), tokenId: randomUUID() };
  const family = await deps.store.openFamily({
    ...first, keyId: username, ttlSeconds: REFRESH_TTL_SECONDS,
  });
  if (family === null) throw invalidCredentials();
  return signBoth(first, family, deps);
}

/**
 * New tokens for a refresh token, which counts once. Atomic: the rotation.
 * @throws Rejection, Unauthenticated, Forbidden, RateLimited
 */
export async function refreshTokens(
  shown: { readonly refreshToken: unknown; readonly address: string },
  deps: LogInDeps,
): Promise<LoggedIn> {
  if (!isFilled(shown.refreshToken)) {
    throw new Rejection('VALIDATION_FAILURE', 'Refresh token is required');
  }
  const token = await deps.readRefresh(shown.refreshToken);
  if (token === null) {
    await countStranger(shown.address, deps.rateLimits);
    throw invalidRefreshToken();
  }
  const { clientId } = token;
  const standing = await standingOf(clientId, deps.standings);
  await takeOrRefuse(deps.rateLimits, { clientId, class: 'refresh', count: 1 });
  assertMayCallFrom(shown.address, standing);
  const next = { ...token, tokenId: randomUUID() };
  const family = await deps.store.rotateFamily({
    ...token, nextTokenId: next.tokenId, ttlSeconds: REFRESH_TTL_SECONDS,
  });
  if (family === 'REUSED') deps.onReuse(token);
  if (family === 'REUSED' || family === 'REFUSED') throw invalidRefreshToken();
  return signBoth(next, family, deps);
}

/** Takes back all tokens of the client, in every process. */
export async function logOut(
  clientId: number,
  deps: Pick<LogInDeps, 'store' | 'standings'>,
): Promise<void> {
  await deps.store.endTokens(clientId);
  // It is done: every process hears of it within seconds, and this one now if it can.
  await deps.standings.refresh().catch(() => undefined);
}

async function signBoth(
  refresh: RefreshToken,
  family: FamilyGrant,
  deps: LogInDeps,
): Promise<LoggedIn> {
  const { clientId, familyId } = refresh;
  const { keyId, scopes, generation, endsAt } = family;
  const grant = { clientId, familyId, keyId, scopes, generation };
  return {
    clientId,
    access: await deps.signAccess(grant, { ttlSeconds: ACCESS_TTL_SECONDS, endsAt }),
    refresh: await deps.signRefresh(refresh, endsAt),
  };
}

/**
 * Counted before the secret is compared: by client where there is such a key, by name and address
 * of a stranger otherwise.
 */
async function countLogin(
  of: { readonly username: string; readonly address: string; readonly clientId: number | null },
  { rateLimits, hashingKey }: LogInDeps,
): Promise<void> {
  if (of.clientId !== null) {
    await takeOrRefuse(rateLimits, { clientId: of.clientId, class: 'login', count: 1 });
    return;
  }
  await countStranger(of.address, rateLimits);
  // Names are made up by whoever calls; what is kept of them has a fixed length.
  const name = createHmac('sha256', hashingKey).update(`username:${of.username}`).digest('hex');
  await takeOrRefuse(rateLimits, { clientId: 0, subject: name, class: 'login', count: 1 });
}

async function countStranger(address: string, rateLimits: RateLimits): Promise<void> {
  const subject = strangerOf(address);
  await takeOrRefuse(rateLimits, { clientId: 0, subject, class: 'login.address', count: 1 });
}

function isFilled(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function invalidCredentials(): Unauthenticated {
  return new Unauthenticated('Invalid credentials');
}

function invalidRefreshToken(): Unauthenticated {
  return new Unauthenticated('Invalid or expired token');
}
