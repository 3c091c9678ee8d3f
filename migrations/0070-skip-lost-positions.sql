-- A client may hold a cursor from the time that a restored database has lost. Once the feed had
-- grown past it, it was taken for one of the events that stand there now, and those before it were
-- never told. So the positions of that time are given to nothing again, and their cursors refused.

-- Where a restored feed goes on: nothing stands, or ever will, behind skipped_after and up to
-- skipped_through.
create table feed_skip (
  client_id bigint not null references feed_position (client_id),
  skipped_after bigint not null,
  skipped_through bigint not null,
  primary key (client_id, skipped_after)
);

-- Also in the feeds that are empty: their clients had events in the lost time as well.
create function skip_feed_positions(p_positions bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into feed_position (client_id, last_sequence) select client_id, 0 from client
    on conflict do nothing;
  with moved as (
    update feed_position set last_sequence = last_sequence + p_positions
      returning client_id, last_sequence - p_positions as was_last, last_sequence
  )
  -- Where nothing came since the last restore, both are one.
  insert into feed_skip as s (client_id, skipped_after, skipped_through)
    select m.client_id, coalesce(e.skipped_after, m.was_last), m.last_sequence from moved m
      left join feed_skip e on e.client_id = m.client_id and e.skipped_through = m.was_last
    on conflict (client_id, skipped_after) do update
      set skipped_through = excluded.skipped_through;
end
$$;

-- Removes up to p_limit positions that are older than p_keep_seconds from the feed in which the
-- oldest stands. Steps are small, because numbering waits for the client's row meanwhile. Returns
-- how many were removed.
create or replace function remove_feed_positions(p_keep_seconds bigint, p_limit int) returns int
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  cutoff timestamptz := clock_timestamp() - p_keep_seconds * interval '1 second';
  p feed_position;
  through bigint;
  removed int;
begin
  select x.* into p from feed_position x where x.kept_since < cutoff
    order by x.kept_since limit 1 for no key update;
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
  get diagnostics removed = row_count;
  update feed_position x set removed_through = through, kept_since = (select f.entered_at
      from feed_entry f where f.client_id = p.client_id and f.sequence > through
      order by f.sequence limit 1)
    where x.client_id = p.client_id;
  return removed;
end
$$;

-- Suppliers know orders that this database has lost, and may have been sent those it still thinks
-- unsent. So no number is given twice: a supplier that de-duplicates would take the new order for
-- the lost one of the same reference, and never deliver it. And no order is sent before its
-- suppliers were asked about it. Answers how many orders that are.
create or replace function prepare_restored(p_ids_skipped bigint) returns bigint
language plpgsql set search_path = public, pg_temp as $$
declare
  asked bigint;
  at timestamptz := clock_timestamp();
begin
  perform setval('topup_order_id_seq', nextval('topup_order_id_seq') + p_ids_skipped);
  perform setval('transfer_id_seq', nextval('transfer_id_seq') + p_ids_skipped);
  perform skip_feed_positions(p_ids_skipped);
  with unsure as (
    select o.client_id, o.id, o.route, s.id as supplier_id, s.retry_window_ms,
        s.call_deadline_ms + s.settle_window_ms as settled_in_ms
      from topup_order o
      left join submission m on m.client_id = o.client_id and m.topup_order_id = o.id
        and m.route = o.route
      left join offer f on f.variant_id = o.variant_id and f.route = o.route
      left join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
      where o.status = 'PENDING'
      order by o.client_id, o.id for no key update of o
  ), marked as (
    update topup_order o set
        -- One that nobody sells any more is not sent, and has nobody to ask on its own route.
        fulfilment_state = case when u.supplier_id is not null
            and o.fulfilment_state in ('QUEUED', 'SUBMITTING', 'RETRY_WAIT')
          then 'OUTCOME_UNKNOWN' else o.fulfilment_state end,
        restored_route = coalesce(o.restored_route, o.route),
        retry_until = coalesce(at + u.retry_window_ms * interval '1 ms', o.retry_until),
        backoff_step = 0,
        next_action_at = at,
        lease_token = null,
        lease_until = null
      from unsure u where o.client_id = u.client_id and o.id = u.id
      returning o.client_id, o.id
  ), noted as (
    insert into submission as m (client_id, topup_order_id, route, supplier_id, state,
        resend_after)
      select u.client_id, u.id, u.route, u.supplier_id, 'UNKNOWN',
        at + u.settled_in_ms * interval '1 ms'
      from unsure u where u.supplier_id is not null
      on conflict (client_id, topup_order_id, route) do update set
        -- What a supplier took it took, and is not sent to it again.
        state = case when m.state = 'ACCEPTED' then m.state else 'UNKNOWN' end,
        resend_after = excluded.resend_after
  )
  select count(*) into asked from marked;
  return asked;
end
$$;
