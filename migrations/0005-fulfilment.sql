-- The steps of fulfilment. Each takes one or many orders, locks them by id, and leaves every order
-- either terminal or with a next action. The supplier is called between these, never inside.

create function append_event(p_order topup_order, p_type text, p_previous_status text)
returns void language sql set search_path = public, pg_temp as $$
  insert into topup_order_event (client_id, topup_order_id, version, type, previous_status, status,
      failure_code)
    values (p_order.client_id, p_order.id, p_order.version, p_type, p_previous_status,
      p_order.status, p_order.failure_code);
  insert into feed_inbox (client_id, topup_order_id, version)
    values (p_order.client_id, p_order.id, p_order.version);
$$;

create type claimed_order as (
  client_id bigint,
  order_id bigint,
  lease_token uuid,
  action text,
  supplier_code text,
  supplier_reference text,
  supplier_sku text,
  route smallint,
  has_next_route boolean,
  face_value numeric(20, 4),
  face_currency text,
  country_code text,
  recipient text,
  input_data json,
  attempt_count int,
  backoff_step int,
  backoff_ms int[],
  call_deadline_ms int,
  window_left_ms bigint,
  resend_in_ms bigint,
  can_be_queried boolean,
  dedupes_by_reference boolean,
  was_accepted boolean,
  is_tried_after_window boolean
);

-- Routes by which a variant can be bought today.
create view sellable_route as
  select f.variant_id, f.route, f.supplier_id, f.supplier_sku from offer f
    join variant v on v.id = f.variant_id and v.is_active
    join product p on p.id = v.product_id and p.is_active
    where f.is_active;

-- What a worker needs to take an order one step further.
create function describe_order(o topup_order, p_action text) returns claimed_order
language sql stable set search_path = public, pg_temp as $$
  select (o.client_id, o.id, o.lease_token,
    p_action,
    s.code, o.client_id || '-' || o.id || '-' || o.route, f.supplier_sku, o.route,
    exists (select from sellable_route n where n.variant_id = o.variant_id and n.route > o.route),
    o.face_value, o.face_currency, o.country_code, o.recipient, o.input_data, o.attempt_count,
    o.backoff_step, s.backoff_ms, s.call_deadline_ms,
    extract(epoch from o.retry_until - clock_timestamp()) * 1000,
    coalesce(extract(epoch from m.resend_after - clock_timestamp()) * 1000, 0),
    s.can_be_queried, s.dedupes_by_reference, coalesce(m.state = 'ACCEPTED', false),
    coalesce(o.last_attempt_at > o.retry_until, false))::claimed_order
  from (select 1) one
  left join submission m on m.client_id = o.client_id and m.topup_order_id = o.id
    and m.route = o.route
  left join offer f on f.variant_id = o.variant_id and f.route = o.route
  left join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id);
$$;

-- Notes one attempt before it is made: SUBMITTING, lease, submission INTENT, and the event of the
-- first one. From here on the order can no longer be cancelled.
create function begin_attempt(o topup_order, p_supplier supplier) returns topup_order
language plpgsql set search_path = public, pg_temp as $$
declare
  is_first boolean := o.attempt_count = 0;
  at timestamptz := clock_timestamp();
begin
  update topup_order set
      fulfilment_state = 'SUBMITTING',
      attempt_count = o.attempt_count + 1,
      last_attempt_at = at,
      retry_until = coalesce(o.retry_until, at + p_supplier.retry_window_ms * interval '1 ms'),
      version = o.version + is_first::int
    where client_id = o.client_id and id = o.id
    returning * into o;
  if is_first then perform append_event(o, 'SUBMITTED', 'PENDING'); end if;
  insert into submission (client_id, topup_order_id, route, supplier_id, state, resend_after)
    values (o.client_id, o.id, o.route, p_supplier.id, 'INTENT', at
      + (p_supplier.call_deadline_ms + p_supplier.settle_window_ms) * interval '1 ms')
    on conflict (client_id, topup_order_id, route) do update set
      state = 'INTENT', attempt_count = submission.attempt_count + 1, last_attempt_at = at,
      resend_after = excluded.resend_after;
  return o;
