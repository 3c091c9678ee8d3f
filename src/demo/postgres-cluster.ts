import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { chooseServerAccount, type ServerAccount } from './postgres-account.ts';
import { findPostgresBinaries } from './postgres-binaries.ts';
import { stopLeftovers } from './postgres-leftovers.ts';

/** An initialised cluster and how to run it. */
export interface Cluster {
  readonly clusterDir: string;
  readonly logPath: string;
  readonly portPath: string;
  readonly postgres: string;
  readonly account: ServerAccount;
}

interface ClusterOptions {
  readonly dataDir: string;
  readonly superuserPassword: string;
  readonly log: (message: string) => void;
  readonly whileWaiting?: () => void;
  readonly stopping?: AbortSignal;
}

const MAJOR_VERSION = '18';
const STAGE_PREFIX = 'postgres-new-';

/**
 * Opens the cluster in `<dataDir>/postgres`; makes it first where there is none. It is made in a
 * directory beside and renamed when complete, so that an interrupted start leaves nothing that
 * looks like a cluster.
 */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const { dataDir, log } = options;
  const clusterDir = join(dataDir, 'postgres');
  const { initdb, postgres } = await findPostgresBinaries();
  const account = await chooseServerAccount({ dataDir, clusterDir, postgres });
  const paths = {
    logPath: join(dataDir, 'postgres.log'),
    portPath: join(dataDir, 'postgres.port'),
  };
  const cluster = { clusterDir, postgres, account, ...paths };
  await removeStages(dataDir);
  const version = await readFile(join(clusterDir, 'PG_VERSION'), 'utf8').catch(() => null);
  if (version === null) {
    log('Creating the PostgreSQL cluster');
    await createCluster(cluster, initdb, options);
  } else if (version.trim() !== MAJOR_VERSION) {
    throw new Error(
      `${clusterDir} is of PostgreSQL ${version.trim()}, this is ${MAJOR_VERSION}. Begin anew with `
        + 'npm run demo:reset, or choose another DATA_DIR.',
    );
  }
  return cluster;
}

async function removeStages(dataDir: string): Promise<void> {
  const names = await readdir(dataDir);
  await Promise.all(names.filter((name) => name.startsWith(STAGE_PREFIX)).map(async (name) => {
    const stage = join(dataDir, name);
    // The initdb of a killed program may still be at work there.
    await stopLeftovers(join(stage, 'cluster'), () => {});
    await rm(stage, { recursive: true, force: true, maxRetries: 10 });
  }));
}

async function createCluster(
  cluster: Cluster,
  initdb: string,
  options: ClusterOptions,
): Promise<void> {
  const stage = await mkdtemp(join(options.dataDir, STAGE_PREFIX));
  try {
    const stagedDir = join(stage, 'cluster');
    const passwordPath = join(stage, 'password');
    await mkdir(stagedDir, { mode: 0o700 });
    await writeFile(passwordPath, options.superuserPassword, { mode: 0o600 });
    await give(cluster.account, [stage, stagedDir, passwordPath]);
    await runInitdb(cluster.account, initdb, [
      '-D', stagedDir, '-U', 'postgres', `--pwfile=${passwordPath}`, '--auth=scram-sha-256',
      // The C of the operating system exists everywhere; what sorts is the built-in C.UTF-8.
      '--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8',
      // A young cluster makes each segment of its log anew, and whoever commits waits for it: the
      // less, the smaller it is. 16 megabytes are usual.
      '--wal-segsize=4',
    ], options);
    await rename(stagedDir, cluster.clusterDir).catch((error: unknown) => {
      throw new Error(
        `${cluster.clusterDir} exists but is no PostgreSQL cluster. Remove it, or choose another `
          + 'DATA_DIR.',
        { cause: error },
      );
    });
  } finally {
    await rm(stage, { recursive: true, force: true, maxRetries: 10 });
  }
}

async function give(account: ServerAccount, paths: readonly string[]): Promise<void> {
  const { owner } = account;
  if (owner === null) return;
  await Promise.all(paths.map((path) => chown(path, owner.uid, owner.gid)));
}

/** Nothing of it is kept, and a server that it started would go on writing there. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

async function runInitdb(
  account: ServerAccount,
  initdb: string,
  args: readonly string[],
  { whileWaiting, stopping }: ClusterOptions,
): Promise<void> {
  stopping?.throwIfAborted();
  // It gives its own path to a shell, between quotation marks.
  if (/["$`\\]/.test(initdb)) {
    throw new Error('PostgreSQL makes no cluster in a clone whose path has one of " $ ` \\: move '
      + `the clone, or set DATABASE_URL. It is ${initdb}`);
  }
  const child = account.spawn(initdb, args, ['ignore', 'ignore', 'pipe']);
  if (child.stderr === null) throw new Error('initdb was started without its error output');
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const kill = (): void => endGroup(child);
  stopping?.addEventListener('abort', kill);
  whileWaiting?.();
  const [errors, [code]] = await Promise.all([text(child.stderr), exit])
    .finally(() => stopping?.removeEventListener('abort', kill));
  stopping?.throwIfAborted();
  if (code !== 0) {
    throw new Error(
      `The PostgreSQL cluster cannot be created here. Start as another user, choose another `
        + `DATA_DIR, or set DATABASE_URL. initdb ended with ${code}: ${errors.trim()}`,
    );
  }
}
