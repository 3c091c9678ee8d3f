import type pg from 'pg';

/** Whether this role may do to the tables whatever it likes: as their owner, or as a superuser. */
export async function ownsTables(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ owns: boolean }>(
    `select pg_has_role(relowner, 'usage') as owns from pg_class
     where oid = to_regclass('topup_order')`,
  );
  return rows[0]?.owns === true;
}
