-- What went out of stock between its payment and its submission was sent all the same, as only
-- delisting was looked at. It ends as PRODUCT_OUT_OF_STOCK now and is refunded. What may have been
-- taken by a supplier already is followed up as before.

create or replace view sellable_route as
  select f.variant_id, f.route, f.supplier_id, f.supplier_sku, v.is_in_stock from offer f
    join variant v on v.id = f.variant_id and v.is_active
    join product p on p.id = v.product_id and p.is_active
    where f.is_active;

-- Who may be given the order next: the first one that sells it, has it not now, and never had it.
create or replace function next_offer(o topup_order) returns setof sellable_route
language sql stable set search_path = public, pg_temp as $$
  select n.* from sellable_route n
    where n.variant_id = o.variant_id and n.is_in_stock
      and n.supplier_id is distinct from coalesce(
        (select m.supplier_id from submission m where m.client_id = o.client_id
          and m.topup_order_id = o.id and m.route = o.route),
        (select f.supplier_id from offer f where f.variant_id = o.variant_id
          and f.route = o.route))
      and not exists (select from submission m where m.client_id = o.client_id
        and m.topup_order_id = o.id and m.supplier_id = n.supplier_id)
    order by n.route limit 1;
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

create or replace function take_orders(p_client_ids bigint[], p_order_ids bigint[])
returns claimed_order[]
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
        m.state as sent_state, s.id as supplier_id,
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
          o.attempt_count, o.backoff_step, d.backoff_ms, d.call_deadline_ms,
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
