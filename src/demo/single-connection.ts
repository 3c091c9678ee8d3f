import { Client } from 'pg';

/** A database that takes connections and says nothing would hold the start; milliseconds. */
const CONNECT_MS_MAX = 5000;

/** What is done once takes as long as it takes, whatever the database or the role is set to. */
const TERMS = 'set search_path = public; set statement_timeout = 0; set lock_timeout = 0';

/** One connection for work that is done once; closed after it. */
export async function withSingleConnection<Result>(
  databaseUrl: string,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client({
    connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_MS_MAX,
  });
  // A lost connection also rejects the statement; unheard, the event would end the program.
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query(TERMS);
    return await work(client);
  } finally {
    await client.end();
  }
}
