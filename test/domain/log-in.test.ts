import { describe, expect, test } from 'vitest';
import { admitCaller, Forbidden, SCOPES, type Standing } from '../../src/domain/access.ts';
import { hashApiSecret, makeApiKey } from '../../src/domain/api-key.ts';
import {
  logIn, logOut, refreshTokens, type FamilyGrant, type LogInDeps, type RefreshToken,
} from '../../src/domain/log-in.ts';
import { parseNetwork } from '../../src/domain/network.ts';
import {
  NOT_LIMITED, RateLimited, type RateLimits, type RateRequest,
} from '../../src/domain/rate-limits.ts';
import { HASHING_KEY } from './builders.ts';

const INSIDE = '203.0.113.7';
const OUTSIDE = '198.51.100.7';
const SHOWN: RefreshToken = { clientId: 7, familyId: 'family', tokenId: 'first' };
const END = new Date('2026-11-26T10:00:00Z');
const KEY = makeApiKey({ clientId: 7, environment: 'sandbox' });
const FAMILY: FamilyGrant = { keyId: KEY.id, scopes: SCOPES, generation: 1, endsAt: END };
const network = parseNetwork('203.0.113.0/24');
const STANDING: Standing = {
  isActive: true, generation: 1, networks: network === null ? [] : [network], rates: null,
};

/** The stories over a copy of the standings that knows a client only once it was refreshed. */
function story(of: {
  readonly isKnown?: boolean;
  readonly rotated?: FamilyGrant | 'REUSED' | 'REFUSED';
  readonly rateLimits?: RateLimits;
} = {}) {
  const done: string[] = [];
  const reused: RefreshToken[] = [];
  let isKnown = of.isKnown ?? true;
  const standings = {
    of: () => isKnown ? STANDING : undefined,
    isRevoked: () => false,
    async refresh() {
      done.push('refresh');
      isKnown = true;
    },
    hasSlept: () => false,
    onChange: () => () => undefined,
  };
  const open = async (): Promise<FamilyGrant> => {
    done.push('open');
    return FAMILY;
  };
  const deps: LogInDeps = {
    standings,
    store: {
      findSecretHash: async () => hashApiSecret(KEY.secret, HASHING_KEY),
      openFamily: open,
      async rotateFamily() {
        done.push('rotate');
        return of.rotated ?? FAMILY;
      },
      async endTokens() {
        done.push('end');
      },
    },
    rateLimits: of.rateLimits ?? { take: async () => NOT_LIMITED, giveBack: async () => undefined },
    signAccess: async () => ({ token: 'access', expiresAt: END }),
    signRefresh: async () => ({ token: 'refresh', expiresAt: END }),
    readRefresh: async (token) => token === 'shown' ? SHOWN : null,
    environment: 'sandbox',
    hashingKey: HASHING_KEY,
    onReuse: (token) => reused.push(token),
  };
  const refresh = (address: string, refreshToken = 'shown') =>
    refreshTokens({ refreshToken, address }, deps);
  return { deps, done, reused, refresh };
}

describe('a refresh', () => {
  test('from an address outside of the client\'s networks leaves the token as it was', async () => {
    const { refresh, done } = story();
    await expect(refresh(OUTSIDE)).rejects.toBeInstanceOf(Forbidden);
    expect(done).toEqual([]);
    await expect(refresh(INSIDE)).resolves.toMatchObject({ clientId: 7 });
  });

  test('asks where a client that nobody knows yet may call from', async () => {
    const { refresh, done } = story({ isKnown: false });
    await expect(refresh(OUTSIDE)).rejects.toBeInstanceOf(Forbidden);
    expect(done).toEqual(['refresh']);
  });

  test('with a token that is not ours counts as a stranger\'s', async () => {
    const taken: RateRequest[] = [];
    const rateLimits: RateLimits = {
      async take(request) {
        taken.push(request);
        return { ...NOT_LIMITED, isAdmitted: false };
      },
      giveBack: async () => undefined,
    };
    await expect(story({ rateLimits }).refresh(OUTSIDE, 'made up'))
      .rejects.toBeInstanceOf(RateLimited);
    expect(taken).toEqual([{ clientId: 0, subject: OUTSIDE, class: 'login.address', count: 1 }]);
  });

  test('tells of a token that was shown twice, and of no other', async () => {
    const stolen = story({ rotated: 'REUSED' });
    await expect(stolen.refresh(INSIDE)).rejects.toThrow('Invalid or expired token');
    expect(stolen.reused).toEqual([SHOWN]);
    const ended = story({ rotated: 'REFUSED' });
    await expect(ended.refresh(INSIDE)).rejects.toThrow('Invalid or expired token');
    expect(ended.reused).toEqual([]);
  });
});

test('a logout is over once this process knows of it', async () => {
  const { deps, done } = story();
  await logOut(7, deps);
  expect(done).toEqual(['end', 'refresh']);
});

test('a logout is done though this process hears of it later', async () => {
  const { deps, done } = story();
  const standings = { ...deps.standings, refresh: () => Promise.reject(new Error('away')) };
  await logOut(7, { ...deps, standings });
  expect(done).toEqual(['end']);
});

test('a login asks where a client that nobody knows yet may call from', async () => {
  const { deps, done } = story({ isKnown: false });
  const shown = { username: KEY.id, password: KEY.secret };
  await expect(logIn({ ...shown, address: OUTSIDE }, deps)).rejects.toBeInstanceOf(Forbidden);
  expect(done).toEqual(['refresh']);
  await expect(logIn({ ...shown, address: INSIDE }, deps)).resolves.toMatchObject({ clientId: 7 });
});

test('a caller whose client nobody knows yet is let in once it is known', async () => {
  const { deps: { standings } } = story({ isKnown: false });
  const token = {
    clientId: 7, scopes: SCOPES, generation: 1, keyId: null, familyId: null, tokenId: 'token',
    expiresAtMs: END.getTime(),
  };
  const shown = { authorization: 'Bearer token', address: INSIDE };
  const caller = await admitCaller(shown, { readToken: async () => token, standings });
  expect(caller).toEqual({ ...token, address: INSIDE });
});