end
$$;

-- One due order under a lease. A takeover of an expired lease never sends: its sender may still be
-- alive, so the order is asked about, and "not found" counts only after lease and deadline have
-- passed twice.
create function take_order(o topup_order) returns claimed_order
language plpgsql set search_path = public, pg_temp as $$
declare
  s supplier;
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
    -- Delisted since it was paid: nothing is, or may be, under way on this route.
    if s.id is null or not exists (select from sellable_route f
        where f.variant_id = o.variant_id and f.route = o.route) then
      return describe_order(o, 'NO_ROUTE');
    end if;
    return describe_order(begin_attempt(o, s), 'SUBMIT');
  end if;
  update submission m set state = 'UNKNOWN', resend_after = greatest(m.resend_after,
      m.last_attempt_at + 2 * (s.lease_ms + s.call_deadline_ms) * interval '1 ms')
    where m.client_id = o.client_id and m.topup_order_id = o.id and m.route = o.route
      and m.state = 'INTENT';
  return describe_order(o, 'QUERY');
end
$$;

-- Up to p_limit due orders, oldest first, none that another worker holds.
create function claim_orders(p_limit int, p_closed_suppliers text[])
returns setof claimed_order
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  due topup_order[];
  claims claimed_order[];
begin
  select array_agg(o order by o.client_id, o.id) into due from (
    select t.* from topup_order t
      where t.status = 'PENDING' and t.next_action_at <= clock_timestamp()
        and (cardinality(p_closed_suppliers) = 0 or not exists (
          select from offer f join supplier s on s.id = f.supplier_id
            where f.variant_id = t.variant_id and f.route = t.route
              and s.code = any (p_closed_suppliers)))
        and not exists (
          select from offer f join supplier s on s.id = f.supplier_id
            where f.variant_id = t.variant_id and f.route = t.route and s.is_suspended
              and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT'))
      order by t.next_action_at limit p_limit for no key update skip locked) o;
  if due is null then return; end if;
  begin
    for i in 1 .. cardinality(due) loop
      claims[i] := take_order(due[i]);
    end loop;
  exception when others then
    -- An order that cannot be taken must not keep its neighbours from being taken, for ever.
    claims := null;
    for i in 1 .. cardinality(due) loop
      begin
        claims := claims || take_order(due[i]);
      exception when others then
        raise warning 'order % of client % cannot be taken: %', due[i].id, due[i].client_id,
          sqlerrm;
        update topup_order set next_action_at = clock_timestamp() + interval '1 minute'
          where client_id = due[i].client_id and id = due[i].id;
      end;
    end loop;
  end;
  return query select c.* from unnest(claims) c;
end
$$;

-- One order at once, for the try inside a request; nothing if somebody else was quicker.
create function claim_order(p_client_id bigint, p_order_id bigint) returns setof claimed_order
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  o topup_order;
begin
  select t.* into o from topup_order t
    where t.client_id = p_client_id and t.id = p_order_id and t.fulfilment_state = 'QUEUED'
      and not exists (select from offer f join supplier s on s.id = f.supplier_id
        where f.variant_id = t.variant_id and f.route = t.route and s.is_suspended)
    for no key update skip locked;
  if found then return next take_order(o); end if;
end
$$;

create type recorded_move as (
  ordinal int,
  client_id bigint,
  order_id bigint,
  route smallint,
  lease_token uuid,
  kind text,
  failure_code text,
  next_in_ms bigint,
  receipt json,
  supplier_code text,
  event_id text,
  supplier_reference text,
  body_digest text
);

-- The money of an order goes back where it came from: same source, same amount, no second forex.
create function return_money(o topup_order, p_reason text, p_from text) returns bigint
language plpgsql set search_path = public, pg_temp as $$
declare
  transfer_id bigint;
  new_balance numeric;
begin
  if o.voucher_id is null then
    update wallet w set balance = w.balance + o.charge
      where w.client_id = o.client_id and w.id = o.wallet_id
      returning w.balance into strict new_balance;
  else
    -- Redeemable again, in the state it was in; one that expired meanwhile gets seven days more.
    update voucher v set redeemed_order_id = null, redeemed_at = null,
        expires_at = case when v.expires_at <= clock_timestamp()
          then clock_timestamp() + interval '7 days' else v.expires_at end
      where v.client_id = o.client_id and v.id = o.voucher_id and v.redeemed_order_id = o.id;
  end if;
  -- Numbered under the wallet's lock: a wallet's transfers are in the order of their balances.
  transfer_id := nextval('transfer_id_seq');
  insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id, voucher_id,
      topup_order_id, amount, currency, balance_after)
    values (o.client_id, transfer_id, p_reason, p_from,
      case when o.voucher_id is null then 'WALLET' else 'VOUCHER' end, o.wallet_id, o.voucher_id,
      o.id, o.charge, o.currency, new_balance);
  return transfer_id;
