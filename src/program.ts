import { join } from 'node:path';
import type { Logger } from 'pino';
import { startGateway, startWorker, type AppParts, type Gateway } from './app.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { findMissingMigrations, migrate } from './db/migrate.ts';
import { withSingleConnection } from './db/single-connection.ts';
import { startEmbeddedPostgres } from './demo/embedded-postgres.ts';
import {
  claimDemoFile, openDemo, roleOf, signDemoToken, tellDemo, type Database,
} from './model-home.ts';
import { openParts } from './parts.ts';
import { readTrustedDocuments } from './trusted-documents.ts';
import { Undo } from './undo.ts';

/** Beside this file once it is built; src/pages/build.ts puts them there. */
const PAGES_FOLDER = join(import.meta.dirname, 'pages');

/** What the operator has to put right; shown without a stack. */
export class StartRefused extends Error {}

/** The whole program, running; `stop` undoes it in order. */
export interface Program {
  stop(): Promise<void>;
}

/**
 * Database, migrations, demo, parts, worker, gateway: in this order, and back in reverse.
 * @throws StartRefused where an operator has to act first
 */
export async function startProgram(config: Config, log: Logger): Promise<Program> {
  const undo = new Undo();
  const stop = (): Promise<void> =>
    undo.run((error) => log.error({ err: error }, 'A step of the stop failed'));
  try {
    await start(config, log, undo);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

async function start(config: Config, log: Logger, undo: Undo): Promise<void> {
  const database = await openDatabase(config, log, undo);
  const isFileOurs = await claimDemoFile(config, log, undo).catch(refuse);
  await migrateOrRefuse(database);
  const demo = config.isDemo ? await openDemo(config, database, log, undo) : null;
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
  const appParts: AppParts = {
    ...parts, log, onWork: (listener) => parts.wakeUps.on('work', listener),
  };
  if (config.role !== 'gateway') {
    const worker = startWorker(appParts);
    undo.push(worker.stop);
  }
  let gateway: Gateway | null = null;
  if (config.role !== 'worker') {
    const pages = config.arePagesServed
      ? { folder: PAGES_FOLDER, demoToken: config.isDemo ? () => signDemoToken(parts) : null }
      : undefined;
    const trustedDocuments = readTrustedDocuments(config.isTrustedOnly);
    const settings = { ...config, trustedDocuments, pages };
    const { host, port, isPortShared: isShared } = config;
    gateway = await startGateway(appParts, settings, { host, port, isShared });
    undo.push(gateway.stop);
    log.info({ url: gateway.url }, 'The gateway listens');
  }
  if (demo !== null) {
    await tellDemo({ config, database, parts, demo, isFileOurs, gateway }, undo);
  }
}

/** What the model home finds wrong with its folder is for the operator to put right. */
function refuse(error: unknown): never {
  throw new StartRefused(error instanceof Error ? error.message : String(error));
}

async function openDatabase(config: Config, log: Logger, undo: Undo): Promise<Database> {
  if (config.databaseUrl !== null) {
    const ownerDatabaseUrl = config.migrationDatabaseUrl;
    return { databaseUrl: config.databaseUrl, ownerDatabaseUrl };
  }
  const embedded = await startEmbeddedPostgres({
    dataDir: config.dataDir,
    log: (message) => log.info(message),
  }).catch(refuse);
  undo.push(() => embedded.stop());
  return embedded;
}

async function migrateOrRefuse(database: Database): Promise<void> {
  if (database.ownerDatabaseUrl !== null) {
    await migrate({
      ownerDatabaseUrl: database.ownerDatabaseUrl,
      programRole: roleOf(database.databaseUrl),
    });
    return;
  }
  const missing = await withSingleConnection(database.databaseUrl, findMissingMigrations);
  if (missing.length > 0) {
    throw new StartRefused(
      `The database lacks ${missing.length} migration(s): ${missing.join(', ')}.\n`
      + 'Run: MIGRATION_DATABASE_URL=<address of the owner> DATABASE_URL=<address of the program>'
      + ' npm run migrate',
    );
  }
}
