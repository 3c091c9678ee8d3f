-- A restored order of two routes never went over to its second supplier: that one had been asked
-- only, and counted as one that had the order. Where the first refused it was refunded; where the
-- first was suspended it waited.

-- After a restore the supplier said for good that nothing of it was, or would be, delivered. Where
-- the order has not come to this route yet, nothing was sent there.
alter table submission add column is_ruled_out boolean not null default false;

-- Whether all that were asked said so, the order's own supplier and those of all routes behind it:
-- one of them may have delivered otherwise. By what is left behind it was refused for good.
create function is_ruled_out_ahead(o topup_order)
  returns boolean language sql stable set search_path = public, pg_temp as $$
  select coalesce(bool_and(m.is_ruled_out) and bool_or(m.route = o.route), false)
    from submission m
    where m.client_id = o.client_id and m.topup_order_id = o.id and m.route >= o.route
      and m.attempt_count > 0;
$$;

create or replace function next_offer(o topup_order)
  returns setof sellable_route language sql stable rows 1 set search_path = public, pg_temp as $$
  select n.* from sellable_route n
    where n.variant_id = o.variant_id and n.is_in_stock
      and n.supplier_id is distinct from coalesce(
        (select m.supplier_id from submission m where m.client_id = o.client_id
          and m.topup_order_id = o.id and m.route = o.route),
        (select f.supplier_id from offer f where f.variant_id = o.variant_id
          and f.route = o.route))
      and not exists (select from submission m where m.client_id = o.client_id
        and m.topup_order_id = o.id and m.supplier_id = n.supplier_id
        and not (m.route > o.route and is_ruled_out_ahead(o)))
    order by n.route limit 1;
$$;

create or replace function way_past_suspended(o topup_order)
  returns setof sellable_route language sql stable rows 1 as $$
  select n.* from public.sellable_route n
    join public.supplier s on s.id = n.supplier_id and not s.is_suspended
    where n.variant_id = o.variant_id and n.route > o.route and n.is_in_stock
      and o.fulfilment_state in ('QUEUED', 'RETRY_WAIT') and o.restored_route is null
      and not exists (select from public.submission m where m.client_id = o.client_id
        and m.topup_order_id = o.id
        and (m.state <> 'NOT_APPLIED' or ((m.supplier_id = n.supplier_id or m.route = n.route)
          and not (m.supplier_id = n.supplier_id and m.route = n.route
            and public.is_ruled_out_ahead(o)))))
      and (select x.is_suspended from public.supplier x where x.id = coalesce(
        (select m.supplier_id from public.submission m where m.client_id = o.client_id
          and m.topup_order_id = o.id and m.route = o.route),
        (select f.supplier_id from public.offer f where f.variant_id = o.variant_id
          and f.route = o.route)))
    order by n.route limit 1;
$$;

create or replace function ask_further_route(o topup_order, p_kind text)
  returns boolean language plpgsql set search_path = public, pg_temp as $$
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
  -- Asked, not told: news may be of one of several attempts, and a send that was turned away says
  -- nothing of those before. Whoever cannot be asked rules nothing out; that is no retry here.
  if m.kind = 'RETRY' and m.event_id is null and o.restored_route is not null
    and o.fulfilment_state = 'OUTCOME_UNKNOWN' then
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
        else o.backoff_step + 1 end,
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

create or replace function prepare_restored(p_ids_skipped bigint)
  returns bigint language plpgsql set search_path = public, pg_temp as $$
declare
  asked bigint;
  at timestamptz := clock_timestamp();
begin
  perform setval('topup_order_id_seq', nextval('topup_order_id_seq') + p_ids_skipped);
  perform setval('transfer_id_seq', nextval('transfer_id_seq') + p_ids_skipped);
  perform skip_feed_positions(p_ids_skipped);
  -- What was ruled out before the backup may have been sent in the time that was lost.
  update submission m set is_ruled_out = false from topup_order o
    where o.status = 'PENDING' and m.client_id = o.client_id and m.topup_order_id = o.id
      and m.is_ruled_out;
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
        attempt_count, resend_after)
      select u.client_id, u.id, u.route, u.supplier_id, 'UNKNOWN',
        2, at + u.settled_in_ms * interval '1 ms'
      from unsure u where u.supplier_id is not null
      on conflict (client_id, topup_order_id, route) do update set
        -- What a supplier took it took, and is not sent to it again.
        state = case when m.state = 'ACCEPTED' then m.state else 'UNKNOWN' end,
        attempt_count = m.attempt_count + 2, resend_after = excluded.resend_after
  )
  select count(*) into asked from marked;
  return asked;
end
$$;

create or replace function take_orders(p_client_ids bigint[], p_order_ids bigint[])
  returns claimed_order[] language plpgsql set search_path = public, pg_temp as $$
declare
  claims claimed_order[];
  at timestamptz := clock_timestamp();
