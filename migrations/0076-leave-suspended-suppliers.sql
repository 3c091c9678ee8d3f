-- An order that waited for a suspended supplier waited for as long as that was suspended, though
-- its variant was sold because another one has it too. Now it goes there, where nothing of it is or
-- may be under way.
--
-- Only forward, and under the number that the next offer has: a restored order asks the suppliers
-- of the routes behind its own under just these numbers. A supplier that was passed is noted as one
-- that had the order, so nothing brings the order back to it under another number.

-- Whom an order would be sent to next, or asked about at.
create function supplier_of(o topup_order) returns bigint
language sql stable set search_path = public, pg_temp as $$
  select coalesce(
    (select m.supplier_id from submission m where m.client_id = o.client_id
      and m.topup_order_id = o.id and m.route = o.route),
    (select f.supplier_id from offer f where f.variant_id = o.variant_id and f.route = o.route));
$$;

-- Where an order can go that waits for a suspended supplier: the first route behind its own that
-- sells it, is not suspended and never had it. None where anything may be under way. Without a path
-- of its own, so that it becomes a part of the query that asks it for a hundred thousand orders.
create function way_past_suspended(o public.topup_order) returns setof public.sellable_route
language sql stable as $$
  select n.* from public.sellable_route n
    join public.supplier s on s.id = n.supplier_id and not s.is_suspended
    where n.variant_id = o.variant_id and n.route > o.route and n.is_in_stock
      and o.fulfilment_state in ('QUEUED', 'RETRY_WAIT') and o.restored_route is null
      and not exists (select from public.submission m where m.client_id = o.client_id
        and m.topup_order_id = o.id
        and (m.state <> 'NOT_APPLIED' or m.supplier_id = n.supplier_id or m.route = n.route))
      and (select x.is_suspended from public.supplier x where x.id = coalesce(
        (select m.supplier_id from public.submission m where m.client_id = o.client_id
          and m.topup_order_id = o.id and m.route = o.route),
        (select f.supplier_id from public.offer f where f.variant_id = o.variant_id
          and f.route = o.route)))
    order by n.route limit 1;
$$;

-- The order, which the caller has locked, as it is then.
create function leave_suspended_supplier(o topup_order) returns topup_order
language plpgsql set search_path = public, pg_temp as $$
declare
  next_route smallint;
  at timestamptz := clock_timestamp();
begin
  select w.route into next_route from way_past_suspended(o) w;
  if not found then return o; end if;
  insert into submission (client_id, topup_order_id, route, supplier_id, state, attempt_count,
      resend_after)
    select o.client_id, o.id, f.route, f.supplier_id, 'NOT_APPLIED', 0, at
      from offer f where f.variant_id = o.variant_id and f.route < next_route
        and not exists (select from submission m where m.client_id = o.client_id
          and m.topup_order_id = o.id and m.supplier_id = f.supplier_id)
    on conflict do nothing;
  update topup_order set
      route = next_route,
      backoff_step = 0,
      -- Time in which nobody attended the order does not count to its window.
      retry_until = o.retry_until + greatest(at - o.next_action_at, interval '0'),
      next_action_at = at
    where client_id = o.client_id and id = o.id returning * into o;
  return o;
end
$$;

-- Up to p_limit due orders; answers how many candidates there were. They are found before any is
-- locked: among very many that wait for a suspended supplier, few may have a way past it.
create function leave_suspended_suppliers(p_limit int) returns int
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  suspended bigint[];
  others bigint[];
  found_count int := 0;
  k record;
  o topup_order;
  at timestamptz := clock_timestamp();
begin
  select array_agg(s.id) filter (where s.is_suspended),
      array_agg(s.id) filter (where not s.is_suspended)
    into suspended, others from supplier s;
  if suspended is null or others is null then return 0; end if;
  for k in
    with waiting as materialized (
      select t.client_id, t.id from topup_order t
        where t.status = 'PENDING' and t.next_action_at <= at
          and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT') and t.restored_route is null
          -- The cheap question first: most that waits here has nowhere else to go.
          and exists (select from offer f where f.variant_id = t.variant_id and f.route > t.route
            and f.supplier_id = any (others))
          and exists (select from way_past_suspended(t))
        order by t.next_action_at limit p_limit
    )
    select w.client_id, w.id from waiting w
  loop
    found_count := found_count + 1;
    select t.* into o from topup_order t
      where t.client_id = k.client_id and t.id = k.id and t.status = 'PENDING'
      for no key update skip locked;
    -- Looked at anew under the lock: meanwhile it may have been sent, or its supplier be back.
    if found then perform leave_suspended_supplier(o); end if;
  end loop;
  return found_count;
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
  if (select s.is_suspended from supplier s where s.id = supplier_of(o)) then
    o := leave_suspended_supplier(o);
    if (select s.is_suspended from supplier s where s.id = supplier_of(o)) then return; end if;
  end if;
  return next take_order(o);
end
$$;
