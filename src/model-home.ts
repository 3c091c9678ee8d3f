import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { makeDataDir } from './demo/data-dir.ts';
import { claimDataDir, DataDirInUse } from './demo/data-dir-claim.ts';
import { DEMO_CLIENTS } from './demo/demo-figures.ts';
import { demoApiKeysOf } from './demo/demo-keys.ts';
import {
  removeDemoFile, removeDemoFileOf, writeDemoFile, writeDemoFileIfAbsent, type DemoFacts,
} from './demo/demo-file.ts';
import { startMailCatcher, type MailCatcher } from './demo/mail-catcher.ts';
import { createSandboxSchema, hasSandboxSchema } from './demo/sandbox-schema.ts';
import { startSandboxThread, type LoadedThread } from './demo/sandbox-thread.ts';
import { isDemoSeeded, seedDemo } from './demo/seed.ts';
import { renderStartCard } from './demo/start-card.ts';
import type { Parts } from './parts.ts';
import { StartRefused } from './start-refused.ts';
import type { Steadily } from './steady-start.ts';
import type { Undo } from './undo.ts';

const DEMO_TOKEN_SECONDS = 24 * 60 * 60;

/** Where the program's data lies; the owner's address is known only to who may migrate. */
export interface Database {
  readonly databaseUrl: string;
  readonly ownerDatabaseUrl: string | null;
}

/** The role that an address of PostgreSQL names. */
export function roleOf(databaseUrl: string): string {
  return decodeURIComponent(new URL(databaseUrl).username);
}

export interface Demo {
  readonly sandboxUrl: string;
  readonly mail: MailCatcher;
}

/**
 * Whether demo.json is this program's to write and to remove; what an earlier one left is removed
 * then. It belongs to who has claimed the data directory: over it, the embedded database runs.
 */
export async function claimDemoFile(config: Config, log: Logger, undo: Undo): Promise<boolean> {
  if (config.databaseUrl !== null) {
    if (!config.isDemo || config.role === 'worker') return false;
    await makeDataDir(config.dataDir);
    try {
      const claim = await claimDataDir(config.dataDir);
      undo.push(() => claim.release());
    } catch (error) {
      if (!(error instanceof DataDirInUse)) throw error;
      log.warn(`${error.message} demo.json stays that one's`);
      return false;
    }
  }
  await removeDemoFile(config.dataDir);
  return true;
}

/** Seeds the demo and starts the sandbox supplier and the mail catcher. */
export async function openDemo(
  { config, database, thread, log, steadily }: {
    readonly config: Config;
    readonly database: Database;
    readonly thread: LoadedThread;
    readonly log: Logger;
    readonly steadily: Steadily;
  },
  undo: Undo,
): Promise<Demo> {
  const { ownerDatabaseUrl, databaseUrl } = database;
  if (ownerDatabaseUrl !== null) {
    await steadily(() => createSandboxSchema(ownerDatabaseUrl, roleOf(databaseUrl)));
  } else {
    await steadily(() => assertDemo(databaseUrl));
  }
  const sandbox = await startSandbox({ config, databaseUrl, thread, log, steadily });
  undo.push(() => sandbox.close());
  if (ownerDatabaseUrl !== null) {
    await steadily(() => seedDemo({
      ownerDatabaseUrl,
      supplierUrl: sandbox.url,
      hashingKey: config.keyHashingKey,
      environment: config.environment,
    }));
  }
  const mail = await startMailCatcher({
    host: '127.0.0.1', databaseUrl, log: (message) => log.info(message),
  });
  undo.push(() => mail.close());
  return { sandboxUrl: sandbox.url, mail };
}

/** @throws StartRefused where a role that owns nothing would have to make the demo */
async function assertDemo(databaseUrl: string): Promise<void> {
  if (await hasSandboxSchema(databaseUrl) && await isDemoSeeded(databaseUrl)) return;
  throw new StartRefused('The database lacks the demo, or has an older one: a start with'
    + ' MIGRATION_DATABASE_URL, too, makes it');
}

