import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';

import pg from 'pg';
import type { TestProject } from 'vitest/node';

import { migrate } from '../../src/db/migrate.ts';
import { startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { seedDemo } from '../../src/demo/seed.ts';
import { TEMPLATE, withDatabaseName } from './database-url.ts';
import { VOUCHER_KEY } from './voucher-hash.ts';

export interface TestServer {
  /** Addresses of the template; a test clones it and names its own database instead. */
  databaseUrl: string;
  ownerDatabaseUrl: string;
  superuserUrl: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    testServer: TestServer;
    /** Whether this run writes contracts down, by `npm run schema`. */
    isRecording: boolean;
  }
}

// Nothing answers there: a test that wants a supplier starts one and names it in its own database.
const NO_SUPPLIER_URL = 'http://127.0.0.1:9';

// Safety against power loss, which tests do not need, is most of the time of a small transaction.
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  max_connections: '200',
};

const REMOVAL = { recursive: true, force: true };
const KILL_WAIT_MS_MAX = 5000;

const MEMORY_FS = '/dev/shm';
/** Ten times what the server's files come to at most. */
const MEMORY_BYTES_MIN = 2 * 2 ** 30;

/** Starts one PostgreSQL for the run, with a migrated and seeded template to clone. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(serverParent(), 'topup-test-'));
  // PostgreSQL runs as a user of its own where the tests run as root, and has to get in.
  chmodSync(directory, 0o755);
  const abandon = () => {
    killServer(directory);
    rmSync(directory, REMOVAL);
  };
  // Without a listener a signal would end the process before its exit handlers.
  const exit = () => process.exit(process.exitCode ?? 1);
  process.once('exit', abandon);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, exit);

  const postgres = await startEmbeddedPostgres({
    dataDir: directory,
    log: () => {},
    settings: SETTINGS,
  });
  const server: TestServer = {
    databaseUrl: withDatabaseName(postgres.databaseUrl, TEMPLATE),
    ownerDatabaseUrl: withDatabaseName(postgres.ownerDatabaseUrl, TEMPLATE),
    superuserUrl: withDatabaseName(postgres.superuserUrl, 'postgres'),
  };
  await createTemplate(server);
  project.provide('testServer', server);
  project.provide('isRecording', project.config.snapshotOptions.updateSnapshot === 'all');

  return async () => {
    await postgres.stop();
    process.off('exit', abandon);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, exit);
    rmSync(directory, REMOVAL);
  };
}

// Hundreds of databases of nine hundred files each come and go. A file system on a disk looks at
// every inode that was given back within the last minute before it gives out one: a fifth of the
// suite's time, which a file system in memory does not take.
function serverParent(): string {
  const isRoomy = existsSync(MEMORY_FS)
    && statfsSync(MEMORY_FS).bavail * statfsSync(MEMORY_FS).bsize > MEMORY_BYTES_MIN
    && freemem() > MEMORY_BYTES_MIN;
  return isRoomy ? MEMORY_FS : tmpdir();
}

async function createTemplate(server: TestServer): Promise<void> {
  const superuser = new pg.Client(server.superuserUrl);
  await superuser.connect();
  try {
    await superuser.query(`create database ${TEMPLATE} owner topup_owner template topup`);
    const { ownerDatabaseUrl } = server;
    await migrate({ ownerDatabaseUrl, programRole: 'topup_app' });
    await seedDemo({ ownerDatabaseUrl, supplierUrl: NO_SUPPLIER_URL, hashingKey: VOUCHER_KEY });
    // A database with a connection open cannot be cloned.
    await superuser.query(`alter database ${TEMPLATE} allow_connections false`);
  } finally {
    await superuser.end();
  }
}

// Runs while the process exits, when nothing can be awaited any more. A server that still wrote
// its files would keep its directory from being removed; its pid file is the last that it removes.
function killServer(directory: string): void {
  const pidPath = join(directory, 'postgres/postmaster.pid');
  if (!existsSync(pidPath)) return;
  const idle = new Int32Array(new SharedArrayBuffer(4));
  try {
    process.kill(Number(readFileSync(pidPath, 'utf8').split('\n')[0]), 'SIGQUIT');
    const giveUpAt = performance.now() + KILL_WAIT_MS_MAX;
    while (existsSync(pidPath) && performance.now() < giveUpAt) Atomics.wait(idle, 0, 0, 20);
  } catch {
    // It ended in the meantime.
  }
}
