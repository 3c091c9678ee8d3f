-- A restored order is about to fail, for a reason that another route need not share: one that it
-- went on to in the time that was lost may have delivered it, whether or not it is sold there now.
-- So all further routes are asked first, as they are before it is sent again.

create or replace function apply_final_news(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  sent_state text;
  is_elsewhere boolean;
  result text;
begin
  select s.state into sent_state from submission s
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
  -- Repeated, or the success itself, which comes after its reversal.
  if m.kind in ('DELIVER', 'REVERSE') and exists (select from reconciliation_case c
      where c.client_id = o.client_id and c.topup_order_id = o.id and c.route = m.route
        and c.reversed_at is not null) then
    return 'NO_CHANGE';
  end if;
  if m.kind = 'REVERSE' then return apply_reversal(o, m, sent_state); end if;
  if o.status <> 'PENDING' then
    return case
      when m.kind = 'DELIVER' and o.status <> 'DELIVERED' then
        case when open_case(o, 'LATE_SUCCESS', m.route, m.receipt)
          then 'CASE_OPENED' else 'NO_CHANGE' end
      -- A second route that delivers as well; the order is sold once.
      when m.kind = 'DELIVER' and sent_state is distinct from 'DELIVERED' then
        case when open_case(o, 'SECOND_ROUTE_SUCCESS', m.route, m.receipt)
          then 'CASE_OPENED' else 'NO_CHANGE' end
      when m.kind = 'DELIVER' then add_receipt(o, m.receipt)
      when m.kind = 'FAIL' and o.status = 'DELIVERED' and sent_state = 'DELIVERED' then
        case when open_case(o, 'LATE_FAILURE', m.route) then 'CASE_OPENED' else 'NO_CHANGE' end
      else 'NO_CHANGE'
    end;
  end if;
  select exists (select from submission s where s.client_id = o.client_id
      and s.topup_order_id = o.id and s.route <> m.route
      and s.state in ('INTENT', 'ACCEPTED', 'UNKNOWN')) into is_elsewhere;
  if m.kind = 'DELIVER' then
    if is_elsewhere then
      -- A route we had given up delivers while the next one is under way.
      result := case when open_case(o, 'SECOND_ROUTE_SUCCESS', m.route, m.receipt)
        then 'CASE_OPENED' else 'NO_CHANGE' end;
      -- Where the next one waits to be sent again, it is not: the order has been delivered.
      select t.* into strict o from topup_order t where t.client_id = o.client_id and t.id = o.id;
      return case when o.fulfilment_state = 'RETRY_WAIT' and deliver_by_given_up_route(o, o.route)
        then 'APPLIED' else result end;
    end if;
    update submission s set state = 'DELIVERED'
      where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
    perform end_order(o, 'DELIVERED', null, m.receipt);
    return 'APPLIED';
  end if;
  -- A failure of a route that was already given up says nothing new, unless it is the holder's own
  -- decision to end an order that nobody can supply any more.
  if is_elsewhere or (sent_state = 'NOT_APPLIED'
      and (m.lease_token is null or m.lease_token is distinct from o.lease_token)) then
    return 'NO_CHANGE';
  end if;
  if is_overtaken(o, m) then return 'STALE_LEASE'; end if;
  if deliver_by_given_up_route(o, m.route) then return 'APPLIED'; end if;
  -- It may have gone on to another route in the time that was lost, whatever is sold there now.
  if o.restored_route is not null and o.route = m.route
      and m.failure_code in ('PRODUCT_UNAVAILABLE', 'PRODUCT_OUT_OF_STOCK', 'OPERATOR_UNAVAILABLE',
        'OPERATOR_LIMIT_EXCEEDED', 'UNKNOWN')
      and ask_further_route(o, 'RETRY') then
    return 'APPLIED';
  end if;
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
  perform end_order(o, 'FAILED', m.failure_code, null);
  return 'APPLIED';
end
$$;

create or replace function pick_plain_moves(p_moves recorded_move[]) returns recorded_move[]
language sql stable set search_path = public, pg_temp as $$
  select coalesce(array_agg(x.move), '{}') from (
      select m as move, m.client_id, m.order_id, m.route, m.kind, m.lease_token, m.event_id,
          (select s.id from supplier s where s.code = m.supplier_code) as supplier_id,
          count(*) over (partition by m.client_id, m.order_id) as of_order,
          count(*) over (partition by m.client_id, m.supplier_code, m.event_id) as of_event
        from unnest(p_moves) m
    ) x
    cross join lateral (select t.* from topup_order t
      where t.client_id = x.client_id and t.id = x.order_id limit 1) o
    cross join lateral (select t.* from submission t
      where t.client_id = o.client_id and t.topup_order_id = o.id and t.route = o.route
      limit 1) s
    where x.of_order = 1 and o.status = 'PENDING' and o.route = x.route
      and case x.kind
        when 'DELIVER' then true
        when 'FAIL' then o.voucher_id is null and o.restored_route is null
          and (s.state <> 'NOT_APPLIED' or o.lease_token = x.lease_token)
          and not is_overtaken(o, x.move)
        else x.kind in ('AWAIT', 'RETRY', 'ASK_AGAIN', 'REVIEW') and x.event_id is null
          and o.lease_token = x.lease_token
          and (x.kind <> 'RETRY' or o.restored_route is null) end
      and (x.event_id is null or (x.of_event = 1 and (
        select c.event_id from callback c
          where c.client_id = x.client_id and c.supplier_id = x.supplier_id
            and c.event_id = x.event_id limit 1) is null))
      and (select e.route from submission e where e.client_id = o.client_id
        and e.topup_order_id = o.id and e.route <> o.route
        and e.state in ('INTENT', 'ACCEPTED', 'UNKNOWN') limit 1) is null
      and (select c.topup_order_id from reconciliation_case c
        where c.client_id = o.client_id and c.topup_order_id = o.id limit 1) is null;
$$;
