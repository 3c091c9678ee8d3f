import type pg from 'pg';
import { createAccessStore } from './db/access-store.ts';
import { createRateLimits } from './db/rate-limits.ts';
import { followStandings } from './db/standings.ts';
import type { WakeUps } from './db/wake-ups.ts';
import { admitCaller, isStillAdmitted, SCOPES, type Access } from './domain/access.ts';
import type { Environment } from './domain/api-key.ts';
import { logIn, logOut, refreshTokens, type LogInDeps } from './domain/log-in.ts';
import { parseNetwork } from './domain/network.ts';
import type { Clock } from './domain/ports.ts';
import { DEFAULT_RATES, type RateLimits } from './domain/rate-limits.ts';
import { createTokens } from './rest/access-token.ts';
import type { AuthStories } from './rest/auth.routes.ts';
import type { ClientOf } from './rest/load-shedder.ts';
import { createAddressOf, type AddressOf } from './rest/peer-address.ts';

export interface AccessOptions {
  readonly tokenSigningKey: string;
  readonly keyHashingKey: string;
  readonly environment: Environment;
  /** Networks whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly clock: Clock;
  /** Told that a refresh token of this client was shown twice; its login is ended. */
  readonly onTokenReuse?: (clientId: number) => void;
}

/** Who comes in, how often, and how they log in. */
export interface AccessParts extends Access {
  readonly addressOf: AddressOf;
  readonly rateLimits: RateLimits;
  readonly auth: AuthStories;
  readonly clientOf: ClientOf;
  /** A token for everything, that no key stands behind; revocable as any. */
  readonly signToken: (clientId: number, ttlSeconds: number) => Promise<string>;
  readonly closeAccess: () => void;
}

/**
 * Begins to follow who may come in; `closeAccess` ends that.
 * @throws Error of the driver where the database cannot be read
 */
export async function openAccess(
  options: AccessOptions,
  { pool, wakeUps, onError }: {
    readonly pool: pg.Pool;
    readonly wakeUps: WakeUps;
    readonly onError: (doing: string) => (error: Error) => void;
  },
): Promise<AccessParts> {
  const { environment, clock } = options;
  const standings = await followStandings({ pool, wakeUps, onError: onError('the standings') });
  const tokens = createTokens({ signingKey: options.tokenSigningKey, environment, clock });
  const rateLimits = createRateLimits({ pool, standings, figures: DEFAULT_RATES[environment] });
  const deps: Omit<LogInDeps, 'rateLimits'> = {
    ...tokens,
    store: createAccessStore(pool),
    standings,
    environment,
    hashingKey: options.keyHashingKey,
    onReuse: ({ clientId }) => options.onTokenReuse?.(clientId),
  };
  return {
    authenticate: (shown) => admitCaller(shown, { readToken: tokens.readAccess, standings }),
    isStillAdmitted: (caller) => isStillAdmitted(caller, standings),
    onAccessChange: (listener) => standings.onChange(listener),
    catchUp: async () => {
      if (standings.hasSlept()) await standings.refresh();
    },
    clientOf: tokens.clientOf,
    addressOf: createAddressOf(options.trustedProxies.map(toNetwork)),
    rateLimits,
    auth: {
      logIn: (shown, limits) => logIn(shown, { ...deps, rateLimits: limits }),
      refreshTokens: (shown, limits) => refreshTokens(shown, { ...deps, rateLimits: limits }),
      logOut: (clientId) => logOut(clientId, deps),
    },
    async signToken(clientId, ttlSeconds) {
      await standings.refresh();
      const generation = standings.of(clientId)?.generation ?? 1;
      const grant = { clientId, scopes: SCOPES, generation, keyId: null, familyId: null };
      return (await tokens.signAccess(grant, { ttlSeconds })).token;
    },
    closeAccess: () => standings.close(),
  };
}

function toNetwork(text: string): NonNullable<ReturnType<typeof parseNetwork>> {
  const network = parseNetwork(text);
  if (network === null) throw new Error(`${text} is no network`);
  return network;
}
