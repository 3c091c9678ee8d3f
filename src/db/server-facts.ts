import type pg from 'pg';

/** What the server of an address is like, seen through a connection that was given settings. */
export interface ServerFacts {
  /** Whether the settings of the connection reached it: a pooler may keep them to itself. */
  readonly hasSettings: boolean;
  /** By PostgreSQL's name, e.g. UTF8. */
  readonly encoding: string;
  /** Nothing was migrated there yet. */
  readonly isNew: boolean;
}

/** A setting that means nothing, and that no address has: the connection is given it. */
export const HEARD_TERM = '-c topup.is_heard=on';

/** @throws Error of the driver where the server does not answer */
export async function readServerFacts(client: pg.ClientBase): Promise<ServerFacts> {
  const { rows: [row] } = await client.query<ServerFacts>(`
    select current_setting('topup.is_heard', true) is not distinct from 'on' as "hasSettings",
      current_setting('server_encoding') as encoding,
      to_regclass('schema_migration') is null as "isNew"`);
  if (row === undefined) throw new Error('No row');
  return row;
}

/**
 * The same for all addresses of one database, and for no other's; null where the role may not ask.
 */
export async function readIdentity(client: pg.ClientBase): Promise<string | null> {
  const asked = client.query<{ identity: string }>(`
    select c.system_identifier || '/' || d.oid as identity
    from pg_control_system() c, pg_database d where d.datname = current_database()`);
  return asked.then(({ rows }) => rows[0]?.identity ?? null, () => null);
}

/** Whether it takes writes now: one that is no primary any more only reads. */
export async function isWritable(pool: pg.Pool): Promise<boolean> {
  const asked = pool.query<{ writes: boolean }>(
    "select current_setting('transaction_read_only') = 'off' as writes",
  );
  return asked.then(({ rows }) => rows[0]?.writes === true, () => false);
}
