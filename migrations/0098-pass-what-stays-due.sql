-- What is due and neither claimed nor set aside stopped both: questions to a suspended supplier
-- that answers none, rows that others lock, all of one moment after a restore. With 1,024 of them
-- in front nothing behind was set aside; with 1,500 of one moment nothing behind was claimed.

-- Sets aside what has been due until `p_upto` and waits for one of these suppliers, the oldest
-- first, page by page for as long as `p_until` is not over.
create or replace function set_aside_waiting(
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
  -- Who has a queue: what is due for them takes its place there, however little it is. It would be
  -- claimed behind all of the queue.
  queued bigint[];
  others bigint[];
  -- The next page begins behind what stays due, locked by others or asked about all the same: at
  -- this moment, and past so many of it.
  reached timestamptz := '-infinity';
  kept int := 0;
  last timestamptz;
  last_kept int;
  due_count int;
begin
  select coalesce(array_agg(s.id), '{}') into queued from supplier s
    where s.id = any (p_full) and exists (select from (select from topup_order t
      where t.status = 'PENDING' and t.set_aside_at = t.next_action_at and t.set_aside_for = s.id
      order by t.set_aside_for limit 1) x);
  if cardinality(p_suspended) + cardinality(queued) = 0 then
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
      select t.address, t.next_action_at as at, x.id as supplier_id,
          -- What a suspended one is asked about is due all the same.
          x.id = any (p_full) and (x.id <> all (p_suspended)
            or t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')) as is_full,
          x.id = any (p_suspended) and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
            as is_suspended,
          -- The cheap question first: most that waits here has nowhere else to go.
          x.id = any (p_suspended) and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
            and exists (select from offer f
              where f.variant_id = t.variant_id and f.route > t.route
                and f.supplier_id = any (others))
            and exists (select from topup_order o cross join lateral way_past_suspended(o) w
              where o.client_id = t.client_id and o.id = t.id) as has_way
        from (select d.ctid as address, d.client_id, d.id, d.variant_id, d.route,
            d.fulfilment_state, d.next_action_at
          from topup_order d
          where d.status = 'PENDING' and d.set_aside_at is distinct from d.next_action_at
            and d.next_action_at >= reached and d.next_action_at <= p_upto
          order by d.next_action_at limit page_size offset kept) t
        left join lateral (select y.id
          from supplier_in_turn(t.client_id, t.id, t.variant_id, t.route) y offset 0) x on true
    ), held as materialized (
      select x.address, case when h.has_way then 0 else h.supplier_id end as supplier_id
        from seen h
        cross join lateral (select d.ctid as address from topup_order d
          where d.ctid = h.address and d.status = 'PENDING'
            and d.set_aside_at is distinct from d.next_action_at and d.next_action_at <= p_upto
          limit 1 for no key update skip locked) x
        where h.is_suspended or (h.is_full and (h.supplier_id = any (queued)
          or full_count_min <= (select count(*) from seen f where f.is_full)))
    ), aside as (
      update topup_order o set set_aside_at = o.next_action_at, set_aside_for = h.supplier_id
        from held h where o.ctid = h.address returning o.next_action_at as at
    ), newest as materialized (
      select max(s.at) as at from seen s
    ), gone as materialized (
      select count(*) as n from aside a cross join newest n where a.at = n.at
    )
    select count(s.at), n.at, count(*) filter (where s.at = n.at) - (select g.n from gone g)
      into due_count, last, last_kept from newest n left join seen s on true group by n.at;
    kept := last_kept + case when last = reached then kept else 0 end;
    reached := last;
    exit when due_count < page_size or clock_timestamp() > p_until;
  end loop;
end
$$;

-- Locks what is due and waits for none of these suppliers, the oldest first. One that comes back to
-- what is due meanwhile may move another behind the place where it was seen: that is told twice.
create or replace function lock_due(
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
  -- So many of that very moment are passed: after a restore, all that is pending is of one.
  passed int := 0;
  last timestamptz;
  last_count int;
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
            and t.next_action_at >= reached and t.next_action_at <= p_at
          order by t.next_action_at limit window_size offset passed) h
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
    with seen as materialized (
      select t.next_action_at as at from topup_order t
        where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
          and t.next_action_at >= reached and t.next_action_at <= p_at
        order by t.next_action_at limit window_size offset passed
    ), newest as materialized (select max(s.at) as at from seen s)
    select count(s.at), n.at, count(*) filter (where s.at = n.at)
      into seen_count, last, last_count from newest n left join seen s on true group by n.at;
    passed := last_count + case when last = reached then passed else 0 end;
    reached := last;
    exit when seen_count < window_size
      or clock_timestamp() > p_at + interval '100 milliseconds';
  end loop;
  if locked_count < p_limit and seen_count = window_size then
    -- More was in front than that time passes. What comes in must not wait for all of it.
    return query select k.* from (
        select t.ctid as address, t.client_id, t.id, t.variant_id, t.route, t.fulfilment_state
          from topup_order t
          where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
            and t.next_action_at >= reached and t.next_action_at <= p_at
          order by t.next_action_at desc limit window_size) h
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
  end if;
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
      select distinct x.* from lock_due(p_limit - cardinality(aside_ids),
        full_suppliers || aside_suppliers, suspended_suppliers, at) x
    ), placed as (
      select d.client_id, d.id, (p_rooms ->> s.code)::int as room,
          row_number() over (partition by s.id order by d.next_action_at) as place
        from due d
        left join lateral (select y.id
          from supplier_in_turn(d.client_id, d.id, d.variant_id, d.route) y offset 0) x on true
        left join supplier s on s.id = x.id
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
      case when cardinality(claims) > 0 then at else at + interval '300 milliseconds' end);
  end if;
  return query select c.* from unnest(claims) c;
end
$$;

-- Sends up to so many orders past the suspended suppliers that they wait for, and takes back what
-- waits for none any more. It goes along what is set aside, from `p_after` on; `after` is where the
-- next call goes on, null behind the last one.
create or replace function leave_suspended_suppliers(p_limit int, p_after text,
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
  if p_after is null then
    -- For nobody, as the version before left it: it is on no way of a claim or of a look.
    update topup_order set set_aside_at = null
      where status = 'PENDING' and set_aside_at = next_action_at and set_aside_for is null;
  end if;
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
      -- Others' locks are no work that was found: with nothing else this would not rest.
      order by t.set_aside_for, t.next_action_at limit p_limit for no key update skip locked
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
      -- For nobody it is due: nothing goes along a queue of nobody's.
      update topup_order t set set_aside_for = supplier_of(o),
          set_aside_at = case when supplier_of(o) is not null then t.set_aside_at end
        where t.client_id = o.client_id and t.id = o.id;
    end;
  end loop;
end
$$;