end
$$;

-- The only way to a terminal state: response, callback, poll, cancel and operator all come here.
-- The order's row is locked by the caller and PENDING.
create function end_order(o topup_order, p_status text, p_failure_code text, p_receipt json)
returns topup_order
language plpgsql set search_path = public, pg_temp as $$
declare
  refund_id bigint;
begin
  if p_status = 'DELIVERED' then
    insert into transfer (client_id, reason, debit_account, credit_account, topup_order_id, amount,
        currency)
      values (o.client_id, 'ORDER_SALE', 'IN_FLIGHT', 'SALES', o.id, o.charge, o.currency);
  else
    refund_id := return_money(o, 'ORDER_REFUND', 'IN_FLIGHT');
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
      completed_at = clock_timestamp()
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

-- News that contradicts what the order became: a case for an operator and an event, once.
create function open_case(o topup_order, p_kind text, p_route smallint) returns boolean
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into reconciliation_case (client_id, topup_order_id, kind, route)
    values (o.client_id, o.id, p_kind, p_route) on conflict do nothing;
  if not found then return false; end if;
  if p_kind = 'REVERSAL' then
    update topup_order set reversal_transfer_id = return_money(o, 'REVERSAL', 'SALES'),
        reversed_at = clock_timestamp(), version = o.version + 1
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

-- A route that was given up has delivered while this one was under way; now that this one has
-- definitely not, the order ends by the other. False where there is no such route.
create function deliver_by_given_up_route(o topup_order, p_route smallint) returns boolean
language plpgsql set search_path = public, pg_temp as $$
declare
  delivered smallint;
begin
  select c.route into delivered from reconciliation_case c
    where c.client_id = o.client_id and c.topup_order_id = o.id and c.route <> p_route
      and c.kind = 'SECOND_ROUTE_SUCCESS' order by c.route limit 1;
  if not found then return false; end if;
  -- In this order: at most one of them may be effective at any moment.
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = p_route;
  update submission s set state = 'DELIVERED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = delivered;
  perform end_order(o, 'DELIVERED', null, null);
  return true;
end
$$;

