import { execFile } from 'node:child_process';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

// A fast shutdown writes a checkpoint; whoever needs longer is cut off and recovers from the log.
const FAST_SHUTDOWN_MS = 5000;
const IMMEDIATE_SHUTDOWN_MS = 3000;
const POLL_MS = 20;

/**
 * Ends whatever still runs in a cluster's directory after its program was killed: the server with
 * a fast shutdown, or, when the server itself was killed, its children, which would keep the
 * shared memory occupied. Removes a lock file that names a process which is not this server.
 */
export async function stopLeftovers(
  clusterDir: string,
  log: (message: string) => void,
): Promise<void> {
  const pid = (await readPostmasterFile(clusterDir))?.pid;
  const running = await findServerPids(clusterDir);
  if (pid !== undefined && running.includes(pid)) {
    log(`Stopping the PostgreSQL that was left running (process ${pid})`);
    await end(clusterDir, [pid], ['SIGINT', 'SIGQUIT', 'SIGKILL']);
  }
  await end(clusterDir, await findServerPids(clusterDir), ['SIGQUIT', 'SIGKILL']);
  // The number may have gone to a stranger by now, at which PostgreSQL would refuse to start.
  await rm(join(clusterDir, 'postmaster.pid'), { force: true });
}

/** What the running server wrote about itself; null where there is no such file. */
export async function readPostmasterFile(
  clusterDir: string,
): Promise<{ pid: number; port: number; isReady: boolean } | null> {
  const text = await readFile(join(clusterDir, 'postmaster.pid'), 'utf8').catch(() => null);
  if (text === null) return null;
  const lines = text.split('\n');
  const isReady = lines[7]?.trim() === 'ready';
  return { pid: Number(lines[0]), port: Number(lines[3]), isReady };
}

async function end(
  clusterDir: string,
  pids: readonly number[],
  signals: readonly NodeJS.Signals[],
): Promise<void> {
  for (const signal of signals) {
    // Looked up again before each signal: a freed number could be somebody else's by now.
    const living = (await findServerPids(clusterDir)).filter((pid) => pids.includes(pid));
    if (living.length === 0) return;
    for (const pid of living) send(pid, signal);
    const waitMs = signal === 'SIGINT' ? FAST_SHUTDOWN_MS : IMMEDIATE_SHUTDOWN_MS;
    const giveUpAt = performance.now() + waitMs;
    while (performance.now() < giveUpAt) {
      const left = await findServerPids(clusterDir);
      if (!left.some((pid) => pids.includes(pid))) return;
      await sleep(POLL_MS);
    }
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Server processes that work in this very directory; elsewhere than on Linux only postmasters. */
async function findServerPids(clusterDir: string): Promise<number[]> {
  if (process.platform === 'win32') return [];
  if (process.platform !== 'linux') return findByCommand(clusterDir);
  // By what it is, not by its name: a container, a mount or a link gives it another one.
  const home = await identityOf(clusterDir);
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(names.map(async (name) => {
    try {
      // First: where another one works may be a file system that does not answer any more.
      const command = await readFile(`/proc/${name}/comm`, 'utf8');
      if (home === null || command.trim() !== 'postgres') return null;
      // Every process of a server has the cluster as its working directory.
      return await identityOf(`/proc/${name}/cwd`) === home ? Number(name) : null;
    } catch {
      // It has ended meanwhile, or is another user's.
      return null;
    }
  }));
  return found.filter((pid) => pid !== null);
}

async function identityOf(path: string): Promise<string | null> {
  const file = await stat(path, { bigint: true }).catch(() => null);
  return file && `${file.dev}:${file.ino}`;
}

async function findByCommand(clusterDir: string): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,command=']);
  return stdout.split('\n')
    .filter((line) => line.includes('postgres') && line.includes(` -D ${clusterDir} `))
    .map((line) => Number.parseInt(line, 10));
}
