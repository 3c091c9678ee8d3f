import { PROGRAM_NAMES } from './pool.ts';
import { withSingleConnection } from './single-connection.ts';

/** More orders than any backup can lack: six days at two thousand a second. */
const IDS_SKIPPED = 1_000_000_000;

/** Since a moment before the first restore: another number each time that one is restored. */
const SECONDS = `extract(epoch from clock_timestamp() - '2026-01-01Z'::timestamptz)`;

// A backup that is restored a second time must not give the numbers of the first time again: what
// is skipped grows faster than orders are placed, by a million a second.
const PREPARE =
  `select prepare_restored($1 + floor(${SECONDS} * 1000000)::bigint) as asked`;

// Who had logged out or was thrown out since the backup must not come back with it. The step is
// more generations than a client can have used up, and another one in each second.
const END_TOKENS = `
  with ended as (delete from token_family)
  insert into token_generation as g (client_id, generation)
    select client_id, 1 + s.step from client
      cross join (select floor(${SECONDS})::int as step) s
    on conflict (client_id) do update set generation = g.generation + excluded.generation`;

// In a cluster that is younger in transactions, as after a logical dump, what is stored as one to
// come might never come.
const SETTLE_HORIZONS = `update order_horizon
  set settles_at = pg_snapshot_xmax(pg_current_snapshot())
  where settles_at > pg_snapshot_xmax(pg_current_snapshot())`;

const COUNT_PROGRAMS = `select count(*)::int as count from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()
    and application_name = any($1)`;

/**
 * Makes a database that was restored to an earlier moment safe to work on; to be called once, as
 * the owner of the tables, before any worker starts. Answers how many orders will be asked about
 * before anything is sent for them; null, and nothing was done, where a program is connected.
 */
export function prepareRestored(ownerDatabaseUrl: string): Promise<number | null> {
  return withSingleConnection(ownerDatabaseUrl, async (client) => {
    const { rows: [programs] } = await client.query<{ count: number }>(
      COUNT_PROGRAMS, [Object.values(PROGRAM_NAMES)]);
    if (programs?.count !== 0) return null;
    await client.query(END_TOKENS);
    await client.query(SETTLE_HORIZONS);
    const { rows } = await client.query<{ asked: string }>(PREPARE, [IDS_SKIPPED]);
    return Number(rows[0]?.asked);
  });
}
