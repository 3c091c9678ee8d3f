import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { migrate } from '../../src/db/migrate.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { seedDemo } from '../../src/demo/seed.ts';
import { withDatabaseName } from '../support/database-url.ts';
import { freePort } from '../support/free-port.ts';
import { signTestToken } from '../support/sign-token.ts';

const SIGNING_KEY = 'a token signing key that only the bench uses';
const HASHING_KEY = 'a key hashing key that only the bench uses';
const MAIN = new URL('../../dist/main.js', import.meta.url).pathname;
const READY_WITHIN_MS = 60_000;
/** Clients of the bench have ids from here on; each has one wallet of the same id. */
const FIRST_CLIENT = 1001;
export const CLIENT_COUNT = 1000;

/** A database of the program with the demo's catalogue and a thousand rich clients. */
export interface BenchDatabase {
  readonly databaseUrl: string;
  readonly ownerDatabaseUrl: string;
}

export interface Server {
  readonly port: number;
  readonly process: ChildProcess;
  /** Kilobytes of memory that the process holds. */
  rssKb(): number;
  stop(): Promise<void>;
}

/** One PostgreSQL, as safe as in production, and whatever the rows start over it. */
export class BenchWorld {
  readonly directory: string;
  readonly #postgres: EmbeddedPostgres;
  readonly #undo: (() => Promise<unknown>)[] = [];

  private constructor(directory: string, postgres: EmbeddedPostgres) {
    this.directory = directory;
    this.#postgres = postgres;
  }

  /** `settings` override parameters of the server, for whoever looks closer than a rate. */
  static async open(settings: Readonly<Record<string, string>> = {}): Promise<BenchWorld> {
    const directory = mkdtempSync(join(tmpdir(), 'topup-bench-'));
    chmodSync(directory, 0o755);
    const postgres = await startEmbeddedPostgres({
      dataDir: directory, settings, log: () => undefined,
    });
    return new BenchWorld(directory, postgres);
  }

  async close(): Promise<void> {
    for (let step = this.#undo.pop(); step !== undefined; step = this.#undo.pop()) await step();
    await this.#postgres.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A database named `name`, migrated, with the demo's seed and the bench's clients. */
  async createDatabase(name: string): Promise<BenchDatabase> {
    await this.superuser(`create database ${name} template topup owner topup_owner`);
    const database = {
      databaseUrl: withDatabaseName(this.#postgres.databaseUrl, name),
      ownerDatabaseUrl: withDatabaseName(this.#postgres.ownerDatabaseUrl, name),
    };
    await this.superuser(`grant connect on database ${name} to topup_app`);
    await migrate({ ownerDatabaseUrl: database.ownerDatabaseUrl, programRole: 'topup_app' });
    await seedDemo({
      ownerDatabaseUrl: database.ownerDatabaseUrl,
      supplierUrl: 'http://127.0.0.1:9',
      hashingKey: HASHING_KEY,
    });
    await runSql(database.ownerDatabaseUrl, SEED_CLIENTS);
    return database;
  }

  /** The database of the floor: tables and function of floor.sql. */
  async createFloor(): Promise<string> {
    await this.superuser('create database floor owner topup_owner');
    const url = withDatabaseName(this.#postgres.ownerDatabaseUrl, 'floor');
    await runSql(url, readFileSync(new URL('floor.sql', import.meta.url), 'utf8'));
    return url;
  }

  superuser(sql: string, database = 'postgres'): Promise<pg.QueryResult> {
    return runSql(withDatabaseName(this.#postgres.superuserUrl, database), sql);
  }

  /** The built program, as one process of the given role. */
  async startServer(
    database: BenchDatabase,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Server> {
    const port = Number(env['PORT'] ?? await freePort());
    const child = spawn(process.execPath, [MAIN], {
      env: {
        PATH: process.env['PATH'] ?? '',
        NODE_ENV: 'production',
        ROLE: 'gateway',
        ENVIRONMENT: 'production',
        PORT: String(port),
        DATA_DIR: join(this.directory, `data-${port}`),
        DATABASE_URL: database.databaseUrl,
        TOKEN_SIGNING_KEY: SIGNING_KEY,
        KEY_HASHING_KEY: HASHING_KEY,
        SUPPLIER_SIGNING_KEYS: `sandbox-a=${SIGNING_KEY},sandbox-b=${SIGNING_KEY}`,
        SOCKETS_PER_CLIENT: '100000',
        LOG_LEVEL: 'warn',
        ...env,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const exited = once(child, 'exit');
    const stop = async (): Promise<void> => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
    };
    this.#undo.push(stop);
    await untilReady(port, child);
    return { port, process: child, rssKb: () => rssKb(child.pid ?? 0), stop };
  }
}

const SEED_CLIENTS = `
  insert into client (client_id, name, is_rate_limited)
    select n, 'Bench ' || n, false from generate_series(${FIRST_CLIENT},
      ${FIRST_CLIENT + CLIENT_COUNT - 1}) n;
  insert into discount (client_id, percent)
    select client_id, 5 from client where client_id >= ${FIRST_CLIENT};
  insert into wallet (client_id, id, currency, balance, is_default)
    select client_id, client_id, 'USD', 1000000000, true from client
      where client_id >= ${FIRST_CLIENT};
  insert into transfer (client_id, reason, debit_account, credit_account, wallet_id, amount,
      currency, balance_after)
    select client_id, 'FUNDING', 'EXTERNAL', 'WALLET', id, balance, currency, balance from wallet
      where client_id >= ${FIRST_CLIENT};
  analyze;`;

export async function runSql(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Tokens of the first `count` clients of the bench. */
export async function signTokens(count: number): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, index) => FIRST_CLIENT + index);
  return Promise.all(ids.map((clientId) => signTestToken({
    signingKey: SIGNING_KEY, environment: 'production', clientId, ttlSeconds: 24 * 3600,
  })));
}

async function untilReady(port: number, child: ChildProcess): Promise<void> {
  const untilMs = performance.now() + READY_WITHIN_MS;
  while (performance.now() < untilMs && child.exitCode === null) {
    const isReady = await fetch(`http://127.0.0.1:${port}/readyz`)
      .then((answer) => answer.ok, () => false);
    if (isReady) return;
    await delay(20);
  }
  throw new Error('The server did not become ready');
}

function rssKb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+([0-9]+) kB/.exec(status)?.[1] ?? '0');
}
