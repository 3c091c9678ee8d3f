import pg from 'pg';
import { READING_TERMS, withTerms } from './pool.ts';

/** What is done once takes as long as it takes, whatever the database or the role is set to. */
const COMMAND_TERMS = `${READING_TERMS} -c statement_timeout=0 -c lock_timeout=0`
  + ' -c idle_in_transaction_session_timeout=0 -c jit=off';
/** Servers before 17 do not know it, and would refuse it as a term. The address's own holds. */
const LIFT_TRANSACTION_TIMEOUT = `select set_config(name, '0', false) from pg_settings
  where name = 'transaction_timeout' and source <> 'client'`;

/**
 * A database that takes connections and says nothing would hold whoever waits. Longer than a
 * request waits: nobody asks again for what is done once. Milliseconds.
 */
const CONNECT_MS_MAX = 5000;

/** One connection for work that is done once; closed after it. */
export async function withSingleConnection<Result>(
  databaseUrl: string,
  work: (client: pg.Client) => Promise<Result>,
  { applicationName = 'topup-gateway command', options }: {
    readonly applicationName?: string;
    /** Settings of the connection, as PostgreSQL takes them when it begins; else no time limits. */
    readonly options?: string;
  } = {},
): Promise<Result> {
  const client = new pg.Client({
    ...withTerms(databaseUrl, options ?? COMMAND_TERMS),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_MS_MAX,
  });
  // A lost connection also rejects the statement; unheard, the event would end the program.
  client.on('error', () => {});
  await client.connect().catch((error: unknown) => {
    // What the driver refuses by itself, as an address without a password, leaves the line open.
    void client.end().catch(() => {});
    throw error;
  });
  try {
    if (options === undefined) await client.query(LIFT_TRANSACTION_TIMEOUT);
    return await work(client);
  } finally {
    await client.end();
  }
}
