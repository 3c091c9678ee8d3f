/** The database, migrated and seeded, that every test database is a clone of. */
export const TEMPLATE = 'topup_template';

/** The same server and role, another database. */
export function withDatabaseName(databaseUrl: string, name: string): string {
  return changed(databaseUrl, (url) => { url.pathname = `/${name}`; });
}

/** The same address but for what `change` does to it. */
export function changed(databaseUrl: string, change: (url: URL) => void): string {
  const url = new URL(databaseUrl);
  change(url);
  return url.href;
}
