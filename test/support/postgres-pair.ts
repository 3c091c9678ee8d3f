import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../../src/db/migrate.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { openCluster, type Cluster } from '../../src/demo/postgres-cluster.ts';
import { stopLeftovers } from '../../src/demo/postgres-leftovers.ts';
import { endServer, launchServer, type Server } from '../../src/demo/postgres-server.ts';
import { seedDemo } from '../../src/demo/seed.ts';
import { until } from './crash-world.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import type { TestDatabase } from './database.ts';
import { freePort } from './free-port.ts';
import { VOUCHER_KEY } from './voucher-hash.ts';

/** Suppliers are named by the tests; nothing answers there. */
const NO_SUPPLIER_URL = 'http://127.0.0.1:9';
const STREAMING_MS_MAX = 60_000;

/** A primary and its synchronous standby, behind one address that leads to the primary at first. */
export interface PostgresPair {
  /** Everything by that one address. */
  readonly database: TestDatabase;
  /** The primary and every connection to it are gone at once, as when a machine loses its power. */
  killPrimary(): Promise<void>;
  /** The standby takes over; nobody is led to it yet. */
  promoteStandby(): Promise<void>;
  /** Asks the standby itself, whoever the address leads to. */
  askStandby<Row extends object>(sql: string): Promise<Row[]>;
  /** The address leads to the standby from now on. */
  leadToStandby(): void;
}

/** Two servers of the bundled PostgreSQL, with a migrated and seeded database. */
export async function openPostgresPair(): Promise<PostgresPair> {
  const directory = await mkdtemp(join(tmpdir(), 'topup-pair-'));
  // PostgreSQL runs as a user of its own where the tests run as root, and has to get in.
  await chmod(directory, 0o755);
  const addresses = await makeDatabase(directory);
  const cluster = await openCluster({
    dataDir: directory, superuserPassword: passwordOf(addresses), log: () => undefined,
  });
  const standbyCluster = await copyAsStandby(cluster, directory);
  const ports = { primary: addresses.port, standby: await freePort() };
  const servers: Server[] = [
    await launch(cluster, ports.primary),
    await launch(standbyCluster, ports.standby, { primary_conninfo:
      `host=127.0.0.1 port=${ports.primary} user=postgres password=${passwordOf(addresses)}` }),
  ];
  const superuserAt = (port: number): string => withPort(addresses.superuserUrl, port);
  await makeSynchronous(superuserAt(ports.primary));
  const proxy = await startCuttingProxy(`http://127.0.0.1:${ports.primary}`);
  const ownerAtStandby = withPort(addresses.ownerDatabaseUrl, ports.standby);
  return {
    database: reachedThrough(proxy.url, addresses, async () => {
      await proxy.close();
      await Promise.all(servers.map(endServer));
      await rm(directory, { recursive: true, force: true });
    }),
    async killPrimary() {
      servers.shift()?.signal('SIGKILL');
      proxy.cutAll();
      // What the killed server left running must not answer anybody either.
      await stopLeftovers(cluster.clusterDir, () => undefined);
    },
    async promoteStandby() {
      await ask(superuserAt(ports.standby), 'select pg_promote()');
    },
    askStandby: (sql) => ask(ownerAtStandby, sql),
    leadToStandby: () => proxy.leadTo(`http://127.0.0.1:${ports.standby}`),
  };
}

/** Answers where the database was; its server is stopped, its files are at rest. */
async function makeDatabase(directory: string): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDir: directory, log: () => undefined });
  try {
    const { ownerDatabaseUrl } = postgres;
    await migrate({ ownerDatabaseUrl, programRole: 'topup_app' });
    await seedDemo({ ownerDatabaseUrl, supplierUrl: NO_SUPPLIER_URL, hashingKey: VOUCHER_KEY });
  } finally {
    await postgres.stop();
  }
  return postgres;
}

// The bundled PostgreSQL has no pg_basebackup; the files of a stopped server are a base as good.
async function copyAsStandby(cluster: Cluster, directory: string): Promise<Cluster> {
  const clusterDir = join(directory, 'standby');
  const { account } = cluster;
  await mkdir(clusterDir, { mode: 0o700 });
  if (account.owner !== null) await chown(clusterDir, account.owner.uid, account.owner.gid);
  // As the server's account, to which the copy must belong.
  const run = async (program: string, ...args: string[]): Promise<void> => {
    const [code] = await once(account.spawn(program, args, 'ignore'), 'exit') as [number | null];
    if (code !== 0) throw new Error(`${program} ended with ${code}`);
  };
  await run('cp', '-a', `${cluster.clusterDir}/.`, clusterDir);
  await run('touch', join(clusterDir, 'standby.signal'));
  return { ...cluster, clusterDir, logPath: join(directory, 'standby.log') };
}

async function launch(
  cluster: Cluster,
  port: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const server = await launchServer(cluster, { ...settings, port: String(port) });
  if (!await server.ready) throw new Error(`PostgreSQL does not start; see ${cluster.logPath}`);
  return server;
}

/** From now on the primary acknowledges nothing that the standby has not written down. */
async function makeSynchronous(primaryUrl: string): Promise<void> {
  const isStanding = (column: string, value: string) => async (): Promise<boolean> =>
    (await ask(primaryUrl, `select from pg_stat_replication where ${column} = '${value}'`))
      .length === 1;
  await until(isStanding('state', 'streaming'), STREAMING_MS_MAX, 'the standby');
  await ask(primaryUrl, "alter system set synchronous_standby_names = '*'");
  await ask(primaryUrl, 'select pg_reload_conf()');
  await until(isStanding('sync_state', 'sync'), STREAMING_MS_MAX, 'a synchronous standby');
}

function reachedThrough(
  proxyUrl: string,
  addresses: EmbeddedPostgres,
  drop: () => Promise<void>,
): TestDatabase {
  const through = (url: string): string => withPort(url, Number(new URL(proxyUrl).port));
  const owner = new pg.Pool({ connectionString: through(addresses.ownerDatabaseUrl), max: 4 });
  // Cut like all others; without a listener that would end the process.
  owner.on('error', () => undefined);
  return {
    databaseUrl: through(addresses.databaseUrl),
    ownerDatabaseUrl: through(addresses.ownerDatabaseUrl),
    superuserUrl: through(addresses.superuserUrl),
    async query<Row extends object>(sql: string, params: readonly unknown[] = []) {
      return (await owner.query<Row>(sql, [...params])).rows;
    },
    async drop() {
      await owner.end();
      await drop();
    },
  };
}

async function ask<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

function withPort(url: string, port: number): string {
  const moved = new URL(url);
  moved.port = String(port);
  return moved.href;
}

function passwordOf({ superuserUrl }: EmbeddedPostgres): string {
  return new URL(superuserUrl).password;
}
