import type pg from 'pg';
import type { Scope } from '../domain/access.ts';
import type { AccessStore, FamilyGrant } from '../domain/log-in.ts';
import { askUntilBack } from './pool.ts';

interface FamilyRow {
  readonly key_id: string;
  readonly generation: number;
  readonly scopes: readonly Scope[];
  readonly family_ends_at: Date;
}

/** Keys and families of tokens. */
export function createAccessStore(pool: pg.Pool): AccessStore {
  return {
    async findSecretHash(clientId, keyId) {
      const { rows } = await repeat<{ secret_hash: string }>(pool, {
        name: 'api_key_secret',
        text: 'select secret_hash from api_key where client_id = $1 and id = $2',
        values: [clientId, keyId],
      });
      return rows[0]?.secret_hash ?? null;
    },
    async openFamily({ clientId, keyId, familyId, tokenId, ttlSeconds }) {
      const { rows: [row] } = await repeat<Omit<FamilyRow, 'key_id'>>(pool, {
        name: 'open_token_family',
        text: `select generation, scopes, family_ends_at
          from open_token_family($1, $2, $3, $4, $5 * interval '1 second')`,
        values: [clientId, keyId, familyId, tokenId, ttlSeconds],
      });
      return row === undefined ? null : toGrant({ ...row, key_id: keyId });
    },
    async rotateFamily({ clientId, familyId, tokenId, nextTokenId, ttlSeconds }) {
      const { rows: [row] } = await repeat<FamilyRow & { readonly verdict: string }>(pool, {
        name: 'rotate_token_family',
        text: `select verdict, key_id, generation, scopes, family_ends_at
          from rotate_token_family($1, $2, $3, $4, $5 * interval '1 second')`,
        values: [clientId, familyId, tokenId, nextTokenId, ttlSeconds],
      }, 'It is not known whether the refresh token was used; try again, and log in where it is'
        + ' refused');
      if (row?.verdict === 'ROTATED') return toGrant(row);
      return row?.verdict === 'REUSED' ? 'REUSED' : 'REFUSED';
    },
    async endTokens(clientId) {
      const text = 'select end_tokens($1)';
      await repeat(pool, { name: 'end_tokens', text, values: [clientId] },
        'It is not known whether the tokens have ended; try again: where the token is refused, they'
        + ' have');
    },
  };
}

/**
 * Every one of these calls may be repeated: it finds what an earlier one has done. Where our own
 * repeats are used up, a client that tries again may find its token used: `whenLost` is what it is
 * told then.
 */
function repeat<Row extends object>(
  pool: pg.Pool,
  query: pg.QueryConfig,
  whenLost?: string,
): Promise<pg.QueryResult<Row>> {
  return askUntilBack(() => pool.query<Row>(query), whenLost);
}

function toGrant(row: FamilyRow): FamilyGrant {
  return {
    keyId: row.key_id, scopes: row.scopes, generation: row.generation, endsAt: row.family_ends_at,
  };
}
