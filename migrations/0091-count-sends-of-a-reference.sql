-- A refusal that comes without having been answered to an attempt is that attempt's where there was
-- one only, under the reference that it names: of this route, and no other. After a restore nobody
-- knows how many there were, so it is never one.

create or replace function describe_order(o topup_order, p_action text) returns claimed_order
language sql stable set search_path = public, pg_temp as $$
  select (o.client_id, o.id, o.lease_token,
    p_action,
    s.code, o.client_id || '-' || o.id || '-' || o.route,
    -- What is only asked about is sent again by it, so nobody has it of what is not sold any more.
    case when p_action = 'SUBMIT' or (select r.route from sellable_route r
      where r.variant_id = f.variant_id and r.route = f.route limit 1) is not null
      then f.supplier_sku end,
    o.route,
    (select n.route from next_offer(o) n limit 1) is not null,
    o.face_value, o.face_currency, o.country_code, o.recipient, o.input_data,
    coalesce(m.attempt_count, 0),
    o.backoff_step, s.backoff_ms, s.call_deadline_ms,
    extract(epoch from o.retry_until - clock_timestamp()) * 1000,
    coalesce(extract(epoch from m.resend_after - clock_timestamp()) * 1000, 0),
    s.can_be_queried, s.dedupes_by_reference, coalesce(m.state = 'ACCEPTED', false),
    coalesce(o.last_attempt_at > o.retry_until, false), false)::claimed_order
  from (select 1) one
  left join submission m on m.client_id = o.client_id and m.topup_order_id = o.id
    and m.route = o.route
  left join lateral offer_of(o) f on true
  left join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id);
$$;

create or replace function take_order(o topup_order) returns claimed_order
language plpgsql set search_path = public, pg_temp as $$
declare
  s supplier;
  claim claimed_order;
  is_resent boolean;
  is_in_stock boolean;
  was_submitting boolean := o.fulfilment_state = 'SUBMITTING';
  at timestamptz := clock_timestamp();
begin
  select x.* into s from supplier x where x.id = coalesce(
    (select m.supplier_id from submission m
      where m.client_id = o.client_id and m.topup_order_id = o.id and m.route = o.route),
    (select f.supplier_id from offer f where f.variant_id = o.variant_id and f.route = o.route));
  update topup_order set
      lease_token = gen_random_uuid(),
      lease_until = at + coalesce(s.lease_ms, 60000) * interval '1 ms',
      next_action_at = at + coalesce(s.lease_ms, 60000) * interval '1 ms',
      -- Time in which nobody attended the order does not count to its window.
      retry_until = o.retry_until + greatest(at - o.next_action_at, interval '0'),
      fulfilment_state = case when o.fulfilment_state = 'SUBMITTING' then 'OUTCOME_UNKNOWN'
        else o.fulfilment_state end
    where client_id = o.client_id and id = o.id
    returning * into o;
  if o.fulfilment_state in ('QUEUED', 'RETRY_WAIT') then
    is_resent := exists (select from submission m where m.client_id = o.client_id
      and m.topup_order_id = o.id and m.route = o.route and m.state in ('ACCEPTED', 'UNKNOWN'));
    select r.is_in_stock into is_in_stock from offer_of(o) f join sellable_route r
      on r.variant_id = f.variant_id and r.route = f.route;
    -- Out of stock matters to a first delivery; what may have been delivered is only asked for.
    if is_in_stock or (found and is_resent) then
      claim := describe_order(begin_attempt(o, s), 'SUBMIT');
      claim.is_resent := is_resent;
      -- It was described as it stood before this attempt.
      claim.attempt_count := claim.attempt_count + 1;
      return claim;
    end if;
    -- Not to be had since it was paid. It ends here only where nothing is, or may be, under way.
    -- With its SKU where it is sold and only out of stock: a process of the version before ends
    -- either as it knows to.
    return describe_order(o, case when is_resent then 'QUERY' else 'NO_ROUTE' end);
  end if;
  update submission m set
      state = case m.state when 'INTENT' then 'UNKNOWN' else m.state end,
      resend_after = greatest(m.resend_after,
      m.last_attempt_at + 2 * (s.lease_ms + s.call_deadline_ms) * interval '1 ms')
    where m.client_id = o.client_id and m.topup_order_id = o.id and m.route = o.route
      and (m.state = 'INTENT' or was_submitting);
  return describe_order(o, 'QUERY');
end
$$;

create or replace function take_orders(
  p_client_ids bigint[], p_order_ids bigint[]
) returns claimed_order[]
language plpgsql set search_path = public, pg_temp as $$
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
                and x.topup_order_id = o.id and x.supplier_id = n.supplier_id limit 1) is null
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

create or replace function prepare_restored(p_ids_skipped bigint) returns bigint
language plpgsql set search_path = public, pg_temp as $$
declare
  asked bigint;
  at timestamptz := clock_timestamp();
begin
  perform setval('topup_order_id_seq', nextval('topup_order_id_seq') + p_ids_skipped);
  perform setval('transfer_id_seq', nextval('transfer_id_seq') + p_ids_skipped);
  perform skip_feed_positions(p_ids_skipped);
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

create or replace function ask_further_route(o topup_order, p_kind text) returns boolean
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
  insert into submission (client_id, topup_order_id, route, supplier_id, state, attempt_count,
      resend_after)
    values (o.client_id, o.id, further.route, further.supplier_id, 'UNKNOWN', 2,
      at + further.settled_in_ms * interval '1 ms')
    on conflict (client_id, topup_order_id, route) do update
      set state = 'UNKNOWN', attempt_count = submission.attempt_count + 2,
        resend_after = excluded.resend_after;
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

-- What was prepared before counts as often sent, too.
update submission m set attempt_count = m.attempt_count + 2 from topup_order o
  where o.status = 'PENDING' and o.restored_route is not null
    and m.client_id = o.client_id and m.topup_order_id = o.id;
