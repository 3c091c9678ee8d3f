-- One order that was held for days carried away when the others of its product were expected.

create or replace function number_events(p_limit integer) returns integer
language plpgsql security definer set search_path = public, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
  set plan_cache_mode = force_generic_plan as $$
declare
  news feed_inbox[];
  ends bigint[];
begin
  if not exists (select from feed_inbox) then return 0; end if;
  perform pg_advisory_xact_lock(hashtext('feed sequencer'));
  with taken as (
    -- Nobody else removes or changes rows here, so their addresses hold.
    delete from feed_inbox where ctid = any (array(
      select i.ctid from feed_inbox i order by i.id limit p_limit))
    returning id, client_id, topup_order_id, version
  )
  select array_agg((t.id, t.client_id, t.topup_order_id, t.version)::feed_inbox
      order by t.client_id, t.id)
    into news from taken t;
  if news is null then return 0; end if;
  with positions as (
    insert into feed_position (client_id, last_sequence, kept_since)
      select t.client_id, count(*), clock_timestamp() from unnest(news) t
        group by t.client_id order by t.client_id
      on conflict (client_id) do update
        set last_sequence = feed_position.last_sequence + excluded.last_sequence,
          kept_since = coalesce(feed_position.kept_since, excluded.kept_since)
      returning client_id, last_sequence
  )
  select array_agg(p.last_sequence order by p.client_id) into ends from positions p;
  insert into feed_entry (client_id, sequence, topup_order_id, version)
    select t.client_id,
      ends[dense_rank() over (order by t.client_id)] - count(*) over (partition by t.client_id)
        + row_number() over (partition by t.client_id order by t.id),
      t.topup_order_id, t.version
    from unnest(news) t order by t.client_id, t.id;
  with delivered as (
    select o.product_id, avg(extract(epoch from e.occurred_at - o.created_at) * 1000) as took_ms
      from unnest(news) t
      -- The limits keep these look-ups by key, whatever the tables looked like at planning.
      cross join lateral (select x.occurred_at from topup_order_event x
        where x.client_id = t.client_id and x.topup_order_id = t.topup_order_id
          and x.version = t.version and x.type = 'DELIVERED' limit 1) e
      cross join lateral (select x.product_id, x.created_at from topup_order x
        where x.client_id = t.client_id and x.id = t.topup_order_id limit 1) o
      -- The first event of an order is its CREATED.
      where t.version > 1 group by o.product_id
  )
  insert into delivery_pace as d (product_id, mean_ms, deviation_ms)
    select product_id, took_ms, took_ms / 2 from delivered order by product_id
    on conflict (product_id) do update set
      -- One that took by far the longest, through a night without a supplier, counts as a slow one.
      deviation_ms = d.deviation_ms + (abs(least(excluded.mean_ms,
        d.mean_ms + 8 * d.deviation_ms + 60000) - d.mean_ms) - d.deviation_ms) / 4,
      mean_ms = d.mean_ms + (least(excluded.mean_ms,
        d.mean_ms + 8 * d.deviation_ms + 60000) - d.mean_ms) / 8;
  return cardinality(news);
end
$$;
