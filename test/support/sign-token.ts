import { systemClock } from '../../src/clock.ts';
import { SCOPES } from '../../src/domain/access.ts';
import type { Environment } from '../../src/domain/api-key.ts';
import { createTokens } from '../../src/rest/access-token.ts';

/** A token for everything, of a process that has the same key and environment. */
export async function signTestToken(of: {
  readonly signingKey: string;
  readonly environment: Environment;
  readonly clientId: number;
  readonly ttlSeconds: number;
}): Promise<string> {
  const { signingKey, environment, clientId, ttlSeconds } = of;
  const tokens = createTokens({ signingKey, environment, clock: systemClock });
  const grant = { clientId, scopes: SCOPES, generation: 1, keyId: null, familyId: null };
  return (await tokens.signAccess(grant, { ttlSeconds })).token;
}
