import { SCOPES, type Caller } from '../../src/domain/access.ts';

/** A caller with every scope, for doors that are tested without keys and tokens. */
export function callerOf(clientId: number, more: Partial<Caller> = {}): Caller {
  return {
    clientId, scopes: SCOPES, generation: 1, keyId: null, familyId: null, tokenId: 't',
    expiresAtMs: Number.MAX_SAFE_INTEGER, address: '127.0.0.1', ...more,
  };
}
