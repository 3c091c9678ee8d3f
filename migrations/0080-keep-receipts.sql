-- A route that was given up delivers, and the next one refuses: the order is DELIVERED by the first
-- one, and its receipt, which may be the very code that was bought, was told once and kept nowhere.
-- Nor was a receipt kept that came after the end: of an order that two people had settled, or of a
-- delivery that had been told without one.

alter table reconciliation_case add column receipt json;

drop function open_case(topup_order, text, smallint);
create function open_case(o topup_order, p_kind text, p_route smallint,
  p_receipt json default null) returns boolean
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into reconciliation_case (client_id, topup_order_id, kind, route, receipt)
    values (o.client_id, o.id, p_kind, p_route, p_receipt) on conflict do nothing;
  if not found then
    update reconciliation_case c set receipt = p_receipt
      where c.client_id = o.client_id and c.topup_order_id = o.id and c.kind = p_kind
        and c.route = p_route and c.receipt is null and p_receipt is not null;
    return false;
  end if;
  if p_kind = 'REVERSAL' then
    update topup_order set reversal_transfer_id = return_money(o, 'REVERSAL', 'SALES'),
        reversed_at = clock_timestamp(), version = o.version + 1
      where client_id = o.client_id and id = o.id returning * into o;
    perform append_event(o, 'REVERSED', o.status);
  else
    update topup_order set version = o.version + 1
      where client_id = o.client_id and id = o.id returning * into o;
    perform append_event(o, 'LATE_NEWS', o.status);
  end if;
  return true;
end
$$;

create or replace function deliver_by_given_up_route(o topup_order, p_route smallint)
returns boolean
language plpgsql set search_path = public, pg_temp as $$
declare
  delivered smallint;
  told json;
begin
  select c.route, c.receipt into delivered, told from reconciliation_case c
    where c.client_id = o.client_id and c.topup_order_id = o.id and c.route <> p_route
      and c.kind = 'SECOND_ROUTE_SUCCESS' and c.reversed_at is null order by c.route limit 1;
  if not found then return false; end if;
  -- In this order: at most one of them may be effective at any moment.
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = p_route;
  update submission s set state = 'DELIVERED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = delivered;
  perform end_order(o, 'DELIVERED', null, told);
  return true;
end
$$;

-- The delivery that the order stands on is told again, with the receipt that it had come without.
create function add_receipt(o topup_order, p_receipt json) returns text
language plpgsql set search_path = public, pg_temp as $$
begin
  if o.receipt is not null or p_receipt is null or o.reversed_at is not null then
    return 'NO_CHANGE';
  end if;
  update topup_order set receipt = p_receipt, version = o.version + 1
    where client_id = o.client_id and id = o.id returning * into o;
  perform append_event(o, 'LATE_NEWS', o.status);
  return 'APPLIED';
end
$$;

-- As before, but for the receipts, and for a refusal that is overtaken (0081).
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
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
  perform end_order(o, 'FAILED', m.failure_code, null);
  return 'APPLIED';
end
$$;
