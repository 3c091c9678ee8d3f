import { Client } from 'pg';

/** A database that takes connections and says nothing would hold the start; milliseconds. */
const CONNECT_MS_MAX = 5000;

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
    return await work(client);
  } finally {
    await client.end();
  }
}
