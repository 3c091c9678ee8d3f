/** The database, migrated and seeded, that every test database is a clone of. */
export const TEMPLATE = 'topup_template';

/** The same server and role, another database. */
export function withDatabaseName(databaseUrl: string, name: string): string {
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.href;
}
