import type pg from 'pg';
import { notify } from './wake-ups.ts';

const SECONDS_A_DAY = 86_400;

/** Gives up to `limit` committed events their place in the feed; answers how many. */
export async function numberEvents(pool: pg.Pool, limit: number): Promise<number> {
  const { rows } = await pool.query<{ moved: number }>({
    name: 'number_events',
    text: 'select number_events($1) as moved',
    values: [limit],
  });
  const moved = rows[0]?.moved ?? 0;
  // Nobody waits for it: whoever does not hear of it looks by himself, twice a second.
  if (moved > 0) void notify(pool, 'feed').catch(() => undefined);
  return moved;
}

/** Removes up to `limit` places that are older than so many days; answers how many. */
export async function removeFeedPositions(
  pool: pg.Pool,
  keepDays: number,
  limit: number,
): Promise<number> {
  const { rows } = await pool.query<{ removed: number }>({
    name: 'remove_feed_positions',
    text: 'select remove_feed_positions($1, $2) as removed',
    values: [keepDays * SECONDS_A_DAY, limit],
  });
  return rows[0]?.removed ?? 0;
}
