-- Three ways in which an order came to be with a supplier that it was not to be with.

-- Whether this is told of the first attempt, as it was looked up, while a later one has begun: a
-- callback may have waited behind the locks of another order of its client. Only of who cannot be
-- asked is such a refusal believed at all, and never of one of several attempts; there it is looked
-- at anew when the supplier tells it again. The codes are those of isPassing.
create function is_told_late(o topup_order, m recorded_move) returns boolean
language sql stable set search_path = public, pg_temp as $$
  select m.event_id is not null and m.lease_token is null
    and o.status = 'PENDING' and o.route = m.route
    and (m.kind in ('RETRY', 'NEXT_ROUTE') or (m.kind = 'FAIL' and m.failure_code in (
      'OPERATOR_UNAVAILABLE', 'OPERATOR_LIMIT_EXCEEDED', 'PRODUCT_UNAVAILABLE',
      'PRODUCT_OUT_OF_STOCK')))
    and exists (select from submission s where s.client_id = o.client_id
      and s.topup_order_id = o.id and s.route = m.route and s.attempt_count > 1);
$$;

-- As before, and by what is told late.
create or replace function is_overtaken(o topup_order, m recorded_move) returns boolean
language sql stable set search_path = public, pg_temp as $$
  select (m.kind = 'FAIL' and m.lease_token is not null
      and m.lease_token is distinct from o.lease_token)
    or is_told_late(o, m);
$$;

-- As before, but for what is told late.
create or replace function record_move(m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  o topup_order;
  verdict text;
begin
  select t.* into o from topup_order t where t.client_id = m.client_id and t.id = m.order_id;
  if not found then return 'UNKNOWN_ORDER'; end if;
  verdict := case when m.event_id is null then 'NEW' else keep_callback(m) end;
  if verdict <> 'NEW' then return verdict; end if;
  -- Whatever a supplier tells of a route, it had the order there.
  if m.event_id is not null then
    update submission s set is_ruled_out = false
      where s.client_id = m.client_id and s.topup_order_id = m.order_id and s.route = m.route
        and s.is_ruled_out;
  end if;
  verdict := case when m.kind = 'NONE' then 'NO_CHANGE'
    when m.kind = 'NOTE_ACCEPTED' then note_accepted(o, m)
    when is_told_late(o, m) then 'STALE_LEASE'
    when m.kind in ('DELIVER', 'FAIL', 'REVERSE') then apply_final_news(o, m)
    when takes_delivery_back(o, m) then
      case when open_case(o, 'LATE_FAILURE', m.route) then 'CASE_OPENED' else 'NO_CHANGE' end
    else apply_step(o, m) end;
  -- The supplier will say it again: its event must not count as heard.
  if verdict = 'STALE_LEASE' and m.event_id is not null then
    delete from callback c using supplier s where s.code = m.supplier_code
      and c.client_id = m.client_id and c.supplier_id = s.id and c.event_id = m.event_id;
  end if;
  return verdict;
end
$$;

-- As before, and the supplier that it goes to has a submission from that moment on: an import that
-- renumbers the routes before it is sent took it back to the one that it left.
create or replace function leave_suspended_supplier(o topup_order) returns topup_order
language plpgsql set search_path = public, pg_temp as $$
declare
  next_route smallint;
  next_supplier bigint;
  at timestamptz := clock_timestamp();
begin
  select w.route, w.supplier_id into next_route, next_supplier from way_past_suspended(o) w;
  if not found then return o; end if;
  insert into submission (client_id, topup_order_id, route, supplier_id, state, attempt_count,
      resend_after)
    select o.client_id, o.id, f.route, f.supplier_id, 'NOT_APPLIED', 0, at
      from offer f where f.variant_id = o.variant_id
        and (f.route < next_route or f.supplier_id = next_supplier)
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

-- As before, and of a suspended supplier that the order has left for another one as well, while it
-- waits there to be sent: it goes back, and is asked about. What was never sent to the other one
-- may be sent to it yet. One that is not suspended was left by its refusal, and this is told out of
-- turn; so it is of one that cannot be asked, as what may be there stays there.
create or replace function note_accepted(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
begin
  if o.status <> 'PENDING' then return 'NO_CHANGE'; end if;
  if o.route <> m.route and (o.restored_route is not null
      or o.fulfilment_state not in ('QUEUED', 'RETRY_WAIT')
      or not exists (select from submission s join supplier p on p.id = s.supplier_id
        where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route
          and p.can_be_queried and p.is_suspended)) then
    return 'NO_CHANGE';
  end if;
  if exists (select from submission s where s.client_id = o.client_id and s.topup_order_id = o.id
      and s.route <> m.route and s.state in ('INTENT', 'ACCEPTED', 'UNKNOWN')) then
    return 'NO_CHANGE';
  end if;
  update submission s set state = 'ACCEPTED', accepted_at = clock_timestamp()
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route
      and s.attempt_count > 0 and s.state in ('INTENT', 'UNKNOWN', 'NOT_APPLIED');
  if not found then return 'NO_CHANGE'; end if;
  delete from submission s where s.client_id = o.client_id and s.topup_order_id = o.id
    and s.route = o.route and o.route <> m.route and s.attempt_count = 0;
  update topup_order set route = m.route, fulfilment_state = 'AWAITING_SUPPLIER',
      next_action_at = clock_timestamp(), lease_token = null, lease_until = null
    where client_id = o.client_id and id = o.id;
  return 'APPLIED';
end
$$;
