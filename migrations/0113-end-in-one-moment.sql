-- What ends an order, and what takes a delivery back, is one moment: the order, its event and its
-- money tell the same one. Each took the time for itself, so that at the turn of a second a refund
-- was shown one second after its order had ended.

create or replace function append_event(p_order topup_order, p_type text, p_previous_status text)
returns void language sql set search_path = public, pg_temp as $$
  insert into topup_order_event (client_id, topup_order_id, version, type, previous_status, status,
      failure_code, occurred_at)
    values (p_order.client_id, p_order.id, p_order.version, p_type, p_previous_status,
      p_order.status, p_order.failure_code, case p_type
        when p_order.status then p_order.completed_at
        when 'REVERSED' then p_order.reversed_at
        else clock_timestamp() end);
  insert into feed_inbox (client_id, topup_order_id, version)
    values (p_order.client_id, p_order.id, p_order.version);
$$;

create or replace function end_order(o topup_order, p_status text, p_failure_code text,
  p_receipt json) returns topup_order
language plpgsql set search_path = public, pg_temp as $$
declare
  refund_id bigint;
  ended_at timestamptz;
begin
  if p_status = 'DELIVERED' then
    insert into transfer (client_id, reason, debit_account, credit_account, topup_order_id, amount,
        currency)
      values (o.client_id, 'ORDER_SALE', 'IN_FLIGHT', 'SALES', o.id, o.charge, o.currency)
      returning created_at into ended_at;
  else
    refund_id := return_money(o, 'ORDER_REFUND', 'IN_FLIGHT');
    select t.created_at into strict ended_at from transfer t
      where t.client_id = o.client_id and t.id = refund_id;
  end if;
  update topup_order set
      status = p_status,
      fulfilment_state = null,
      failure_code = p_failure_code,
      receipt = p_receipt,
      refund_transfer_id = refund_id,
      version = o.version + 1,
      next_action_at = null,
      lease_token = null,
      lease_until = null,
      completed_at = ended_at
    where client_id = o.client_id and id = o.id and status = 'PENDING'
    returning * into strict o;
  perform append_event(o, p_status, 'PENDING');
  if o.notification_email is not null then
    insert into email_outbox (client_id, topup_order_id, status, address)
      values (o.client_id, o.id, o.status, o.notification_email) on conflict do nothing;
  end if;
  return o;
end
$$;

create or replace function end_orders(p_moves recorded_move[]) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  is_whole boolean;
  kept_count int;
  ended_at timestamptz := clock_timestamp();
