import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import type { Logger } from 'pino';
import { systemClock } from './clock.ts';
import { readCommandLine } from './command-line.ts';
import { ConfigError, configFromEnvironment, type Config } from './config.ts';
import { prepareRestored } from './db/after-restore.ts';
import { findViolations, SHOWN_ROWS_MAX } from './db/invariants.ts';
import { migrate } from './db/migrate.ts';
import { withSingleConnection } from './db/single-connection.ts';
import { readDemoFile } from './demo/demo-file.ts';
import { removeEmbeddedPostgres } from './demo/embedded-postgres.ts';
import { importFile } from './import-command.ts';
import { runKeysCommand } from './keys-command.ts';
import { createLog, openLogOutput } from './log.ts';
import { roleOf } from './model-home.ts';
import {
  assertAnswers, assertOneDatabase, overMigrated, type NamedDatabase,
} from './named-database.ts';
import { startProgram, type Program } from './program.ts';
import { StartRefused } from './start-refused.ts';
import { runVouchersCommand } from './vouchers-command.ts';

// V8 comes to allocate some objects of a request among the old ones, where their dead keep all
// requests after them until the next full collection (seen: 4.6 kB of each, and pauses of 12 ms
// instead of 2).
setFlagsFromString('--no-allocation-site-pretenuring');

const logOutput = openLogOutput();

/** A stop that takes longer is cut off; the caller was promised an end within 10 seconds. */
const STOP_MS_MAX = 9_000;

async function main(): Promise<void> {
  const { command, words } = readCommandLine(process.argv.slice(2));
  process.stdout.on('error', (error) => {
    // Whoever read the card may have gone since: `npm start | head -1`.
    if (command === null || command === '--reset') return;
    process.stderr.write(`What was to be told could not be written: ${error.message}\n`);
    process.exitCode = 1;
  });
  // Keys are hashed under the secret of the processes that will check them.
  const config = configFromEnvironment(['--reset', '--keys', '--vouchers', null].includes(command));
  switch (command) {
    case '--migrate': return runMigrations(config);
    case '--restored': return prepareDatabase(config);
    case '--invariants': return checkInvariants(config);
    case '--keys': return manageKeys(config, words);
    case '--vouchers': return makeVouchers(config, words);
    case '--import': return importCatalogueFile(config, words);
    default:
  }
  const log = createLog(config.logLevel, logOutput.stream);
  if (command === '--reset') await emptyDemo(config, log);
  await runUntilSignal(config, log);
}

async function emptyDemo({ databaseUrl, dataDir }: Config, log: Logger): Promise<void> {
  if (databaseUrl !== null) {
    throw new StartRefused('npm run demo:reset empties the embedded PostgreSQL and no other:'
      + ' leave out DATABASE_URL, or empty that database yourself');
  }
  await removeEmbeddedPostgres({ dataDir, log: (message) => log.info(message) })
    .catch((error: unknown) => {
      throw new StartRefused(error instanceof Error ? error.message : String(error));
    });
}

async function runUntilSignal(config: Config, log: Logger): Promise<void> {
  let asked: ((reason: string) => void) | null = null;
  const signalled = new Promise<string>((resolve) => { asked = resolve; });
  // Registered before anything starts, and kept: further signals change nothing.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => asked?.(signal));
  }
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'A fault that nobody caught; the program stops');
    process.exitCode = 1;
    asked?.('fault');
  });
  const stopping = new AbortController();
  const starting = startProgram(config, log, stopping.signal);
  const reason = await Promise.race([starting.then(() => signalled), signalled]);
  log.info({ reason }, 'Stopping');
  stopping.abort();
  await stopInTime(starting, log);
}

/** Whatever the start is waiting for then: the end is due from the signal on. */
async function stopInTime(starting: Promise<Program>, log: Logger): Promise<never> {
  const stopped = starting.then(
    (program) => program.stop(),
    (error: unknown) => {
      if (error instanceof DOMException && error.name === 'AbortError') return;
      log.warn({ err: error }, 'The start failed while it was to be stopped');
    },
  );
  const isInTime = await Promise.race([
    stopped.then(() => true),
    delay(STOP_MS_MAX, false, { ref: false }),
  ]);
  if (!isInTime) log.error('The stop took too long and was cut off');
  else log.info('Stopped');
  await logOutput.flush();
  process.exit(process.exitCode ?? 0);
}

async function runMigrations(config: Config): Promise<void> {
  if (config.databaseUrl === null || config.migrationDatabaseUrl === null) {
    throw new StartRefused('npm run migrate needs MIGRATION_DATABASE_URL (the owner of the tables)'
      + ' and DATABASE_URL (the role that the program uses)');
  }
  const { databaseUrl, migrationDatabaseUrl } = config;
  await assertAnswers({ name: 'MIGRATION_DATABASE_URL', url: migrationDatabaseUrl });
  // Only its role is needed of the other address: it need not answer here.
  await assertOneDatabase(databaseUrl, migrationDatabaseUrl);
  await migrate({
    ownerDatabaseUrl: migrationDatabaseUrl,
    programRole: roleOf(databaseUrl),
    onWait: (reason) => process.stderr.write(`${reason}; waiting.\n`),
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

/** As the owner of the tables. */
async function ownerOf(config: Config): Promise<NamedDatabase> {
  return named('MIGRATION_DATABASE_URL', config.migrationDatabaseUrl)
    ?? runningDemo(config, 'ownerDatabaseUrl');
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

try {
  await main();
} catch (error) {
  await logOutput.flush();
  const isPlain = error instanceof ConfigError || error instanceof StartRefused;
  const text = isPlain ? (error as Error).message : (error as Error).stack;
  process.stderr.write(`${text ?? String(error)}\n`);
  process.exit(1);
}