-- Definite news about one route of an order whose row is locked.
create function apply_final_news(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  sent_state text;
  is_elsewhere boolean;
begin
  select s.state into sent_state from submission s
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
  if o.status <> 'PENDING' then
    return case
      when m.kind = 'DELIVER' and o.status <> 'DELIVERED' then
        case when open_case(o, 'LATE_SUCCESS', m.route) then 'CASE_OPENED' else 'NO_CHANGE' end
      -- A second route that delivers as well; the order is sold once.
      when m.kind = 'DELIVER' and sent_state is distinct from 'DELIVERED' then
        case when open_case(o, 'SECOND_ROUTE_SUCCESS', m.route)
          then 'CASE_OPENED' else 'NO_CHANGE' end
      when m.kind = 'FAIL' and o.status = 'DELIVERED' and sent_state = 'DELIVERED' then
        case when open_case(o, 'LATE_FAILURE', m.route) then 'CASE_OPENED' else 'NO_CHANGE' end
      when m.kind = 'REVERSE' and o.status = 'DELIVERED' and sent_state = 'DELIVERED' then
        case when open_case(o, 'REVERSAL', m.route) then 'CASE_OPENED' else 'NO_CHANGE' end
      else 'NO_CHANGE'
    end;
  end if;
  select exists (select from submission s where s.client_id = o.client_id
      and s.topup_order_id = o.id and s.route <> m.route
      and s.state in ('INTENT', 'ACCEPTED', 'UNKNOWN')) into is_elsewhere;
  if m.kind in ('DELIVER', 'REVERSE') then
    if is_elsewhere then
      -- A route we had given up delivers while the next one is under way.
      return case when open_case(o, 'SECOND_ROUTE_SUCCESS', m.route)
        then 'CASE_OPENED' else 'NO_CHANGE' end;
    end if;
    update submission s set state = 'DELIVERED'
      where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
    o := end_order(o, 'DELIVERED', null, m.receipt);
    if m.kind = 'REVERSE' then perform open_case(o, 'REVERSAL', m.route); end if;
    return 'APPLIED';
  end if;
  -- A failure of a route that was already given up says nothing new, unless it is the holder's own
  -- decision to end an order that nobody can supply any more.
  if is_elsewhere or (sent_state = 'NOT_APPLIED'
      and (m.lease_token is null or m.lease_token is distinct from o.lease_token)) then
    return 'NO_CHANGE';
  end if;
  if deliver_by_given_up_route(o, m.route) then return 'APPLIED'; end if;
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
  perform end_order(o, 'FAILED', m.failure_code, null);
  return 'APPLIED';
end
$$;

-- A step that leaves the order PENDING; only the holder of the lease takes it, or, for news that
-- came unasked, anyone while nobody holds one.
create function apply_step(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  next_route smallint;
  due timestamptz := clock_timestamp() + m.next_in_ms * interval '1 ms';
  sent text;
begin
  if o.status <> 'PENDING' or o.route <> m.route then return 'NO_CHANGE'; end if;
  if o.lease_token is distinct from m.lease_token then return 'STALE_LEASE'; end if;
  -- Nothing is under way that unasked news could be about.
  if m.lease_token is null and o.fulfilment_state in ('QUEUED', 'RETRY_WAIT') then
    return 'NO_CHANGE';
  end if;
  if m.kind in ('RETRY', 'NEXT_ROUTE') and deliver_by_given_up_route(o, m.route) then
    return 'APPLIED';
  end if;
  if m.kind = 'NEXT_ROUTE' then
    select min(f.route) into next_route from sellable_route f
      where f.variant_id = o.variant_id and f.route > o.route;
  end if;
  sent := case m.kind when 'AWAIT' then 'ACCEPTED' when 'RETRY' then 'NOT_APPLIED'
    when 'NEXT_ROUTE' then 'NOT_APPLIED' else null end;
  update submission s set state = case
      when sent is not null then sent when s.state = 'INTENT' then 'UNKNOWN' else s.state end
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = o.route;
  update topup_order set
      fulfilment_state = case m.kind when 'AWAIT' then 'AWAITING_SUPPLIER'
        when 'RETRY' then 'RETRY_WAIT' when 'NEXT_ROUTE' then 'RETRY_WAIT'
        when 'REVIEW' then 'REVIEW'
        -- A question without an answer leaves an accepted order where it is.
        else case when o.fulfilment_state = 'SUBMITTING' then 'OUTCOME_UNKNOWN'
          else o.fulfilment_state end end,
      route = coalesce(next_route, o.route),
      backoff_step = case when m.kind = 'NEXT_ROUTE'
          or (m.kind = 'AWAIT' and o.fulfilment_state = 'SUBMITTING') then 0
        else o.backoff_step + 1 end,
      next_action_at = coalesce(due, clock_timestamp()),
      lease_token = null,
      lease_until = null,
      version = o.version + (m.kind in ('RETRY', 'NEXT_ROUTE'))::int
    where client_id = o.client_id and id = o.id
    returning * into o;
  if m.kind in ('RETRY', 'NEXT_ROUTE') then
    perform append_event(o, 'RETRY_SCHEDULED', 'PENDING');
  end if;
  return 'APPLIED';
end
$$;

create function keep_callback(m recorded_move) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  known callback;
  from_supplier bigint;
begin
  select s.id into strict from_supplier from supplier s where s.code = m.supplier_code;
  insert into callback (client_id, supplier_id, event_id, supplier_reference, body_digest)
    values (m.client_id, from_supplier, m.event_id, m.supplier_reference, m.body_digest)
    on conflict do nothing;
  if found then return 'NEW'; end if;
  select c.* into strict known from callback c where c.client_id = m.client_id
    and c.supplier_id = from_supplier and c.event_id = m.event_id;
  return case when known.body_digest = m.body_digest
    then 'REPEATED_EVENT' else 'CONFLICTING_EVENT' end;
end
$$;

-- Records what came of one order or of many. Locks: orders by id, vouchers, wallets by id.
create function record_moves(p_moves json) returns table (ordinal int, result text)
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  moves recorded_move[];
  m recorded_move;
  o topup_order;
  verdict text;
begin
  select array_agg(x order by x.ordinal) into moves
    from json_populate_recordset(null::recorded_move, p_moves) x;
  if moves is null then return; end if;
  perform 1 from topup_order t
    where (t.client_id, t.id) in (select x.client_id, x.order_id from unnest(moves) x)
    order by t.client_id, t.id for no key update;
  perform 1 from voucher v
    where (v.client_id, v.id) in (select t.client_id, t.voucher_id from unnest(moves) x
      join topup_order t on t.client_id = x.client_id and t.id = x.order_id
      where x.kind in ('FAIL', 'REVERSE'))
    order by v.client_id, v.id for no key update;
  perform 1 from wallet w
    where (w.client_id, w.id) in (select t.client_id, t.wallet_id from unnest(moves) x
      join topup_order t on t.client_id = x.client_id and t.id = x.order_id
      where x.kind in ('FAIL', 'REVERSE'))
    order by w.client_id, w.id for no key update;
  foreach m in array moves loop
    -- Read anew each time: two moves of one call may concern the same order.
    select t.* into o from topup_order t where t.client_id = m.client_id and t.id = m.order_id;
    if not found then
      verdict := 'UNKNOWN_ORDER';
    else
      verdict := case when m.event_id is null then 'NEW' else keep_callback(m) end;
      if verdict = 'NEW' then
        verdict := case when m.kind = 'NONE' then 'NO_CHANGE'
          when m.kind in ('DELIVER', 'FAIL', 'REVERSE') then apply_final_news(o, m)
          else apply_step(o, m) end;
        -- The supplier will say it again: its event must not count as heard.
        if verdict = 'STALE_LEASE' and m.event_id is not null then
          delete from callback c using supplier s where s.code = m.supplier_code
            and c.client_id = m.client_id and c.supplier_id = s.id and c.event_id = m.event_id;
        end if;
      end if;
    end if;
    ordinal := m.ordinal;
    result := verdict;
    return next;
  end loop;
end
$$;

-- CANCELLED and refunded, only while no attempt was ever recorded; settled by the order's row lock.
create function cancel_order(p_client_id bigint, p_order_id bigint) returns text
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  o topup_order;
begin
  select t.* into o from topup_order t where t.client_id = p_client_id and t.id = p_order_id
    for no key update;
  if not found then return 'UNKNOWN_ORDER'; end if;
  if o.status = 'CANCELLED' then return 'CANCELLED'; end if;
  if o.fulfilment_state is distinct from 'QUEUED' then return 'NOT_CANCELLABLE'; end if;
  perform end_order(o, 'CANCELLED', null, null);
  return 'CANCELLED';
end
$$;

-- The order behind a supplier's reference, as decisions need it; it takes no lease.
create function find_submission(p_client_id bigint, p_order_id bigint, p_route smallint,
  p_supplier_code text) returns setof claimed_order
language plpgsql stable security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  o topup_order;
begin
  select t.* into o from topup_order t
    join submission m on m.client_id = t.client_id and m.topup_order_id = t.id and m.route = p_route
    join supplier s on s.id = m.supplier_id and s.code = p_supplier_code
    where t.client_id = p_client_id and t.id = p_order_id;
  if not found then return; end if;
  o.route := p_route;
  return next describe_order(o, 'QUERY');
end
$$;
