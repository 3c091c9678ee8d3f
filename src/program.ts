import pg from 'pg';
import type { Logger } from 'pino';
import { startGateway, startWorker, type AppParts, type Gateway } from './app.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { findMissingMigrations, migrate } from './db/migrate.ts';
import { DEMO_CLIENTS } from './demo/demo-data.ts';
import { removeDemoFile, writeDemoFile, writeDemoFileIfAbsent } from './demo/demo-file.ts';
import { startEmbeddedPostgres } from './demo/embedded-postgres.ts';
import { startMailCatcher, type MailCatcher } from './demo/mail-catcher.ts';
import { createSandboxSchema } from './demo/sandbox-schema.ts';
import { startSandboxThread } from './demo/sandbox-thread.ts';
import { seedDemo } from './demo/seed.ts';
import { renderStartCard } from './demo/start-card.ts';
import { hashVoucherCode } from './domain/voucher.ts';
import { openParts, type Parts } from './parts.ts';

const DEMO_TOKEN_SECONDS = 24 * 60 * 60;

/** What the operator has to put right; shown without a stack. */
export class StartRefused extends Error {}

interface Database {
  readonly databaseUrl: string;
  readonly ownerDatabaseUrl: string | null;
}

/** Steps to undo, in reverse order of how they were done. */
class Undo {
  readonly #steps: (() => Promise<unknown>)[] = [];

  push(step: () => Promise<unknown>): void {
    this.#steps.push(step);
  }

  async run(onError: (error: unknown) => void): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await step().catch(onError);
    }
  }
}

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
  // Only now: a start that is refused must not take away the file of the program that runs.
  if (config.role !== 'worker') await removeDemoFile(config.dataDir);
  await migrateOrRefuse(database);
  const demo = config.isDemo ? await openDemo(config, database, log, undo) : null;
  const smtpUrl = config.smtpUrl ?? demo?.mail.smtpUrl ?? null;
  const parts = await openParts({
    databaseUrl: database.databaseUrl,
    tokenSigningKey: config.tokenSigningKey,
    keyHashingKey: config.keyHashingKey,
    supplierKeys: config.supplierKeys,
    sandboxUrl: demo?.sandboxUrl ?? null,
    mailServer: smtpUrl === null ? null : { url: smtpUrl, from: config.mailFrom },
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
    gateway = await startGateway(appParts, config, { host: config.host, port: config.port });
    undo.push(gateway.stop);
    log.info({ url: gateway.url }, 'The gateway listens');
  }
  if (demo !== null) {
    await tellDemo({ config, database, parts, demo, baseUrl: gateway?.url ?? '' }, undo);
  }
}

async function openDatabase(config: Config, log: Logger, undo: Undo): Promise<Database> {
  if (config.databaseUrl !== null) {
    const ownerDatabaseUrl = config.migrationDatabaseUrl;
    return { databaseUrl: config.databaseUrl, ownerDatabaseUrl };
  }
  const embedded = await startEmbeddedPostgres({
    dataDir: config.dataDir,
    log: (message) => log.info(message),
  }).catch((error: unknown) => {
    throw new StartRefused(error instanceof Error ? error.message : String(error));
  });
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
  const client = new pg.Client({ connectionString: database.databaseUrl });
  await client.connect();
  const missing = await findMissingMigrations(client).finally(() => client.end());
  if (missing.length > 0) {
    throw new StartRefused(
      `The database lacks ${missing.length} migration(s): ${missing.join(', ')}.\n`
      + 'Run: MIGRATION_DATABASE_URL=<address of the owner> DATABASE_URL=<address of the program>'
      + ' npm run migrate',
    );
  }
}

export function roleOf(databaseUrl: string): string {
  return decodeURIComponent(new URL(databaseUrl).username);
}

interface Demo {
  readonly sandboxUrl: string;
  readonly mail: MailCatcher;
}

/** Seeds the demo and starts the sandbox supplier and the mail catcher. */
async function openDemo(
  config: Config,
  database: Database,
  log: Logger,
  undo: Undo,
): Promise<Demo> {
  const { ownerDatabaseUrl, databaseUrl } = database;
  if (ownerDatabaseUrl !== null) {
    await createSandboxSchema(ownerDatabaseUrl, roleOf(databaseUrl));
  }
  const sandbox = await startSandbox(config, databaseUrl, log);
  undo.push(() => sandbox.close());
  if (ownerDatabaseUrl !== null) {
    await seedDemo({
      ownerDatabaseUrl,
      supplierUrl: sandbox.url,
      hashVoucherCode: (code) => hashVoucherCode(code, config.keyHashingKey),
    });
  }
  const mail = await startMailCatcher({
    host: '127.0.0.1', databaseUrl, log: (message) => log.info(message),
  });
  undo.push(() => mail.close());
  return { sandboxUrl: sandbox.url, mail };
}

async function startSandbox(
  config: Config,
  databaseUrl: string,
  log: Logger,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const open = (port: number): ReturnType<typeof startSandboxThread> => startSandboxThread({
    host: '127.0.0.1',
    port,
    databaseUrl,
    signingKeys: Object.fromEntries(
      Object.entries(config.supplierKeys).map(([code, [key = '']]) => [code, key]),
    ),
    callbackBaseUrl: config.role === 'worker' ? null : `http://${config.host}:${config.port}`,
    log: (message) => log.info(message),
  });
  try {
    return await open(config.supplierPort);
  } catch (error) {
    const isTaken = String(error).includes('EADDRINUSE');
    if (!isTaken || config.isSupplierPortFixed) throw error;
    // Another copy of the program has the next port; the address is told on the card anyway.
    return open(0);
  }
}

async function tellDemo(
  facts: {
    readonly config: Config;
    readonly database: Database;
    readonly parts: Parts;
    readonly demo: Demo;
    readonly baseUrl: string;
  },
  undo: Undo,
): Promise<void> {
  const { config, database, parts, baseUrl } = facts;
  const { sandboxUrl, mail } = facts.demo;
  const clients = await Promise.all(DEMO_CLIENTS.map(async (client) => ({
    id: client.clientId,
    name: client.name,
    apiKey: '',
    apiSecret: '',
    token: await parts.signToken(client.clientId, DEMO_TOKEN_SECONDS),
  })));
  const graphqlUrl = baseUrl === '' ? '' : `${baseUrl}/graphql`;
  const wsUrl = graphqlUrl.replace(/^http/, 'ws');
  const demoFile = {
    baseUrl,
    graphqlUrl,
    wsUrl,
    supplierUrl: sandboxUrl,
    mailUrl: mail.url,
    databaseUrl: database.databaseUrl,
    ownerDatabaseUrl: database.ownerDatabaseUrl ?? '',
    clients,
    adminToken: '',
  };
  if (config.role === 'worker') {
    // Workers may share the folder of a gateway, whose file says more.
    const isWritten = await writeDemoFileIfAbsent(config.dataDir, demoFile);
    if (isWritten) undo.push(() => removeDemoFile(config.dataDir));
    return;
  }
  await writeDemoFile(config.dataDir, demoFile);
  undo.push(() => removeDemoFile(config.dataDir));
  const token = clients[0]?.token ?? '';
  process.stdout.write(`${renderStartCard({
    baseUrl,
    graphqlUrl,
    wsUrl,
    supplierUrl: sandboxUrl,
    mailUrl: mail.url,
    databaseUrl: database.databaseUrl,
    token,
  })}\n`);
}
