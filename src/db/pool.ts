import pg from 'pg';
import { TemporarilyUnavailable } from '../domain/rejection.ts';

/** What a connection may take before the database ends it; milliseconds. */
const CONNECTION_LIMITS = [
  '-c statement_timeout=5000',
  '-c lock_timeout=2000',
  '-c idle_in_transaction_session_timeout=10000',
  // Compiling a statement takes longer than any of ours should run.
  '-c jit=off',
  // Plans are kept, some from when a table was a page or two: read whole, it is read whole for as
  // long as it grows. Seen: 5 ms instead of 0.1 ms to read the events of one commit.
  '-c enable_seqscan=off',
].join(' ');

/**
 * Lists are long, and plans are kept, some from when the tables were empty: only what goes along an
 * index is allowed to them. Seen without it: a count that read a million rows, half a second.
 */
const ALONG_INDEXES = ['bitmapscan', 'sort', 'hashjoin', 'mergejoin']
  .map((way) => `-c enable_${way}=off`).join(' ');

/** How long a caller waits for a free connection before it is told to come back; milliseconds. */
const CONNECT_TIMEOUT_MS = 2000;

const INT8_OID = 20;

/** Raw rows bypass the ORM's types: ids become integers here, numerics stay exact text. */
const rowTypes = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8_OID) return (text: string) => safeInteger(text);
    return pg.types.getTypeParser(oid, format as 'text');
  },
} as pg.CustomTypesConfig;

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error('An integer of the database is beyond 2^53');
  return value;
}

export interface PoolOptions {
  readonly databaseUrl: string;
  readonly size: number;
  readonly applicationName: string;
  /** For statements whose plans must not depend on how long the tables are. */
  readonly isAlongIndexes?: boolean;
  readonly onError: (error: Error) => void;
}

/** Connections whose statements are prepared by name and bounded in time. */
export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.databaseUrl,
    max: options.size,
    types: rowTypes,
    options: options.isAlongIndexes === true
      ? `${CONNECTION_LIMITS} ${ALONG_INDEXES}`
      : CONNECTION_LIMITS,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  // A connection that dies while idle is replaced by the next use.
  pool.on('error', options.onError);
  return pool;
}

// Connection exceptions and shutdowns of the server; faults of the socket; words of the driver.
const LOST_CODE = /^(08...|57P0.|ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT)$/;
const LOST_MESSAGE =
  /Connection terminated|timeout exceeded when trying to connect|not queryable|Query read timeout/;

/** The commit's fate is unknown: the connection ended before the answer came. */
export function isConnectionLost(error: unknown): boolean {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown };
  // Whatever is fatal to a connection ends it: too many of them, a database that lets nobody in.
  if (severity === 'FATAL') return true;
  if (typeof code === 'string') return LOST_CODE.test(code);
  return error instanceof Error && LOST_MESSAGE.test(error.message);
}

/** Known not committed: serialization failure, deadlock, lock timeout. */
export function isKnownNotCommitted(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === '40001' || code === '40P01' || code === '55P03';
}

/** What a caller is told to wait for a database that stays away. */
const RETRY_AFTER_MS = 1000;
/** A restarting database is back within this time, or the caller is told; milliseconds. */
const RETRY_WITHIN_MS = 5000;
const RETRY_PAUSE_MS = 50;

/**
 * A read, asked again until the database is back.
 * @throws TemporarilyUnavailable where it stays away
 */
export function readUntilBack<Result>(read: () => Promise<Result>): Promise<Result> {
  return tellAway(() => repeatUntilKnown(read));
}

/** @throws TemporarilyUnavailable where the database is away */
export async function tellAway<Result>(read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (!isConnectionLost(error)) throw error;
    throw new TemporarilyUnavailable('The service is restarting, please retry', RETRY_AFTER_MS);
  }
}

/**
 * Calls again after a lost connection or a lock that could not be had. Only for calls that may be
 * repeated: each must find out by itself what an earlier one, whose answer was lost, has done.
 */
export async function repeatUntilKnown<Result>(call: () => Promise<Result>): Promise<Result> {
  const startedMs = performance.now();
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isPassing = isConnectionLost(error) || isKnownNotCommitted(error);
      if (!isPassing || performance.now() - startedMs > RETRY_WITHIN_MS) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
    }
  }
}
