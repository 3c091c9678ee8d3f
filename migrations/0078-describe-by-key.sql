-- What is told of an order was found by reading the whole catalogue: the planner took one offer for
-- a thousand, and hashed all that is sold. Beside 20,000 variants a callback took 0.1 s.

alter function offer_of(topup_order) rows 1;
alter function next_offer(topup_order) rows 1;
alter function way_past_suspended(topup_order) rows 1;

-- As before, but for: what is asked with a limit is looked up by its key, whatever is expected.
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
    o.face_value, o.face_currency, o.country_code, o.recipient, o.input_data, o.attempt_count,
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
