-- News that is heard late, or twice at once, is believed: that a supplier took an order, once its
-- window is over or while somebody proposes to end it; that it took back what it may have delivered
-- before a restore; one event for two orders, told to two processes at once.

-- That a supplier took an order is dated however it was heard: whoever proposed an end before did
-- not know.
create or replace function step_orders(p_moves recorded_move[]) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  is_whole boolean;
begin
  with known as materialized (
    select m.kind, m.next_in_ms, o.address, case
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
        when 'RETRY' then 'NOT_APPLIED' else 'UNKNOWN' end,
        accepted_at = case when m.kind = 'AWAIT' and s.state <> 'ACCEPTED'
          then clock_timestamp() else s.accepted_at end
      from known m where s.ctid = m.submission_address returning 1
  ), stepped as (
    update topup_order o set
        fulfilment_state = case m.kind when 'AWAIT' then 'AWAITING_SUPPLIER'
          when 'RETRY' then 'RETRY_WAIT' when 'REVIEW' then 'REVIEW'
          else case when o.fulfilment_state = 'SUBMITTING' then 'OUTCOME_UNKNOWN'
            else o.fulfilment_state end end,
        backoff_step = case when m.kind = 'AWAIT' and o.fulfilment_state = 'SUBMITTING' then 0
          else o.backoff_step + 1 end,
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

create or replace function apply_step(o topup_order, m recorded_move)
  returns text language plpgsql set search_path = public, pg_temp as $$
declare
  next_route smallint;
  next_supplier bigint;
  step text := m.kind;
  due timestamptz := clock_timestamp() + m.next_in_ms * interval '1 ms';
  sent text;
  sent_again smallint;
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
  -- What a supplier took back it will not deliver under that number again: the last one that was
  -- asked is sent it. Not one before, which nobody would ask any more after a second restore.
  sent_again := case when not exists (select from reconciliation_case c
      where c.client_id = o.client_id and c.topup_order_id = o.id and c.route = o.restored_route
        and c.reversed_at is not null) then o.restored_route end;
  sent := case step when 'AWAIT' then 'ACCEPTED' when 'RETRY' then 'NOT_APPLIED'
    when 'NEXT_ROUTE' then 'NOT_APPLIED' else null end;
  update submission s set state = case
      when sent is not null then sent when s.state = 'INTENT' then 'UNKNOWN' else s.state end,
      accepted_at = case when sent = 'ACCEPTED' and s.state <> 'ACCEPTED'
        then clock_timestamp() else s.accepted_at end
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = o.route;
  update topup_order set
      fulfilment_state = case step when 'AWAIT' then 'AWAITING_SUPPLIER'
        when 'RETRY' then 'RETRY_WAIT' when 'RESEND' then 'RETRY_WAIT'
        when 'NEXT_ROUTE' then 'RETRY_WAIT'
        when 'REVIEW' then 'REVIEW'
        -- A question without an answer leaves an accepted order where it is.
        else case when o.fulfilment_state = 'SUBMITTING' then 'OUTCOME_UNKNOWN'
          else o.fulfilment_state end end,
      route = coalesce(next_route, case when step = 'RETRY' then sent_again end, o.route),
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

create or replace function apply_final_news(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  sent_state text;
  is_elsewhere boolean;
  result text;
begin
  select s.state into sent_state from submission s
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
  -- Repeated, or the success itself, which comes after its reversal. To a worker that asks about
  -- this very route it is all that will ever be said.
  if m.kind in ('DELIVER', 'REVERSE') and exists (select from reconciliation_case c
      where c.client_id = o.client_id and c.topup_order_id = o.id and c.route = m.route
        and c.reversed_at is not null) then
    return case when o.status = 'PENDING' and o.route = m.route and o.lease_token = m.lease_token
      then apply_reversal(o, m, sent_state) else 'NO_CHANGE' end;
  end if;
  if m.kind = 'REVERSE' then return apply_reversal(o, m, sent_state); end if;
  if o.status <> 'PENDING' then
    return case
      when m.kind = 'DELIVER' and o.status <> 'DELIVERED' then
        case when open_case(o, 'LATE_SUCCESS', m.route, m.receipt)
          then 'CASE_OPENED' else 'NO_CHANGE' end
      -- A second route that delivers as well; the order is sold once.
      when m.kind = 'DELIVER' and sent_state is distinct from 'DELIVERED' then
        case when open_case(o, 'SECOND_ROUTE_SUCCESS', m.route, m.receipt)
          then 'CASE_OPENED' else 'NO_CHANGE' end
      when m.kind = 'DELIVER' then add_receipt(o, m.receipt)
      when m.kind = 'FAIL' and o.status = 'DELIVERED' and sent_state = 'DELIVERED' then
        case when open_case(o, 'LATE_FAILURE', m.route) then 'CASE_OPENED' else 'NO_CHANGE' end
      else 'NO_CHANGE'
    end;
  end if;
  select exists (select from submission s where s.client_id = o.client_id
      and s.topup_order_id = o.id and s.route <> m.route
      and s.state in ('INTENT', 'ACCEPTED', 'UNKNOWN')) into is_elsewhere;
  if m.kind = 'DELIVER' then
    if is_elsewhere then
      -- A route we had given up delivers while the next one is under way.
      result := case when open_case(o, 'SECOND_ROUTE_SUCCESS', m.route, m.receipt)
        then 'CASE_OPENED' else 'NO_CHANGE' end;
      -- Where the next one waits to be sent again, it is not: the order has been delivered.
      select t.* into strict o from topup_order t where t.client_id = o.client_id and t.id = o.id;
      return case when o.fulfilment_state = 'RETRY_WAIT' and deliver_by_given_up_route(o, o.route)
        then 'APPLIED' else result end;
    end if;
    update submission s set state = 'DELIVERED'
      where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
    perform end_order(o, 'DELIVERED', null, m.receipt);
    return 'APPLIED';
  end if;
  -- A failure of a route that was already given up says nothing new, unless it is the holder's own
  -- decision to end an order that nobody can supply any more.
  if is_elsewhere or (sent_state = 'NOT_APPLIED'
      and (m.lease_token is null or m.lease_token is distinct from o.lease_token)) then
    return 'NO_CHANGE';
  end if;
  if is_overtaken(o, m) then return 'STALE_LEASE'; end if;
  if deliver_by_given_up_route(o, m.route) then return 'APPLIED'; end if;
  -- It may have gone on to another route in the time that was lost, whatever is sold there now.
  if o.restored_route is not null and o.route = m.route
      and m.failure_code in ('PRODUCT_UNAVAILABLE', 'PRODUCT_OUT_OF_STOCK', 'OPERATOR_UNAVAILABLE',
        'OPERATOR_LIMIT_EXCEEDED', 'UNKNOWN')
      and ask_further_route(o, 'RETRY') then
    return 'APPLIED';
  end if;
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
  perform end_order(o, 'FAILED', m.failure_code, null);
  return 'APPLIED';
end
$$;

create or replace function end_orders(p_moves recorded_move[]) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  is_whole boolean;
  kept_count int;
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
        topup_order_id, amount, currency, balance_after)
      select n.client_id, n.transfer_id,
        case when n.is_delivered then 'ORDER_SALE' else 'ORDER_REFUND' end, 'IN_FLIGHT',
        case when n.is_delivered then 'SALES' else 'WALLET' end, n.wallet_id, n.id, n.charge,
        n.currency, n.balance + sum(n.charge) over (partition by n.client_id, n.wallet_id
          order by n.transfer_id)
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
        completed_at = clock_timestamp()
      from news n where o.ctid = n.address
      returning o.client_id, o.id, o.version, o.status, o.failure_code, o.notification_email
  ), told as (
    insert into topup_order_event (client_id, topup_order_id, version, type, previous_status,
        status, failure_code)
      select e.client_id, e.id, e.version, e.status, 'PENDING', e.status, e.failure_code
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

create or replace function propose_action(
  kind text, client_id bigint, remarks text, order_id bigint default null,
  outcome text default null, failure_code text default null, case_kind text default null,
  case_route int default null, wallet_id bigint default null, amount numeric default null,
  currency text default null) returns bigint
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '5s' as $$
#variable_conflict use_column
declare
  proposed bigint;
  broken text;
begin
  if scale(trim_scale($10)) > 4 then
    raise exception 'the amount % has more than four decimals', $10
      using errcode = 'invalid_parameter_value';
  end if;
  if num_nulls($1, $2, $3) > 0 then
    raise exception 'an action takes kind, client_id and remarks'
      using errcode = 'null_value_not_allowed';
  end if;
  if $1 = 'SETTLE_ORDER' then
    -- What is being said of the order at this moment is seen, or is news to the proposal.
    perform set_config('idle_in_transaction_session_timeout', '5s', true);
    perform from topup_order o where o.client_id = $2 and o.id = $4 for no key update;
  end if;
  begin
    insert into operator_action as p (kind, client_id, topup_order_id, outcome, failure_code,
        case_kind, case_route, wallet_id, amount, currency, remarks, seen_state, seen_route,
        seen_attempt_count)
      select $1, $2, $4, $5, $6, $7, $8::smallint, $9, $10, $11, $3, o.fulfilment_state, o.route,
        o.attempt_count
      from (select 1) one left join topup_order o on o.client_id = $2 and o.id = $4
      returning p.id into proposed;
  exception when check_violation then
    get stacked diagnostics broken = constraint_name;
    raise exception '%', case broken
      when 'operator_action_kind_check' then 'kind is SETTLE_ORDER, RESOLVE_CASE or ADJUST_WALLET'
      when 'operator_action_remarks_check' then 'remarks have 1 to 500 characters'
      when 'operator_action_amount_check' then 'amount is a number, and not 0'
      when 'operator_action_failure_code_check' then format('there is no failure_code %s', $6)
      else case $1
        when 'SETTLE_ORDER' then 'SETTLE_ORDER takes order_id and outcome, and nothing else:'
          ' DELIVERED, or FAILED with a failure_code'
        when 'RESOLVE_CASE' then 'RESOLVE_CASE takes order_id, case_kind, case_route and outcome,'
          ' and nothing else: NOTED, or of a LATE_SUCCESS or SECOND_ROUTE_SUCCESS also LOSS or'
          ' RECOVERED, with an amount above 0 and its currency'
        else 'ADJUST_WALLET takes wallet_id, amount and currency, and nothing else'
      end end
      using errcode = 'check_violation';
  when numeric_value_out_of_range then
    raise exception 'amount or case_route is too large'
      using errcode = 'numeric_value_out_of_range';
  when foreign_key_violation then
    raise exception '%', case
      when not exists (select from client c where c.client_id = $2)
        then format('there is no client %s', $2)
      when $4 is not null and not exists (select from topup_order o
          where o.client_id = $2 and o.id = $4)
        then format('there is no order %s of client %s', $4, $2)
      when $9 is not null and not exists (select from wallet w
          where w.client_id = $2 and w.id = $9)
        then format('there is no wallet %s of client %s', $9, $2)
      when $7 is not null and not exists (select from reconciliation_case c
          where c.client_id = $2 and c.topup_order_id = $4 and c.kind = $7 and c.route = $8)
        then format('order %s of client %s has no case %s of route %s', $4, $2, $7, $8)
      else format('there is no currency %s', $11) end
      using errcode = 'foreign_key_violation';
  end;
  return proposed;
end
$$;
