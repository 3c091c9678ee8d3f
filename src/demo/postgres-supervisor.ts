import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Cluster } from './postgres-cluster.ts';
import { stopLeftovers } from './postgres-leftovers.ts';
import { endServer, launchServer, readComplaints, type Server } from './postgres-server.ts';

/** A server that is started again when it dies. */
export interface SupervisedServer {
  readonly port: number;
  /** Idempotent; resolves when the server is gone. */
  stop(): Promise<void>;
}

interface SupervisorOptions {
  readonly settings: Readonly<Record<string, string>>;
  readonly log: (message: string) => void;
  readonly whileWaiting: () => void;
}

// Killed servers leave children behind that hold the shared memory for a moment.
const BRING_UP_MS = 8000;
const RETRY_PAUSE_MS = 200;
const RESTART_PAUSE_MS_MAX = 5000;
// Below the ports that systems hand out for outgoing connections: there, a client that tries to
// reconnect to the stopped server can be given the server's own port, and then occupies it.
const PORT_MIN = 15_432;
const PORT_MAX = 32_000;
const PORT_TRY_COUNT_MAX = 50;

/**
 * Starts the server on the port it had last time, or on another free one, and keeps it running on
 * that port until stopped.
 * @throws Error with the server's complaints where it cannot be started
 */
export async function superviseServer(
  cluster: Cluster,
  { settings, log, whileWaiting }: SupervisorOptions,
): Promise<SupervisedServer> {
  const stopping = new AbortController();
  const isStopping = () => stopping.signal.aborted;
  const pause = (ms: number) => sleep(ms, undefined, stopping).catch(() => {});
  let server: Server | undefined;

  /** The port; null where the server did not come up, or is no longer wanted. */
  const bringUp = async (choosePort: () => Promise<number>): Promise<number | null> => {
    const giveUpAt = performance.now() + BRING_UP_MS;
    while (!isStopping()) {
      await stopLeftovers(cluster.clusterDir, log);
      const port = await choosePort();
      server = await launchServer(cluster, { ...settings, port: String(port) });
      whileWaiting();
      // Stopped while the server was being launched: stop() has not seen this one.
      if (isStopping()) await endServer(server);
      if (await server.ready) return port;
      if (performance.now() > giveUpAt) return null;
      await pause(RETRY_PAUSE_MS);
    }
    return null;
  };

  const port = await bringUp(() => choosePort(cluster.portPath));
  if (port === null) {
    const complaints = await readComplaints(cluster.logPath);
    throw new Error(`PostgreSQL does not start; see ${cluster.logPath}\n${complaints}`);
  }
  try {
    await rememberPort(cluster.portPath, port);
  } catch (error) {
    // Nobody would know of a server that nobody can find again.
    stopping.abort();
    if (server !== undefined) await endServer(server);
    throw error;
  }

  const watch = async (): Promise<void> => {
    let pauseMs = RETRY_PAUSE_MS;
    for (;;) {
      const reason = await server?.ended;
      if (isStopping()) return;
      log(`PostgreSQL ended unexpectedly (${reason}); starting it again`);
      const restarted = await bringUp(() => Promise.resolve(port)).catch((error: unknown) => {
        log(`PostgreSQL could not be started again: ${String(error)}`);
        return null;
      });
      if (isStopping()) return;
      log(restarted === null ? 'PostgreSQL is still down' : 'PostgreSQL is up again');
      pauseMs = restarted === null ? Math.min(pauseMs * 2, RESTART_PAUSE_MS_MAX) : RETRY_PAUSE_MS;
      if (restarted === null) await pause(pauseMs);
    }
  };
  const watching = watch();

  // Whatever ends the program: the server is asked to stop, though nobody waits for it any more.
  const onExit = () => server?.signal('SIGINT');
  process.once('exit', onExit);
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    stopping.abort();
    if (server !== undefined) await endServer(server);
    await watching;
    process.off('exit', onExit);
  };
  return { port, stop: () => (stopped ??= stop()) };
}

async function choosePort(portPath: string): Promise<number> {
  const remembered = Number(await readFile(portPath, 'utf8').catch(() => ''));
  if (remembered > 0 && await isFree(remembered)) return remembered;
  for (let count = 0; count < PORT_TRY_COUNT_MAX; count += 1) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port between ${PORT_MIN} and ${PORT_MAX} for PostgreSQL`);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen({ port, host: '127.0.0.1', exclusive: true });
    await once(probe, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    if (probe.listening) await new Promise((resolve) => probe.close(resolve));
  }
}

async function rememberPort(portPath: string, port: number): Promise<void> {
  await writeFile(`${portPath}.new`, `${port}\n`);
  await rename(`${portPath}.new`, portPath);
}
