import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'pg';

import { createSandboxBook } from './sandbox-book.ts';
import { registerGateway, removeGateway, sendDueCallbacks } from './sandbox-callbacks.ts';
import { createSandboxListener } from './sandbox-http.ts';
import { startSandboxLoop, type SandboxLoop } from './sandbox-loop.ts';
import { readLogPage } from './sandbox-orders.ts';

export interface SandboxSupplierOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** As a role that createSandboxSchema has granted the schema to. */
  readonly databaseUrl: string;
  /** By supplier code: signs requests and callbacks alike. */
  readonly signingKeys: Readonly<Record<string, string>>;
  /** Where this process's gateway takes callbacks; null where it has none. */
  readonly callbackBaseUrl: string | null;
  /** All delays of the behaviours are multiplied by it; 1 by default. */
  readonly delayScale?: number;
  readonly log: (message: string) => void;
}

/** A running sandbox supplier. */
export interface SandboxSupplier {
  readonly url: string;
  readonly port: number;
  /** Idempotent; calls under way get a moment to end. */
  close(): Promise<void>;
}

const POOL_SIZE = 8;
const HEARTBEAT_MS = 1_000;
const LOG_PAGE_LINES = 2_000;
const CLOSE_GRACE_MS = 500;

/**
 * Starts the demo's supplier: a company of its own behind HTTP. All its state is in the database,
 * so that all processes over one database answer as one supplier and none is missed when killed.
 * @throws Error where the port is taken or the database cannot be used
 */
export async function startSandboxSupplier(
  options: SandboxSupplierOptions,
): Promise<SandboxSupplier> {
  const { log, delayScale = 1, callbackBaseUrl } = options;
  const signingKeys = new Map(Object.entries(options.signingKeys));
  const pool = openPool(options);
  const clock = createDatabaseClock(pool);
  const loops: SandboxLoop[] = [];
  const onLater = (): void => loops.forEach((loop) => loop.wake());
  const book = createSandboxBook({ pool, delayScale, nowMs: clock.nowMs, onLater });
  const server = createServer(createSandboxListener({
    book,
    signingKeys,
    nowMs: clock.nowMs,
    readLogPage: (afterId, reference) =>
      readLogPage(pool, { afterId, reference, limit: LOG_PAGE_LINES }),
    log,
  }));
  try {
    await clock.set();
    if (callbackBaseUrl !== null) await registerGateway(pool, callbackBaseUrl);
    server.listen(options.port, options.host);
    await once(server, 'listening');
  } catch (error) {
    await pool.end();
    throw error;
  }
  loops.push(
    startSandboxLoop({ delayScale, log, runOnce: () => book.takeDueSteps() }),
    startSandboxLoop({
      delayScale,
      log,
      runOnce: (signal) => sendDueCallbacks({
        pool, signingKeys, nowMs: clock.nowMs, delayScale, signal, onLater,
      }),
    }),
  );
  const heartbeat = startHeartbeat(async () => {
    await clock.set();
    if (callbackBaseUrl !== null) await registerGateway(pool, callbackBaseUrl);
  });
  const { port } = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await Promise.all([closeServer(server), heartbeat.stop(), ...loops.map((loop) => loop.stop())]);
    if (callbackBaseUrl !== null) await removeGateway(pool, callbackBaseUrl).catch(() => {});
    await pool.end();
  };
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, port, close: () => (closed ??= close()) };
}

function openPool(options: SandboxSupplierOptions): Pool {
  const pool = new Pool({
    connectionString: options.databaseUrl,
    max: POOL_SIZE,
    application_name: 'sandbox-supplier',
    // Statements are prepared, some before their tables have any rows worth an index; the clock is
    // read in fractions.
    options: '-c enable_seqscan=off -c enable_sort=off -c extra_float_digits=1',
    statement_timeout: 10_000,
    connectionTimeoutMillis: 5_000,
  });
  // An idle connection that is lost is replaced; without a listener it would end the program.
  pool.on('error', (error) => options.log(`The sandbox supplier lost a connection: ${error}`));
  return pool;
}

interface DatabaseClock {
  /** Milliseconds since the epoch, by the database's clock as of the last `set`. */
  nowMs(): number;
  set(): Promise<void>;
}

/** One clock for all processes of a database, the time of the signatures included. */
function createDatabaseClock(pool: Pool): DatabaseClock {
  let aheadMs = 0;
  return {
    nowMs: () => performance.now() + aheadMs,
    async set() {
      const { rows } = await pool.query<{ ms: number }>(
        'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
      );
      aheadMs = (rows[0]?.ms ?? 0) - performance.now();
    },
  };
}

function startHeartbeat(beat: () => Promise<void>): { stop(): Promise<void> } {
  let beating = Promise.resolve();
  // A beat that fails is one of many; the loops report a database that is away.
  const timer = setInterval(() => {
    beating = beating.then(beat).catch(() => {});
  }, HEARTBEAT_MS);
  return {
    async stop() {
      clearInterval(timer);
      await beating;
    },
  };
}

async function closeServer(server: Server): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(cut);
}
