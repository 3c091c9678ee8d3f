import { join } from 'node:path';
import type { Logger } from 'pino';
import { startGateway, type AppParts, type Gateway } from './app.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { findMissingMigrations, migrate } from './db/migrate.ts';
import { withSingleConnection } from './db/single-connection.ts';
import { ownsTables } from './db/table-owner.ts';
import { startEmbeddedPostgres } from './demo/embedded-postgres.ts';
import {
  claimDemoFile, openDemo, roleOf, signDemoToken, tellDemo, type Database,
} from './model-home.ts';
import { startWorker } from './engine-room.ts';
import {
  assertAnswers, assertOneDatabase, MIGRATE_COMMAND, overMigrated,
} from './named-database.ts';
import { openParts, type Parts } from './parts.ts';
import { freePortAt } from './rest/listeners.ts';
import { StartRefused } from './start-refused.ts';
import { readTrustedDocuments } from './trusted-documents.ts';
import { Undo } from './undo.ts';

/** Beside this file once it is built; src/pages/build.ts puts them there. */
const PAGES_FOLDER = join(import.meta.dirname, 'pages');

/** The address is taken, not of this machine, not for this user, or no address at all. */
const ADDRESS_FAULTS = new Set([
  'EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'EAFNOSUPPORT', 'EINVAL', 'ENOTFOUND', 'EAI_AGAIN',
]);

/** The whole program, running; `stop` undoes it in order. */
export interface Program {
  stop(): Promise<void>;
}

/**
 * Database, migrations, demo, parts, worker, gateway: in this order, and back in reverse.
 * @throws StartRefused where an operator has to act first, the reason of `stopping` once that was
 *   fired: then the step under way is the last, and all are undone
 */
export async function startProgram(
  config: Config,
  log: Logger,
  stopping: AbortSignal,
): Promise<Program> {
  const undo = new Undo();
  const stop = (): Promise<void> =>
    undo.run((error) => log.error({ err: error }, 'A step of the stop failed'));
  try {
    await start(config, log, undo, stopping);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

async function start(
  config: Config,
  log: Logger,
  undo: Undo,
  stopping: AbortSignal,
): Promise<void> {
  // A listener beside others that share the port would be dealt connections, and reset them.
  if (config.role !== 'worker' && !config.isPortShared) await assertFree(config);
  const database = await openDatabase(config, log, undo);
  const isFileOurs = await claimDemoFile(config, log, undo).catch(refuse);
  stopping.throwIfAborted();
  await migrateOrRefuse(database, log);
  stopping.throwIfAborted();
  if (!config.isDemo) await warnOfOwner(database, log);
  const demo = config.isDemo ? await openDemo(config, database, log, undo) : null;
  stopping.throwIfAborted();
  const smtpUrl = config.smtpUrl ?? demo?.mail.smtpUrl ?? null;
  const parts = await openParts({
    databaseUrl: database.databaseUrl,
    tokenSigningKey: config.tokenSigningKey,
    keyHashingKey: config.keyHashingKey,
    environment: config.environment,
    trustedProxies: config.trustedProxies,
    supplierKeys: config.supplierKeys,
    sandboxUrl: demo?.sandboxUrl ?? null,
    mailServer: smtpUrl === null ? null : { url: smtpUrl, from: config.mailFrom },
    feedRetentionDays: config.feedRetentionDays,
    forexRateHoursMax: config.forexRateHoursMax,
    clock: systemClock,
    onError: (error, doing) => log.error({ err: error }, `A fault in ${doing}`),
  });
  undo.push(parts.close);
  stopping.throwIfAborted();
  const appParts: AppParts = {
    ...parts, log, onWork: (listener) => parts.wakeUps.on('work', listener),
  };
  if (config.role !== 'gateway') {
    const worker = startWorker(appParts);
    undo.push(worker.stop);
    log.info('The worker takes orders up');
  }
  const gateway = config.role === 'worker' ? null : await openGateway(config, parts, appParts);
  if (gateway !== null) undo.push(gateway.stop);
  if (demo !== null) {
    await tellDemo({ config, database, parts, demo, isFileOurs, gateway }, undo);
  }
}

/** Before anything else is opened that would have to be closed again, or takes up orders. */
async function assertFree(config: Config): Promise<void> {
  await freePortAt(config).catch((error: unknown) => refuseAddress(error, config));
}

function refuseAddress(error: unknown, { host, port }: Config): never {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!ADDRESS_FAULTS.has(String(code))) throw error;
  throw new StartRefused(`The gateway cannot listen at HOST=${host}, PORT=${port}: ${message}.`
    + ` Name another, for instance HOST=127.0.0.1 PORT=${port === 4000 ? 4010 : 4000}`);
}

async function openGateway(config: Config, parts: Parts, appParts: AppParts): Promise<Gateway> {
  const pages = config.arePagesServed
    ? { folder: PAGES_FOLDER, demoToken: config.isDemo ? () => signDemoToken(parts) : null }
    : undefined;
  const trustedDocuments = readTrustedDocuments(config.isTrustedOnly);
  const settings = { ...config, trustedDocuments, pages };
  const { host, port, isPortShared: isShared } = config;
  const gateway = await startGateway(appParts, settings, { host, port, isShared })
    .catch((error: unknown) => refuseAddress(error, config));
  appParts.log.info({ url: gateway.url }, 'The gateway listens');
  return gateway;
}

/** What the model home finds wrong with its folder is for the operator to put right. */
function refuse(error: unknown): never {
  throw new StartRefused(error instanceof Error ? error.message : String(error));
}

async function openDatabase(config: Config, log: Logger, undo: Undo): Promise<Database> {
  if (config.databaseUrl !== null) {
    const { databaseUrl, migrationDatabaseUrl: ownerDatabaseUrl } = config;
    await assertAnswers({ name: 'DATABASE_URL', url: databaseUrl });
    if (ownerDatabaseUrl !== null) {
      await assertAnswers({ name: 'MIGRATION_DATABASE_URL', url: ownerDatabaseUrl });
      await assertOneDatabase(databaseUrl, ownerDatabaseUrl);
    }
    return { databaseUrl, ownerDatabaseUrl };
  }
  const embedded = await startEmbeddedPostgres({
    dataDir: config.dataDir,
    log: (message) => log.info(message),
  }).catch(refuse);
  undo.push(() => embedded.stop());
  return embedded;
}

async function migrateOrRefuse(database: Database, log: Logger): Promise<void> {
  if (database.ownerDatabaseUrl !== null) {
    await migrate({
      ownerDatabaseUrl: database.ownerDatabaseUrl,
      programRole: roleOf(database.databaseUrl),
      onWait: (reason) => log.warn({ reason }, 'The migration waits'),
    });
    return;
  }
  const missing = await overMigrated({ name: 'DATABASE_URL', url: database.databaseUrl },
    (url) => withSingleConnection(url, findMissingMigrations));
  if (missing.length > 0) {
    throw new StartRefused(
      `The database lacks ${missing.length} migration(s): ${missing.join(', ')}.\n`
      + `Run: ${MIGRATE_COMMAND}`,
    );
  }
}

/** Nothing that such a role does is kept from it: neither balances nor what was appended. */
async function warnOfOwner({ databaseUrl }: Database, log: Logger): Promise<void> {
  if (await withSingleConnection(databaseUrl, ownsTables)) {
    log.warn('The role of DATABASE_URL owns the tables or is a superuser:'
      + ' give the program one that owns nothing, and this one to MIGRATION_DATABASE_URL');
  }
}
