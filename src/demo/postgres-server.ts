import { chown, open, readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Cluster } from './postgres-cluster.ts';
import { readPostmasterFile } from './postgres-leftovers.ts';

/** One run of the server, from its start to its end. */
export interface Server {
  readonly pid: number | undefined;
  /** Resolves when the process is gone, with the way it ended. */
  readonly ended: Promise<string>;
  /** Resolves once connections are accepted, or to false when it ended before. */
  readonly ready: Promise<boolean>;
  signal(signal: NodeJS.Signals): void;
}

const POLL_MS = 10;
const FAST_SHUTDOWN_MS = 5000;
const IMMEDIATE_SHUTDOWN_MS = 2000;
const LOG_BYTES_MAX = 10_000_000;

// The last three keep what clients sent out of the log. A checkpoint makes commits wait (seen: 110
// ms instead of 9 at the 99th percentile), so they are twice as rare under load as by default;
// rarer ones would leave more to a start after a crash, which takes a second for every 100 MB.
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  synchronous_commit: 'on',
  max_connections: '200',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  TimeZone: 'UTC',
  log_timezone: 'UTC',
  password_encryption: 'scram-sha-256',
  log_statement: 'none',
  log_parameter_max_length_on_error: '0',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

/** Starts the server once. Later settings win over the standing ones. */
export async function launchServer(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
): Promise<Server> {
  const options = Object.entries({ ...SETTINGS, ...settings })
    .flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const logFile = await openLog(cluster);
  const child = cluster.account.spawn(
    cluster.postgres,
    ['-D', cluster.clusterDir, ...options],
    ['ignore', logFile.fd, logFile.fd],
  );
  let hasEnded = false;
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.once('error', (error) => resolve(error.message));
  }).finally(() => {
    hasEnded = true;
  });
  // The server has its own copy of the descriptor.
  await logFile.close();
  const ready = waitUntilReady(cluster.clusterDir, child.pid, () => hasEnded);
  return { pid: child.pid, ended, ready, signal: (signal) => void child.kill(signal) };
}

async function waitUntilReady(
  clusterDir: string,
  pid: number | undefined,
  hasEnded: () => boolean,
): Promise<boolean> {
  while (!hasEnded()) {
    const written = await readPostmasterFile(clusterDir);
    // A file of an earlier run carries another number.
    if (written?.isReady === true && written.pid === pid) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/** Fast shutdown; after 5 s an immediate one. Resolves when the process is gone. */
export async function endServer(server: Server): Promise<void> {
  const waits = [['SIGINT', FAST_SHUTDOWN_MS], ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS]] as const;
  for (const [signal, waitMs] of waits) {
    server.signal(signal);
    const timer = new AbortController();
    const late = sleep(waitMs, true, { signal: timer.signal }).catch(() => true);
    const isLate = await Promise.race([server.ended.then(() => false), late]);
    timer.abort();
    if (!isLate) return;
  }
  server.signal('SIGKILL');
  await server.ended;
}

/** The last complaints in the server's log, for an error message. */
export async function readComplaints(logPath: string): Promise<string> {
  const text = await readFile(logPath, 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => /FATAL|PANIC|could not|invalid/.test(line));
  return lines.slice(-3).join('\n');
}

// Of the demo's own user and nobody else's to read: messages may quote what clients sent.
async function openLog({ logPath, account }: Cluster) {
  const size = await stat(logPath).then((found) => found.size, () => 0);
  const file = await open(logPath, size > LOG_BYTES_MAX ? 'w' : 'a', 0o600);
  if (account.owner !== null) await chown(logPath, account.owner.uid, account.owner.gid);
  return file;
}
