-- A supplier's word that it has taken an order changed nothing, but in its answer to the order
-- itself. Where that answer was lost, and its look-up knew nothing of the order yet, the order was
-- sent elsewhere, or failed and refunded at the end of the window, and delivered all the same.

-- When a supplier was heard to have taken it, without being asked to.
alter table submission add column accepted_at timestamptz;

-- It is asked about at once, whatever was thought of it: sent in vain, under way, under review.
-- Whoever holds the order did not know it, and would take "not found" or "not now" for proof; its
-- hold ends, and what it brings is passed over, unless it is the end of the order.
create function note_accepted(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
begin
  if o.status <> 'PENDING' or o.route <> m.route then return 'NO_CHANGE'; end if;
  if exists (select from submission s where s.client_id = o.client_id and s.topup_order_id = o.id
      and s.route <> m.route and s.state in ('INTENT', 'ACCEPTED', 'UNKNOWN')) then
    return 'NO_CHANGE';
  end if;
  update submission s set state = 'ACCEPTED', accepted_at = clock_timestamp()
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route
      and s.attempt_count > 0 and s.state in ('INTENT', 'UNKNOWN', 'NOT_APPLIED');
  if not found then return 'NO_CHANGE'; end if;
  update topup_order set fulfilment_state = 'AWAITING_SUPPLIER', next_action_at = clock_timestamp(),
      lease_token = null, lease_until = null
    where client_id = o.client_id and id = o.id;
  return 'APPLIED';
end
$$;

-- Whether a refusal comes from a holder that is none any more. Another attempt may have begun
-- since, or the supplier may have been heard to have taken the order: that is not ended by it.
create function is_overtaken(o topup_order, m recorded_move) returns boolean
language sql immutable set search_path = public, pg_temp as $$
  select m.kind = 'FAIL' and m.lease_token is not null
    and m.lease_token is distinct from o.lease_token;
$$;

-- As before, but for refusals that are overtaken.
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
        when 'FAIL' then o.voucher_id is null
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
  verdict := case when m.kind = 'NONE' then 'NO_CHANGE'
    when m.kind = 'NOTE_ACCEPTED' then note_accepted(o, m)
    when m.kind in ('DELIVER', 'FAIL', 'REVERSE') then apply_final_news(o, m)
    else apply_step(o, m) end;
  -- The supplier will say it again: its event must not count as heard.
  if verdict = 'STALE_LEASE' and m.event_id is not null then
    delete from callback c using supplier s where s.code = m.supplier_code
      and c.client_id = m.client_id and c.supplier_id = s.id and c.event_id = m.event_id;
  end if;
  return verdict;
end
$$;

-- As before, but for what a supplier has said since it was proposed.
create or replace function settle_order(a operator_action) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  o topup_order;
begin
  select t.* into strict o from topup_order t
    where t.client_id = a.client_id and t.id = a.topup_order_id for no key update;
  if o.fulfilment_state is distinct from 'REVIEW'
      and not coalesce(a.outcome = 'FAILED' and is_past_window(o), false) then
    raise exception 'order % of client % is %, not under review', o.id, o.client_id,
      coalesce(o.fulfilment_state, o.status) using errcode = 'object_not_in_prerequisite_state';
  end if;
  if (o.fulfilment_state, o.route, o.attempt_count)
      is distinct from (a.seen_state, a.seen_route, a.seen_attempt_count) then
    raise exception 'order % of client % went on since this was proposed', o.id, o.client_id
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  if exists (select from submission m where m.client_id = o.client_id and m.topup_order_id = o.id
      and m.accepted_at > a.proposed_at) then
    raise exception 'order % of client % was taken, as its supplier says since this was proposed',
      o.id, o.client_id using errcode = 'object_not_in_prerequisite_state';
  end if;
  if a.outcome = 'DELIVERED' then
    -- A route that was given up has delivered: the sale is that one's.
    if deliver_by_given_up_route(o, o.route) then return; end if;
    update submission m set state = 'NOT_APPLIED'
      where m.client_id = o.client_id and m.topup_order_id = o.id and m.route <> o.route
        and m.state <> 'NOT_APPLIED';
    update submission m set state = 'DELIVERED'
      where m.client_id = o.client_id and m.topup_order_id = o.id and m.route = o.route;
    if not found then
      raise exception 'order % of client % was never sent to anybody', o.id, o.client_id
        using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform end_order(o, 'DELIVERED', null, null);
    return;
  end if;
  if exists (select from reconciliation_case c where c.client_id = o.client_id
      and c.topup_order_id = o.id and c.kind = 'SECOND_ROUTE_SUCCESS'
      and c.reversed_at is null) then
    raise exception 'order % of client % has been delivered by another route', o.id, o.client_id
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  update submission m set state = 'NOT_APPLIED'
    where m.client_id = o.client_id and m.topup_order_id = o.id and m.state <> 'NOT_APPLIED';
  perform end_order(o, 'FAILED', a.failure_code, null);
end
$$;
