import { pino, type Logger } from 'pino';
import { afterAll, beforeAll } from 'vitest';
import {
  startGateway,
  type AppParts,
  type Gateway,
  type Running,
} from '../../src/app.ts';
import { systemClock } from '../../src/clock.ts';
import { startMailCatcher, type MailCatcher } from '../../src/demo/mail-catcher.ts';
import { createSandboxSchema } from '../../src/demo/sandbox-schema.ts';
import { startSandboxSupplier } from '../../src/demo/sandbox-supplier.ts';
import { startWorker } from '../../src/engine-room.ts';
import type { TrustedDocuments } from '../../src/graphql/persisted-documents.ts';
import { openParts, type Parts } from '../../src/parts.ts';
import type { PageSource } from '../../src/rest/pages.routes.ts';
import { useTestDatabase, type TestDatabase } from './database.ts';
import { VOUCHER_KEY } from './voucher-hash.ts';

export const TOKEN_SIGNING_KEY = 'a token signing key that only tests use';
export const SUPPLIER_KEYS = {
  'sandbox-a': ['a signing key of supplier a, for tests'],
  'sandbox-b': ['a signing key of supplier b, for tests'],
};

/** Delays of the sandbox in tests: a second takes 50 ms. */
const DELAY_SCALE = 0.05;

export interface World {
  readonly database: TestDatabase;
  readonly gateway: Gateway;
  readonly parts: Parts;
  readonly sandboxUrl: string;
  /** Takes all mail of this world; see `caughtMails`. */
  readonly mail: MailCatcher;
  /** Tokens of clients 1 to 3, by client id. */
  readonly token: (clientId: number) => string;
  /** One more process over the same database; stopped with the rest. */
  readonly startProcess: (role: 'all' | 'gateway' | 'worker') => Promise<Gateway | null>;
  /** What lies behind the doors of each process, the first one's first. */
  readonly everyParts: readonly Parts[];
}

/** A whole running program over a database of its own: doors, worker, sandbox supplier. */
export function useWorld(
  options: {
    /** 'gateway' leaves orders where they are placed: nobody works on them. */
    readonly role?: 'all' | 'gateway';
    readonly inlineWaitMs?: number;
    readonly pages?: PageSource;
    /** Silent by default. */
    readonly log?: Logger;
    /** A mail server of the test's own, instead of the catcher. */
    readonly smtpUrl?: string;
    readonly httpText?: 'draft' | 'legacy';
    /** Anything is executed by default. */
    readonly trustedDocuments?: TrustedDocuments;
  } = {},
): () => World {
  const database = useTestDatabase();
  const undo: (() => Promise<unknown>)[] = [];
  let world: World | undefined;

  beforeAll(async () => {
    const { databaseUrl, ownerDatabaseUrl } = database();
    await createSandboxSchema(ownerDatabaseUrl, 'topup_app');
    await makeSuppliersQuick(database());
    const openSandbox = async (callbackBaseUrl: string | null): Promise<string> => {
      const sandbox = await startSandboxSupplier({
        host: '127.0.0.1',
        port: 0,
        databaseUrl,
        signingKeys: Object.fromEntries(
          Object.entries(SUPPLIER_KEYS).map(([code, [key = '']]) => [code, key]),
        ),
        callbackBaseUrl,
        delayScale: DELAY_SCALE,
        log: () => undefined,
      });
      undo.push(() => sandbox.close());
      return sandbox.url;
    };
    const sandboxUrl = await openSandbox(null);
    const mail = await startMailCatcher({ host: '127.0.0.1', databaseUrl, log: () => undefined });
    undo.push(() => mail.close());
    const startProcess = (role: 'all' | 'gateway' | 'worker'): Promise<Process> =>
      startOne({ ...options, role, database: database(), sandboxUrl, mail, undo });
    const first = await startProcess(options.role ?? 'all');
    if (first.gateway === null) throw new Error('The first process has no gateway');
    // A second process of the same supplier: the one that knows where callbacks go.
    await openSandbox(first.gateway.url);
    const tokens = await Promise.all([1, 2, 3].map((id) => first.parts.signToken(id, 3600)));
    const everyParts = [first.parts];
    world = {
      database: database(),
      gateway: first.gateway,
      parts: first.parts,
      sandboxUrl,
      mail,
      token: (clientId) => tokens[clientId - 1] ?? '',
      everyParts,
      startProcess: async (role) => {
        const { gateway, parts } = await startProcess(role);
        everyParts.push(parts);
        return gateway;
      },
    };
  });

  afterAll(async () => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  });

  return () => {
    if (world === undefined) throw new Error('The world exists only while tests run.');
    return world;
  };
}