begin
  with due as materialized (
    select t.address, t.client_id, t.id, t.route,
        t.fulfilment_state in ('QUEUED', 'RETRY_WAIT') as is_sent,
        t.attempt_count = 0 as is_first,
        coalesce(t.retry_until + greatest(at - t.next_action_at, interval '0'),
          case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
            then at + s.retry_window_ms * interval '1 ms' end) as retry_until,
        case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
          then at + (s.call_deadline_ms + s.settle_window_ms) * interval '1 ms'
          else m.resend_after end as resend_after,
        m.state as sent_state, coalesce(m.attempt_count, 0) as attempt_count, s.id as supplier_id,
        case when r.route is not null then f.supplier_sku end as supplier_sku, s.code, s.lease_ms,
        s.backoff_ms, s.call_deadline_ms, s.can_be_queried, s.dedupes_by_reference
      from unnest(p_client_ids, p_order_ids) k (client_id, id)
      cross join lateral (select x.*, x.ctid as address from topup_order x
        where x.client_id = k.client_id and x.id = k.id limit 1) t
      left join lateral (select x.* from submission x
        where x.client_id = t.client_id and x.topup_order_id = t.id and x.route = t.route
        limit 1) m on true
      left join lateral (select x.* from offer x
        where x.variant_id = t.variant_id and case when m.route is null then x.route = t.route
          else x.supplier_id = m.supplier_id end limit 1) f on true
      left join lateral (select x.route, x.is_in_stock from sellable_route x
        where x.variant_id = f.variant_id and x.route = f.route limit 1) r on true
      join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
      where t.fulfilment_state <> 'SUBMITTING'
        and case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
          then r.is_in_stock
            or (r.route is not null and coalesce(m.state in ('ACCEPTED', 'UNKNOWN'), false))
          else m.state is distinct from 'INTENT' end
  ), taken as (
    update topup_order o set
        lease_token = gen_random_uuid(),
        lease_until = at + d.lease_ms * interval '1 ms',
        next_action_at = at + d.lease_ms * interval '1 ms',
        retry_until = d.retry_until,
        fulfilment_state = case when d.is_sent then 'SUBMITTING' else o.fulfilment_state end,
        attempt_count = o.attempt_count + d.is_sent::int,
        last_attempt_at = case when d.is_sent then at else o.last_attempt_at end,
        version = o.version + (d.is_sent and d.is_first)::int
      from due d where o.ctid = d.address
      returning o.client_id, o.id, o.version, o.status, d.is_sent and d.is_first as is_first,
        d.is_sent, d.route, d.supplier_id, d.resend_after,
        (o.client_id, o.id, o.lease_token, case when d.is_sent then 'SUBMIT' else 'QUERY' end,
          d.code, o.client_id || '-' || o.id || '-' || o.route, d.supplier_sku, o.route,
          (select n.route from sellable_route n
            where n.variant_id = o.variant_id and n.is_in_stock
              and n.supplier_id <> d.supplier_id
              and (select x.route from submission x where x.client_id = o.client_id
                and x.topup_order_id = o.id and x.supplier_id = n.supplier_id
                and not (x.route > o.route and is_ruled_out_ahead(o)) limit 1) is null
            limit 1) is not null,
          o.face_value, o.face_currency, o.country_code, o.recipient, o.input_data,
          d.attempt_count + d.is_sent::int, o.backoff_step, d.backoff_ms, d.call_deadline_ms,
          extract(epoch from o.retry_until - at) * 1000,
          coalesce(extract(epoch from d.resend_after - at) * 1000, 0),
          d.can_be_queried, d.dedupes_by_reference,
          not d.is_sent and coalesce(d.sent_state = 'ACCEPTED', false),
          coalesce(o.last_attempt_at > o.retry_until, false),
          d.is_sent and coalesce(d.sent_state in ('ACCEPTED', 'UNKNOWN'), false)
        )::claimed_order as claim
  ), told as (
    insert into topup_order_event (client_id, topup_order_id, version, type, previous_status,
        status)
      select t.client_id, t.id, t.version, 'SUBMITTED', 'PENDING', t.status
      from taken t where t.is_first
  ), entered as (
    insert into feed_inbox (client_id, topup_order_id, version)
      select t.client_id, t.id, t.version from taken t where t.is_first order by 1, 2
  ), noted as (
    insert into submission (client_id, topup_order_id, route, supplier_id, state, last_attempt_at,
        resend_after)
      select t.client_id, t.id, t.route, t.supplier_id, 'INTENT', at, t.resend_after
      from taken t where t.is_sent
      on conflict (client_id, topup_order_id, route) do update set
        state = case submission.state when 'ACCEPTED' then 'ACCEPTED' else 'INTENT' end,
        attempt_count = submission.attempt_count + 1, last_attempt_at = at,
        resend_after = excluded.resend_after
  )
  select array_agg(t.claim) into claims from taken t;
  return coalesce(claims, '{}');
end
$$;

create or replace function record_move(m recorded_move)
  returns text language plpgsql set search_path = public, pg_temp as $$
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
