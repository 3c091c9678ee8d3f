import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';

/** Who runs the server: the caller, or an unprivileged user where the caller is root. */
export interface ServerAccount {
  /** To whom the server's files must belong; null where that is the caller anyway. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  /** Starts a program as this account, in a process group of its own. */
  spawn(program: string, args: readonly string[], stdio: StdioOptions): ChildProcess;
}

// `nobody` on every common system.
const UNPRIVILEGED_ID = 65_534;

// A secret in the caller's environment does not reach the server, nor does a PG* variable. Windows
// cannot start programs without its own variables.
const ENVIRONMENT = process.platform === 'win32'
  ? {}
  : { env: { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', TZ: 'UTC' } };

/**
 * Chooses the account. PostgreSQL refuses to run as root; then the owner of the directories is
 * taken (who can start the program without root next time), or else `nobody`.
 * @throws Error with a way out where no such account can run the server
 */
export async function chooseServerAccount(options: {
  dataDir: string;
  clusterDir: string;
  postgres: string;
}): Promise<ServerAccount> {
  const ownUid = process.getuid?.();
  const clusterOwner = await ownerOf(options.clusterDir);
  if (ownUid !== 0) {
    if (ownUid !== undefined && clusterOwner !== null && clusterOwner.uid !== ownUid) {
      throw new Error(
        `${options.clusterDir} belongs to another user (uid ${clusterOwner.uid}). Start as that `
          + 'user or as root, or choose another DATA_DIR.',
      );
    }
    return { owner: null, spawn: (program, args, stdio) => start(program, args, { stdio }) };
  }
  const owners = unlessRoot(clusterOwner) ?? [
    ...(unlessRoot(await ownerOf(options.dataDir)) ?? []),
    { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID },
  ];
  for (const account of owners.flatMap((owner) => [withTraversal(owner), plain(owner)])) {
    if (await canRun(account, options)) return account;
  }
  throw new Error(
    `PostgreSQL does not run as root, and user ${owners.at(-1)?.uid} cannot reach `
      + `${options.dataDir}. Start as another user, install setpriv (util-linux), choose a `
      + 'DATA_DIR that all users can enter, or set DATABASE_URL.',
  );
}

function ownerOf(path: string): Promise<{ uid: number; gid: number } | null> {
  return stat(path).then(({ uid, gid }) => ({ uid, gid }), () => null);
}

function unlessRoot(owner: { uid: number; gid: number } | null) {
  return owner === null || owner.uid === 0 ? null : [owner];
}

// The tree may lie below a directory that only root may enter. This one capability lets the server
// through it; the securebit keeps it over the change of user.
function withTraversal(owner: { uid: number; gid: number }): ServerAccount {
  const wrapping = [
    `--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups',
    '--inh-caps=-all,+dac_override', '--ambient-caps=-all,+dac_override',
    '--securebits', '+no_setuid_fixup',
  ];
  return {
    owner,
    spawn: (program, args, stdio) =>
      start('setpriv', [...wrapping, program, ...args], { stdio }),
  };
}

function plain(owner: { uid: number; gid: number }): ServerAccount {
  return { owner, spawn: (program, args, stdio) => start(program, args, { stdio, ...owner }) };
}

// In a process group of its own: Ctrl-C at the terminal reaches the program, which stops the
// server in order.
function start(
  program: string,
  args: readonly string[],
  options: { stdio: StdioOptions; uid?: number; gid?: number },
): ChildProcess {
  return spawn(program, args, { ...options, ...ENVIRONMENT, detached: true, windowsHide: true });
}

async function canRun(
  account: ServerAccount,
  { postgres, dataDir }: { postgres: string; dataDir: string },
): Promise<boolean> {
  return await succeeds(account, postgres, ['--version'])
    && await succeeds(account, 'test', ['-x', dataDir])
    // initdb insists on a user that has a name.
    && succeeds(account, 'id', ['-un']);
}

async function succeeds(
  account: ServerAccount,
  program: string,
  args: readonly string[],
): Promise<boolean> {
  try {
    const [code] = (await once(account.spawn(program, args, 'ignore'), 'exit')) as [number | null];
    return code === 0;
  } catch {
    // The program does not exist here.
    return false;
  }
}
