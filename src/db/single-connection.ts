import pg from 'pg';
import { READING_TERMS, withTerms } from './pool.ts';

/** What is done once takes as long as it takes, whatever the database or the role is set to. */
const COMMAND_TERMS = `${READING_TERMS} -c statement_timeout=0 -c jit=off`;

/**
 * A database that takes connections and says nothing would hold whoever waits. Longer than a
 * request waits: nobody asks again for what is done once. Milliseconds.
 */
const CONNECT_MS_MAX = 5000;

/** One connection for work that is done once; closed after it. */
export async function withSingleConnection<Result>(
  databaseUrl: string,
  work: (client: pg.Client) => Promise<Result>,
  { applicationName = 'topup-gateway command', options = COMMAND_TERMS }: {
    readonly applicationName?: string;
    /** Settings of the connection, as PostgreSQL takes them when it begins. */
    readonly options?: string;
  } = {},
): Promise<Result> {
  const client = new pg.Client({
    ...withTerms(databaseUrl, options),
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
    return await work(client);
  } finally {
    await client.end();
  }
}