async function startSandbox({ config, databaseUrl, thread, log, steadily }: {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly thread: LoadedThread;
  readonly log: Logger;
  readonly steadily: Steadily;
}): Promise<{ readonly url: string; close(): Promise<void> }> {
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  // One that failed is gone; the next try has another.
  let ready: LoadedThread | undefined = thread;
  const open = (port: number): ReturnType<typeof startSandboxThread> => steadily(() => {
    const loaded = ready;
    ready = undefined;
    return startSandboxThread({
      host: '127.0.0.1',
      port,
      databaseUrl,
      signingKeys: Object.fromEntries(
        Object.entries(config.supplierKeys).map(([code, [key = '']]) => [code, key]),
      ),
      callbackBaseUrl: config.role === 'worker' ? null : `http://${host}:${config.port}`,
      log: (message) => log.info(message),
    }, loaded);
  });
  try {
    return await open(config.supplierPort);
  } catch (error) {
    if (!/EADDRINUSE|EACCES/.test(String(error))) throw error;
    if (config.isSupplierPortFixed) {
      throw new StartRefused(`SUPPLIER_PORT=${config.supplierPort} cannot be had: `
        + `${(error as Error).message}; name a free one, or none, at which one is found`);
    }
    // Another copy of the program has the next port; the address is told on the card anyway.
    return open(0);
  }
}

/** A token of the demo, of its first client where no other is named. */
export function signDemoToken(
  { signToken }: Parts,
  clientId: number = DEMO_CLIENTS[0].clientId,
): Promise<string> {
  return signToken(clientId, DEMO_TOKEN_SECONDS);
}

function keyOf(
  clientId: number,
  { environment }: Config,
): { readonly apiKey: string; readonly apiSecret: string } {
  const { apiKey, apiSecret } = demoApiKeysOf(environment)
    .find((key) => key.clientId === clientId) ?? { apiKey: '', apiSecret: '' };
  return { apiKey, apiSecret };
}

/** The demo's clients with their keys, and a token for each, as demo.json has them. */
export function describeClients(parts: Parts, config: Config): Promise<DemoFacts['clients']> {
  return Promise.all(DEMO_CLIENTS.map(async ({ clientId, name }) => ({
    id: clientId,
    name,
    ...keyOf(clientId, config),
    token: await signDemoToken(parts, clientId),
  })));
}

/** Writes demo.json, where it is ours to write, and prints the card: everything answers by now. */
export async function tellDemo(
  facts: {
    readonly config: Config;
    readonly database: Database;
    readonly clients: DemoFacts['clients'];
    readonly demo: Demo;
    readonly isFileOurs: boolean;
    /** Null in a worker. */
    readonly gateway: { readonly url: string; readonly hasPages: boolean } | null;
  },
  undo: Undo,
): Promise<void> {
  const { config, database, clients, gateway } = facts;
  const baseUrl = gateway?.url ?? '';
  const { sandboxUrl, mail } = facts.demo;
  const graphqlUrl = baseUrl === '' ? '' : `${baseUrl}/graphql`;
  const hasPages = gateway?.hasPages === true;
  const demoFile: DemoFacts = {
    baseUrl,
    graphqlUrl,
    wsUrl: graphqlUrl.replace(/^http/, 'ws'),
    explorerUrl: hasPages ? graphqlUrl : '',
    watchUrl: hasPages ? `${baseUrl}/watch` : '',
    docsUrl: hasPages ? `${baseUrl}/docs` : '',
    supplierUrl: sandboxUrl,
    mailUrl: mail.url,
    databaseUrl: database.databaseUrl,
    ownerDatabaseUrl: database.ownerDatabaseUrl ?? '',
    clients,
    adminToken: '',
  };
  await writeFacts(demoFile, facts, undo);
  if (config.role === 'worker') return;
  process.stdout.write(`${renderStartCard(demoFile)}\n`);
}

async function writeFacts(
  facts: DemoFacts,
  { config, isFileOurs }: { readonly config: Config; readonly isFileOurs: boolean },
  undo: Undo,
): Promise<void> {
  const { dataDir, role } = config;
  if (isFileOurs) {
    await writeDemoFile(dataDir, facts);
    undo.push(() => removeDemoFile(dataDir));
  } else if (role === 'worker' && await writeDemoFileIfAbsent(dataDir, facts)) {
    // Workers may share the folder of a gateway, whose file says more and is written over theirs.
    undo.push(() => removeDemoFileOf(dataDir, facts));
  }
}
