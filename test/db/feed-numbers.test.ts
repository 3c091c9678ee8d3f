import { describe, expect, it } from 'vitest';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
const CLIENTS = 300;
const EVENTS = 1500;

describe('numbering', () => {
  it('gives the events of many clients their places in the order in which they came', async () => {
    await database().query(`insert into client (client_id, name)
      select 5000 + n, 'C' || n from generate_series(0, $1::int - 1) n`, [CLIENTS]);
    // The order's id tells when the event came; clients take turns without any pattern.
    await database().query(`insert into feed_inbox (client_id, topup_order_id, version)
      select 5000 + (n * 7919) % $1::int, n, 1 from generate_series(1, $2::int) n`,
    [CLIENTS, EVENTS]);

    const moved: number[] = [];
    while (moved.at(-1) !== 0) {
      const [row] = await database().query<{ n: number }>('select number_events(1000) as n');
      moved.push(row?.n ?? 0);
    }

    expect(moved).toEqual([1000, 500, 0]);
    const [told] = await database().query(`select count(*)::int as entries,
        count(distinct client_id)::int as clients, count(distinct place)::int as places,
        count(*) filter (where sequence <> nth)::int as "notInOrder",
        count(*) filter (where place <= before)::int as "placedBefore"
      from (select *, row_number() over feed as nth, lag(place) over feed as before
        from feed_entry window feed as (partition by client_id order by topup_order_id)) f`);
    expect(told).toEqual({
      entries: EVENTS, clients: CLIENTS, places: EVENTS, notInOrder: 0, placedBefore: 0,
    });
    expect(await database().query(`select from feed_position p where p.last_sequence <>
      (select count(*) from feed_entry f where f.client_id = p.client_id)`)).toEqual([]);
    // Entries without events, which no database may be left with.
    await database().query('delete from feed_entry; delete from feed_position');
  });
});
