-- A claim read over all that was due and waited for a supplier that was suspended or took no more:
-- 31 ms for 4,000 orders, 0.6 s for 104,000, and beyond 600,000 none ended in time, so that nothing
-- was fulfilled any more. Such orders are set aside now, out of the index of what is due, in a
-- queue for each supplier, and are claimed from there as soon as it takes them again.

-- An order is aside for as long as it is due when it was due then: whatever moves it takes it back.
alter table topup_order add column set_aside_at timestamptz;
-- A supplier; or 0: it has a way past its own one, which is suspended, and is to be sent there.
alter table topup_order add column set_aside_for bigint;

-- Readers: claims, and leave_suspended_suppliers, which goes along all of it.
create index topup_order_aside on topup_order (set_aside_for, next_action_at, client_id, id)
  where status = 'PENDING' and set_aside_at = next_action_at;
drop index topup_order_due;
create index topup_order_due on topup_order (next_action_at)
  where status = 'PENDING' and set_aside_at is distinct from next_action_at;

-- Whose turn it is: who was given the order on its route, or else who sells it there. Of any other
-- form it would not become a part of the statements that ask it of each order; with `offset 0` they
-- ask it once. Each of these orders is then locked by its address: by its key, plans from when
-- little was due went along all that is due, for each.
create function supplier_in_turn(
    p_client_id bigint, p_order_id bigint, p_variant_id bigint, p_route smallint)
  returns table (id bigint) language sql stable rows 1 as $$
  select coalesce(
    (select m.supplier_id from public.submission m where m.client_id = p_client_id
      and m.topup_order_id = p_order_id and m.route = p_route),
    (select f.supplier_id from public.offer f where f.variant_id = p_variant_id
      and f.route = p_route and f.is_active));
$$;

-- Sets aside what has been due until `p_upto` and waits for one of these suppliers, the oldest
-- first, page by page for as long as `p_until` is not over.
create function set_aside_waiting(
    p_full bigint[], p_suspended bigint[], p_upto timestamptz, p_until timestamptz)
  returns void language plpgsql
  set search_path = public, pg_temp
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_sort = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  page_size constant int := 1024;
  -- Fewer are read over by each claim. For one that is full for a moment they are not written.
  full_count_min constant int := 512;
  others bigint[];
  due_count int;
  aside_count int;
