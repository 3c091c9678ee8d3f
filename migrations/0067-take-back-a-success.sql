-- A supplier that contradicted an order by a success may take that success back. It is then kept on
-- the case: the order never ends by it, and nobody books a loss that was reversed.

-- Since when nothing of the success stands that the case is about.
alter table reconciliation_case add column reversed_at timestamptz
  constraint reconciliation_case_reversed check (reversed_at is null
    or kind in ('LATE_SUCCESS', 'SECOND_ROUTE_SUCCESS'));

-- A success that the order does not stand on was reversed: told once, and kept on its case, which
-- is open again. Heard before the success itself, it opens the case.
create function take_back_success(o topup_order, p_route smallint) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  update reconciliation_case c set reversed_at = clock_timestamp(), resolved_at = null
    where c.client_id = o.client_id and c.topup_order_id = o.id and c.route = p_route
      and c.kind in ('LATE_SUCCESS', 'SECOND_ROUTE_SUCCESS');
  if not found then
    insert into reconciliation_case (client_id, topup_order_id, kind, route, reversed_at)
      values (o.client_id, o.id, case when o.status in ('PENDING', 'DELIVERED')
        then 'SECOND_ROUTE_SUCCESS' else 'LATE_SUCCESS' end, p_route, clock_timestamp());
  end if;
  update topup_order set version = o.version + 1
    where client_id = o.client_id and id = o.id returning * into o;
  perform append_event(o, 'LATE_NEWS', o.status);
end
$$;

-- A route that was given up has delivered while this one was under way; now that this one has
-- definitely not, the order ends by the other. False where there is no such route, or where it
-- took back what it delivered.
create or replace function deliver_by_given_up_route(o topup_order, p_route smallint)
returns boolean
language plpgsql set search_path = public, pg_temp as $$
declare
  delivered smallint;
begin
  select c.route into delivered from reconciliation_case c
    where c.client_id = o.client_id and c.topup_order_id = o.id and c.route <> p_route
      and c.kind = 'SECOND_ROUTE_SUCCESS' and c.reversed_at is null order by c.route limit 1;
  if not found then return false; end if;
  -- In this order: at most one of them may be effective at any moment.
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = p_route;
  update submission s set state = 'DELIVERED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = delivered;
  perform end_order(o, 'DELIVERED', null, null);
  return true;
end
$$;

-- A reversal is the last that is heard of a route. It credits the order that stands on the route,
-- ends one that waits for nothing else, and is kept as a case of any other.
create function apply_reversal(o topup_order, m recorded_move, p_sent_state text) returns text
language plpgsql set search_path = public, pg_temp as $$
begin
  if o.status = 'PENDING' and o.route = m.route then
    if deliver_by_given_up_route(o, m.route) then
      select t.* into strict o from topup_order t
        where t.client_id = o.client_id and t.id = o.id;
      perform take_back_success(o, m.route);
      return 'APPLIED';
    end if;
    update submission s set state = 'DELIVERED'
      where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
    perform open_case(end_order(o, 'DELIVERED', null, m.receipt), 'REVERSAL', m.route);
    return 'APPLIED';
  end if;
  if o.status = 'DELIVERED' and p_sent_state = 'DELIVERED' then
    return case when open_case(o, 'REVERSAL', m.route) then 'CASE_OPENED' else 'NO_CHANGE' end;
  end if;
  perform take_back_success(o, m.route);
  return 'CASE_OPENED';
end
$$;

-- Definite news about one route of an order whose row is locked.
create or replace function apply_final_news(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  sent_state text;
  is_elsewhere boolean;
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
        case when open_case(o, 'LATE_SUCCESS', m.route) then 'CASE_OPENED' else 'NO_CHANGE' end
      -- A second route that delivers as well; the order is sold once.
      when m.kind = 'DELIVER' and sent_state is distinct from 'DELIVERED' then
        case when open_case(o, 'SECOND_ROUTE_SUCCESS', m.route)
          then 'CASE_OPENED' else 'NO_CHANGE' end
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
      return case when open_case(o, 'SECOND_ROUTE_SUCCESS', m.route)
        then 'CASE_OPENED' else 'NO_CHANGE' end;
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
  if deliver_by_given_up_route(o, m.route) then return 'APPLIED'; end if;
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
  perform end_order(o, 'FAILED', m.failure_code, null);
  return 'APPLIED';
end
$$;
