-- What an operator does once over a database that was restored to an earlier moment, before any
-- worker starts over it.

-- Suppliers know orders that this database has lost, and may have been sent those it still thinks
-- unsent. So no number is given twice: a supplier that de-duplicates would take the new order for
-- the lost one of the same reference, and never deliver it. And no order is sent before its
-- supplier was asked about it. Answers how many orders that are.
create function prepare_restored(p_ids_skipped bigint) returns bigint
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
      join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
      where o.status = 'PENDING'
        and o.fulfilment_state in ('QUEUED', 'SUBMITTING', 'RETRY_WAIT')
      order by o.client_id, o.id for no key update of o
  ), marked as (
    update topup_order o set
        fulfilment_state = 'OUTCOME_UNKNOWN',
        retry_until = at + u.retry_window_ms * interval '1 ms',
        backoff_step = 0,
        next_action_at = at,
        lease_token = null,
        lease_until = null
      from unsure u where o.client_id = u.client_id and o.id = u.id
      returning o.client_id, o.id
  ), noted as (
    insert into submission (client_id, topup_order_id, route, supplier_id, state, resend_after)
      select u.client_id, u.id, u.route, u.supplier_id, 'UNKNOWN',
        at + u.settled_in_ms * interval '1 ms'
      from unsure u
      on conflict (client_id, topup_order_id, route) do update
        set state = 'UNKNOWN', resend_after = excluded.resend_after
  )
  select count(*) into asked from marked;
  return asked;
end
$$;
