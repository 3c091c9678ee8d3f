import { join } from 'node:path';
import type { Logger } from 'pino';
import { startGateway, type AppParts, type Gateway } from './app.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { findMissingMigrations, migrate } from './db/migrate.ts';
import { withSingleConnection } from './db/single-connection.ts';
import { ownsTables } from './db/table-owner.ts';
import type { LoadedThread } from './demo/sandbox-thread.ts';
import { startWorker } from './engine-room.ts';
import {
  claimDemoFile, describeClients, openDemo, roleOf, signDemoToken, tellDemo, type Database,
} from './model-home.ts';
import { MIGRATE_COMMAND, overMigrated, overOwned } from './named-database.ts';
import { refuseAddress } from './own-address.ts';
import { openParts, type Parts } from './parts.ts';
import { refuseStart, StartRefused } from './start-refused.ts';
import { createSteadily } from './steady-start.ts';
import { readTrustedDocuments } from './trusted-documents.ts';
import type { Undo } from './undo.ts';

/** Beside this file once it is built; src/pages/build.ts puts them there. */
const PAGES_FOLDER = join(import.meta.dirname, 'pages');

/**
 * All that is built upon the database, from its tables to the doors. Loaded while the database
 * starts: what this needs of packages is most of what a start takes.
 * @throws StartRefused, the reason of `stopping`
 */
export async function assemble(
  { config, log, database, thread }: {
    readonly config: Config;
    readonly log: Logger;
    readonly database: Database;
    /** The sandbox supplier's; null without the demo. */
    readonly thread: LoadedThread | null;
  },
  undo: Undo,
  stopping: AbortSignal,
): Promise<void> {
  const isFileOurs = await claimDemoFile(config, log, undo).catch(refuseStart);
  stopping.throwIfAborted();
  const steadily = createSteadily(log, stopping);
  await steadily(() => migrateOrRefuse(database, log));
  stopping.throwIfAborted();
  // The embedded one has a role for it.
  if (config.databaseUrl !== null) await steadily(() => warnOfOwner(database, log));
  const demo = thread === null
    ? null : await openDemo({ config, database, thread, log, steadily }, undo);
  stopping.throwIfAborted();
  const smtpUrl = config.smtpUrl ?? demo?.mail.smtpUrl ?? null;
  const parts = await steadily(() => openParts({
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
    onTokenReuse: (clientId) => log.warn(
      { clientId }, 'A refresh token was shown twice: the tokens of its login are revoked',
    ),
    onError: (error, doing) => log.error({ err: error }, `A fault in ${doing}`),
  }));
  undo.push(parts.close);
  stopping.throwIfAborted();
  // Before the worker has the database do all that was left.
  const clients = demo === null ? [] : await steadily(() => describeClients(parts, config));
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
    await tellDemo({ config, database, clients, demo, isFileOurs, gateway }, undo);
  }
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

async function migrateOrRefuse(database: Database, log: Logger): Promise<void> {
  if (database.ownerDatabaseUrl !== null) {
    const owner = { name: 'MIGRATION_DATABASE_URL', url: database.ownerDatabaseUrl };
    await overOwned(owner, (ownerDatabaseUrl) => migrate({
      ownerDatabaseUrl,
      programRole: roleOf(database.databaseUrl),
      onWait: (reason) => log.warn({ reason }, 'The migration waits'),
    }));
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
