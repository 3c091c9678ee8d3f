import { withSingleConnection } from './single-connection.ts';

/** More orders than any backup can lack: six days at two thousand a second. */
const IDS_SKIPPED = 1_000_000_000;

// A backup that is restored a second time must not give the numbers of the first time again: what
// is skipped grows faster than orders are placed, by a million a second.
const PREPARE = `select prepare_restored($1 + floor(extract(epoch from
  clock_timestamp() - '2026-01-01Z'::timestamptz) * 1000000)::bigint) as asked`;

/**
 * Makes a database that was restored to an earlier moment safe to work on; to be called once, as
 * the owner of the tables, before any worker starts. Answers how many orders will be asked about
 * before anything is sent for them.
 */
export function prepareRestored(ownerDatabaseUrl: string): Promise<number> {
  return withSingleConnection(ownerDatabaseUrl, async (client) => {
    const { rows } = await client.query<{ asked: string }>(PREPARE, [IDS_SKIPPED]);
    return Number(rows[0]?.asked);
  });
}
