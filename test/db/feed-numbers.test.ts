import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { untilWaiting, useTestDatabase } from '../support/database.ts';
import { placeOrders } from '../support/feed-writers.ts';

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

describe('removal of what is older than a month', () => {
  const number = () => database().query('select number_events(1000)');
  const remove = async (): Promise<number | undefined> => (await database().query<{ n: number }>(
    'select remove_feed_positions(30 * 86400, 100) as n'))[0]?.n;
  const age = (which: string) => database().query(`with aged as (
      update feed_entry set entered_at = now() - interval '31 days'
        where client_id = 1 and ${which} returning client_id)
    update feed_position set kept_since = now() - interval '31 days'
      where client_id in (select client_id from aged)`);

  it('makes no hole behind an event that was entered before the clock was set back', async () => {
    await placeOrders(database(), 1, 4);
    await number();
    await age('sequence <> 2');
    expect([await remove(), await remove()]).toEqual([1, 0]);
    expect(await database().query('select sequence from feed_entry order by sequence'))
      .toEqual([{ sequence: '2' }, { sequence: '3' }, { sequence: '4' }]);
    await age('true');
    expect(await remove()).toBe(3);
  });

  it('goes on behind what is numbered while the last of a feed is removed', async () => {
    await placeOrders(database(), 1, 1);
    await number();
    await age('true');
    await placeOrders(database(), 1, 1);
    const sequencer = new pg.Client(database().ownerDatabaseUrl);
    await sequencer.connect();
    await sequencer.query('begin; select number_events(1000)');
    const removed = remove();
    await untilWaiting(database());
    await sequencer.query('commit');
    await sequencer.end();
    expect(await removed).toBe(1);
    // Whose age nobody knows is never removed.
    expect(await database().query('select from feed_position where kept_since is null'))
      .toEqual([]);
    await age('true');
    expect(await remove()).toBe(1);
  });

  it('goes on in a feed that had lost all of it', async () => {
    await placeOrders(database(), 1, 1);
    await number();
    await age('true');
    expect(await remove()).toBe(1);
    await placeOrders(database(), 1, 1);
    await number();
    // Whose age nobody knows is never removed.
    expect(await database().query('select from feed_position where kept_since is null'))
      .toEqual([]);
    await age('true');
    expect(await remove()).toBe(1);
  });

  it('looks at the entries themselves, whatever is noted of the oldest one', async () => {
    await placeOrders(database(), 1, 1);
    await number();
    await database().query("update feed_position set kept_since = now() - interval '31 days'");
    expect(await remove()).toBe(0);
    expect(await database().query(`select from feed_position p join feed_entry f using (client_id)
      where p.kept_since = f.entered_at and f.sequence = p.removed_through + 1`)).toHaveLength(1);
    await age('true');
    expect(await remove()).toBe(1);
  });
});
