import type pg from 'pg';
import type { Scope } from '../domain/access.ts';

/** Two, so that a client can move from one to the next without an hour of silence. */
const LIVE_KEYS_MAX = 2;

/** A key as operators see it: nothing of it lets anybody in. */
export interface ApiKeyRow {
  readonly clientId: number;
  readonly id: string;
  readonly secretPrefix: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

export interface StoredApiKey {
  readonly clientId: number;
  readonly id: string;
  readonly secretHash: string;
  readonly secretPrefix: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: Date | null;
}

const INSERT_SQL = `insert into api_key
    (client_id, id, secret_hash, secret_prefix, scopes, expires_at)
  select c.client_id, $2, $3, $4, $5, $6 from client c
  where c.client_id = $1 and ${LIVE_KEYS_MAX} > (select count(*) from api_key k
    where k.client_id = c.client_id and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now()))`;

/**
 * Keeps a new key. `owner` is connected as the owner of the tables, in no transaction.
 * @returns false where the client has two live keys already, or where there is no such client
 */
export async function insertApiKey(owner: pg.Client, key: StoredApiKey): Promise<boolean> {
  await owner.query('begin');
  // So that two operators do not make the third key together: counted once the lock is had, not
  // in the snapshot of a statement that waited for it.
  await owner.query('select 1 from client where client_id = $1 for no key update', [key.clientId]);
  const { rowCount } = await owner.query(INSERT_SQL, [
    key.clientId, key.id, key.secretHash, key.secretPrefix, [...key.scopes], key.expiresAt,
  ]);
  await owner.query('commit');
  return rowCount === 1;
}

/** Keys of a client, or of all by client, the youngest of each first. */
export async function listApiKeys(
  owner: pg.Client,
  clientId: number | null,
): Promise<readonly ApiKeyRow[]> {
  const { rows } = await owner.query<Omit<ApiKeyRow, 'clientId'> & { clientId: string }>(
    `select client_id as "clientId", id, secret_prefix as "secretPrefix", scopes,
        created_at as "createdAt", revoked_at as "revokedAt",
        case when isfinite(expires_at) then expires_at end as "expiresAt",
        last_used_at as "lastUsedAt"
      from api_key where $1::bigint is null or client_id = $1
      order by client_id, created_at desc, id`,
    [clientId],
  );
  return rows.map((row) => ({ ...row, clientId: Number(row.clientId) }));
}

/** Ends a key and every token it led to, in all processes within seconds. */
export async function revokeApiKey(
  owner: pg.Client,
  { clientId, id }: { readonly clientId: number; readonly id: string },
): Promise<boolean> {
  const { rowCount } = await owner.query(
    `update api_key set revoked_at = coalesce(revoked_at, now())
      where client_id = $1 and id = $2`,
    [clientId, id],
  );
  return rowCount === 1;
}
