-- An order that waited for its next try at a supplier, for up to an hour, stayed there when that
-- was suspended, though another one could have it: only what was due went on.

-- Makes due what waits for a suspended supplier and could go on, in pages along what is due next,
-- from behind `p_after`: leave_suspended_suppliers takes it on. Answers where the next page begins,
-- null where this was the last one.
create function recall_from_suspended_suppliers(p_after timestamptz) returns timestamptz
language plpgsql security definer set search_path = public, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
  set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  page_size constant int := 4096;
  at timestamptz := clock_timestamp();
  start timestamptz := greatest(at, p_after);
  suspended bigint[];
  others bigint[];
  seen_count int;
  last timestamptz;
begin
  select coalesce(array_agg(s.id) filter (where s.is_suspended), '{}'),
      coalesce(array_agg(s.id) filter (where not s.is_suspended), '{}')
    into suspended, others from supplier s;
  if cardinality(suspended) = 0 or cardinality(others) = 0 then return null; end if;
  with seen as materialized (
    select d.ctid as address, d.client_id, d.id, d.variant_id, d.route, d.fulfilment_state,
        d.next_action_at
      from topup_order d
      where d.status = 'PENDING' and d.set_aside_at is distinct from d.next_action_at
        and d.next_action_at >= start
      order by d.next_action_at limit page_size
  ), stuck as materialized (
    select s.address from seen s
      cross join lateral (select y.id
        from supplier_in_turn(s.client_id, s.id, s.variant_id, s.route) y offset 0) x
      where s.fulfilment_state in ('QUEUED', 'RETRY_WAIT') and x.id = any (suspended)
        -- The cheap question first: most that waits here has nowhere else to go.
        and exists (select from offer f where f.variant_id = s.variant_id and f.route > s.route
          and f.supplier_id = any (others))
        and exists (select from topup_order o cross join lateral way_past_suspended(o) w
          where o.client_id = s.client_id and o.id = s.id)
  ), held as materialized (
    select x.address from stuck k cross join lateral (select d.ctid as address from topup_order d
      where d.ctid = k.address and d.status = 'PENDING'
        and d.set_aside_at is distinct from d.next_action_at and d.next_action_at > at
      limit 1 for no key update skip locked) x
  ), recalled as (
    update topup_order d set next_action_at = at, set_aside_at = at, set_aside_for = 0
      from held h where d.ctid = h.address
  )
  select count(*), max(s.next_action_at) into seen_count, last from seen s;
  -- From the same moment on, as others of it may be behind the page, unless all of it was of one.
  return case when seen_count = page_size
    then greatest(last, start + interval '1 microsecond') end;
end
$$;
