-- The feed of a client: its committed events, numbered 1, 2, 3 ... without gap, by one sequencer.
-- A serial given inside the deciding transactions would lose events to readers, because commits
-- overtake each other; a number given after the commit cannot.

create table feed_entry (
  client_id bigint not null,
  sequence bigint not null,
  topup_order_id bigint not null,
  version int not null,
  entered_at timestamptz not null default clock_timestamp(),
  primary key (client_id, sequence),
  constraint feed_entry_once unique (client_id, topup_order_id, version),
  foreign key (client_id, topup_order_id, version)
    references topup_order_event (client_id, topup_order_id, version)
);

create table feed_position (
  client_id bigint primary key references client (client_id),
  last_sequence bigint not null
) with (fillfactor = 50);

-- Moves up to p_limit committed events from the inbox into their feeds and wakes the listeners
-- once. Any process may call it; the advisory lock lets one at a time through, and whoever waited
-- sees what was committed meanwhile. Returns how many were moved.
create function number_events(p_limit int) returns int
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
    insert into feed_position (client_id, last_sequence)
      select client_id, n from counted order by client_id
      on conflict (client_id) do update
        set last_sequence = feed_position.last_sequence + excluded.last_sequence
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
