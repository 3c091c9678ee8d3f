import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Migration, Migrator } from '@mikro-orm/migrations';
import { defineConfig, MikroORM } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { entities } from './entities.ts';
import { grant } from './grants.ts';
import { installJobSchema, isJobSchemaInstalled, JOB_SCHEMA } from './job-schema.ts';
import { tellPlanner } from './planner-facts.ts';
import { isLockTimeout } from './faults.ts';
import { CONNECT_TIMEOUT_MS, READING_TERMS } from './pool.ts';
import { withSingleConnection } from './single-connection.ts';

const FOLDER = new URL('../../migrations/', import.meta.url);
const TABLE = 'schema_migration';
/** One migrator at a time, however many processes start together. */
const LOCK_KEY = 6_204_871;
/** A migration waits for a table no longer, as long as orders wait behind it; milliseconds. */
const TABLE_LOCK_MS_MAX = 1_000;
const TABLE_LOCK_PAUSE_MS = 5_000;

/** Names of all migrations of this program, in order. */
function migrationNames(): readonly string[] {
  return readdirSync(FOLDER)
    .filter((file) => /^[0-9]{4}-.*\.sql$/.test(file))
    .map((file) => file.replace(/\.sql$/, ''))
    .sort();
}

type MigrationClass = new (...args: ConstructorParameters<typeof Migration>) => Migration;

function migrationClass(name: string): MigrationClass {
  return class SqlMigration extends Migration {
    override up(): void {
      this.addSql(readFileSync(new URL(`${name}.sql`, FOLDER), 'utf8'));
    }
  };
}

/**
 * Applies what is missing, as the owner of the tables, and grants the program's role what it
 * needs. Safe to run from several processes at once.
 */
export async function migrate(options: {
  readonly ownerDatabaseUrl: string;
  readonly programRole: string;
  /** Told what the migration waits for, in words. */
  readonly onWait?: (reason: string) => void;
}): Promise<void> {
  const onWait = options.onWait ?? (() => undefined);
  await withSingleConnection(options.ownerDatabaseUrl, async (lock) => {
    const terms = await liftTimeLimits(lock);
    await takeLock(lock, onWait);
    // Fails with 42704 where nobody has made it, before anything is done for it.
    await lock.query('select quote_ident($1)::regrole', [options.programRole]);
    const missing = await findMissingFiles(lock);
    if (missing.length > 0) await applyWhenFree(options.ownerDatabaseUrl, terms, onWait);
    await installJobSchema(lock);
    await tellPlanner(lock);
    await grant(lock, options.programRole);
  });
}

/**
 * A migration takes as long as it takes, whatever the database or the role is set to. Answers the
 * settings for another connection of which the same shall hold; older servers know fewer of them.
 */
async function liftTimeLimits(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>(`
    select name, set_config(name, '0', false) from pg_settings where name in ('statement_timeout',
      'transaction_timeout', 'lock_timeout', 'idle_session_timeout',
      'idle_in_transaction_session_timeout')`);
  return [READING_TERMS, ...rows.map(({ name }) => `-c ${name}=0`)].join(' ');
}

async function takeLock(client: pg.Client, onWait: (reason: string) => void): Promise<void> {
  const { rows: [tried] } = await client.query<{ taken: boolean }>(
    'select pg_try_advisory_lock($1) as taken', [LOCK_KEY]);
  if (tried?.taken === true) return;
  const { rows: [holder] } = await client.query<{ pid: number; name: string }>(`
    select l.pid, coalesce(a.application_name, '') as name
    from pg_locks l left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.granted and l.classid = 0 and l.objid = $1
      and l.database = (select oid from pg_database where datname = current_database())`,
  [LOCK_KEY]);
  if (holder !== undefined) {
    onWait(`Another process (backend ${holder.pid}, ${holder.name}) migrates the database`);
  }
  await client.query('select pg_advisory_lock($1)', [LOCK_KEY]);
}

/**
 * Whoever reads a table keeps a migration waiting, and everybody else waits behind the migration:
 * behind a backup, orders would not be placed until it ended. So it gives up at once, and tries
 * again.
 */
async function applyWhenFree(
  databaseUrl: string,
  terms: string,
  onWait: (reason: string) => void,
): Promise<void> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await applyMissing(databaseUrl, `${terms} -c lock_timeout=${TABLE_LOCK_MS_MAX}`);
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (isFirst) onWait('A table is in use for long, by a backup for instance');
      await sleep(TABLE_LOCK_PAUSE_MS);
    }
  }
}

/** Behind those that the address has already: said last, ours win. */
function withSettings(databaseUrl: string, settings: string): string {
  const url = new URL(databaseUrl);
  url.searchParams.set('options', `${url.searchParams.get('options') ?? ''} ${settings}`.trim());
  return url.href;
}

async function applyMissing(databaseUrl: string, settings: string): Promise<void> {
  const orm = await MikroORM.init(defineConfig({
    clientUrl: databaseUrl,
    driverOptions: {
      // As in orm.ts: the driver reads all of the address.
      connectionString: withSettings(databaseUrl, settings),
      application_name: 'topup-gateway migrations',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    },
    entities,
    extensions: [Migrator],
    migrations: {
      tableName: TABLE,
      silent: true,
      snapshot: false,
      migrationsList: migrationNames().map((name) => ({ name, class: migrationClass(name) })),
    },
  }));
  try {
    await orm.migrator.up();
  } catch (error) {
    // Of a connection that was lost in the middle of it the library waits for ever to get it back.
    void orm.close().catch(() => undefined);
    throw error;
  }
  await orm.close();
}

/** Migrations that this database has not had; all of them on an empty one. */
export async function findMissingMigrations(client: pg.ClientBase): Promise<readonly string[]> {
  const missing = await findMissingFiles(client);
  return await isJobSchemaInstalled(client) ? missing : [...missing, JOB_SCHEMA];
}

async function findMissingFiles(client: pg.ClientBase): Promise<readonly string[]> {
  const { rows: [found] } = await client.query<{ exists: boolean }>(
    'select to_regclass($1) is not null as exists', [TABLE],
  );
  if (found?.exists !== true) return migrationNames();
  const { rows } = await client.query<{ name: string }>(`select name from ${TABLE}`);
  const applied = new Set(rows.map((row) => row.name));
  return migrationNames().filter((name) => !applied.has(name));
}