interface Process {
  readonly gateway: Gateway | null;
  readonly parts: Parts;
}

async function startOne(options: {
  readonly role: 'all' | 'gateway' | 'worker';
  readonly database: TestDatabase;
  readonly sandboxUrl: string;
  readonly mail: MailCatcher;
  readonly inlineWaitMs?: number;
  readonly pages?: PageSource;
  readonly httpText?: 'draft' | 'legacy';
  readonly trustedDocuments?: TrustedDocuments;
  readonly log?: Logger;
  readonly smtpUrl?: string;
  readonly undo: (() => Promise<unknown>)[];
}): Promise<Process> {
  const log = options.log ?? pino({ level: 'silent' });
  const parts = await openParts({
    databaseUrl: options.database.databaseUrl,
    tokenSigningKey: TOKEN_SIGNING_KEY,
    keyHashingKey: VOUCHER_KEY,
    environment: 'sandbox',
    trustedProxies: [],
    supplierKeys: SUPPLIER_KEYS,
    sandboxUrl: options.sandboxUrl,
    mailServer: {
      url: options.smtpUrl ?? options.mail.smtpUrl, from: 'Top-ups <no-reply@topup.example>',
    },
    feedRetentionDays: 30,
    clock: systemClock,
    onError: (error, doing) => log.error({ err: error }, `A fault in ${doing}`),
  });
  options.undo.push(parts.close);
  const appParts: AppParts = {
    ...parts,
    log,
    onWork: (listener) => parts.wakeUps.on('work', listener),
  };
  const running: Running[] = [];
  if (options.role !== 'gateway') running.push(startWorker(appParts));
  const gateway =
    options.role === 'worker'
      ? null
      : await startGateway(
          appParts,
          {
            keyHashingKey: VOUCHER_KEY,
            inlineWaitMs: options.inlineWaitMs ?? 5000,
            isIntrospectionAllowed: true,
            httpText: options.httpText ?? 'draft',
            trustedDocuments: options.trustedDocuments ?? { texts: new Map(), isOnly: false },
            allowedOrigins: ['https://shop.example.com', 'http://localhost:*'],
            socketsPerClient: 20,
            subscriptionsPerSocket: 50,
            feedRetentionDays: 30,
            pages: options.pages,
          },
          { host: '127.0.0.1', port: 0 },
        );
  if (gateway !== null) running.push(gateway);
  for (const each of running) options.undo.push(() => each.stop());
  return { gateway, parts };
}

/** The demo's timings, a tenth of them. */
async function makeSuppliersQuick(database: TestDatabase): Promise<void> {
  await database.query(`update supplier set call_deadline_ms = 1000, lease_ms = 2000,
    settle_window_ms = 100, retry_window_ms = 2000, backoff_ms = '{50,100,200}'`);
}

export interface CaughtMail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly messageId: string;
}

/** What the catcher took for this address so far, the youngest first. */
export async function caughtMails(world: World, address: string): Promise<readonly CaughtMail[]> {
  const response = await fetch(`${world.mail.url}/messages.json`);
  const mails = await response.json() as readonly CaughtMail[];
  return mails.filter(({ to }) => to === address);
}
