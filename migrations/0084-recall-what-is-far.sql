-- Where the database's clock ran ahead for a while, what was claimed and sent then lay until that
-- moment came: hours, or days, for an order that nobody was to wait for.

-- Makes due what is due later than any wait of ours is long: twice the longest step of a supplier's
-- ladder, or of what else is waited for, and 90 minutes at least: an hour, which a supplier may ask
-- for, its jitter and a lease. What was sent until then was sent before now, so a look-up is as
-- good as proof after the same while.
create function recall_far_orders(p_limit int) returns int
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
declare
  at timestamptz := clock_timestamp();
  recalled int;
begin
  with far as materialized (
    select t.client_id, t.id, t.route from topup_order t
      where t.status = 'PENDING' and t.next_action_at > at + interval '90 minutes'
        and t.next_action_at > at + 2 * interval '1 ms' * (
          select greatest(max(b.ms), max(s.settle_window_ms + 2 * (s.lease_ms
              + s.call_deadline_ms)))
            from supplier s cross join unnest(s.backoff_ms) b (ms))
      order by t.next_action_at desc limit p_limit for no key update skip locked
  ), settled as (
    update submission m set last_attempt_at = least(m.last_attempt_at, at),
        resend_after = least(m.resend_after, at
          + (s.settle_window_ms + 2 * (s.lease_ms + s.call_deadline_ms)) * interval '1 ms')
      from far f, supplier s
      where m.client_id = f.client_id and m.topup_order_id = f.id and m.route = f.route
        and s.id = m.supplier_id
  ), due as (
    update topup_order t set next_action_at = at,
        last_attempt_at = least(t.last_attempt_at, at),
        retry_until = least(t.retry_until, at + interval '1 ms' * (
          select max(s.retry_window_ms) from supplier s))
      from far f where t.client_id = f.client_id and t.id = f.id returning 1
  )
  select count(*) into recalled from due;
  return recalled;
end
$$;