begin
  insert into callback (client_id, supplier_id, event_id, supplier_reference, body_digest)
    select m.client_id, s.id, m.event_id, m.supplier_reference, m.body_digest
    from unnest(p_moves) m join supplier s on s.code = m.supplier_code
    where m.event_id is not null order by 1, 2, 3
    on conflict do nothing;
  get diagnostics kept_count = row_count;
  -- Another process was told the same event, of another order, at the same moment.
  if kept_count <> (select count(m.event_id) from unnest(p_moves) m) then
    raise exception 'an event was kept meanwhile' using errcode = 'serialization_failure';
  end if;
  with news as materialized (
    -- Numbered under the wallets' locks: a wallet's transfers are in the order of their balances.
    select n.*, nextval('transfer_id_seq') as transfer_id from (
      select o.address, o.client_id, o.id, o.route, s.address as submission_address,
          m.kind = 'DELIVER' as is_delivered, m.failure_code, m.receipt, o.charge, o.currency,
          w.id as wallet_id, w.address as wallet_address, w.balance
        from unnest(p_moves) m
        cross join lateral (select x.*, x.ctid as address from topup_order x
          where x.client_id = m.client_id and x.id = m.order_id limit 1) o
        cross join lateral (select x.ctid as address from submission x
          where x.client_id = o.client_id and x.topup_order_id = o.id and x.route = o.route
          limit 1) s
        left join lateral (select x.id, x.balance, x.ctid as address from wallet x
          where m.kind = 'FAIL' and x.client_id = o.client_id and x.id = o.wallet_id
          limit 1) w on true
        where m.kind in ('DELIVER', 'FAIL') order by o.client_id, wallet_id, o.id) n
  ), booked as (
    insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id,
        topup_order_id, amount, currency, balance_after, created_at)
      select n.client_id, n.transfer_id,
        case when n.is_delivered then 'ORDER_SALE' else 'ORDER_REFUND' end, 'IN_FLIGHT',
        case when n.is_delivered then 'SALES' else 'WALLET' end, n.wallet_id, n.id, n.charge,
        n.currency, n.balance + sum(n.charge) over (partition by n.client_id, n.wallet_id
          order by n.transfer_id),
        ended_at
      from news n
  ), credited as (
    update wallet w set balance = w.balance + r.total
      from (select n.wallet_address, sum(n.charge) as total from news n
        where n.wallet_id is not null group by 1) r
      where w.ctid = r.wallet_address returning 1
  ), closed as (
    update submission s set state = case when n.is_delivered then 'DELIVERED'
        else 'NOT_APPLIED' end
      from news n where s.ctid = n.submission_address returning 1
  ), ended as (
    update topup_order o set
        status = case when n.is_delivered then 'DELIVERED' else 'FAILED' end,
        fulfilment_state = null,
        failure_code = n.failure_code,
        receipt = n.receipt,
        refund_transfer_id = case when not n.is_delivered then n.transfer_id end,
        version = o.version + 1,
        next_action_at = null,
        lease_token = null,
        lease_until = null,
        completed_at = ended_at
      from news n where o.ctid = n.address
      returning o.client_id, o.id, o.version, o.status, o.failure_code, o.notification_email
  ), told as (
    insert into topup_order_event (client_id, topup_order_id, version, type, previous_status,
        status, failure_code, occurred_at)
      select e.client_id, e.id, e.version, e.status, 'PENDING', e.status, e.failure_code, ended_at
      from ended e
  ), entered as (
    insert into feed_inbox (client_id, topup_order_id, version)
      select e.client_id, e.id, e.version from ended e order by 1, 2
  ), owed as (
    insert into email_outbox (client_id, topup_order_id, status, address)
      select e.client_id, e.id, e.status, e.notification_email from ended e
      where e.notification_email is not null on conflict do nothing
  )
  select a.news_count = (select count(*) from ended)
      and a.news_count = (select count(*) from closed)
      and a.wallet_count = (select count(*) from credited) into is_whole
    from (select count(*) as news_count, count(distinct n.wallet_address) as wallet_count
      from news n) a;
  if not is_whole then
    raise exception 'a row was written meanwhile' using errcode = 'serialization_failure';
  end if;
end
$$;

create or replace function open_case(o topup_order, p_kind text, p_route smallint,
  p_receipt json default null) returns boolean
language plpgsql set search_path = public, pg_temp as $$
declare
  reversal_id bigint;
begin
  insert into reconciliation_case (client_id, topup_order_id, kind, route, receipt)
    values (o.client_id, o.id, p_kind, p_route, p_receipt) on conflict do nothing;
  if not found then
    update reconciliation_case c set receipt = p_receipt
      where c.client_id = o.client_id and c.topup_order_id = o.id and c.kind = p_kind
        and c.route = p_route and c.receipt is null and p_receipt is not null;
    return false;
  end if;
  if p_kind = 'REVERSAL' then
    reversal_id := return_money(o, 'REVERSAL', 'SALES');
    update topup_order set reversal_transfer_id = reversal_id, version = o.version + 1,
        reversed_at = (select t.created_at from transfer t
          where t.client_id = o.client_id and t.id = reversal_id)
      where client_id = o.client_id and id = o.id returning * into o;
    perform append_event(o, 'REVERSED', o.status);
  else
    update topup_order set version = o.version + 1
      where client_id = o.client_id and id = o.id returning * into o;
    perform append_event(o, 'LATE_NEWS', o.status);
  end if;
  return true;
end
$$;
