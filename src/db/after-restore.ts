import { withSingleConnection } from './single-connection.ts';

/** More orders than any backup can lack: six days at two thousand a second. */
const IDS_SKIPPED = 1_000_000_000;

/**
 * Makes a database that was restored to an earlier moment safe to work on; to be called once, as
 * the owner of the tables, before any worker starts. Answers how many orders will be asked about
 * before anything is sent for them.
 */
export function prepareRestored(ownerDatabaseUrl: string): Promise<number> {
  return withSingleConnection(ownerDatabaseUrl, async (client) => {
    const { rows } = await client.query<{ asked: string }>(
      'select prepare_restored($1) as asked', [IDS_SKIPPED]);
    return Number(rows[0]?.asked);
  });
}
