import { once } from 'node:events';
import { mkdir, rm, rmdir, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Held while this program uses the directory. */
export interface DataDirClaim {
  release(): void;
}

/** The message names the program that has the directory. */
export class DataDirInUse extends Error {}

// A program that was just killed holds its socket until the kernel has cleared it away.
const ATTEMPT_COUNT_MAX = 20;
const ATTEMPT_PAUSE_MS = 50;
// A living program answers at once; one that is stopped or very busy is still alive.
const ANSWER_WAIT_MS = 1000;
/** What every system takes as the path of a socket. */
const SOCKET_PATH_BYTES_MAX = 100;

/**
 * Claims a directory for the life of this program. The claim is a listening local socket named
 * after the directory: taking it is atomic, the kernel frees it with the process whatever ended
 * that, and it exists before the database and while the database is down. A second one lies in the
 * directory, for programs of other containers, which see no name of this one's network.
 * @throws DataDirInUse
 */
export async function claimDataDir(dataDir: string): Promise<DataDirClaim> {
  const server = await claim(await socketAddress(dataDir), dataDir);
  const within = await claimWithin(dataDir).catch((error: unknown) => {
    server.close();
    throw error;
  });
  return {
    release() {
      server.close();
      within?.close();
    },
  };
}

async function claim(address: string, dataDir: string): Promise<Server> {
  for (let attempt = 1; attempt <= ATTEMPT_COUNT_MAX; attempt += 1) {
    const server = await listen(address);
    if (server !== null) return server;
    const holder = await askHolder(address);
    if (holder !== null) throw inUse(dataDir, holder);
    // A socket file outlives its program, unlike the names that Linux and Windows keep in memory.
    if (isFile(address)) await removeLeftSocket(address, attempt === ATTEMPT_COUNT_MAX / 2);
    await sleep(ATTEMPT_PAUSE_MS);
  }
  throw new Error(`${dataDir} cannot be claimed: ${address.replace('\0', '@')} stays occupied.`);
}

/**
 * By a file of the directory. Null where it holds no sockets: not every file system does, nor under
 * a long path. @throws DataDirInUse
 */
export async function claimWithin(dataDir: string): Promise<Server | null> {
  const address = join(dataDir, '.claim.sock');
  if (process.platform === 'win32' || Buffer.byteLength(address) > SOCKET_PATH_BYTES_MAX) {
    return null;
  }
  return claim(address, dataDir).catch((error: unknown) => {
    if (error instanceof DataDirInUse) throw error;
    return null;
  });
}

/**
 * One start at a time removes what a killed program left: another one's would be removed with it
 * otherwise. `isLast`: nobody has come to the end of it for so long that it was killed in it.
 */
async function removeLeftSocket(address: string, isLast: boolean): Promise<void> {
  const lock = `${address}.lock`;
  try {
    await mkdir(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (isLast) await rmdir(lock).catch(() => undefined);
    return;
  }
  if (await askHolder(address) === null) await rm(address, { force: true });
  await rmdir(lock).catch(() => undefined);
}

function inUse(dataDir: string, holder: string): DataDirInUse {
  return new DataDirInUse(
    `${dataDir} is in use by another running program (${holder}). Stop that one, or give this `
      + 'one its own DATA_DIR and PORT.',
  );
}

// Device and inode: the same directory has the same name however its path is written.
async function socketAddress(dataDir: string): Promise<string> {
  const { dev, ino } = await stat(dataDir, { bigint: true });
  const name = `topup-gateway-${dev}-${ino}`;
  if (process.platform === 'linux') return `\0${name}`;
  if (process.platform === 'win32') return `\\\\?\\pipe\\${name}`;
  return join(tmpdir(), `${name}.sock`);
}

function isFile(address: string): boolean {
  return address.startsWith('/');
}

async function listen(address: string): Promise<Server | null> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.unref();
    socket.end(`process ${process.pid}`);
  });
  // Other users may ask whether somebody is there.
  server.listen({ path: address, readableAll: isFile(address), writableAll: isFile(address) });
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return null;
    throw error;
  }
  server.unref();
  return server;
}

/** Null where nobody listens any more. */
async function askHolder(address: string): Promise<string | null> {
  const socket = connect(address);
  socket.setEncoding('utf8');
  const answered = new Promise<string | null>((resolve) => {
    socket.once('data', (text) => resolve(String(text)));
    // Of another user, who alone may ask.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EACCES' ? 'of another user' : null));
    socket.once('close', () => resolve(null));
  });
  const silent = sleep(ANSWER_WAIT_MS, 'it does not answer', { ref: false });
  const holder = await Promise.race([answered, silent]);
  socket.destroy();
  return holder;
}