begin
  if cardinality(p_suspended) = 0 then
    select count(*) into due_count from (select from topup_order t
      where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
        and t.next_action_at <= p_upto
      order by t.next_action_at limit full_count_min) x;
    if due_count < full_count_min then return; end if;
  end if;
  select coalesce(array_agg(s.id), '{}') into others from supplier s
    where s.id <> all (p_suspended);
  loop
    with seen as materialized (
      select t.address, x.id as supplier_id,
          -- What a suspended one is asked about is due all the same.
          x.id = any (p_full) and (x.id <> all (p_suspended)
            or t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')) as is_full,
          x.id = any (p_suspended) and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
            as is_suspended,
          -- The cheap question first: most that waits here has nowhere else to go.
          x.id = any (p_suspended) and exists (select from offer f
              where f.variant_id = t.variant_id and f.route > t.route
                and f.supplier_id = any (others))
            and exists (select from topup_order o cross join lateral way_past_suspended(o) w
              where o.client_id = t.client_id and o.id = t.id) as has_way
        from (select d.ctid as address, d.client_id, d.id, d.variant_id, d.route,
            d.fulfilment_state
          from topup_order d
          where d.status = 'PENDING' and d.set_aside_at is distinct from d.next_action_at
            and d.next_action_at <= p_upto
          order by d.next_action_at limit page_size) t
        left join lateral (select y.id
          from supplier_in_turn(t.client_id, t.id, t.variant_id, t.route) y offset 0) x on true
    ), held as materialized (
      select x.address, case when h.has_way then 0 else h.supplier_id end as supplier_id
        from seen h
        cross join lateral (select d.ctid as address from topup_order d
          where d.ctid = h.address and d.status = 'PENDING'
            and d.set_aside_at is distinct from d.next_action_at and d.next_action_at <= p_upto
          limit 1 for no key update skip locked) x
        where h.is_suspended or (h.is_full
          and full_count_min <= (select count(*) from seen f where f.is_full))
    ), aside as (
      update topup_order o set set_aside_at = o.next_action_at, set_aside_for = h.supplier_id
        from held h where o.ctid = h.address returning 1
    )
    select (select count(*) from seen), (select count(*) from aside)
      into due_count, aside_count;
    exit when due_count < page_size or aside_count < full_count_min
      or clock_timestamp() > p_until;
  end loop;
end
$$;

-- Locks what was set aside for suppliers that take it again, the oldest of each.
create function lock_aside(p_limit int, p_rooms json, p_at timestamptz,
    out client_ids bigint[], out ids bigint[], out suppliers bigint[])
  language plpgsql
  set search_path = public, pg_temp
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_sort = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  page_size constant int := 4096;
  share int;
  mistaken bigint[];
begin
  -- Half of a claim is for what was never set aside: others may be soon done with theirs.
  select p_limit - count(*) into share from (select from topup_order t
    where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
      and t.next_action_at <= p_at
    order by t.next_action_at limit (p_limit + (random() < 0.5)::int) / 2) x;
  select coalesce(array_agg(k.client_id) filter (where k.is_its_turn), '{}'),
      coalesce(array_agg(k.id) filter (where k.is_its_turn), '{}'),
      coalesce(array_agg(distinct k.supplier_id) filter (where k.is_its_turn), '{}'),
      coalesce(array_agg(distinct k.supplier_id) filter (where not k.is_its_turn), '{}')
    into client_ids, ids, suppliers, mistaken
    from (
      -- In any order, so that none is always behind the share of others.
      select s.id as supplier_id, t.client_id, t.id, exists (select from
          supplier_in_turn(t.client_id, t.id, t.variant_id, t.route) x where x.id = s.id)
          as is_its_turn
        from (select x.* from supplier x where not x.is_suspended order by random()) s
        cross join lateral (select d.client_id, d.id, d.variant_id, d.route from topup_order d
          where d.status = 'PENDING' and d.set_aside_at = d.next_action_at
            and d.set_aside_for = s.id and d.next_action_at <= p_at
          order by d.set_aside_for, d.next_action_at
          limit greatest(least((p_rooms ->> s.code)::int, share), 0)
          for no key update skip locked) t
        limit share
    ) k;
  if cardinality(mistaken) > 0 then
    -- It is another one's turn by now: due as others are, so that none is claimed behind it.
    with held as materialized (
      select x.address from unnest(mistaken) s (id)
        cross join lateral (select d.ctid as address, d.client_id, d.id, d.variant_id, d.route
          from topup_order d
          where d.status = 'PENDING' and d.set_aside_at = d.next_action_at
            and d.set_aside_for = s.id
          order by d.set_aside_for, d.next_action_at limit page_size
          for no key update skip locked) x
        where not exists (select from
          supplier_in_turn(x.client_id, x.id, x.variant_id, x.route) y where y.id = s.id)
    )
    update topup_order t set set_aside_at = null, set_aside_for = null
      from held h where t.ctid = h.address;
  end if;
end
$$;

-- Locks what is due and waits for none of these suppliers, the oldest first.
create function lock_due(
    p_limit int, p_full bigint[], p_suspended bigint[], p_at timestamptz)
  returns table (
    client_id bigint, id bigint, variant_id bigint, route smallint, next_action_at timestamptz)
  language plpgsql
  set search_path = public, pg_temp
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_sort = off
  set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  -- It reads over so many at a time, so that no number of them that wait can keep it for long.
  window_size constant int := 4 * p_limit + 1024;
  reached timestamptz := '-infinity';
  locked_count int := 0;
  got int;
  seen_count int;
begin
  if cardinality(p_full) + cardinality(p_suspended) = 0 then
    return query select t.client_id, t.id, t.variant_id, t.route, t.next_action_at
      from topup_order t
      where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
        and t.next_action_at <= p_at
      order by t.next_action_at limit p_limit for no key update skip locked;
    return;
  end if;
  loop
    return query select k.* from (
        select t.ctid as address, t.client_id, t.id, t.variant_id, t.route, t.fulfilment_state
          from topup_order t
          where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
            and t.next_action_at > reached and t.next_action_at <= p_at
          order by t.next_action_at limit window_size) h
      cross join lateral (
        select t.client_id, t.id, t.variant_id, t.route, t.next_action_at from topup_order t
          where t.ctid = h.address and t.status = 'PENDING'
            and t.set_aside_at is distinct from t.next_action_at and t.next_action_at <= p_at
          limit 1 for no key update skip locked) k
      where not exists (select from (select y.id
            from supplier_in_turn(h.client_id, h.id, h.variant_id, h.route) y offset 0) x
          where x.id = any (p_full) or (x.id = any (p_suspended)
            and h.fulfilment_state in ('QUEUED', 'RETRY_WAIT')))
      limit p_limit - locked_count;
    get diagnostics got = row_count;
    locked_count := locked_count + got;
    exit when locked_count >= p_limit;
    -- Others may hold all that was seen.
    select count(*), max(x.next_action_at) into seen_count, reached from (
      select t.next_action_at from topup_order t
        where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
          and t.next_action_at > reached and t.next_action_at <= p_at
        order by t.next_action_at limit window_size) x;
    exit when seen_count < window_size
      or clock_timestamp() > p_at + interval '200 milliseconds';
  end loop;
end
$$;

create or replace function claim_orders(p_limit integer, p_rooms json)
  returns setof claimed_order language plpgsql security definer
  set search_path = public, pg_temp
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_sort = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  full_suppliers bigint[];
  suspended_suppliers bigint[];
  aside_client_ids bigint[] := '{}';
  aside_ids bigint[] := '{}';
  aside_suppliers bigint[] := '{}';
  client_ids bigint[];
  order_ids bigint[];
  upto timestamptz;
  claims claimed_order[] := '{}';
  o topup_order;
  -- Held still: the index is read up to here. By the clock itself all that is pending was read.
  at timestamptz := clock_timestamp();
begin
  select coalesce(array_agg(s.id) filter (where (p_rooms ->> s.code)::int <= 0), '{}'),
      coalesce(array_agg(s.id) filter (where s.is_suspended), '{}')
    into full_suppliers, suspended_suppliers from supplier s;
  begin
    -- Locked where they are updated: a row that a transaction locks and its subtransaction updates
    -- bears both numbers, and its old versions stay in the index of what is due until a vacuum.
    -- In the order of its index, or it would be looked for in that of all that is pending.
    if exists (select from (select from topup_order t
        where t.status = 'PENDING' and t.set_aside_at = t.next_action_at and t.set_aside_for >= 0
        order by t.set_aside_for limit 1) x) then
      select x.client_ids, x.ids, x.suppliers into aside_client_ids, aside_ids, aside_suppliers
        from lock_aside(p_limit, p_rooms, at) x;
    end if;
    with due as materialized (
      select * from lock_due(p_limit - cardinality(aside_ids), full_suppliers || aside_suppliers,
        suspended_suppliers, at)
    ), placed as (
      select d.client_id, d.id, (p_rooms ->> s.code)::int as room,
          row_number() over (partition by s.id order by d.next_action_at) as place
        from due d
        left join lateral (select x.supplier_id from submission x where x.client_id = d.client_id
          and x.topup_order_id = d.id and x.route = d.route limit 1) m on true
        left join lateral (select x.supplier_id from offer x
          where x.variant_id = d.variant_id and x.route = d.route and x.is_active limit 1) f on true
        left join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
    ), taken as (
      select p.client_id, p.id from placed p where p.room is null or p.place <= p.room
      union all
      select a.client_id, a.id from unnest(aside_client_ids, aside_ids) a (client_id, id)
    )
    select array_agg(t.client_id order by t.client_id, t.id),
        array_agg(t.id order by t.client_id, t.id),
        (select case when count(*) = p_limit - cardinality(aside_ids)
          then max(d.next_action_at) end from due d)
      into client_ids, order_ids, upto from taken t;
    if order_ids is not null then claims := take_orders(client_ids, order_ids); end if;
  exception when others then
    -- Class 53 is insufficient resources.
    if order_ids is null or sqlstate like '53%' then raise; end if;
    -- All of them go order by order: the one that cannot be taken must not keep its neighbours.
    raise warning '% orders cannot be taken together: %', cardinality(order_ids), sqlerrm;
  end;
  if cardinality(claims) < cardinality(order_ids) then
    -- The locks went with the subtransaction, if it failed: each is taken again.
    for o in select t.* from unnest(client_ids, order_ids) k (client_id, id)
        cross join lateral (select x.* from topup_order x
          where x.client_id = k.client_id and x.id = k.id and x.status = 'PENDING'
            and x.next_action_at <= clock_timestamp() for no key update skip locked) t loop
      begin
        claims := claims || take_order(o);
      exception when others then
        if sqlstate like '53%' then raise; end if;
        raise warning 'order % of client % cannot be taken: %', o.id, o.client_id, sqlerrm;
        update topup_order set next_action_at = clock_timestamp() + interval '1 minute'
          where client_id = o.client_id and id = o.id;
      end;
    end loop;
  end if;
  if cardinality(full_suppliers) + cardinality(suspended_suppliers)
      + cardinality(aside_suppliers) > 0 then
    -- What is due for as long as the last of these is what was read over. What was claimed is to be
    -- sent, and does not wait for more than a page of it.
    perform set_aside_waiting(full_suppliers || aside_suppliers, suspended_suppliers,
      coalesce(upto, at),
      case when cardinality(claims) > 0 then at else at + interval '1 second' end);
  end if;
  return query select c.* from unnest(claims) c;
end
$$;

-- Sends up to so many orders past the suspended suppliers that they wait for, and takes back what
-- waits for none any more. It goes along what is set aside, from `p_after` on; `after` is where the
-- next call goes on, null behind the last one.
create function leave_suspended_suppliers(p_limit int, p_after text,
    out found_count int, out after text)
  language plpgsql security definer
  set search_path = public, pg_temp
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_sort = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  page_size constant int := 4096;
  start json := coalesce(p_after, '[0, "infinity", 0, 0]');
  suspended bigint[];
  others bigint[];
  k record;
  o topup_order;
  at timestamptz := clock_timestamp();
begin
  found_count := 0;
  select coalesce(array_agg(s.id) filter (where s.is_suspended), '{}'),
      coalesce(array_agg(s.id) filter (where not s.is_suspended), '{}')
    into suspended, others from supplier s;
  if cardinality(suspended) > 0 then
    perform set_aside_waiting('{}', suspended, at, at + interval '1 second');
  end if;
  with seen as materialized (
    select t.address, t.client_id, t.id, t.set_aside_for, t.next_action_at,
        -- Another one's turn came by an import, or this one is still asked though suspended, or the
        -- clock ran ahead.
        x.id is distinct from t.set_aside_for or t.next_action_at > at
          or (x.id = any (suspended) and t.fulfilment_state not in ('QUEUED', 'RETRY_WAIT'))
          as is_due,
        x.id = any (suspended) and exists (select from offer f
            where f.variant_id = t.variant_id and f.route > t.route
              and f.supplier_id = any (others))
          and exists (select from topup_order d cross join lateral way_past_suspended(d) w
            where d.client_id = t.client_id and d.id = t.id) as has_way
      from (select d.ctid as address, d.client_id, d.id, d.variant_id, d.route,
            d.fulfilment_state, d.set_aside_for, d.next_action_at
          from topup_order d
        where d.status = 'PENDING' and d.set_aside_at = d.next_action_at
          and (d.set_aside_for, d.next_action_at, d.client_id, d.id)
            > ((start ->> 0)::bigint, (start ->> 1)::timestamptz, (start ->> 2)::bigint,
              (start ->> 3)::bigint)
        order by d.set_aside_for, d.next_action_at, d.client_id, d.id limit page_size) t
      left join lateral (select y.id
        from supplier_in_turn(t.client_id, t.id, t.variant_id, t.route) y offset 0) x on true
  ), held as materialized (
    select x.address, h.is_due from seen h
      cross join lateral (select d.ctid as address from topup_order d
        where d.ctid = h.address and d.status = 'PENDING'
          and d.set_aside_at = d.next_action_at and d.set_aside_for = h.set_aside_for
        limit 1 for no key update skip locked) x
      where h.is_due or h.has_way
  ), moved as (
    update topup_order d set set_aside_at = case when not h.is_due then d.set_aside_at end,
        set_aside_for = case when not h.is_due then 0 end
      from held h where d.ctid = h.address
  )
  select case when count(*) = page_size
      then (array_agg(json_build_array(h.set_aside_for, h.next_action_at, h.client_id, h.id)
        order by h.set_aside_for desc, h.next_action_at desc, h.client_id desc, h.id desc))[1] end
    into after from seen h;
  for k in select t.ctid as address from topup_order t
      where t.status = 'PENDING' and t.set_aside_at = t.next_action_at and t.set_aside_for = 0
      order by t.set_aside_for, t.next_action_at limit p_limit
  loop
    found_count := found_count + 1;
    select t.* into o from topup_order t
      where t.ctid = k.address and t.status = 'PENDING'
        and t.set_aside_at = t.next_action_at and t.set_aside_for = 0
      for no key update skip locked;
    continue when not found;
    begin
      -- Looked at anew under the lock. Where there is no way any more it is due as others are.
      o := leave_suspended_supplier(o);
      update topup_order t set set_aside_at = null, set_aside_for = null
        where t.client_id = o.client_id and t.id = o.id;
    exception when others then
      if sqlstate like '53%' then raise; end if;
      raise warning 'order % of client % cannot leave its supplier: %', o.id, o.client_id, sqlerrm;
      update topup_order t set set_aside_for = supplier_of(o)
        where t.client_id = o.client_id and t.id = o.id;
    end;
  end loop;
end
$$;

-- As processes of the version before call it.
create or replace function leave_suspended_suppliers(p_limit int)
  returns integer language sql security definer
  set search_path = public, pg_temp
as $$
  select l.found_count from leave_suspended_suppliers(p_limit, null) l;
$$;

-- By the index of what is due; what is set aside and far ahead is taken back before.
create or replace function recall_far_orders(p_limit integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $$
declare
  at timestamptz := clock_timestamp();
  recalled int;
begin
  with far as materialized (
    select t.client_id, t.id, t.route from topup_order t
      where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
        and t.next_action_at > at + interval '90 minutes'
        and t.next_action_at > at + 2 * interval '1 ms' * (
          select greatest(max(b.ms), max(s.settle_window_ms + 2 * (s.lease_ms
              + s.call_deadline_ms)))
            from supplier s cross join unnest(s.backoff_ms) b (ms))
      order by t.next_action_at desc limit p_limit for no key update skip locked
  ), settled as (
    update submission m set last_attempt_at = least(m.last_attempt_at, at),
        resend_after = least(m.resend_after, at
          + (s.settle_window_ms + 2 * (s.lease_ms + s.call_deadline_ms)) * interval '1 ms')
      from far f, supplier s
      where m.client_id = f.client_id and m.topup_order_id = f.id and m.route = f.route
        and s.id = m.supplier_id
  ), due as (
    update topup_order t set next_action_at = at,
        last_attempt_at = least(t.last_attempt_at, at),
        retry_until = least(t.retry_until, at + interval '1 ms' * (
          select max(s.retry_window_ms) from supplier s))
      from far f where t.client_id = f.client_id and t.id = f.id returning 1
  )
  select count(*) into recalled from due;
  return recalled;
end
$$;
