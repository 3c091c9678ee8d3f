-- The feed is kept for a time; an order's own events stay for ever. A removed position is noted on
-- its event, and how far a feed was removed on its client's row: a cursor from before can be told
-- from one that is still good.

alter table feed_position
  -- Everything up to this sequence was removed.
  add column removed_through bigint not null default 0,
  -- When the oldest entry that is kept was entered; null while none is.
  add column kept_since timestamptz;
update feed_position p set kept_since = (select f.entered_at from feed_entry f
  where f.client_id = p.client_id and f.sequence = 1);
-- Reader: remove_feed_positions. It changes only where a feed was or becomes empty, or is removed
-- from, so that numbering leaves the index alone.
create index feed_position_oldest on feed_position (kept_since);

-- The position that the event had in the feed, once it is removed from there.
alter table topup_order_event add column sequence bigint;

-- Moves up to p_limit committed events from the inbox into their feeds and wakes the listeners
-- once. Any process may call it; the advisory lock lets one at a time through, and whoever waited
-- sees what was committed meanwhile. Returns how many were moved.
create or replace function number_events(p_limit int) returns int
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  moved int;
begin
  if not exists (select from feed_inbox) then return 0; end if;
  perform pg_advisory_xact_lock(hashtext('feed sequencer'));
  with taken as (
    delete from feed_inbox where id in (select id from feed_inbox order by id limit p_limit)
    returning id, client_id, topup_order_id, version
  ), counted as (
    select client_id, count(*) as n from taken group by client_id
  ), positions as (
    insert into feed_position (client_id, last_sequence, kept_since)
      select client_id, n, clock_timestamp() from counted order by client_id
      on conflict (client_id) do update
        set last_sequence = feed_position.last_sequence + excluded.last_sequence,
          kept_since = coalesce(feed_position.kept_since, excluded.kept_since)
      returning client_id, last_sequence
  ), entered as (
    insert into feed_entry (client_id, sequence, topup_order_id, version)
      select t.client_id,
        p.last_sequence - c.n + row_number() over (partition by t.client_id order by t.id),
        t.topup_order_id, t.version
      from taken t join counted c using (client_id) join positions p using (client_id)
      returning 1
  ), delivered as (
    select o.product_id, avg(extract(epoch from e.occurred_at - o.created_at) * 1000) as took_ms
      from taken t
      join topup_order_event e using (client_id, topup_order_id, version)
      join topup_order o on o.client_id = t.client_id and o.id = t.topup_order_id
      where e.type = 'DELIVERED' group by o.product_id
  ), paced as (
    insert into delivery_pace as d (product_id, mean_ms, deviation_ms)
      select product_id, took_ms, took_ms / 2 from delivered order by product_id
      on conflict (product_id) do update set
        deviation_ms = d.deviation_ms + (abs(excluded.mean_ms - d.mean_ms) - d.deviation_ms) / 4,
        mean_ms = d.mean_ms + (excluded.mean_ms - d.mean_ms) / 8
  )
  select count(*) into moved from entered;
  if moved > 0 then perform pg_notify('feed', ''); end if;
  return moved;
end
$$;

-- Removes up to p_limit positions that are older than p_keep_seconds from the feed in which the
-- oldest stands. Steps are small, because numbering waits for the client's row meanwhile, and a
-- feed that is being numbered is left for the next step. Returns how many were removed.
create function remove_feed_positions(p_keep_seconds bigint, p_limit int) returns int
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  cutoff timestamptz := clock_timestamp() - p_keep_seconds * interval '1 second';
  p feed_position;
  through bigint;
begin
  select x.* into p from feed_position x where x.kept_since < cutoff
    order by x.kept_since limit 1 for no key update skip locked;
  if not found then return 0; end if;
  -- Only what stands before everything young enough: a clock that was set back makes no hole.
  select coalesce(max(f.sequence), p.removed_through) into through from (
    select n.sequence, bool_and(n.entered_at < cutoff) over (order by n.sequence) as is_old
      from (select * from feed_entry where client_id = p.client_id
        and sequence > p.removed_through order by sequence limit p_limit) n) f
    where f.is_old;
  update topup_order_event e set sequence = f.sequence from feed_entry f
    where f.client_id = p.client_id and f.sequence > p.removed_through and f.sequence <= through
      and e.client_id = f.client_id and e.topup_order_id = f.topup_order_id
      and e.version = f.version;
  delete from feed_entry f
    where f.client_id = p.client_id and f.sequence > p.removed_through and f.sequence <= through;
  update feed_position x set removed_through = through, kept_since = (select f.entered_at
      from feed_entry f where f.client_id = p.client_id and f.sequence = through + 1)
    where x.client_id = p.client_id;
  return through - p.removed_through;
end
$$;
