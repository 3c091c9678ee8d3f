-- In the time that a restored database has lost, an order may have gone over to its next route and
-- been delivered there. So a restored order is sent nowhere before all its further routes were
-- asked about it, in whatever state the backup has it.

-- Of an order that was PENDING in a restored backup: the first route that nobody refused it on; it
-- is sent there once all behind it were asked. Null where nothing is left to ask.
alter table topup_order add column restored_route smallint;

-- The order is to be sent again, or elsewhere, and goes to the route behind its own first, to ask
-- there. Also to one that is not sold any more: it may have been. False where there is none.
create function ask_further_route(o topup_order, p_kind text) returns boolean
language plpgsql set search_path = public, pg_temp as $$
declare
  further record;
  at timestamptz := clock_timestamp();
begin
  select f.route, s.id as supplier_id,
      s.call_deadline_ms + s.settle_window_ms as settled_in_ms into further
    from offer f join supplier s on s.id = f.supplier_id
    where f.variant_id = o.variant_id and f.route > o.route order by f.route limit 1;
  if not found then return false; end if;
  -- In this order: at most one of them may be effective at any moment.
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = o.route;
  insert into submission (client_id, topup_order_id, route, supplier_id, state, resend_after)
    values (o.client_id, o.id, further.route, further.supplier_id, 'UNKNOWN',
      at + further.settled_in_ms * interval '1 ms')
    on conflict (client_id, topup_order_id, route) do update
      set state = 'UNKNOWN', resend_after = excluded.resend_after;
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

-- A step that leaves the order PENDING; only the holder of the lease takes it, or, for news that
-- came unasked, anyone while nobody holds one.
create or replace function apply_step(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  next_route smallint;
  due timestamptz := clock_timestamp() + m.next_in_ms * interval '1 ms';
  sent text;
begin
  if o.status <> 'PENDING' or o.route <> m.route then return 'NO_CHANGE'; end if;
  if o.lease_token is distinct from m.lease_token then return 'STALE_LEASE'; end if;
  -- Nothing is under way that unasked news could be about.
  if m.lease_token is null and o.fulfilment_state in ('QUEUED', 'RETRY_WAIT') then
    return 'NO_CHANGE';
  end if;
  if m.kind in ('RETRY', 'NEXT_ROUTE') and deliver_by_given_up_route(o, m.route) then
    return 'APPLIED';
  end if;
  if m.kind in ('RETRY', 'NEXT_ROUTE') and o.restored_route is not null
    and ask_further_route(o, m.kind) then
    return 'APPLIED';
  end if;
  if m.kind = 'NEXT_ROUTE' then
    select min(f.route) into next_route from sellable_route f
      where f.variant_id = o.variant_id and f.route > o.route;
  end if;
  sent := case m.kind when 'AWAIT' then 'ACCEPTED' when 'RETRY' then 'NOT_APPLIED'
    when 'NEXT_ROUTE' then 'NOT_APPLIED' else null end;
  update submission s set state = case
      when sent is not null then sent when s.state = 'INTENT' then 'UNKNOWN' else s.state end
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = o.route;
  update topup_order set
      fulfilment_state = case m.kind when 'AWAIT' then 'AWAITING_SUPPLIER'
        when 'RETRY' then 'RETRY_WAIT' when 'NEXT_ROUTE' then 'RETRY_WAIT'
        when 'REVIEW' then 'REVIEW'
        -- A question without an answer leaves an accepted order where it is.
        else case when o.fulfilment_state = 'SUBMITTING' then 'OUTCOME_UNKNOWN'
          else o.fulfilment_state end end,
      route = coalesce(next_route, case when m.kind = 'RETRY' then o.restored_route end, o.route),
      restored_route = case when m.kind not in ('RETRY', 'NEXT_ROUTE') then o.restored_route end,
      backoff_step = case when m.kind = 'NEXT_ROUTE'
          or (m.kind = 'AWAIT' and o.fulfilment_state = 'SUBMITTING') then 0
        else o.backoff_step + 1 end,
      next_action_at = coalesce(due, clock_timestamp()),
      lease_token = null,
      lease_until = null,
      version = o.version + (m.kind in ('RETRY', 'NEXT_ROUTE'))::int
    where client_id = o.client_id and id = o.id
    returning * into o;
  if m.kind in ('RETRY', 'NEXT_ROUTE') then
    perform append_event(o, 'RETRY_SCHEDULED', 'PENDING');
  end if;
  return 'APPLIED';
end
$$;

-- Those of the moves that follow the ordinary way: the only one of its order in this call, about
-- the route that is under way, with nothing else under way and no case; a step only by the holder
-- of the lease, a callback only where its event is new; a restored order is not sent by it.
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

-- Suppliers know orders that this database has lost, and may have been sent those it still thinks
-- unsent. So no number is given twice: a supplier that de-duplicates would take the new order for
-- the lost one of the same reference, and never deliver it. And no order is sent before its
-- suppliers were asked about it. Answers how many orders that are.
create or replace function prepare_restored(p_ids_skipped bigint) returns bigint
language plpgsql set search_path = public, pg_temp as $$
declare
  asked bigint;
  at timestamptz := clock_timestamp();
begin
  perform setval('topup_order_id_seq', nextval('topup_order_id_seq') + p_ids_skipped);
  perform setval('transfer_id_seq', nextval('transfer_id_seq') + p_ids_skipped);
  with unsure as (
    select o.client_id, o.id, o.route, s.id as supplier_id, s.retry_window_ms,
        s.call_deadline_ms + s.settle_window_ms as settled_in_ms
      from topup_order o
      left join submission m on m.client_id = o.client_id and m.topup_order_id = o.id
        and m.route = o.route
      left join offer f on f.variant_id = o.variant_id and f.route = o.route
      left join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
      where o.status = 'PENDING'
      order by o.client_id, o.id for no key update of o
  ), marked as (
    update topup_order o set
        -- One that nobody sells any more is not sent, and has nobody to ask on its own route.
        fulfilment_state = case when u.supplier_id is not null
            and o.fulfilment_state in ('QUEUED', 'SUBMITTING', 'RETRY_WAIT')
          then 'OUTCOME_UNKNOWN' else o.fulfilment_state end,
        restored_route = coalesce(o.restored_route, o.route),
        retry_until = coalesce(at + u.retry_window_ms * interval '1 ms', o.retry_until),
        backoff_step = 0,
        next_action_at = at,
        lease_token = null,
        lease_until = null
      from unsure u where o.client_id = u.client_id and o.id = u.id
      returning o.client_id, o.id
  ), noted as (
    insert into submission as m (client_id, topup_order_id, route, supplier_id, state,
        resend_after)
      select u.client_id, u.id, u.route, u.supplier_id, 'UNKNOWN',
        at + u.settled_in_ms * interval '1 ms'
      from unsure u where u.supplier_id is not null
      on conflict (client_id, topup_order_id, route) do update set
        -- What a supplier took it took, and is not sent to it again.
        state = case when m.state = 'ACCEPTED' then m.state else 'UNKNOWN' end,
        resend_after = excluded.resend_after
  )
  select count(*) into asked from marked;
  return asked;
end
$$;
