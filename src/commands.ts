import { join } from 'node:path';
import { systemClock } from './clock.ts';
import type { Command } from './command-line.ts';
import type { Config } from './config.ts';
import { prepareRestored } from './db/after-restore.ts';
import { isConnectionLost } from './db/faults.ts';
import { findViolations, SHOWN_ROWS_MAX } from './db/invariants.ts';
import { migrate } from './db/migrate.ts';
import { withSingleConnection } from './db/single-connection.ts';
import { readDemoFile } from './demo/demo-file.ts';
import { createSandboxSchema } from './demo/sandbox-schema.ts';
import { importFile } from './import-command.ts';
import { runKeysCommand } from './keys-command.ts';
import { roleOf } from './model-home.ts';
import {
  assertAnswers, assertOneDatabase, overMigrated, overOwned, reasonOf, type NamedDatabase,
} from './named-database.ts';
import { StartRefused } from './start-refused.ts';
import { runVouchersCommand } from './vouchers-command.ts';

/**
 * Does what a command asks for; what it finds wrong is told by the exit code of the process.
 * @throws StartRefused in words for people, also where the answer of the database was lost
 */
export async function runCommand(
  command: Command,
  config: Config,
  words: readonly string[],
): Promise<void> {
  try {
    await carryOut(command, config, words);
  } catch (error) {
    if (!isConnectionLost(error)) throw error;
    throw new StartRefused(`The connection to the database was lost: ${reasonOf(error)}.\n${
      command === '--invariants'
        ? 'Run this again'
        : 'It is not known whether this was done: look, and run it again where it was not'}`);
  }
}

async function carryOut(
  command: Command,
  config: Config,
  words: readonly string[],
): Promise<void> {
  switch (command) {
    case '--migrate': return runMigrations(config);
    case '--restored': return prepareDatabase(config);
    case '--invariants': return checkInvariants(config);
    case '--keys': return manageKeys(config, words);
    case '--vouchers': return makeVouchers(config, words);
    case '--import': return importCatalogueFile(config, words);
  }
}

async function runMigrations(config: Config): Promise<void> {
  if (config.databaseUrl === null || config.migrationDatabaseUrl === null) {
    throw new StartRefused('npm run migrate needs MIGRATION_DATABASE_URL (the owner of the tables)'
      + ' and DATABASE_URL (the role that the program uses)');
  }
  const { databaseUrl, migrationDatabaseUrl } = config;
  const owner = { name: 'MIGRATION_DATABASE_URL', url: migrationDatabaseUrl };
  await assertAnswers(owner);
  // Only its role is needed of the other address: it need not answer here.
  await assertOneDatabase(databaseUrl, migrationDatabaseUrl);
  const programRole = roleOf(databaseUrl);
  await overOwned(owner, async (ownerDatabaseUrl) => {
    await migrate({
      ownerDatabaseUrl,
      programRole,
      onWait: (reason) => process.stderr.write(`${reason}; waiting.\n`),
    });
    if (config.isDemo) await createSandboxSchema(ownerDatabaseUrl, programRole);
  });
  process.stdout.write('The database is migrated.\n');
}

/** Once after a backup was restored, while no worker runs. */
async function prepareDatabase(config: Config): Promise<void> {
  if (config.migrationDatabaseUrl === null) {
    throw new StartRefused('npm run restored needs MIGRATION_DATABASE_URL (the owner of the tables)'
      + ' of the database that was restored');
  }
  const asked = await overMigrated(await ownerOf(config), prepareRestored);
  if (asked === null) {
    throw new StartRefused('A program of ours is connected to this database: stop all of them, then'
      + ' run this before any of them starts again. Nothing was done');
  }
  process.stdout.write('New orders get numbers that were never given before.\n'
    + `${asked} orders will be asked about before anything is sent for them.\n`
    + 'All tokens have ended. Revoke again the keys that were revoked since the backup.\n');
}

/** Prints what is wrong by name; exit code 1 if anything is. */
async function checkInvariants(config: Config): Promise<void> {
  const database = named('DATABASE_URL', config.databaseUrl)
    ?? named('MIGRATION_DATABASE_URL', config.migrationDatabaseUrl)
    ?? await runningDemo(config, 'databaseUrl');
  const violations = await overMigrated(database, (url) => withSingleConnection(url, (client) =>
    findViolations(async (sql) => (await client.query<object>(sql)).rows)));
  for (const { name, says, rows } of violations) {
    process.stdout.write(`${name}: ${says}\n`);
    for (const row of rows) process.stdout.write(`  ${JSON.stringify(row)}\n`);
    if (rows.length === SHOWN_ROWS_MAX) process.stdout.write('  and maybe more\n');
  }
  process.stdout.write(violations.length === 0 ? 'All invariants hold.\n' : '');
  process.exitCode = violations.length === 0 ? 0 : 1;
}

async function manageKeys(config: Config, args: readonly string[]): Promise<void> {
  const owner = await ownerOf(config);
  process.stdout.write(await overMigrated(owner, (ownerDatabaseUrl) => runKeysCommand({
    args,
    ownerDatabaseUrl,
    environment: config.environment,
    hashingKey: config.keyHashingKey,
    now: systemClock.now(),
  })));
}

async function makeVouchers(config: Config, args: readonly string[]): Promise<void> {
  const { keyHashingKey: hashingKey } = config;
  process.stdout.write(await overMigrated(await ownerOf(config), (ownerDatabaseUrl) =>
    runVouchersCommand({ args, ownerDatabaseUrl, hashingKey, now: systemClock.now() })));
}

/** Exit code 1 where nothing was imported. */
async function importCatalogueFile(
  config: Config,
  [path = '']: readonly string[],
): Promise<void> {
  const isDone = await overMigrated(await ownerOf(config), (ownerDatabaseUrl) =>
    importFile(path, ownerDatabaseUrl, { out: process.stdout, err: process.stderr }));
  process.exitCode = isDone ? 0 : 1;
}

/**
 * As the owner of the tables: of the very database that the environment names, and not of the demo
 * that happens to run beside it.
 */
async function ownerOf(config: Config): Promise<NamedDatabase> {
  const { databaseUrl, migrationDatabaseUrl } = config;
  const owner = named('MIGRATION_DATABASE_URL', migrationDatabaseUrl);
  if (owner !== null) {
    if (databaseUrl !== null) await assertOneDatabase(databaseUrl, owner.url);
    return owner;
  }
  if (databaseUrl !== null) {
    throw new StartRefused('Set MIGRATION_DATABASE_URL as well, to the address of the owner of the'
      + ' tables in the database of DATABASE_URL');
  }
  return runningDemo(config, 'ownerDatabaseUrl');
}

function named(name: string, url: string | null): NamedDatabase | null {
  return url === null ? null : { name, url };
}

/** Where the demo that runs keeps its data; it may not know the owner of another's database. */
async function runningDemo(
  config: Config,
  role: 'databaseUrl' | 'ownerDatabaseUrl',
): Promise<NamedDatabase> {
  const name = join(config.dataDir, 'demo.json');
  const facts = await readDemoFile(config.dataDir).catch((error: unknown) => {
    throw new StartRefused(`${name} cannot be read: ${String(error)}`);
  });
  if (facts !== null && facts[role] !== '') return { name, url: facts[role] };
  throw new StartRefused(role === 'databaseUrl'
    ? 'Set DATABASE_URL to the address of the program, or start the demo first'
    : 'Set MIGRATION_DATABASE_URL to the address of the owner of the tables, or start the demo'
      + ' first');
}
