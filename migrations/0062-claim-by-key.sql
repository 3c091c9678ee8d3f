-- Claims look for a variant's routes by its key. Asked whether one exists, the planner read all
-- that can be sold into a hash table, once for every claim: with a handful of variants the cheaper
-- way, with a hundred thousand not, and a plan of the early days is kept until the next analyze.

-- Takes the locked, due orders that are sent or asked about in the ordinary way. The others are
-- left as they are, which is: due.
create or replace function take_orders(p_client_ids bigint[], p_order_ids bigint[])
returns claimed_order[]
language plpgsql set search_path = public, pg_temp as $$
declare
  claims claimed_order[];
  at timestamptz := clock_timestamp();
begin
  with due as materialized (
    select t.client_id, t.id, t.route, t.fulfilment_state in ('QUEUED', 'RETRY_WAIT') as is_sent,
        t.attempt_count = 0 as is_first,
        coalesce(t.retry_until + greatest(at - t.next_action_at, interval '0'),
          case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
            then at + s.retry_window_ms * interval '1 ms' end) as retry_until,
        case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
          then at + (s.call_deadline_ms + s.settle_window_ms) * interval '1 ms'
          else m.resend_after end as resend_after,
        m.state as sent_state, f.supplier_sku, s.id as supplier_id, s.code, s.lease_ms,
        s.backoff_ms, s.call_deadline_ms, s.can_be_queried, s.dedupes_by_reference
      from unnest(p_client_ids, p_order_ids) k (client_id, id)
      join topup_order t on t.client_id = k.client_id and t.id = k.id
      left join submission m on m.client_id = t.client_id and m.topup_order_id = t.id
        and m.route = t.route
      left join offer f on f.variant_id = t.variant_id and f.route = t.route
      join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
      where t.fulfilment_state <> 'SUBMITTING'
        and case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
          then (select r.route from sellable_route r
            where r.variant_id = t.variant_id and r.route = t.route limit 1) is not null
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
      from due d where o.client_id = d.client_id and o.id = d.id
      returning o.client_id, o.id, o.version, o.status, d.is_sent and d.is_first as is_first,
        d.is_sent, d.route, d.supplier_id, d.resend_after,
        (o.client_id, o.id, o.lease_token, case when d.is_sent then 'SUBMIT' else 'QUERY' end,
          d.code, o.client_id || '-' || o.id || '-' || o.route, d.supplier_sku, o.route,
          (select n.route from sellable_route n
            where n.variant_id = o.variant_id and n.route > o.route limit 1) is not null,
          o.face_value, o.face_currency, o.country_code, o.recipient, o.input_data,
          o.attempt_count, o.backoff_step, d.backoff_ms, d.call_deadline_ms,
          extract(epoch from o.retry_until - at) * 1000,
          coalesce(extract(epoch from d.resend_after - at) * 1000, 0),
          d.can_be_queried, d.dedupes_by_reference,
          not d.is_sent and coalesce(d.sent_state = 'ACCEPTED', false),
          coalesce(o.last_attempt_at > o.retry_until, false))::claimed_order as claim
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
        state = 'INTENT', attempt_count = submission.attempt_count + 1, last_attempt_at = at,
        resend_after = excluded.resend_after
  )
  select array_agg(t.claim) into claims from taken t;
  return coalesce(claims, '{}');
end
$$;
