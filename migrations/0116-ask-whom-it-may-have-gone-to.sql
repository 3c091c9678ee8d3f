-- After a restore an order is asked about wherever it may have gone in the time that was lost: to
-- each supplier that never had it, under the number that it would have got there, as NEXT_ROUTE
-- gives it. Asked by the numbers of the catalogue, one that an import had put in front of the
-- order's own supplier was never asked, and the order's own one was, under a number of another.

create or replace function ask_further_route(o topup_order, p_kind text) returns boolean
language plpgsql set search_path = public, pg_temp as $$
declare
  further record;
  at timestamptz := clock_timestamp();
begin
  select coalesce(k.further_route, greatest(f.route, o.route + 1, k.last_route + 1))::smallint
      as route, s.id as supplier_id,
      s.call_deadline_ms + s.settle_window_ms as settled_in_ms into further
    from offer f join supplier s on s.id = f.supplier_id
    cross join lateral (select max(m.route) as last_route,
        min(m.route) filter (where m.supplier_id = f.supplier_id and m.route > o.route)
          as further_route,
        coalesce(bool_or(m.supplier_id = f.supplier_id), false) as is_known
      from submission m where m.client_id = o.client_id and m.topup_order_id = o.id) k
    where f.variant_id = o.variant_id and (k.further_route is not null or not k.is_known)
    order by 1, f.route limit 1;
  if not found then return false; end if;
  -- In this order: at most one of them may be effective at any moment.
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = o.route;
  insert into submission (client_id, topup_order_id, route, supplier_id, state, attempt_count,
      resend_after)
    values (o.client_id, o.id, further.route, further.supplier_id, 'UNKNOWN', 2,
      at + further.settled_in_ms * interval '1 ms')
    on conflict (client_id, topup_order_id, route) do update
      set state = 'UNKNOWN', attempt_count = submission.attempt_count + 2,
        resend_after = excluded.resend_after, is_ruled_out = false;
  update topup_order set
      fulfilment_state = 'OUTCOME_UNKNOWN',
      route = further.route,
      restored_route = case p_kind when 'NEXT_ROUTE' then further.route else restored_route end,
      backoff_step = 0,
      next_action_at = at,
      lease_token = null,
      lease_until = null
    where client_id = o.client_id and id = o.id;
  return true;
end
$$;
