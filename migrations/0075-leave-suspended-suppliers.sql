-- An order that waited for a suspended supplier was held for as long as that was suspended, though
-- another one sells the same: its variant was offered because of that other one. Now it goes there,
-- where nothing is or may be under way at the first.

-- Who may be given the order next: the first one that sells it, has it not now, and never had it;
-- one that is suspended only where there is no other.
create or replace function next_offer(o topup_order) returns setof sellable_route
language sql stable set search_path = public, pg_temp as $$
  select n.* from sellable_route n join supplier s on s.id = n.supplier_id
    where n.variant_id = o.variant_id and n.is_in_stock
      and n.supplier_id is distinct from coalesce(
        (select m.supplier_id from submission m where m.client_id = o.client_id
          and m.topup_order_id = o.id and m.route = o.route),
        (select f.supplier_id from offer f where f.variant_id = o.variant_id
          and f.route = o.route))
      and not exists (select from submission m where m.client_id = o.client_id
        and m.topup_order_id = o.id and m.supplier_id = n.supplier_id)
    order by s.is_suspended, n.route limit 1;
$$;

-- Gives a locked order that waits for its supplier to the next one, if that is not suspended.
-- Answers it as it is then.
create function leave_supplier(o topup_order) returns topup_order
language plpgsql set search_path = public, pg_temp as $$
declare
  next_route smallint;
  next_supplier bigint;
  last_route smallint;
begin
  if exists (select from submission m where m.client_id = o.client_id and m.topup_order_id = o.id
      and m.state <> 'NOT_APPLIED') then
    return o;
  end if;
  select n.route, n.supplier_id into next_route, next_supplier
    from next_offer(o) n join supplier s on s.id = n.supplier_id where not s.is_suspended;
  if not found then return o; end if;
  select max(m.route) into last_route from submission m
    where m.client_id = o.client_id and m.topup_order_id = o.id;
  if last_route is not null then
    -- Numbers name what suppliers were sent, so none is used again, however routes are numbered.
    next_route := greatest(next_route, o.route + 1, last_route + 1);
    insert into submission (client_id, topup_order_id, route, supplier_id, state, attempt_count,
        resend_after)
      values (o.client_id, o.id, next_route, next_supplier, 'NOT_APPLIED', 0, clock_timestamp());
  end if;
  update topup_order set route = next_route, backoff_step = 0
    where client_id = o.client_id and id = o.id returning * into o;
  return o;
end
$$;

-- Up to p_limit due orders. Which of the variants that are waited for somebody else sells is asked
-- once for each, since most that waits may have to.
create function leave_suspended_suppliers(p_suppliers bigint[], p_limit int) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  o topup_order;
begin
  for o in
    with waiting as materialized (
      select t.client_id, t.id, t.variant_id, t.next_action_at from topup_order t
        where t.status = 'PENDING' and t.next_action_at <= clock_timestamp()
          and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT') and t.restored_route is null
          and coalesce(
            (select m.supplier_id from submission m where m.client_id = t.client_id
              and m.topup_order_id = t.id and m.route = t.route),
            (select f.supplier_id from offer f where f.variant_id = t.variant_id
              and f.route = t.route)) = any (p_suppliers)
    ), sold as materialized (
      select v.variant_id from (select distinct w.variant_id from waiting w) v
        where exists (select from sellable_route r join supplier s on s.id = r.supplier_id
          where r.variant_id = v.variant_id and r.is_in_stock and not s.is_suspended)
    )
    select t.* from waiting w join sold v on v.variant_id = w.variant_id
      cross join lateral (select x.* from topup_order x
        where x.client_id = w.client_id and x.id = w.id
          and x.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
          and exists (select from next_offer(x) n join supplier s on s.id = n.supplier_id
            where not s.is_suspended)
        for no key update skip locked) t
      order by w.next_action_at limit p_limit
  loop
    perform leave_supplier(o);
  end loop;
end
$$;

create or replace function claim_order(p_client_id bigint, p_order_id bigint)
returns setof claimed_order
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  o topup_order;
begin
  select t.* into o from topup_order t
    where t.client_id = p_client_id and t.id = p_order_id and t.fulfilment_state = 'QUEUED'
    for no key update skip locked;
  if not found then return; end if;
  if exists (select from offer_of(o) f join supplier s on s.id = f.supplier_id
      where s.is_suspended) then
    o := leave_supplier(o);
    if exists (select from offer_of(o) f join supplier s on s.id = f.supplier_id
        where s.is_suspended) then
      return;
    end if;
  end if;
  return next take_order(o);
end
$$;

create or replace function claim_orders(p_limit int, p_rooms json) returns setof claimed_order
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  full_suppliers bigint[];
  suspended_suppliers bigint[];
  client_ids bigint[];
  order_ids bigint[];
  claims claimed_order[] := '{}';
  o topup_order;
  -- Held still: the index is read up to here. By the clock itself all that is pending was read.
  at timestamptz := clock_timestamp();
begin
  select coalesce(array_agg(s.id) filter (where (p_rooms ->> s.code)::int <= 0), '{}'),
      coalesce(array_agg(s.id) filter (where s.is_suspended), '{}')
    into full_suppliers, suspended_suppliers from supplier s;
  if cardinality(suspended_suppliers) > 0 then
    perform leave_suspended_suppliers(suspended_suppliers, p_limit);
  end if;
  begin
    -- Locked where they are updated: a row that a transaction locks and its subtransaction updates
    -- bears both numbers, and its old versions stay in the index of what is due until a vacuum.
    with due as materialized (
      select t.client_id, t.id, t.variant_id, t.route, t.next_action_at from topup_order t
        where t.status = 'PENDING' and t.next_action_at <= at
          and (cardinality(full_suppliers) + cardinality(suspended_suppliers) = 0 or not exists (
            select from (select coalesce(
                (select m.supplier_id from submission m where m.client_id = t.client_id
                  and m.topup_order_id = t.id and m.route = t.route),
                (select f.supplier_id from offer f where f.variant_id = t.variant_id
                  and f.route = t.route)) as id) x
              where x.id = any (full_suppliers) or (x.id = any (suspended_suppliers)
                and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT'))))
        order by t.next_action_at limit p_limit for no key update skip locked
    ), placed as (
      select d.client_id, d.id, (p_rooms ->> s.code)::int as room,
          row_number() over (partition by s.id order by d.next_action_at) as place
        from due d
        left join lateral (select x.supplier_id from submission x where x.client_id = d.client_id
          and x.topup_order_id = d.id and x.route = d.route limit 1) m on true
        left join lateral (select x.supplier_id from offer x
          where x.variant_id = d.variant_id and x.route = d.route limit 1) f on true
        left join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
    )
    select array_agg(p.client_id order by p.client_id, p.id),
        array_agg(p.id order by p.client_id, p.id)
      into client_ids, order_ids from placed p where p.room is null or p.place <= p.room;
    if order_ids is null then return; end if;
    claims := take_orders(client_ids, order_ids);
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
  return query select c.* from unnest(claims) c;
end
$$;
