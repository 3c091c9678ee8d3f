import pg from 'pg';
import { TemporarilyUnavailable } from '../domain/rejection.ts';
import { isConnectionLost, isKnownNotCommitted, READ_TIMEOUT } from './faults.ts';

/**
 * How our statements are read, and in which form we read what they tell, whatever the database or
 * the role is set to.
 */
export const READING_TERMS = '-c search_path=public -c standard_conforming_strings=on'
  + ' -c default_transaction_isolation=read\\ committed -c datestyle=ISO,MDY'
  + ' -c extra_float_digits=1';
/** As PostgreSQL shows the connections that only a running program holds. */
export const PROGRAM_NAMES = {
  pool: 'topup-gateway',
  wakeUps: 'topup-gateway wake-ups',
  reads: 'topup-gateway reads',
  jobs: 'topup-gateway jobs',
} as const;

/** What connections of the pools are bound to: how long what may take before it is ended; ms. */
export const CONNECTION_TERMS = `${READING_TERMS} -c statement_timeout=5000 -c lock_timeout=2000`
  + ' -c idle_in_transaction_session_timeout=10000';

/**
 * An address with settings of a connection. It may have some of its own, beside which the driver
 * would pass ours over; said last, the address's own win.
 */
export function withTerms(
  databaseUrl: string,
  terms: string,
): { readonly connectionString: string; readonly options: string } {
  if (!/[?&]options=/.test(databaseUrl)) return { connectionString: databaseUrl, options: terms };
  const url = new URL(databaseUrl);
  const options = `${terms} ${url.searchParams.get('options') ?? ''}`;
  url.searchParams.set('options', options);
  return { connectionString: url.href, options };
}

const CONNECTION_LIMITS = [
  CONNECTION_TERMS,
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
export const CONNECT_TIMEOUT_MS = 2000;
/**
 * A database that is there ends a statement before this; one that is silent, behind a network that
 * swallows everything, never would. Milliseconds.
 */
export const ANSWER_TIMEOUT_MS = 6000;

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
  /** ANSWER_TIMEOUT_MS by default. */
  readonly answerTimeoutMs?: number;
  readonly onError: (error: Error) => void;
}

/** Connections whose statements are prepared by name and bounded in time. */
export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    ...withTerms(options.databaseUrl, options.isAlongIndexes === true
      ? `${CONNECTION_LIMITS} ${ALONG_INDEXES}`
      : CONNECTION_LIMITS),
    max: options.size,
    types: rowTypes,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS,
    keepAlive: true,
  });
  // A connection that dies while idle is replaced by the next use.
  pool.on('error', options.onError);
  // One that dies in use fails its statement, or the next one; unheard, it would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  endSilentOnes(pool);
  return pool;
}

/** What silenced one connection silenced the idle ones as well: each would cost a wait as long. */
function endSilentOnes(pool: pg.Pool): void {
  const idle = new Set<pg.PoolClient>();
  pool.on('acquire', (client) => idle.delete(client));
  pool.on('remove', (client) => idle.delete(client));
  pool.on('release', (error: unknown, client) => {
    if (error instanceof Error && error.message === READ_TIMEOUT) {
      for (const each of idle) streamOf(each).destroy(error);
      idle.clear();
    } else {
      idle.add(client);
    }
  });
}

/** The driver's own socket; its types do not tell of it. */
function streamOf(client: pg.PoolClient): Stream {
  return (client as unknown as { readonly connection: { readonly stream: Stream } })
    .connection.stream;
}

interface Stream {
  destroy(error: Error): void;
}

/** A connection for several statements; after a fault it is closed, not given back. */
export async function withConnection<Result>(
  pool: pg.Pool,
  use: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let fault: Error | undefined;
  try {
    return await use(client);
  } catch (error) {
    fault = error as Error;
    throw error;
  } finally {
    client.release(fault);
  }
}

/** A restarting database is back within this time, or the caller is told; milliseconds. */
const RETRY_WITHIN_MS = 5000;
const RETRY_PAUSE_MS = 50;

/**
 * A read, or a write that may be repeated, asked again until the database is back.
 * @throws TemporarilyUnavailable where it stays away, or too much is locked
 */
export function askUntilBack<Result>(
  ask: () => Promise<Result>,
  whenLost?: string,
): Promise<Result> {
  // What the last try met says nothing of an earlier one whose answer was lost.
  let wasLost = false;
  const askOnce = () => ask().catch((error: unknown) => {
    wasLost ||= isConnectionLost(error);
    throw error;
  });
  return tellAway(() => repeatUntilKnown(askOnce), whenLost, () => wasLost);
}

/** @throws TemporarilyUnavailable where the database is away, or too much is locked */
export async function tellAway<Result>(
  ask: () => Promise<Result>,
  whenLost = 'The service is restarting, please retry',
  wasLost = () => false,
): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    const isLost = isConnectionLost(error) || (wasLost() && isKnownNotCommitted(error));
    if (!isLost && !isKnownNotCommitted(error)) throw error;
    const words = isLost ? whenLost : 'The service is busy, please retry';
    // The words are for clients; what happened is for the log.
    throw new TemporarilyUnavailable(words, undefined, { cause: error });
  }
}

/**
 * Calls again after a lost connection or a lock that could not be had. Only for calls that may be
 * repeated: each must find out by itself what an earlier one, whose answer was lost, has done.
 */
export async function repeatUntilKnown<Result>(
  call: () => Promise<Result>,
  mayRepeat: (error: unknown) => boolean = () => true,
): Promise<Result> {
  const startedMs = performance.now();
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isPassing = isConnectionLost(error) || isKnownNotCommitted(error);
      const isLate = performance.now() - startedMs > RETRY_WITHIN_MS;
      if (!isPassing || isLate || !mayRepeat(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
    }
  }
}
