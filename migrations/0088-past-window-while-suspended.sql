-- Time in which nobody attended an order is given back to its window by the next claim. At a
-- supplier that is suspended for good there is no next claim: whose window has ended by the clock
-- waits for a person there, who may end it.

create or replace function is_past_window(o topup_order) returns boolean
language sql stable set search_path = public, pg_temp as $$
  select o.fulfilment_state = 'RETRY_WAIT' and o.retry_until < clock_timestamp()
    and (o.retry_until < o.next_action_at
      or exists (select from supplier s where s.is_suspended and s.id = coalesce(
        (select m.supplier_id from submission m where m.client_id = o.client_id
          and m.topup_order_id = o.id and m.route = o.route),
        -- It went on to this route, and was not sent there yet.
        (select f.supplier_id from offer f where f.variant_id = o.variant_id
          and f.route = o.route))))
    and not exists (select from submission m where m.client_id = o.client_id
      and m.topup_order_id = o.id and m.state <> 'NOT_APPLIED');
$$;

create or replace view operator_queue as
  select case o.fulfilment_state when 'REVIEW' then 'REVIEW' else 'PAST_WINDOW' end as what,
      o.client_id, o.id as order_id, null::smallint as case_route,
      s.code as supplier, m.supplier_reference, o.charge, o.currency, o.created_at as since
    from topup_order o
    left join submission m on m.client_id = o.client_id and m.topup_order_id = o.id
      and m.route = o.route
    left join offer f on f.variant_id = o.variant_id and f.route = o.route
    left join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
    where o.status = 'PENDING' and (o.fulfilment_state = 'REVIEW'
      -- As is_past_window says, which those who read here may not call.
      or (o.fulfilment_state = 'RETRY_WAIT' and o.retry_until < clock_timestamp()
        and (o.retry_until < o.next_action_at or s.is_suspended)
        and not exists (select from submission x where x.client_id = o.client_id
          and x.topup_order_id = o.id and x.state <> 'NOT_APPLIED')))
  union all
  select c.kind, c.client_id, c.topup_order_id, c.route, s.code, m.supplier_reference, o.charge,
      o.currency, c.opened_at
    from reconciliation_case c
    join topup_order o on o.client_id = c.client_id and o.id = c.topup_order_id
    left join submission m on m.client_id = c.client_id and m.topup_order_id = c.topup_order_id
      and m.route = c.route
    left join supplier s on s.id = m.supplier_id
    where c.resolved_at is null;
