-- While a supplier turned everything away, those orders that tried now and then climbed their
-- ladder to its last step, and waited an hour for a supplier that had been back for long.

-- Said to every order alike: the order takes no step of its ladder. Null where an earlier version
-- says nothing of it.
alter type recorded_move add attribute is_held boolean;

create or replace function apply_step(o topup_order, m recorded_move)
  returns text language plpgsql set search_path = public, pg_temp as $$
declare
  next_route smallint;
  next_supplier bigint;
  step text := m.kind;
  due timestamptz := clock_timestamp() + m.next_in_ms * interval '1 ms';
  sent text;
begin
  if o.status <> 'PENDING' or o.route <> m.route then return 'NO_CHANGE'; end if;
  if o.lease_token is distinct from m.lease_token then return 'STALE_LEASE'; end if;
  -- Nothing is under way that unasked news could be about.
  if m.lease_token is null and o.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
    and not exists (select from submission s where s.client_id = o.client_id
      and s.topup_order_id = o.id and s.route = o.route and s.state in ('ACCEPTED', 'UNKNOWN'))
  then
    return 'NO_CHANGE';
  end if;
  -- A restored order is sent after all its routes were asked, whatever each of them could say.
  if step = 'RESEND' and o.restored_route is not null then step := 'RETRY'; end if;
  if step in ('RETRY', 'RESEND', 'NEXT_ROUTE') and deliver_by_given_up_route(o, m.route) then
    return 'APPLIED';
  end if;
  -- Asked, not told: news may be of one of several attempts. And whoever cannot be asked has ruled
  -- nothing out; that is no retry to begin with.
  if m.kind = 'RETRY' and m.event_id is null and o.restored_route is not null then
    update submission s set is_ruled_out = true
      where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = o.route;
  end if;
  if step in ('RETRY', 'NEXT_ROUTE') and o.restored_route is not null
    and ask_further_route(o, step) then
    return 'APPLIED';
  end if;
  if step = 'NEXT_ROUTE' then
    select n.route, n.supplier_id into next_route, next_supplier from next_offer(o) n;
    if found then
      -- Numbers name what suppliers were sent, so none is used again, however routes are numbered.
      -- But a supplier that was asked about a number is sent the order under that one.
      select coalesce(
          min(s.route) filter (where s.supplier_id = next_supplier and s.route > o.route),
          greatest(next_route, o.route + 1, max(s.route) + 1)) into next_route from submission s
        where s.client_id = o.client_id and s.topup_order_id = o.id;
      insert into submission (client_id, topup_order_id, route, supplier_id, state, attempt_count,
          resend_after)
        values (o.client_id, o.id, next_route, next_supplier, 'NOT_APPLIED', 0,
          clock_timestamp())
        on conflict (client_id, topup_order_id, route) do update
          set resend_after = excluded.resend_after;
    end if;
  end if;
  sent := case step when 'AWAIT' then 'ACCEPTED' when 'RETRY' then 'NOT_APPLIED'
    when 'NEXT_ROUTE' then 'NOT_APPLIED' else null end;
  update submission s set state = case
      when sent is not null then sent when s.state = 'INTENT' then 'UNKNOWN' else s.state end
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = o.route;
  update topup_order set
      fulfilment_state = case step when 'AWAIT' then 'AWAITING_SUPPLIER'
        when 'RETRY' then 'RETRY_WAIT' when 'RESEND' then 'RETRY_WAIT'
        when 'NEXT_ROUTE' then 'RETRY_WAIT'
        when 'REVIEW' then 'REVIEW'
        -- A question without an answer leaves an accepted order where it is.
        else case when o.fulfilment_state = 'SUBMITTING' then 'OUTCOME_UNKNOWN'
          else o.fulfilment_state end end,
      route = coalesce(next_route, case when step = 'RETRY' then o.restored_route end, o.route),
      restored_route = case when step not in ('RETRY', 'NEXT_ROUTE') then o.restored_route end,
      backoff_step = case when step = 'NEXT_ROUTE'
          or (step = 'AWAIT' and o.fulfilment_state = 'SUBMITTING') then 0
        else o.backoff_step + (m.is_held is not true)::int end,
      next_action_at = coalesce(due, clock_timestamp()),
      lease_token = null,
      lease_until = null,
      version = o.version + (step in ('RETRY', 'RESEND', 'NEXT_ROUTE'))::int
    where client_id = o.client_id and id = o.id
    returning * into o;
  if step in ('RETRY', 'RESEND', 'NEXT_ROUTE') then
    perform append_event(o, 'RETRY_SCHEDULED', 'PENDING');
  end if;
  return 'APPLIED';
end
$$;

create or replace function step_orders(p_moves recorded_move[])
  returns void language plpgsql set search_path = public, pg_temp as $$
declare
  is_whole boolean;
begin
  with known as materialized (
    select m.kind, m.next_in_ms, m.is_held, o.address, case
          when m.kind in ('AWAIT', 'RETRY') or s.state = 'INTENT' then s.address
        end as submission_address
      from unnest(p_moves) m
      cross join lateral (select x.ctid as address from topup_order x
        where x.client_id = m.client_id and x.id = m.order_id limit 1) o
      left join lateral (select x.state, x.ctid as address from submission x
        where x.client_id = m.client_id and x.topup_order_id = m.order_id and x.route = m.route
        limit 1) s on true
  ), noted as (
    update submission s set state = case m.kind when 'AWAIT' then 'ACCEPTED'
        when 'RETRY' then 'NOT_APPLIED' else 'UNKNOWN' end
      from known m where s.ctid = m.submission_address returning 1
  ), stepped as (
    update topup_order o set
        fulfilment_state = case m.kind when 'AWAIT' then 'AWAITING_SUPPLIER'
          when 'RETRY' then 'RETRY_WAIT' when 'REVIEW' then 'REVIEW'
          else case when o.fulfilment_state = 'SUBMITTING' then 'OUTCOME_UNKNOWN'
            else o.fulfilment_state end end,
        backoff_step = case when m.kind = 'AWAIT' and o.fulfilment_state = 'SUBMITTING' then 0
          else o.backoff_step + (m.is_held is not true)::int end,
        next_action_at = clock_timestamp() + m.next_in_ms * interval '1 ms',
        lease_token = null,
        lease_until = null,
        version = o.version + (m.kind = 'RETRY')::int
      from known m where o.ctid = m.address
      returning o.client_id, o.id, o.version, m.kind
  ), told as (
    insert into topup_order_event (client_id, topup_order_id, version, type, previous_status,
        status)
      select t.client_id, t.id, t.version, 'RETRY_SCHEDULED', 'PENDING', 'PENDING'
      from stepped t where t.kind = 'RETRY'
  ), entered as (
    insert into feed_inbox (client_id, topup_order_id, version)
      select t.client_id, t.id, t.version from stepped t where t.kind = 'RETRY' order by 1, 2
  )
  select a.order_count = (select count(*) from stepped)
      and a.submission_count = (select count(*) from noted) into is_whole
    from (select count(*) as order_count, count(m.submission_address) as submission_count
      from known m) a;
  if not is_whole then
    raise exception 'a row was written meanwhile' using errcode = 'serialization_failure';
  end if;
end
$$;
