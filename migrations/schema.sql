-- The whole schema as the migrations leave it, with what every role may do.
-- Emitted by `npm run schema`; a test compares it with the migrated database.

create type claimed_order as (client_id bigint, order_id bigint, lease_token uuid, action text, supplier_code text, supplier_reference text, supplier_sku text, route smallint, has_next_route boolean, face_value numeric(20,4), face_currency text, country_code text, recipient text, input_data json, attempt_count integer, backoff_step integer, backoff_ms integer[], call_deadline_ms integer, window_left_ms bigint, resend_in_ms bigint, can_be_queried boolean, dedupes_by_reference boolean, was_accepted boolean, is_tried_after_window boolean, is_resent boolean);
create type placement as (ordinal integer, client_id bigint, request_id uuid, client_reference text, input_digest text, product_id bigint, variant_id bigint, product_name text, variant_name text, country_code text, face_value numeric(20,4), face_currency text, discount_percent numeric(9,4), forex_rate numeric(20,10), forex_rate_id bigint, charge numeric(20,4), currency text, wallet_id bigint, voucher_hash text, input_data json, recipient text, input_fields_version integer, fulfils_in_request boolean, pricing_version bigint, price_valid_until timestamp with time zone);
create type recorded_move as (ordinal integer, client_id bigint, order_id bigint, route smallint, lease_token uuid, kind text, failure_code text, next_in_ms bigint, receipt json, supplier_code text, event_id text, supplier_reference text, body_digest text);

create sequence topup_order_id_seq as bigint start 1 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;
create sequence transfer_id_seq as bigint start 1 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;

CREATE OR REPLACE FUNCTION add_receipt(o topup_order, p_receipt json)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if o.receipt is not null or p_receipt is null or o.reversed_at is not null then
    return 'NO_CHANGE';
  end if;
  update topup_order set receipt = p_receipt, version = o.version + 1
    where client_id = o.client_id and id = o.id returning * into o;
  perform append_event(o, 'LATE_NEWS', o.status);
  return 'APPLIED';
end
$function$
;

CREATE OR REPLACE FUNCTION adjust_wallet(a operator_action)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
  w wallet;
  transfer_id bigint;
begin
  select x.* into strict w from wallet x
    where x.client_id = a.client_id and x.id = a.wallet_id for no key update;
  if w.currency <> a.currency then
    raise exception 'wallet % of client % is of %', w.id, w.client_id, w.currency
      using errcode = 'invalid_parameter_value';
  end if;
  if w.balance + a.amount < -w.credit_limit then
    raise exception 'wallet % of client % has % and no more to take', w.id, w.client_id,
      w.balance + w.credit_limit using errcode = 'object_not_in_prerequisite_state';
  end if;
  insert into transfer (client_id, reason, debit_account, credit_account, wallet_id, amount,
      currency, balance_after, remarks)
    values (w.client_id, 'ADJUSTMENT', case when a.amount > 0 then 'EXTERNAL' else 'WALLET' end,
      case when a.amount > 0 then 'WALLET' else 'EXTERNAL' end, w.id, abs(a.amount), w.currency,
      w.balance + a.amount, a.remarks)
    returning id into transfer_id;
  update wallet x set balance = x.balance + a.amount
    where x.client_id = w.client_id and x.id = w.id;
  return transfer_id;
end
$function$
;

CREATE OR REPLACE FUNCTION append_event(p_order topup_order, p_type text, p_previous_status text)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'public', 'pg_temp'
AS $function$
  insert into topup_order_event (client_id, topup_order_id, version, type, previous_status, status,
      failure_code, occurred_at)
    values (p_order.client_id, p_order.id, p_order.version, p_type, p_previous_status,
      p_order.status, p_order.failure_code, case p_type
        when p_order.status then p_order.completed_at
        when 'REVERSED' then p_order.reversed_at
        else clock_timestamp() end);
  insert into feed_inbox (client_id, topup_order_id, version)
    values (p_order.client_id, p_order.id, p_order.version);
$function$
;

CREATE OR REPLACE FUNCTION apply_final_news(o topup_order, m recorded_move)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION apply_reversal(o topup_order, m recorded_move, p_sent_state text)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if o.status = 'PENDING' and o.route = m.route then
    if deliver_by_given_up_route(o, m.route) then
      select t.* into strict o from topup_order t
        where t.client_id = o.client_id and t.id = o.id;
      perform take_back_success(o, m.route);
      return 'APPLIED';
    end if;
    update submission s set state = 'DELIVERED'
      where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
    perform open_case(end_order(o, 'DELIVERED', null, m.receipt), 'REVERSAL', m.route);
    return 'APPLIED';
  end if;
  if o.status = 'DELIVERED' and p_sent_state = 'DELIVERED' then
    return case when open_case(o, 'REVERSAL', m.route) then 'CASE_OPENED' else 'NO_CHANGE' end;
  end if;
  perform take_back_success(o, m.route);
  return 'CASE_OPENED';
end
$function$
;

CREATE OR REPLACE FUNCTION apply_step(o topup_order, m recorded_move)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION approve_action(client_id bigint, id bigint)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select decide_action(client_id, id, true);
$function$
;

CREATE OR REPLACE FUNCTION ask_about_order(p_client_id bigint, p_order_id bigint)
 RETURNS SETOF claimed_order
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  o topup_order;
begin
  select t.* into o from topup_order t
    where t.client_id = p_client_id and t.id = p_order_id and t.status = 'PENDING';
  if not found then return; end if;
  perform 1 from submission m join supplier s on s.id = m.supplier_id
    where m.client_id = o.client_id and m.topup_order_id = o.id and m.route = o.route
      and m.state in ('ACCEPTED', 'UNKNOWN') and s.can_be_queried and not s.is_suspended
      and (m.asked_at is null or m.asked_at <= clock_timestamp() - interval '2 seconds')
    for no key update of m skip locked;
  if not found then return; end if;
  perform 1 from topup_order t
    where t.client_id = o.client_id and t.id = o.id and t.version = o.version
    for no key update skip locked;
  if not found then return; end if;
  update submission m set asked_at = clock_timestamp()
    where m.client_id = o.client_id and m.topup_order_id = o.id and m.route = o.route;
  return next describe_order(o, 'QUERY');
end
$function$
;

CREATE OR REPLACE FUNCTION ask_further_route(o topup_order, p_kind text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
  further record;
  at timestamptz := clock_timestamp();
begin
  select coalesce(k.further_route, greatest(f.route, o.route + 1, k.last_route + 1))::smallint
      as route, s.id as supplier_id,
      s.call_deadline_ms + s.settle_window_ms as settled_in_ms into further
    from offer f join supplier s on s.id = f.supplier_id
    cross join lateral (select max(m.route) as last_route,
        min(m.route) filter (where m.supplier_id = f.supplier_id and m.route > o.route)
          as further_route,
        coalesce(bool_or(m.supplier_id = f.supplier_id), false) as is_known
      from submission m where m.client_id = o.client_id and m.topup_order_id = o.id) k
    where f.variant_id = o.variant_id and (k.further_route is not null or not k.is_known)
    order by 1, f.route limit 1;
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
$function$
;

CREATE OR REPLACE FUNCTION begin_attempt(o topup_order, p_supplier supplier)
 RETURNS topup_order
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
      -- That a supplier took it is not forgotten by sending it again.
      state = case submission.state when 'ACCEPTED' then 'ACCEPTED' else 'INTENT' end,
      attempt_count = submission.attempt_count + 1, last_attempt_at = at,
      resend_after = excluded.resend_after;
  return o;
end
$function$
;

CREATE OR REPLACE FUNCTION bump_access_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  update access_version set version = version + 1, clients_version = clients_version
    + case when tg_table_name in ('revoked_token', 'api_key') then 0 else 1 end;
  perform pg_notify('access', '');
  return null;
end
$function$
;

CREATE OR REPLACE FUNCTION bump_pricing_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  update pricing_version set version = version + 1 where xmin <> pg_current_xact_id()::xid;
  if found then perform pg_notify('catalogue', ''); end if;
  return null;
end
$function$
;

CREATE OR REPLACE FUNCTION cancel_order(p_client_id bigint, p_order_id bigint)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION claim_order(p_client_id bigint, p_order_id bigint)
 RETURNS SETOF claimed_order
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  o topup_order;
begin
  select t.* into o from topup_order t
    where t.client_id = p_client_id and t.id = p_order_id and t.fulfilment_state = 'QUEUED'
    for no key update skip locked;
  if not found then return; end if;
  if (select s.is_suspended from supplier s where s.id = supplier_of(o)) then
    o := leave_suspended_supplier(o);
    if (select s.is_suspended from supplier s where s.id = supplier_of(o)) then return; end if;
  end if;
  return next take_order(o);
end
$function$
;

CREATE OR REPLACE FUNCTION claim_orders(p_limit integer, p_rooms json)
 RETURNS SETOF claimed_order
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_sort TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  full_suppliers bigint[];
  suspended_suppliers bigint[];
  aside_client_ids bigint[] := '{}';
  aside_ids bigint[] := '{}';
  aside_suppliers bigint[] := '{}';
  client_ids bigint[];
  order_ids bigint[];
  upto timestamptz;
  claims claimed_order[] := '{}';
  o topup_order;
  -- Held still: the index is read up to here. By the clock itself all that is pending was read.
  at timestamptz := clock_timestamp();
begin
  select coalesce(array_agg(s.id) filter (where (p_rooms ->> s.code)::int <= 0), '{}'),
      coalesce(array_agg(s.id) filter (where s.is_suspended), '{}')
    into full_suppliers, suspended_suppliers from supplier s;
  begin
    -- Locked where they are updated: a row that a transaction locks and its subtransaction updates
    -- bears both numbers, and its old versions stay in the index of what is due until a vacuum.
    -- In the order of its index, or it would be looked for in that of all that is pending.
    if exists (select from (select from topup_order t
        where t.status = 'PENDING' and t.set_aside_at = t.next_action_at and t.set_aside_for >= 0
        order by t.set_aside_for limit 1) x) then
      select x.client_ids, x.ids, x.suppliers into aside_client_ids, aside_ids, aside_suppliers
        from lock_aside(p_limit, p_rooms, at) x;
    end if;
    with due as materialized (
      select distinct x.* from lock_due(p_limit - cardinality(aside_ids),
        full_suppliers || aside_suppliers, suspended_suppliers, at) x
    ), placed as (
      select d.client_id, d.id, (p_rooms ->> s.code)::int as room,
          row_number() over (partition by s.id order by d.next_action_at) as place
        from due d
        left join lateral (select y.id
          from supplier_in_turn(d.client_id, d.id, d.variant_id, d.route) y offset 0) x on true
        left join supplier s on s.id = x.id
    ), taken as (
      select p.client_id, p.id from placed p where p.room is null or p.place <= p.room
      union all
      select a.client_id, a.id from unnest(aside_client_ids, aside_ids) a (client_id, id)
    )
    select array_agg(t.client_id order by t.client_id, t.id),
        array_agg(t.id order by t.client_id, t.id),
        (select case when count(*) = p_limit - cardinality(aside_ids)
          then max(d.next_action_at) end from due d)
      into client_ids, order_ids, upto from taken t;
    if order_ids is not null then claims := take_orders(client_ids, order_ids); end if;
  exception when others then
    -- Class 53 is insufficient resources.
    if order_ids is null or sqlstate like '53%' then raise; end if;
    -- All of them go order by order: the one that cannot be taken must not keep its neighbours.
    raise warning '% orders cannot be taken together: %', cardinality(order_ids), sqlerrm;
  end;
  if cardinality(claims) < cardinality(order_ids) then
    -- The locks went with the subtransaction, if it failed: each is taken again.
    for o in select t.* from unnest(client_ids, order_ids) k (client_id, id)
        cross join lateral (select x.* from topup_order x
          where x.client_id = k.client_id and x.id = k.id and x.status = 'PENDING'
            and x.next_action_at <= clock_timestamp() for no key update skip locked) t loop
      begin
        claims := claims || take_order(o);
      exception when others then
        if sqlstate like '53%' then raise; end if;
        raise warning 'order % of client % cannot be taken: %', o.id, o.client_id, sqlerrm;
        update topup_order set next_action_at = clock_timestamp() + interval '1 minute'
          where client_id = o.client_id and id = o.id;
      end;
    end loop;
  end if;
  if cardinality(full_suppliers) + cardinality(suspended_suppliers)
      + cardinality(aside_suppliers) > 0 then
    -- What is due for as long as the last of these is what was read over. What was claimed is to be
    -- sent, and does not wait for more than a page of it.
    perform set_aside_waiting(full_suppliers || aside_suppliers, suspended_suppliers,
      coalesce(upto, at),
      case when cardinality(claims) > 0 then at else at + interval '300 milliseconds' end);
  end if;
  return query select c.* from unnest(claims) c;
end
$function$
;

CREATE OR REPLACE FUNCTION decide_action(p_client_id bigint, p_id bigint, p_is_approved boolean)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET lock_timeout TO '5s'
AS $function$
declare
  a operator_action;
  moved bigint;
begin
  -- Whoever approves holds a wallet or an order until they commit, as well as its client's others.
  perform set_config('idle_in_transaction_session_timeout', '5s', true);
  select x.* into a from operator_action x where x.client_id = p_client_id and x.id = p_id
    for no key update;
  if not found then
    raise exception 'there is no action % of client %', p_id, p_client_id
      using errcode = 'no_data_found';
  end if;
  if exists (select from operator_decision d
      where d.client_id = a.client_id and d.action_id = a.id) then
    raise exception 'action % is decided already', a.id
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  if p_is_approved then
    if a.proposed_by = session_user then
      raise exception 'action % is approved by somebody else than % or not at all', a.id,
        a.proposed_by using errcode = 'insufficient_privilege';
    end if;
    case a.kind
      when 'SETTLE_ORDER' then perform settle_order(a);
      when 'RESOLVE_CASE' then moved := resolve_case(a);
      else moved := adjust_wallet(a);
    end case;
  end if;
  insert into operator_decision (client_id, action_id, is_approved, transfer_id)
    values (a.client_id, a.id, p_is_approved, moved);
end
$function$
;

CREATE OR REPLACE FUNCTION deliver_by_given_up_route(o topup_order, p_route smallint)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
  delivered smallint;
  told json;
begin
  select c.route, c.receipt into delivered, told from reconciliation_case c
    where c.client_id = o.client_id and c.topup_order_id = o.id and c.route <> p_route
      and c.kind = 'SECOND_ROUTE_SUCCESS' and c.reversed_at is null order by c.route limit 1;
  if not found then return false; end if;
  -- In this order: at most one of them may be effective at any moment.
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = p_route;
  update submission s set state = 'DELIVERED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = delivered;
  perform end_order(o, 'DELIVERED', null, told);
  return true;
end
$function$
;

CREATE OR REPLACE FUNCTION describe_order(o topup_order, p_action text)
 RETURNS claimed_order
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION end_order(o topup_order, p_status text, p_failure_code text, p_receipt json)
 RETURNS topup_order
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION end_orders(p_moves recorded_move[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION end_tokens(p_client_id bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
begin
  -- Until the logins under way stand, so that they are seen here.
  perform pg_advisory_xact_lock(hashtextextended('tokens of client ' || p_client_id, 0));
  delete from token_family f where f.client_id = p_client_id;
  insert into token_generation as g (client_id, generation) values (p_client_id, 2)
    on conflict (client_id) do update set generation = g.generation + 1;
end
$function$
;

CREATE OR REPLACE FUNCTION find_stray_callbacks(p_after bigint, p_limit integer, OUT after bigint, OUT ids bigint[])
 RETURNS record
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  with page as materialized (
    select c.id, c.client_id, c.topup_order_id, c.route, c.supplier_id, c.received_at
      from stray_callback c where c.id > p_after order by c.id limit p_limit
  )
  select case when count(*) = p_limit then max(p.id) end,
      coalesce(array_agg(p.id order by p.id) filter (where p.topup_order_id is not null and exists (
        select from submission m
          join topup_order o on o.client_id = m.client_id and o.id = m.topup_order_id
          where m.client_id = p.client_id and m.topup_order_id = p.topup_order_id
            and m.route = p.route and m.supplier_id = p.supplier_id
            and o.created_at <= p.received_at)), '{}')
    into after, ids from page p;
end
$function$
;

CREATE OR REPLACE FUNCTION find_submission(p_client_id bigint, p_order_id bigint, p_route smallint, p_supplier_code text)
 RETURNS SETOF claimed_order
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select (f.found).* from find_submissions(array[p_client_id], array[p_order_id], array[p_route],
    array[p_supplier_code]) f;
$function$
;

CREATE OR REPLACE FUNCTION find_submissions(p_client_ids bigint[], p_order_ids bigint[], p_routes smallint[], p_supplier_codes text[])
 RETURNS TABLE(place integer, found claimed_order)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  at timestamptz := clock_timestamp();
begin
  return query select k.place::int, (o.client_id, o.id, o.lease_token, 'QUERY', s.code,
      o.client_id || '-' || o.id || '-' || k.route,
      case when r.route is not null then f.supplier_sku end,
      k.route,
      exists (select from sellable_route n
        where n.variant_id = o.variant_id and n.is_in_stock
          and not exists (select from submission x where x.client_id = o.client_id
            and x.topup_order_id = o.id and x.supplier_id = n.supplier_id
            and not (x.route > k.route and is_ruled_out_ahead(o.client_id, o.id, k.route)))),
      o.face_value, o.face_currency, o.country_code, o.recipient, o.input_data,
      m.attempt_count, o.backoff_step, s.backoff_ms, s.call_deadline_ms,
      extract(epoch from o.retry_until - at) * 1000,
      coalesce(extract(epoch from m.resend_after - at) * 1000, 0),
      s.can_be_queried, s.dedupes_by_reference, m.state = 'ACCEPTED',
      coalesce(o.last_attempt_at > o.retry_until, false), false)::claimed_order
    from unnest(p_client_ids, p_order_ids, p_routes, p_supplier_codes) with ordinality
      as k (client_id, id, route, supplier_code, place)
    cross join lateral (select x.* from topup_order x
      where x.client_id = k.client_id and x.id = k.id limit 1) o
    cross join lateral (select x.* from submission x
      where x.client_id = o.client_id and x.topup_order_id = o.id and x.route = k.route limit 1) m
    join supplier s on s.id = m.supplier_id and s.code = k.supplier_code
    left join lateral (select x.* from offer x
      where x.variant_id = o.variant_id and x.supplier_id = m.supplier_id limit 1) f on true
    left join lateral (select x.route from sellable_route x
      where x.variant_id = f.variant_id and x.route = f.route limit 1) r on true;
end
$function$
;

CREATE OR REPLACE FUNCTION forget_stray_callbacks(p_ids bigint[], p_limit integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  delete from stray_callback c where c.id = any (p_ids);
  with forgotten as (
    delete from stray_callback c where c.id = any (array(
      select x.id from stray_callback x
        where x.received_at < clock_timestamp() - interval '24 hours'
        order by x.received_at limit p_limit for update skip locked))
      returning c.*
  )
  insert into callback (client_id, supplier_id, event_id, supplier_reference, body_digest,
      received_at)
    select f.client_id, f.supplier_id, f.event_id, f.supplier_reference, f.body_digest,
      f.received_at from forgotten f order by 1, 2, 3
    on conflict do nothing;
end
$function$
;

CREATE OR REPLACE FUNCTION give_tokens_back(p_client_id bigint, p_class text, p_subject text, p_count integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  counted rate_count;
  owed int := p_count;
  part int;
begin
  select * into counted from rate_count r
    where r.client_id = p_client_id and r.class = p_class and r.subject = p_subject
    for no key update;
  if not found then return; end if;
  for at in reverse 241 .. 1 loop
    exit when owed = 0;
    part := least(owed, counted.slots[at]);
    counted.slots[at] := counted.slots[at] - part;
    owed := owed - part;
  end loop;
  update rate_count r set slots = counted.slots
    where r.client_id = p_client_id and r.class = p_class and r.subject = p_subject;
end
$function$
;

CREATE OR REPLACE FUNCTION is_overtaken(o topup_order, m recorded_move)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select (m.kind = 'FAIL' and m.lease_token is not null
      and m.lease_token is distinct from o.lease_token)
    or is_told_late(o, m);
$function$
;

CREATE OR REPLACE FUNCTION is_past_window(o topup_order)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select o.fulfilment_state = 'RETRY_WAIT' and o.retry_until < clock_timestamp()
    and (o.retry_until < o.next_action_at
      or exists (select from supplier s where s.is_suspended and s.id = coalesce(
        (select m.supplier_id from submission m where m.client_id = o.client_id
          and m.topup_order_id = o.id and m.route = o.route),
        -- It went on to this route, and was not sent there yet.
        (select f.supplier_id from offer f where f.variant_id = o.variant_id
          and f.route = o.route))))
    and not exists (select from submission m where m.client_id = o.client_id
      and m.topup_order_id = o.id and m.state <> 'NOT_APPLIED');
$function$
;

CREATE OR REPLACE FUNCTION is_ruled_out_ahead(o topup_order)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select is_ruled_out_ahead(o.client_id, o.id, o.route);
$function$
;

CREATE OR REPLACE FUNCTION is_ruled_out_ahead(p_client_id bigint, p_order_id bigint, p_route smallint)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select coalesce(bool_and(m.is_ruled_out) and bool_or(m.route = p_route), false)
    from submission m
    where m.client_id = p_client_id and m.topup_order_id = p_order_id and m.route >= p_route
      and m.attempt_count > 0;
$function$
;

CREATE OR REPLACE FUNCTION is_told_late(o topup_order, m recorded_move)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select m.event_id is not null and m.lease_token is null
    and o.status = 'PENDING' and o.route = m.route
    and (m.kind in ('RETRY', 'NEXT_ROUTE') or (m.kind = 'FAIL' and m.failure_code in (
      'OPERATOR_UNAVAILABLE', 'OPERATOR_LIMIT_EXCEEDED', 'PRODUCT_UNAVAILABLE',
      'PRODUCT_OUT_OF_STOCK')))
    and exists (select from submission s where s.client_id = o.client_id
      and s.topup_order_id = o.id and s.route = m.route and s.attempt_count > 1);
$function$
;

CREATE OR REPLACE FUNCTION keep_callback(m recorded_move)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION keep_stray_callback(m recorded_move, p_outcome json)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
  from_supplier bigint;
  known_digest text;
begin
  select s.id into strict from_supplier from supplier s where s.code = m.supplier_code;
  select c.body_digest into known_digest from callback c where c.client_id = m.client_id
    and c.supplier_id = from_supplier and c.event_id = m.event_id;
  if not found then
    insert into stray_callback (client_id, supplier_id, event_id, supplier_reference, body_digest,
        topup_order_id, route, outcome)
      values (m.client_id, from_supplier, m.event_id, m.supplier_reference, m.body_digest,
        m.order_id, m.route, p_outcome)
      on conflict do nothing;
    if found then return 'NEW'; end if;
    select c.body_digest into known_digest from stray_callback c where c.client_id = m.client_id
      and c.supplier_id = from_supplier and c.event_id = m.event_id;
  end if;
  -- Null: forgotten in between, as it was applied. It is heard, whatever this one says.
  return case when known_digest is null or known_digest = m.body_digest
    then 'REPEATED_EVENT' else 'CONFLICTING_EVENT' end;
end
$function$
;

CREATE OR REPLACE FUNCTION leave_suspended_supplier(o topup_order)
 RETURNS topup_order
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
  next_route smallint;
  next_supplier bigint;
  at timestamptz := clock_timestamp();
begin
  select w.route, w.supplier_id into next_route, next_supplier from way_past_suspended(o) w;
  if not found then return o; end if;
  insert into submission (client_id, topup_order_id, route, supplier_id, state, attempt_count,
      resend_after)
    select o.client_id, o.id, f.route, f.supplier_id, 'NOT_APPLIED', 0, at
      from offer f where f.variant_id = o.variant_id
        and (f.route < next_route or f.supplier_id = next_supplier)
        and not exists (select from submission m where m.client_id = o.client_id
          and m.topup_order_id = o.id and m.supplier_id = f.supplier_id)
    on conflict do nothing;
  update topup_order set
      route = next_route,
      backoff_step = 0,
      -- Time in which nobody attended the order does not count to its window.
      retry_until = o.retry_until + greatest(at - o.next_action_at, interval '0'),
      next_action_at = at
    where client_id = o.client_id and id = o.id returning * into o;
  return o;
end
$function$
;

CREATE OR REPLACE FUNCTION leave_suspended_suppliers(p_limit integer)
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select l.found_count from leave_suspended_suppliers(p_limit, null) l;
$function$
;

CREATE OR REPLACE FUNCTION leave_suspended_suppliers(p_limit integer, p_after text, OUT found_count integer, OUT after text)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_sort TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  page_size constant int := 4096;
  start json := coalesce(p_after, '[0, "infinity", 0, 0]');
  suspended bigint[];
  others bigint[];
  k record;
  o topup_order;
  at timestamptz := clock_timestamp();
begin
  found_count := 0;
  if p_after is null then
    -- For nobody, as the version before left it: it is on no way of a claim or of a look.
    update topup_order set set_aside_at = null
      where status = 'PENDING' and set_aside_at = next_action_at and set_aside_for is null;
  end if;
  select coalesce(array_agg(s.id) filter (where s.is_suspended), '{}'),
      coalesce(array_agg(s.id) filter (where not s.is_suspended), '{}')
    into suspended, others from supplier s;
  if cardinality(suspended) > 0 then
    perform set_aside_waiting('{}', suspended, at, at + interval '1 second');
  end if;
  with seen as materialized (
    select t.address, t.client_id, t.id, t.set_aside_for, t.next_action_at,
        -- Another one's turn came by an import, or this one is still asked though suspended, or the
        -- clock ran ahead.
        x.id is distinct from t.set_aside_for or t.next_action_at > at
          or (x.id = any (suspended) and t.fulfilment_state not in ('QUEUED', 'RETRY_WAIT'))
          as is_due,
        x.id = any (suspended) and exists (select from offer f
            where f.variant_id = t.variant_id and f.route > t.route
              and f.supplier_id = any (others))
          and exists (select from topup_order d cross join lateral way_past_suspended(d) w
            where d.client_id = t.client_id and d.id = t.id) as has_way
      from (select d.ctid as address, d.client_id, d.id, d.variant_id, d.route,
            d.fulfilment_state, d.set_aside_for, d.next_action_at
          from topup_order d
        where d.status = 'PENDING' and d.set_aside_at = d.next_action_at
          and (d.set_aside_for, d.next_action_at, d.client_id, d.id)
            > ((start ->> 0)::bigint, (start ->> 1)::timestamptz, (start ->> 2)::bigint,
              (start ->> 3)::bigint)
        order by d.set_aside_for, d.next_action_at, d.client_id, d.id limit page_size) t
      left join lateral (select y.id
        from supplier_in_turn(t.client_id, t.id, t.variant_id, t.route) y offset 0) x on true
  ), held as materialized (
    select x.address, h.is_due from seen h
      cross join lateral (select d.ctid as address from topup_order d
        where d.ctid = h.address and d.status = 'PENDING'
          and d.set_aside_at = d.next_action_at and d.set_aside_for = h.set_aside_for
        limit 1 for no key update skip locked) x
      where h.is_due or h.has_way
  ), moved as (
    update topup_order d set set_aside_at = case when not h.is_due then d.set_aside_at end,
        set_aside_for = case when not h.is_due then 0 end
      from held h where d.ctid = h.address
  )
  select case when count(*) = page_size
      then (array_agg(json_build_array(h.set_aside_for, h.next_action_at, h.client_id, h.id)
        order by h.set_aside_for desc, h.next_action_at desc, h.client_id desc, h.id desc))[1] end
    into after from seen h;
  for k in select t.ctid as address from topup_order t
      where t.status = 'PENDING' and t.set_aside_at = t.next_action_at and t.set_aside_for = 0
      -- Others' locks are no work that was found: with nothing else this would not rest.
      order by t.set_aside_for, t.next_action_at limit p_limit for no key update skip locked
  loop
    found_count := found_count + 1;
    select t.* into o from topup_order t
      where t.ctid = k.address and t.status = 'PENDING'
        and t.set_aside_at = t.next_action_at and t.set_aside_for = 0
      for no key update skip locked;
    continue when not found;
    begin
      -- Looked at anew under the lock. Where there is no way any more it is due as others are.
      o := leave_suspended_supplier(o);
      update topup_order t set set_aside_at = null, set_aside_for = null
        where t.client_id = o.client_id and t.id = o.id;
    exception when others then
      if sqlstate like '53%' then raise; end if;
      raise warning 'order % of client % cannot leave its supplier: %', o.id, o.client_id, sqlerrm;
      -- For nobody it is due: nothing goes along a queue of nobody's.
      update topup_order t set set_aside_for = supplier_of(o),
          set_aside_at = case when supplier_of(o) is not null then t.set_aside_at end
        where t.client_id = o.client_id and t.id = o.id;
    end;
  end loop;
end
$function$
;

CREATE OR REPLACE FUNCTION lock_aside(p_limit integer, p_rooms json, p_at timestamp with time zone, OUT client_ids bigint[], OUT ids bigint[], OUT suppliers bigint[])
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_sort TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  page_size constant int := 4096;
  share int;
  mistaken bigint[];
begin
  -- Half of a claim is for what was never set aside: others may be soon done with theirs.
  select p_limit - count(*) into share from (select from topup_order t
    where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
      and t.next_action_at <= p_at
    order by t.next_action_at limit (p_limit + (random() < 0.5)::int) / 2) x;
  select coalesce(array_agg(k.client_id) filter (where k.is_its_turn), '{}'),
      coalesce(array_agg(k.id) filter (where k.is_its_turn), '{}'),
      coalesce(array_agg(distinct k.supplier_id) filter (where k.is_its_turn), '{}'),
      coalesce(array_agg(distinct k.supplier_id) filter (where not k.is_its_turn), '{}')
    into client_ids, ids, suppliers, mistaken
    from (
      -- In any order, so that none is always behind the share of others.
      select s.id as supplier_id, t.client_id, t.id, exists (select from
          supplier_in_turn(t.client_id, t.id, t.variant_id, t.route) x where x.id = s.id)
          as is_its_turn
        from (select x.* from supplier x where not x.is_suspended order by random()) s
        cross join lateral (select d.client_id, d.id, d.variant_id, d.route from topup_order d
          where d.status = 'PENDING' and d.set_aside_at = d.next_action_at
            and d.set_aside_for = s.id and d.next_action_at <= p_at
          order by d.set_aside_for, d.next_action_at
          limit greatest(least((p_rooms ->> s.code)::int, share), 0)
          for no key update skip locked) t
        limit share
    ) k;
  if cardinality(mistaken) > 0 then
    -- It is another one's turn by now: due as others are, so that none is claimed behind it.
    with held as materialized (
      select x.address from unnest(mistaken) s (id)
        cross join lateral (select d.ctid as address, d.client_id, d.id, d.variant_id, d.route
          from topup_order d
          where d.status = 'PENDING' and d.set_aside_at = d.next_action_at
            and d.set_aside_for = s.id
          order by d.set_aside_for, d.next_action_at limit page_size
          for no key update skip locked) x
        where not exists (select from
          supplier_in_turn(x.client_id, x.id, x.variant_id, x.route) y where y.id = s.id)
    )
    update topup_order t set set_aside_at = null, set_aside_for = null
      from held h where t.ctid = h.address;
  end if;
end
$function$
;

CREATE OR REPLACE FUNCTION lock_due(p_limit integer, p_full bigint[], p_suspended bigint[], p_at timestamp with time zone)
 RETURNS TABLE(client_id bigint, id bigint, variant_id bigint, route smallint, next_action_at timestamp with time zone)
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_sort TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
#variable_conflict use_column
declare
  -- It reads over so many at a time, so that no number of them that wait can keep it for long.
  window_size constant int := 4 * p_limit + 1024;
  reached timestamptz := '-infinity';
  -- So many of that very moment are passed: after a restore, all that is pending is of one.
  passed int := 0;
  last timestamptz;
  last_count int;
  locked_count int := 0;
  got int;
  seen_count int;
begin
  if cardinality(p_full) + cardinality(p_suspended) = 0 then
    return query select t.client_id, t.id, t.variant_id, t.route, t.next_action_at
      from topup_order t
      where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
        and t.next_action_at <= p_at
      order by t.next_action_at limit p_limit for no key update skip locked;
    return;
  end if;
  loop
    return query select k.* from (
        select t.ctid as address, t.client_id, t.id, t.variant_id, t.route, t.fulfilment_state
          from topup_order t
          where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
            and t.next_action_at >= reached and t.next_action_at <= p_at
          order by t.next_action_at limit window_size offset passed) h
      cross join lateral (
        select t.client_id, t.id, t.variant_id, t.route, t.next_action_at from topup_order t
          where t.ctid = h.address and t.status = 'PENDING'
            and t.set_aside_at is distinct from t.next_action_at and t.next_action_at <= p_at
          limit 1 for no key update skip locked) k
      where not exists (select from (select y.id
            from supplier_in_turn(h.client_id, h.id, h.variant_id, h.route) y offset 0) x
          where x.id = any (p_full) or (x.id = any (p_suspended)
            and h.fulfilment_state in ('QUEUED', 'RETRY_WAIT')))
      limit p_limit - locked_count;
    get diagnostics got = row_count;
    locked_count := locked_count + got;
    exit when locked_count >= p_limit;
    -- Others may hold all that was seen.
    with seen as materialized (
      select t.next_action_at as at from topup_order t
        where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
          and t.next_action_at >= reached and t.next_action_at <= p_at
        order by t.next_action_at limit window_size offset passed
    ), newest as materialized (select max(s.at) as at from seen s)
    select count(s.at), n.at, count(*) filter (where s.at = n.at)
      into seen_count, last, last_count from newest n left join seen s on true group by n.at;
    passed := last_count + case when last = reached then passed else 0 end;
    reached := last;
    exit when seen_count < window_size
      or clock_timestamp() > p_at + interval '100 milliseconds';
  end loop;
  if locked_count < p_limit and seen_count = window_size then
    -- More was in front than that time passes. What comes in must not wait for all of it.
    return query select k.* from (
        select t.ctid as address, t.client_id, t.id, t.variant_id, t.route, t.fulfilment_state
          from topup_order t
          where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
            and t.next_action_at >= reached and t.next_action_at <= p_at
          order by t.next_action_at desc limit window_size) h
      cross join lateral (
        select t.client_id, t.id, t.variant_id, t.route, t.next_action_at from topup_order t
          where t.ctid = h.address and t.status = 'PENDING'
            and t.set_aside_at is distinct from t.next_action_at and t.next_action_at <= p_at
          limit 1 for no key update skip locked) k
      where not exists (select from (select y.id
            from supplier_in_turn(h.client_id, h.id, h.variant_id, h.route) y offset 0) x
          where x.id = any (p_full) or (x.id = any (p_suspended)
            and h.fulfilment_state in ('QUEUED', 'RETRY_WAIT')))
      limit p_limit - locked_count;
  end if;
end
$function$
;

CREATE OR REPLACE FUNCTION loss_of_case(a operator_action)
 RETURNS numeric
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select coalesce(sum(case x.outcome when 'LOSS' then x.amount else -x.amount end), 0)
    from operator_action x join operator_decision d on d.client_id = x.client_id
      and d.action_id = x.id and d.is_approved
    where x.client_id = a.client_id and x.topup_order_id = a.topup_order_id
      and x.case_kind = a.case_kind and x.case_route = a.case_route
      and x.currency = a.currency and x.outcome in ('LOSS', 'RECOVERED');
$function$
;

CREATE OR REPLACE FUNCTION mark_client_of_wallet()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  update client set changed_in = changed_in
    where client_id = new.client_id and changed_in < (select version from pricing_version);
  return null;
end
$function$
;

CREATE OR REPLACE FUNCTION mark_offered_variants()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  update variant set changed_in = changed_in
    where id in (select variant_id from changed_offer)
      and changed_in < (select version from pricing_version);
  return null;
end
$function$
;

CREATE OR REPLACE FUNCTION mark_priced_clients()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  update client set changed_in = changed_in
    where client_id in (select client_id from changed_row)
      and changed_in < (select version from pricing_version);
  return null;
end
$function$
;

CREATE OR REPLACE FUNCTION mark_pricing_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  select version into new.changed_in from pricing_version;
  return new;
end
$function$
;

CREATE OR REPLACE FUNCTION mark_pricing_removal()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  update pricing_version set removed_in = version;
  return null;
end
$function$
;

CREATE OR REPLACE FUNCTION next_offer(o topup_order)
 RETURNS SETOF sellable_route
 LANGUAGE sql
 STABLE ROWS 1
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION note_accepted(o topup_order, m recorded_move)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if o.status <> 'PENDING' then return 'NO_CHANGE'; end if;
  if o.route <> m.route and (o.restored_route is not null
      or o.fulfilment_state not in ('QUEUED', 'RETRY_WAIT')
      or not exists (select from submission s join supplier p on p.id = s.supplier_id
        where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route
          and p.can_be_queried and p.is_suspended)) then
    return 'NO_CHANGE';
  end if;
  if exists (select from submission s where s.client_id = o.client_id and s.topup_order_id = o.id
      and s.route <> m.route and s.state in ('INTENT', 'ACCEPTED', 'UNKNOWN')) then
    return 'NO_CHANGE';
  end if;
  update submission s set state = 'ACCEPTED', accepted_at = clock_timestamp()
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route
      and s.attempt_count > 0 and s.state in ('INTENT', 'UNKNOWN', 'NOT_APPLIED');
  if not found then return 'NO_CHANGE'; end if;
  delete from submission s where s.client_id = o.client_id and s.topup_order_id = o.id
    and s.route = o.route and o.route <> m.route and s.attempt_count = 0;
  update topup_order set route = m.route, fulfilment_state = 'AWAITING_SUPPLIER',
      next_action_at = clock_timestamp(), lease_token = null, lease_until = null
    where client_id = o.client_id and id = o.id;
  return 'APPLIED';
end
$function$
;

CREATE OR REPLACE FUNCTION number_events(p_limit integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  news feed_inbox[];
  ends bigint[];
begin
  if not exists (select from feed_inbox) then return 0; end if;
  perform pg_advisory_xact_lock(hashtext('feed sequencer'));
  with taken as (
    -- Nobody else removes or changes rows here, so their addresses hold.
    delete from feed_inbox where ctid = any (array(
      select i.ctid from feed_inbox i order by i.id limit p_limit))
    returning id, client_id, topup_order_id, version
  )
  select array_agg((t.id, t.client_id, t.topup_order_id, t.version)::feed_inbox
      order by t.client_id, t.id)
    into news from taken t;
  if news is null then return 0; end if;
  with positions as (
    insert into feed_position (client_id, last_sequence, kept_since)
      select t.client_id, count(*), clock_timestamp() from unnest(news) t
        group by t.client_id order by t.client_id
      on conflict (client_id) do update
        set last_sequence = feed_position.last_sequence + excluded.last_sequence,
          kept_since = coalesce(feed_position.kept_since, excluded.kept_since)
      returning client_id, last_sequence
  )
  select array_agg(p.last_sequence order by p.client_id) into ends from positions p;
  insert into feed_entry (client_id, sequence, topup_order_id, version)
    select t.client_id,
      ends[dense_rank() over (order by t.client_id)] - count(*) over (partition by t.client_id)
        + row_number() over (partition by t.client_id order by t.id),
      t.topup_order_id, t.version
    from unnest(news) t order by t.client_id, t.id;
  with delivered as (
    select o.product_id, avg(extract(epoch from e.occurred_at - o.created_at) * 1000) as took_ms
      from unnest(news) t
      -- The limits keep these look-ups by key, whatever the tables looked like at planning.
      cross join lateral (select x.occurred_at from topup_order_event x
        where x.client_id = t.client_id and x.topup_order_id = t.topup_order_id
          and x.version = t.version and x.type = 'DELIVERED' limit 1) e
      cross join lateral (select x.product_id, x.created_at from topup_order x
        where x.client_id = t.client_id and x.id = t.topup_order_id limit 1) o
      -- The first event of an order is its CREATED.
      where t.version > 1 group by o.product_id
  )
  insert into delivery_pace as d (product_id, mean_ms, deviation_ms)
    select product_id, took_ms, took_ms / 2 from delivered order by product_id
    on conflict (product_id) do update set
      -- One that took by far the longest, through a night without a supplier, counts as a slow one.
      deviation_ms = d.deviation_ms + (abs(least(excluded.mean_ms,
        d.mean_ms + 8 * d.deviation_ms + 60000) - d.mean_ms) - d.deviation_ms) / 4,
      mean_ms = d.mean_ms + (least(excluded.mean_ms,
        d.mean_ms + 8 * d.deviation_ms + 60000) - d.mean_ms) / 8;
  return cardinality(news);
end
$function$
;

CREATE OR REPLACE FUNCTION offer_of(o topup_order)
 RETURNS SETOF offer
 LANGUAGE sql
 STABLE ROWS 1
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select f.* from (select 1) one
    left join submission m on m.client_id = o.client_id and m.topup_order_id = o.id
      and m.route = o.route
    join offer f on f.variant_id = o.variant_id
      and case when m.route is null then f.route = o.route else f.supplier_id = m.supplier_id end
    limit 1;
$function$
;

CREATE OR REPLACE FUNCTION open_case(o topup_order, p_kind text, p_route smallint, p_receipt json DEFAULT NULL::json)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION open_token_family(p_client_id bigint, p_key_id text, p_family_id uuid, p_refresh_token_id uuid, p_lives_for interval)
 RETURNS TABLE(generation integer, scopes text[], family_ends_at timestamp with time zone)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
#variable_conflict use_column
begin
  -- Beside the end of all tokens of its client a login comes before it, as a whole, or after it.
  perform pg_advisory_xact_lock_shared(hashtextextended('tokens of client ' || p_client_id, 0));
  update api_key k set last_used_at = now()
    where k.client_id = p_client_id and k.id = p_key_id
      and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
  delete from token_family f where f.client_id = p_client_id and f.expires_at < now();
  return query
    with opened as (
      insert into token_family as f (client_id, id, key_id, refresh_token_id, expires_at)
      select k.client_id, p_family_id, k.id, p_refresh_token_id,
          least(now() + p_lives_for, k.expires_at)
        from api_key k join client c on c.client_id = k.client_id
        where k.client_id = p_client_id and k.id = p_key_id and c.is_active
          and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
      -- A call repeated after its answer was lost.
      on conflict (client_id, id) do update set refresh_token_id = excluded.refresh_token_id
      returning f.client_id, f.key_id, f.expires_at)
    select coalesce(g.generation, 1), k.scopes, o.expires_at
      from opened o
      join api_key k on k.client_id = o.client_id and k.id = o.key_id
      left join token_generation g on g.client_id = o.client_id;
end
$function$
;

CREATE OR REPLACE FUNCTION pick_plain_moves(p_moves recorded_move[])
 RETURNS recorded_move[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select coalesce(array_agg(x.move), '{}') from (
      select m as move, m.client_id, m.order_id, m.route, m.kind, m.lease_token, m.event_id,
          (select s.id from supplier s where s.code = m.supplier_code) as supplier_id,
          count(*) over (partition by m.client_id, m.order_id) as of_order,
          count(*) over (partition by m.client_id, m.supplier_code, m.event_id) as of_event
        from unnest(p_moves) m
    ) x
    cross join lateral (select t.* from topup_order t
      where t.client_id = x.client_id and t.id = x.order_id limit 1) o
    cross join lateral (select t.* from submission t
      where t.client_id = o.client_id and t.topup_order_id = o.id and t.route = o.route
      limit 1) s
    where x.of_order = 1 and o.status = 'PENDING' and o.route = x.route
      and case x.kind
        when 'DELIVER' then true
        when 'FAIL' then o.voucher_id is null and o.restored_route is null
          and (s.state <> 'NOT_APPLIED' or o.lease_token = x.lease_token)
          and not is_overtaken(o, x.move)
        else x.kind in ('AWAIT', 'RETRY', 'ASK_AGAIN', 'REVIEW') and x.event_id is null
          and o.lease_token = x.lease_token
          and (x.kind <> 'RETRY' or o.restored_route is null) end
      and (x.event_id is null or (x.of_event = 1 and (
        select c.event_id from callback c
          where c.client_id = x.client_id and c.supplier_id = x.supplier_id
            and c.event_id = x.event_id limit 1) is null))
      and (select e.route from submission e where e.client_id = o.client_id
        and e.topup_order_id = o.id and e.route <> o.route
        and e.state in ('INTENT', 'ACCEPTED', 'UNKNOWN') limit 1) is null
      and (select c.topup_order_id from reconciliation_case c
        where c.client_id = o.client_id and c.topup_order_id = o.id limit 1) is null;
$function$
;

CREATE OR REPLACE FUNCTION place_orders(p_orders json)
 RETURNS TABLE(ordinal integer, verdict text, order_id bigint, transfer_id bigint, placed_at timestamp with time zone, expected_by timestamp with time zone)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select u.ordinal::int, u.verdict, u.order_id, u.transfer_id, p.placed_at, u.expected_by
    from place_orders(array(select o from json_populate_recordset(null::placement, p_orders) o
        order by o.ordinal)) p
      cross join unnest(p.verdicts, p.order_ids, p.transfer_ids, p.expected_by)
        with ordinality u(verdict, order_id, transfer_id, expected_by, ordinal);
$function$
;

CREATE OR REPLACE FUNCTION place_orders(p_orders placement[], OUT placed_at timestamp with time zone, OUT verdicts text[], OUT order_ids bigint[], OUT transfer_ids bigint[], OUT expected_by timestamp with time zone[])
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET lock_timeout TO '500ms'
AS $function$
#variable_conflict use_column
declare
  is_plain boolean;
  oldest_version bigint;
  youngest_version bigint;
  valid_until timestamptz;
  fits boolean;
  placed_ids bigint[];
  are_debited boolean;
begin
  select bool_and(o.voucher_hash is null), min(o.pricing_version), max(o.pricing_version),
      min(o.price_valid_until)
    into is_plain, oldest_version, youngest_version, valid_until
    from unnest(p_orders) o;
  if is_plain is null then return; end if;
  if is_plain then
    -- Locks the wallets in order of their ids and looks at what each of them can pay.
    select coalesce(bool_and(d.total <= w.balance + w.credit_limit and not w.is_frozen), false)
        and count(*) = count(w.id)
      into fits
      from (select t.client_id, t.wallet_id, sum(t.charge) as total from unnest(p_orders) t
        group by t.client_id, t.wallet_id order by t.client_id, t.wallet_id) d
      left join lateral (select x.id, x.balance, x.credit_limit, x.is_frozen from wallet x
        where x.client_id = d.client_id and x.id = d.wallet_id for no key update) w on true;
    -- Under the locks: a wallet's transfers are in the order of their times, and whatever changed
    -- the figures before is seen now.
    placed_at := clock_timestamp();
    is_plain := fits and oldest_version = youngest_version
      and oldest_version = (select v.version from pricing_version v)
      and (valid_until is null or valid_until > clock_timestamp());
  end if;
  if not is_plain then
    select o.* into placed_at, verdicts, order_ids, transfer_ids, expected_by
      from place_orders_one_by_one(p_orders) o;
    return;
  end if;

  with t as materialized (
      select x.*, nextval('topup_order_id_seq') as order_id,
          nextval('transfer_id_seq') as transfer_id
        from unnest(p_orders) x
    ), placed as (
      insert into topup_order (client_id, id, client_reference, request_id, input_digest,
          product_id, variant_id, product_name, variant_name, country_code, face_value,
          face_currency, discount_percent, forex_rate, forex_rate_id, charge, currency, wallet_id,
          input_data, recipient, input_fields_version, fulfils_in_request, debit_transfer_id,
          created_at, next_action_at)
        select t.client_id, t.order_id, t.client_reference, t.request_id, t.input_digest,
          t.product_id, t.variant_id, t.product_name, t.variant_name, t.country_code, t.face_value,
          t.face_currency, t.discount_percent, t.forex_rate, t.forex_rate_id, t.charge, t.currency,
          t.wallet_id, t.input_data, t.recipient, t.input_fields_version, t.fulfils_in_request,
          t.transfer_id, placed_at,
          -- The request itself makes the first try; a worker only if it does not.
          placed_at + case when t.fulfils_in_request then '3 seconds' else '0' end::interval
        from t order by t.client_id, t.client_reference, t.ordinal
        on conflict do nothing
        returning client_id, id, wallet_id, debit_transfer_id, charge, currency
    ), moved as (
      insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id,
          topup_order_id, amount, currency, balance_after, created_at)
        select p.client_id, p.debit_transfer_id, 'ORDER_DEBIT', 'WALLET', 'IN_FLIGHT', p.wallet_id,
          p.id, p.charge, p.currency,
          w.balance - sum(p.charge) over (partition by p.client_id, p.wallet_id
            order by p.debit_transfer_id),
          placed_at
        from placed p cross join lateral (select x.balance from wallet x
          where x.client_id = p.client_id and x.id = p.wallet_id limit 1) w
    ), debited as (
      -- The guard of the wallet's check constraint stands behind this subtraction.
      update wallet w set balance = w.balance - d.total
        from (select p.client_id, p.wallet_id, sum(p.charge) as total, count(*) as order_count
          from placed p group by 1, 2) d
        cross join lateral (select x.ctid as address from wallet x
          where x.client_id = d.client_id and x.id = d.wallet_id limit 1) a
        where w.ctid = a.address returning d.order_count
    ), told as (
      insert into topup_order_event (client_id, topup_order_id, version, type, status, occurred_at)
        select p.client_id, p.id, 1, 'CREATED', 'PENDING', placed_at from placed p
    ), queued as (
      insert into feed_inbox (client_id, topup_order_id, version)
        select p.client_id, p.id, 1 from placed p order by p.id
    )
    select a.order_ids, a.transfer_ids, a.expected_by, p.ids,
        coalesce(cardinality(p.ids), 0) = (select coalesce(sum(d.order_count), 0) from debited d)
      into order_ids, transfer_ids, expected_by, placed_ids, are_debited
      from (select array_agg(t.order_id order by t.ordinal) as order_ids,
          array_agg(t.transfer_id order by t.ordinal) as transfer_ids,
          array_agg(placed_at + d.expected_ms * interval '1 ms' order by t.ordinal) as expected_by
        from t left join lateral (select x.expected_ms from delivery_pace x
          where x.product_id = t.product_id limit 1) d on true) a,
        (select array_agg(p.id) as ids from placed p) p;
  if not are_debited then
    raise exception 'a wallet was written meanwhile' using errcode = 'serialization_failure';
  end if;

  if cardinality(placed_ids) = cardinality(order_ids) then
    verdicts := array_fill('PLACED'::text, array[cardinality(order_ids)]);
    return;
  end if;
  -- Asked only now: a rival call that was waited for has committed, and its order can be seen.
  select array_agg(case when t.is_placed then 'PLACED' when o.id is not null then 'REPEATED'
          else 'DUPLICATE' end order by t.ordinal),
      array_agg(case when t.is_placed then t.order_id else o.id end order by t.ordinal),
      array_agg(case when t.is_placed then t.transfer_id end order by t.ordinal),
      array_agg(case when t.is_placed then t.expected_by end order by t.ordinal)
    into verdicts, order_ids, transfer_ids, expected_by
    from (select x.ordinal, x.client_id, x.request_id, order_ids[x.ordinal] as order_id,
          transfer_ids[x.ordinal] as transfer_id, expected_by[x.ordinal] as expected_by,
          coalesce(order_ids[x.ordinal] = any (placed_ids), false) as is_placed
        from unnest(p_orders) x) t
      left join lateral (select y.id from topup_order y where not t.is_placed
        and y.client_id = t.client_id and y.request_id = t.request_id limit 1) o on true;
end
$function$
;

CREATE OR REPLACE FUNCTION place_orders_one_by_one(p_orders json)
 RETURNS TABLE(ordinal integer, verdict text, order_id bigint, transfer_id bigint, placed_at timestamp with time zone, expected_by timestamp with time zone)
 LANGUAGE sql
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select * from place_orders(p_orders);
$function$
;

CREATE OR REPLACE FUNCTION place_orders_one_by_one(p_orders placement[], OUT placed_at timestamp with time zone, OUT verdicts text[], OUT order_ids bigint[], OUT transfer_ids bigint[], OUT expected_by timestamp with time zone[])
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
#variable_conflict use_column
declare
  voucher_ids bigint[];
  has_vouchers boolean;
  has_losers boolean;
  current_version bigint;
  last_client bigint;
  last_source bigint;
  remaining numeric;
  p record;
begin
  select bool_or(o.voucher_hash is not null) into has_vouchers from unnest(p_orders) o;
  if has_vouchers is null then return; end if;
  verdicts := array_fill(null::text, array[cardinality(p_orders)]);
  order_ids := array_fill(null::bigint, array[cardinality(p_orders)]);
  transfer_ids := order_ids;
  voucher_ids := order_ids;

  -- Duplicates are told before anything that may have changed since.
  for p in select t.ordinal, o.id, o.request_id = t.request_id as is_own from unnest(p_orders) t
      join topup_order o on o.client_id = t.client_id
        and o.client_reference = t.client_reference loop
    verdicts[p.ordinal] := case when p.is_own then 'REPEATED' else 'DUPLICATE' end;
    if p.is_own then order_ids[p.ordinal] := p.id; end if;
  end loop;

  if has_vouchers then
    for p in select t.ordinal, v.id from unnest(p_orders) t
        join voucher v on v.client_id = t.client_id and v.code_hash = t.voucher_hash
        where verdicts[t.ordinal] is null loop
      voucher_ids[p.ordinal] := p.id;
    end loop;
    perform 1 from voucher v
      where (v.client_id, v.id) in
        (select t.client_id, voucher_ids[t.ordinal] from unnest(p_orders) t)
      order by v.client_id, v.id for no key update;
  end if;

  perform 1 from wallet w
    where (w.client_id, w.id) in
      (select t.client_id, t.wallet_id from unnest(p_orders) t
        where verdicts[t.ordinal] is null)
    order by w.client_id, w.id for no key update;
  -- Behind whatever held the wallets: their transfers are in the order of their times as well.
  placed_at := clock_timestamp();

  -- A call repeated after a connection lost during COMMIT finds what it placed. Asked under the
  -- locks: the call whose answer was lost may have been at it until it gave them up.
  for p in select t.ordinal, o.id from unnest(p_orders) t
      join topup_order o on o.client_id = t.client_id and o.request_id = t.request_id
      where verdicts[t.ordinal] is null loop
    verdicts[p.ordinal] := 'REPEATED';
    order_ids[p.ordinal] := p.id;
  end loop;

  -- Read under the locks: whatever changed the figures before is seen now, and who has them behind
  -- the end of a quote is refused, however long ago it came: a retry may have been by then.
  select v.version into current_version from pricing_version v;
  for p in select t.ordinal from unnest(p_orders) t
      where verdicts[t.ordinal] is null
        and (t.pricing_version <> current_version
          or t.price_valid_until <= clock_timestamp()) loop
    verdicts[p.ordinal] := 'STALE';
  end loop;

  -- Runs once; again only where a rival call placed one of our references in the meantime: what
  -- its loser would have used is then free for those behind it.
  loop
    if has_vouchers then
      last_client := null;
      for p in select t.ordinal, t.client_id, t.face_value, t.face_currency,
            verdicts[t.ordinal] as so_far, v.id, v.value, v.currency,
            coalesce(v.redeemed_order_id is null and v.state in ('DELIVERED', 'COMPLETED')
              and (v.expires_at is null or v.expires_at > placed_at), false) as is_redeemable
          from unnest(p_orders) t
          left join voucher v on v.client_id = t.client_id and v.id = voucher_ids[t.ordinal]
          where t.voucher_hash is not null
            and (verdicts[t.ordinal] is null or verdicts[t.ordinal] = 'PLACED')
          order by t.client_id, v.id, (verdicts[t.ordinal] is null), t.ordinal loop
        if p.so_far = 'PLACED' then
          last_client := p.client_id;
          last_source := p.id;
        elsif not p.is_redeemable or (last_client = p.client_id and last_source = p.id) then
          verdicts[p.ordinal] := 'VOUCHER_INVALID';
        elsif p.currency <> p.face_currency or p.value <> p.face_value then
          verdicts[p.ordinal] := 'VOUCHER_VALUE_MISMATCH';
        else
          verdicts[p.ordinal] := 'FUNDED';
          last_client := p.client_id;
          last_source := p.id;
        end if;
      end loop;
    end if;

    -- In order of arrival; one that does not fit is refused, a smaller one behind it may still fit.
    last_client := null;
    for p in select t.ordinal, t.client_id, t.wallet_id, t.charge, verdicts[t.ordinal] as so_far,
          w.is_frozen, w.balance + w.credit_limit as available
        from unnest(p_orders) t
        left join wallet w on w.client_id = t.client_id and w.id = t.wallet_id
        where t.wallet_id is not null
          and (verdicts[t.ordinal] is null or verdicts[t.ordinal] = 'PLACED')
        order by t.client_id, t.wallet_id, (verdicts[t.ordinal] is null), t.ordinal loop
      if last_client is distinct from p.client_id or last_source is distinct from p.wallet_id then
        last_client := p.client_id;
        last_source := p.wallet_id;
        remaining := p.available;
      end if;
      if p.so_far = 'PLACED' then
        remaining := remaining - p.charge;
      elsif p.available is null then
        verdicts[p.ordinal] := 'STALE';
      elsif p.is_frozen then
        verdicts[p.ordinal] := 'WALLET_FROZEN';
      elsif p.charge <= remaining then
        verdicts[p.ordinal] := 'FUNDED';
        remaining := remaining - p.charge;
      else
        verdicts[p.ordinal] := 'INSUFFICIENT_FUNDS';
      end if;
    end loop;

    for i in 1 .. cardinality(p_orders) loop
      if verdicts[i] = 'FUNDED' then
        order_ids[i] := nextval('topup_order_id_seq');
        transfer_ids[i] := nextval('transfer_id_seq');
      end if;
    end loop;

    for p in insert into topup_order (client_id, id, client_reference, request_id, input_digest,
          product_id, variant_id, product_name, variant_name, country_code, face_value,
          face_currency, discount_percent, forex_rate, forex_rate_id, charge, currency, wallet_id,
          voucher_id, input_data, recipient, input_fields_version, fulfils_in_request,
          debit_transfer_id, created_at, next_action_at)
        select t.client_id, order_ids[t.ordinal], t.client_reference, t.request_id, t.input_digest,
          t.product_id, t.variant_id, t.product_name, t.variant_name, t.country_code, t.face_value,
          t.face_currency, t.discount_percent, t.forex_rate, t.forex_rate_id, t.charge, t.currency,
          t.wallet_id, voucher_ids[t.ordinal], t.input_data, t.recipient, t.input_fields_version,
          t.fulfils_in_request, transfer_ids[t.ordinal], placed_at,
          -- The request itself makes the first try; a worker only if it does not.
          placed_at + case when t.fulfils_in_request then '3 seconds' else '0' end::interval
        from unnest(p_orders) t
        where verdicts[t.ordinal] = 'FUNDED'
        order by t.client_id, t.client_reference, t.ordinal
        on conflict do nothing
        returning id loop
      verdicts[array_position(order_ids, p.id)] := 'PLACED';
    end loop;

    has_losers := 'FUNDED' = any (verdicts);
    exit when not has_losers;
    for i in 1 .. cardinality(p_orders) loop
      if verdicts[i] = 'FUNDED' then
        verdicts[i] := 'DUPLICATE';
      elsif verdicts[i] in ('INSUFFICIENT_FUNDS', 'VOUCHER_INVALID') then
        verdicts[i] := null;
      end if;
    end loop;
  end loop;

  -- Asked after the locks and the inserts: its other copy was placed by this call, or by a rival
  -- that was waited for.
  for p in select t.ordinal, o.id, o.request_id = t.request_id as is_own from unnest(p_orders) t
      join topup_order o on o.client_id = t.client_id
        and o.client_reference = t.client_reference
      where verdicts[t.ordinal] not in ('PLACED', 'REPEATED', 'DUPLICATE')
        -- A code that is no good by itself was guessed, and counts, whatever its reference is.
        and (verdicts[t.ordinal] <> 'VOUCHER_INVALID' or o.voucher_id = voucher_ids[t.ordinal]) loop
    verdicts[p.ordinal] := case when p.is_own then 'REPEATED' else 'DUPLICATE' end;
    if p.is_own then order_ids[p.ordinal] := p.id; end if;
  end loop;

  insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id, voucher_id,
      topup_order_id, amount, currency, balance_after, created_at)
    select t.client_id, transfer_ids[t.ordinal], 'ORDER_DEBIT',
      case when t.wallet_id is null then 'VOUCHER' else 'WALLET' end, 'IN_FLIGHT', t.wallet_id,
      voucher_ids[t.ordinal], order_ids[t.ordinal], t.charge, t.currency,
      w.balance - sum(t.charge) over (partition by t.client_id, t.wallet_id
        order by transfer_ids[t.ordinal]),
      placed_at
    from unnest(p_orders) t
    left join wallet w on w.client_id = t.client_id and w.id = t.wallet_id
    where verdicts[t.ordinal] = 'PLACED';

  -- The guard of the wallet's check constraint stands behind this subtraction.
  update wallet w set balance = w.balance - d.total
    from (select t.client_id, t.wallet_id, sum(t.charge) as total from unnest(p_orders) t
      where verdicts[t.ordinal] = 'PLACED' and t.wallet_id is not null group by 1, 2) d
    where w.client_id = d.client_id and w.id = d.wallet_id;

  if has_vouchers then
    update voucher v set redeemed_order_id = order_ids[t.ordinal], redeemed_at = placed_at
      from unnest(p_orders) t
      where verdicts[t.ordinal] = 'PLACED' and t.voucher_hash is not null
        and v.client_id = t.client_id and v.id = voucher_ids[t.ordinal];
  end if;

  insert into topup_order_event (client_id, topup_order_id, version, type, status, occurred_at)
    select t.client_id, order_ids[t.ordinal], 1, 'CREATED', 'PENDING', placed_at
    from unnest(p_orders) t where verdicts[t.ordinal] = 'PLACED';
  insert into feed_inbox (client_id, topup_order_id, version)
    select t.client_id, order_ids[t.ordinal], 1
    from unnest(p_orders) t where verdicts[t.ordinal] = 'PLACED' order by t.ordinal;

  select array_agg(placed_at + d.expected_ms * interval '1 ms' order by t.ordinal)
    into expected_by
    from unnest(p_orders) t left join delivery_pace d on d.product_id = t.product_id;
end
$function$
;

CREATE OR REPLACE FUNCTION prepare_restored(p_ids_skipped bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION propose_action(kind text, client_id bigint, remarks text, order_id bigint DEFAULT NULL::bigint, outcome text DEFAULT NULL::text, failure_code text DEFAULT NULL::text, case_kind text DEFAULT NULL::text, case_route integer DEFAULT NULL::integer, wallet_id bigint DEFAULT NULL::bigint, amount numeric DEFAULT NULL::numeric, currency text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET lock_timeout TO '5s'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION recall_far_orders(p_limit integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  at timestamptz := clock_timestamp();
  recalled int;
begin
  with far as materialized (
    select t.client_id, t.id, t.route from topup_order t
      where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
        and t.next_action_at > at + interval '90 minutes'
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
$function$
;

CREATE OR REPLACE FUNCTION recall_from_suspended_suppliers(p_after timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_sort TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  page_size constant int := 4096;
  at timestamptz := clock_timestamp();
  start timestamptz := greatest(at, p_after);
  suspended bigint[];
  others bigint[];
  seen_count int;
  last timestamptz;
begin
  select coalesce(array_agg(s.id) filter (where s.is_suspended), '{}'),
      coalesce(array_agg(s.id) filter (where not s.is_suspended), '{}')
    into suspended, others from supplier s;
  if cardinality(suspended) = 0 or cardinality(others) = 0 then return null; end if;
  with seen as materialized (
    select d.ctid as address, d.client_id, d.id, d.variant_id, d.route, d.fulfilment_state,
        d.next_action_at
      from topup_order d
      where d.status = 'PENDING' and d.set_aside_at is distinct from d.next_action_at
        and d.next_action_at >= start
      order by d.next_action_at limit page_size
  ), stuck as materialized (
    select s.address from seen s
      cross join lateral (select y.id
        from supplier_in_turn(s.client_id, s.id, s.variant_id, s.route) y offset 0) x
      where s.fulfilment_state in ('QUEUED', 'RETRY_WAIT') and x.id = any (suspended)
        -- The cheap question first: most that waits here has nowhere else to go.
        and exists (select from offer f where f.variant_id = s.variant_id and f.route > s.route
          and f.supplier_id = any (others))
        and exists (select from topup_order o cross join lateral way_past_suspended(o) w
          where o.client_id = s.client_id and o.id = s.id)
  ), held as materialized (
    select x.address from stuck k cross join lateral (select d.ctid as address from topup_order d
      where d.ctid = k.address and d.status = 'PENDING'
        and d.set_aside_at is distinct from d.next_action_at and d.next_action_at > at
      limit 1 for no key update skip locked) x
  ), recalled as (
    update topup_order d set next_action_at = at, set_aside_at = at, set_aside_for = 0
      from held h where d.ctid = h.address
  )
  select count(*), max(s.next_action_at) into seen_count, last from seen s;
  -- From the same moment on, as others of it may be behind the page, unless all of it was of one.
  return case when seen_count = page_size
    then greatest(last, start + interval '1 microsecond') end;
end
$function$
;

CREATE OR REPLACE FUNCTION record_move(m recorded_move)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
    when is_told_late(o, m) then 'STALE_LEASE'
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
$function$
;

CREATE OR REPLACE FUNCTION record_moves(p_moves json)
 RETURNS TABLE(ordinal integer, result text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET lock_timeout TO '500ms'
AS $function$
#variable_conflict use_column
declare
  moves recorded_move[];
  plain recorded_move[];
  m recorded_move;
begin
  select array_agg(x order by x.ordinal) into moves
    from json_populate_recordset(null::recorded_move, p_moves) x;
  if moves is null then return; end if;
  perform 1
    from (select distinct x.client_id, x.order_id from unnest(moves) x order by 1, 2) k
    cross join lateral (select t.id from topup_order t
      where t.client_id = k.client_id and t.id = k.order_id for no key update) o;
  if exists (select from unnest(moves) x where x.kind in ('FAIL', 'REVERSE')) then
    perform 1
      from (select distinct o.client_id, o.voucher_id from unnest(moves) x
        cross join lateral (select t.client_id, t.voucher_id from topup_order t
          where t.client_id = x.client_id and t.id = x.order_id limit 1) o
        where x.kind in ('FAIL', 'REVERSE') order by 1, 2) k
      cross join lateral (select t.id from voucher t
        where t.client_id = k.client_id and t.id = k.voucher_id for no key update) v;
    perform 1
      from (select distinct o.client_id, o.wallet_id from unnest(moves) x
        cross join lateral (select t.client_id, t.wallet_id from topup_order t
          where t.client_id = x.client_id and t.id = x.order_id limit 1) o
        where x.kind in ('FAIL', 'REVERSE') order by 1, 2) k
      cross join lateral (select t.id from wallet t
        where t.client_id = k.client_id and t.id = k.wallet_id for no key update) w;
  end if;
  -- Read under the locks: nothing that this looks at can change any more.
  plain := pick_plain_moves(moves);
  if exists (select from unnest(plain) x where x.kind in ('DELIVER', 'FAIL')) then
    perform end_orders(plain);
  end if;
  if exists (select from unnest(plain) x where x.kind not in ('DELIVER', 'FAIL')) then
    perform step_orders(array(select x from unnest(plain) x
      where x.kind not in ('DELIVER', 'FAIL')));
  end if;
  return query select x.ordinal, 'APPLIED' from unnest(plain) x;
  if cardinality(plain) < cardinality(moves) then
    for m in select x.* from unnest(moves) x
        where x.ordinal <> all (array(select y.ordinal from unnest(plain) y))
        order by x.ordinal loop
      ordinal := m.ordinal;
      result := record_move(m);
      return next;
    end loop;
  end if;
end
$function$
;

CREATE OR REPLACE FUNCTION refuse_action(client_id bigint, id bigint)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select decide_action(client_id, id, false);
$function$
;

CREATE OR REPLACE FUNCTION refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  raise exception 'rows of % are never changed or removed', tg_table_name
    using errcode = 'foreign_key_violation';
end
$function$
;

CREATE OR REPLACE FUNCTION refuse_other_currency()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if exists (select from transfer t where t.client_id = old.client_id and t.wallet_id = old.id) then
    raise exception 'wallet % of client % has transfers in %: another currency is another wallet',
      old.id, old.client_id, old.currency using errcode = 'foreign_key_violation';
  end if;
  return new;
end
$function$
;

CREATE OR REPLACE FUNCTION refuse_removal()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  raise exception '% % of client % is never removed', tg_table_name, old.id, old.client_id
    using errcode = 'foreign_key_violation';
end
$function$
;

CREATE OR REPLACE FUNCTION refuse_truncation()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  raise exception '% is never emptied', tg_table_name using errcode = 'foreign_key_violation';
end
$function$
;

CREATE OR REPLACE FUNCTION remove_feed_positions(p_keep_seconds bigint, p_limit integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  cutoff timestamptz := clock_timestamp() - p_keep_seconds * interval '1 second';
  p feed_position;
  through bigint;
  removed int;
begin
  select x.* into p from feed_position x where x.kept_since < cutoff
    order by x.kept_since limit 1 for no key update;
  if not found then return 0; end if;
  -- Only what stands before everything young enough: a clock that was set back makes no hole.
  select coalesce(max(f.sequence), p.removed_through) into through from (
    select n.sequence, bool_and(n.entered_at < cutoff) over (order by n.sequence) as is_old
      from (select * from feed_entry where client_id = p.client_id
        and sequence > p.removed_through order by sequence limit p_limit) n) f
    where f.is_old;
  update topup_order_event e set sequence = f.sequence from feed_entry f
    where f.client_id = p.client_id and f.sequence > p.removed_through and f.sequence <= through
      and e.client_id = f.client_id and e.topup_order_id = f.topup_order_id
      and e.version = f.version;
  delete from feed_entry f
    where f.client_id = p.client_id and f.sequence > p.removed_through and f.sequence <= through;
  get diagnostics removed = row_count;
  update feed_position x set removed_through = through, kept_since = (select f.entered_at
      from feed_entry f where f.client_id = p.client_id and f.sequence > through
      order by f.sequence limit 1)
    where x.client_id = p.client_id;
  return removed;
end
$function$
;

CREATE OR REPLACE FUNCTION resolve_case(a operator_action)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
  transfer_id bigint;
begin
  -- In the order in which all that moves an order locks: itself first.
  perform 1 from topup_order t where t.client_id = a.client_id and t.id = a.topup_order_id
    for no key update;
  if a.outcome = 'LOSS' and exists (select from reconciliation_case c
      join topup_order o on o.client_id = c.client_id and o.id = c.topup_order_id
      left join submission m on m.client_id = c.client_id and m.topup_order_id = c.topup_order_id
        and m.route = c.route
      where c.client_id = a.client_id and c.topup_order_id = a.topup_order_id
        and c.kind = a.case_kind and c.route = a.case_route
        and (c.reversed_at is not null or o.status = 'PENDING' or m.state = 'DELIVERED')) then
    raise exception 'the case is no loss: taken back, sold, or not ended yet'
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  if a.outcome = 'RECOVERED' and loss_of_case(a) < a.amount then
    raise exception 'the case has cost % % so far', loss_of_case(a), a.currency
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  -- Written by every recovery: who looks from an older snapshot must not book the same again.
  update reconciliation_case c set resolved_at = coalesce(c.resolved_at, clock_timestamp())
    where c.client_id = a.client_id and c.topup_order_id = a.topup_order_id
      and c.kind = a.case_kind and c.route = a.case_route
      and (c.resolved_at is null or a.outcome = 'RECOVERED');
  if not found then
    raise exception 'the case is resolved already'
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  if a.outcome in ('LOSS', 'RECOVERED') then
    insert into transfer (client_id, reason, debit_account, credit_account, amount, currency,
        remarks)
      values (a.client_id, 'LOSS', case a.outcome when 'LOSS' then 'LOSS' else 'EXTERNAL' end,
        case a.outcome when 'LOSS' then 'EXTERNAL' else 'LOSS' end, a.amount, a.currency, a.remarks)
      returning id into transfer_id;
  end if;
  return transfer_id;
end
$function$
;

CREATE OR REPLACE FUNCTION return_money(o topup_order, p_reason text, p_from text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION rotate_token_family(p_client_id bigint, p_family_id uuid, p_shown uuid, p_next uuid, p_lives_for interval)
 RETURNS TABLE(verdict text, key_id text, generation integer, scopes text[], family_ends_at timestamp with time zone)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
#variable_conflict use_column
declare
  live record;
begin
  select k.id, k.scopes, k.expires_at, coalesce(g.generation, 1) as generation into live
    from token_family f
    join api_key k on k.client_id = f.client_id and k.id = f.key_id
    join client c on c.client_id = f.client_id
    left join token_generation g on g.client_id = f.client_id
    where f.client_id = p_client_id and f.id = p_family_id and c.is_active
      and f.expires_at > now() and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now());
  if not found then
    return query select 'REFUSED', null::text, null::int, null::text[], null::timestamptz;
    return;
  end if;
  return query
    update token_family f
      set refresh_token_id = p_next, expires_at = least(now() + p_lives_for, live.expires_at)
      -- Ours already: a call repeated after its answer was lost.
      where f.client_id = p_client_id and f.id = p_family_id
        and f.refresh_token_id in (p_shown, p_next)
      returning 'ROTATED', live.id, live.generation, live.scopes, f.expires_at;
  if found then
    update api_key k set last_used_at = now()
      where k.client_id = p_client_id and k.id = live.id
        and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
    return;
  end if;
  delete from token_family f
    where f.client_id = p_client_id and f.id = p_family_id and f.refresh_token_id <> p_shown;
  if found then
    delete from revoked_token r where r.client_id = p_client_id and r.expires_at < now();
    -- An access token of the family lives for an hour at most.
    insert into revoked_token (client_id, id, expires_at)
      values (p_client_id, p_family_id, now() + interval '2 hours') on conflict do nothing;
    return query select 'REUSED', null::text, null::int, null::text[], null::timestamptz;
    return;
  end if;
  return query select 'REFUSED', null::text, null::int, null::text[], null::timestamptz;
end
$function$
;

CREATE OR REPLACE FUNCTION set_aside_waiting(p_full bigint[], p_suspended bigint[], p_upto timestamp with time zone, p_until timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_sort TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  page_size constant int := 1024;
  -- Fewer are read over by each claim. For one that is full for a moment they are not written.
  full_count_min constant int := 512;
  -- Who has a queue: what is due for them takes its place there, however little it is. It would be
  -- claimed behind all of the queue.
  queued bigint[];
  others bigint[];
  -- The next page begins behind what stays due, locked by others or asked about all the same: at
  -- this moment, and past so many of it.
  reached timestamptz := '-infinity';
  kept int := 0;
  last timestamptz;
  last_kept int;
  due_count int;
begin
  select coalesce(array_agg(s.id), '{}') into queued from supplier s
    where s.id = any (p_full) and exists (select from (select from topup_order t
      where t.status = 'PENDING' and t.set_aside_at = t.next_action_at and t.set_aside_for = s.id
      order by t.set_aside_for limit 1) x);
  if cardinality(p_suspended) + cardinality(queued) = 0 then
    select count(*) into due_count from (select from topup_order t
      where t.status = 'PENDING' and t.set_aside_at is distinct from t.next_action_at
        and t.next_action_at <= p_upto
      order by t.next_action_at limit full_count_min) x;
    if due_count < full_count_min then return; end if;
  end if;
  select coalesce(array_agg(s.id), '{}') into others from supplier s
    where s.id <> all (p_suspended);
  loop
    with seen as materialized (
      select t.address, t.next_action_at as at, x.id as supplier_id,
          -- What a suspended one is asked about is due all the same.
          x.id = any (p_full) and (x.id <> all (p_suspended)
            or t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')) as is_full,
          x.id = any (p_suspended) and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
            as is_suspended,
          -- The cheap question first: most that waits here has nowhere else to go.
          x.id = any (p_suspended) and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
            and exists (select from offer f
              where f.variant_id = t.variant_id and f.route > t.route
                and f.supplier_id = any (others))
            and exists (select from topup_order o cross join lateral way_past_suspended(o) w
              where o.client_id = t.client_id and o.id = t.id) as has_way
        from (select d.ctid as address, d.client_id, d.id, d.variant_id, d.route,
            d.fulfilment_state, d.next_action_at
          from topup_order d
          where d.status = 'PENDING' and d.set_aside_at is distinct from d.next_action_at
            and d.next_action_at >= reached and d.next_action_at <= p_upto
          order by d.next_action_at limit page_size offset kept) t
        left join lateral (select y.id
          from supplier_in_turn(t.client_id, t.id, t.variant_id, t.route) y offset 0) x on true
    ), held as materialized (
      select x.address, case when h.has_way then 0 else h.supplier_id end as supplier_id
        from seen h
        cross join lateral (select d.ctid as address from topup_order d
          where d.ctid = h.address and d.status = 'PENDING'
            and d.set_aside_at is distinct from d.next_action_at and d.next_action_at <= p_upto
          limit 1 for no key update skip locked) x
        where h.is_suspended or (h.is_full and (h.supplier_id = any (queued)
          or full_count_min <= (select count(*) from seen f where f.is_full)))
    ), aside as (
      update topup_order o set set_aside_at = o.next_action_at, set_aside_for = h.supplier_id
        from held h where o.ctid = h.address returning o.next_action_at as at
    ), newest as materialized (
      select max(s.at) as at from seen s
    ), gone as materialized (
      select count(*) as n from aside a cross join newest n where a.at = n.at
    )
    select count(s.at), n.at, count(*) filter (where s.at = n.at) - (select g.n from gone g)
      into due_count, last, last_kept from newest n left join seen s on true group by n.at;
    kept := last_kept + case when last = reached then kept else 0 end;
    reached := last;
    exit when due_count < page_size or clock_timestamp() > p_until;
  end loop;
end
$function$
;

CREATE OR REPLACE FUNCTION set_notification_email(p_client_id bigint, p_order_id bigint, p_email text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
  order_status text;
begin
  update topup_order set notification_email = p_email
    where client_id = p_client_id and id = p_order_id
    returning status into order_status;
  if not found then return false; end if;
  if order_status <> 'PENDING' and p_email is not null then
    -- Under the order's row lock, so that many at once get no further than one after the other.
    if (select count(*) from email_outbox m
        where m.client_id = p_client_id and m.topup_order_id = p_order_id) >= 10
      and not exists (select from email_outbox m where m.client_id = p_client_id
        and m.topup_order_id = p_order_id and m.status = order_status and m.address = p_email) then
      raise exception 'order % of client % has been told to ten addresses', p_order_id, p_client_id
        using errcode = 'program_limit_exceeded';
    end if;
    insert into email_outbox (client_id, topup_order_id, status, address)
      values (p_client_id, p_order_id, order_status, p_email) on conflict do nothing;
  end if;
  return true;
end
$function$
;

CREATE OR REPLACE FUNCTION set_order_milestones(p_client_id bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  -- Before the number of this transaction is taken: whoever may still commit an order behind this
  -- one has a lower number, as orders take theirs by locking a wallet or a voucher first.
  youngest bigint := (select max(o.id) from topup_order o where o.client_id = p_client_id);
  horizon order_horizon;
  last order_milestone;
  set_count bigint;
begin
  insert into order_horizon values (p_client_id, 0, '0') on conflict do nothing;
  select h.* into horizon from order_horizon h where h.client_id = p_client_id
    for no key update skip locked;
  if not found or horizon.settles_at > pg_snapshot_xmin(pg_current_snapshot()) then
    return false;
  end if;
  select m.* into last from order_milestone m
    where m.client_id = p_client_id order by m.position desc limit 1;
  insert into order_milestone (client_id, position, topup_order_id, latest_at, earliest_at)
    select p_client_id, coalesce(last.position, 0) + s.nth * 1000, s.topup_order_id,
        greatest(last.latest_at, max(s.latest) over (order by s.nth)), s.earliest
      from (select (n.nth + 999) / 1000 as nth, max(n.id) as topup_order_id,
            min(n.created_at) as earliest, max(n.created_at) as latest
          from (select o.id, o.created_at, row_number() over (order by o.id) as nth
              from topup_order o
              where o.client_id = p_client_id and o.id > coalesce(last.topup_order_id, 0)
                and o.id <= horizon.topup_order_id
              order by o.id limit 100000) n
          group by 1 having count(*) = 1000) s;
  get diagnostics set_count = row_count;
  if set_count = 100 then return true; end if;
  update order_horizon h set settles_at = pg_current_xact_id(), topup_order_id = youngest
    where h.client_id = p_client_id and h.topup_order_id < youngest;
  return found and set_count = 0;
end
$function$
;

CREATE OR REPLACE FUNCTION set_wallet_milestones(p_client_id bigint, p_wallet_id bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  last_position bigint;
  last_transfer bigint;
  set_count bigint;
begin
  select m.position, m.transfer_id into last_position, last_transfer from wallet_milestone m
    where m.client_id = p_client_id and m.wallet_id = p_wallet_id
    order by m.position desc limit 1;
  insert into wallet_milestone (client_id, wallet_id, position, transfer_id)
    select p_client_id, p_wallet_id, coalesce(last_position, 0) + n.nth, n.id
    from (select t.id, row_number() over (order by t.id) as nth from transfer t
        where t.client_id = p_client_id and t.wallet_id = p_wallet_id
          and t.id > coalesce(last_transfer, 0)
        order by t.id limit 100000) n
    where n.nth % 1000 = 0
    on conflict do nothing;
  get diagnostics set_count = row_count;
  return set_count = 100;
end
$function$
;

CREATE OR REPLACE FUNCTION settle_order(a operator_action)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
  o topup_order;
begin
  select t.* into strict o from topup_order t
    where t.client_id = a.client_id and t.id = a.topup_order_id for no key update;
  if o.fulfilment_state is distinct from 'REVIEW'
      and not coalesce(a.outcome = 'FAILED' and is_past_window(o), false) then
    raise exception 'order % of client % is %, not under review', o.id, o.client_id,
      coalesce(o.fulfilment_state, o.status) using errcode = 'object_not_in_prerequisite_state';
  end if;
  if (o.fulfilment_state, o.route, o.attempt_count)
      is distinct from (a.seen_state, a.seen_route, a.seen_attempt_count) then
    raise exception 'order % of client % went on since this was proposed', o.id, o.client_id
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  if exists (select from submission m where m.client_id = o.client_id and m.topup_order_id = o.id
      and m.accepted_at > a.proposed_at) then
    raise exception 'order % of client % was taken, as its supplier says since this was proposed',
      o.id, o.client_id using errcode = 'object_not_in_prerequisite_state';
  end if;
  if a.outcome = 'DELIVERED' then
    -- A route that was given up has delivered: the sale is that one's.
    if deliver_by_given_up_route(o, o.route) then return; end if;
    update submission m set state = 'NOT_APPLIED'
      where m.client_id = o.client_id and m.topup_order_id = o.id and m.route <> o.route
        and m.state <> 'NOT_APPLIED';
    update submission m set state = 'DELIVERED'
      where m.client_id = o.client_id and m.topup_order_id = o.id and m.route = o.route;
    if not found then
      raise exception 'order % of client % was never sent to anybody', o.id, o.client_id
        using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform end_order(o, 'DELIVERED', null, null);
    return;
  end if;
  if exists (select from reconciliation_case c where c.client_id = o.client_id
      and c.topup_order_id = o.id and c.kind = 'SECOND_ROUTE_SUCCESS'
      and c.reversed_at is null) then
    raise exception 'order % of client % has been delivered by another route', o.id, o.client_id
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  update submission m set state = 'NOT_APPLIED'
    where m.client_id = o.client_id and m.topup_order_id = o.id and m.state <> 'NOT_APPLIED';
  perform end_order(o, 'FAILED', a.failure_code, null);
end
$function$
;

CREATE OR REPLACE FUNCTION skip_feed_positions(p_positions bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  insert into feed_position (client_id, last_sequence) select client_id, 0 from client
    on conflict do nothing;
  with moved as (
    update feed_position set last_sequence = last_sequence + p_positions
      returning client_id, last_sequence - p_positions as was_last, last_sequence
  )
  -- Where nothing came since the last restore, both are one.
  insert into feed_skip as s (client_id, skipped_after, skipped_through)
    select m.client_id, coalesce(e.skipped_after, m.was_last), m.last_sequence from moved m
      left join feed_skip e on e.client_id = m.client_id and e.skipped_through = m.was_last
    on conflict (client_id, skipped_after) do update
      set skipped_through = excluded.skipped_through;
end
$function$
;

CREATE OR REPLACE FUNCTION step_orders(p_moves recorded_move[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION supplier_in_turn(p_client_id bigint, p_order_id bigint, p_variant_id bigint, p_route smallint)
 RETURNS TABLE(id bigint)
 LANGUAGE sql
 STABLE ROWS 1
AS $function$
  select coalesce(
    (select m.supplier_id from public.submission m where m.client_id = p_client_id
      and m.topup_order_id = p_order_id and m.route = p_route),
    (select f.supplier_id from public.offer f where f.variant_id = p_variant_id
      and f.route = p_route and f.is_active));
$function$
;

CREATE OR REPLACE FUNCTION supplier_of(o topup_order)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select coalesce(
    (select m.supplier_id from submission m where m.client_id = o.client_id
      and m.topup_order_id = o.id and m.route = o.route),
    (select f.supplier_id from offer f where f.variant_id = o.variant_id and f.route = o.route));
$function$
;

CREATE OR REPLACE FUNCTION take_back_success(o topup_order, p_route smallint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  update reconciliation_case c set reversed_at = clock_timestamp(), resolved_at = null
    where c.client_id = o.client_id and c.topup_order_id = o.id and c.route = p_route
      and c.kind in ('LATE_SUCCESS', 'SECOND_ROUTE_SUCCESS');
  if not found then
    insert into reconciliation_case (client_id, topup_order_id, kind, route, reversed_at)
      values (o.client_id, o.id, case when o.status in ('PENDING', 'DELIVERED')
        then 'SECOND_ROUTE_SUCCESS' else 'LATE_SUCCESS' end, p_route, clock_timestamp());
  end if;
  update topup_order set version = o.version + 1
    where client_id = o.client_id and id = o.id returning * into o;
  perform append_event(o, 'LATE_NEWS', o.status);
end
$function$
;

CREATE OR REPLACE FUNCTION take_order(o topup_order)
 RETURNS claimed_order
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION take_orders(p_client_ids bigint[], p_order_ids bigint[])
 RETURNS claimed_order[]
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION take_token(p_client_id bigint, p_class text, p_subject text, p_count integer, p_limit integer, OUT is_admitted boolean, OUT remaining integer, OUT reset_in_ms integer, OUT retry_after_ms integer)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  counted rate_count;
  now_ms bigint;
  passed bigint;
  used int;
  last_used int;
  freed_at int;
begin
  insert into rate_count values (p_client_id, p_class, p_subject, 0, array_fill(0, array[241]))
    on conflict do nothing;
  select * into counted from rate_count r
    where r.client_id = p_client_id and r.class = p_class and r.subject = p_subject
    for no key update;
  if not found then
    -- Taken away by a rival between our two statements.
    select * into is_admitted, remaining, reset_in_ms, retry_after_ms
      from take_token(p_client_id, p_class, p_subject, p_count, p_limit);
    return;
  end if;
  now_ms := extract(epoch from clock_timestamp()) * 1000;
  if counted.quarter > now_ms / 250 then
    counted.quarter := now_ms / 250;
    update rate_count r set quarter = counted.quarter
      where r.client_id = p_client_id and r.class = p_class and r.subject = p_subject;
  end if;
  passed := now_ms / 250 - counted.quarter;
  counted.quarter := counted.quarter + passed;
  counted.slots := case when passed > 240 then array_fill(0, array[241])
    else counted.slots[passed + 1 : 241] || array_fill(0, array[passed]::int[]) end;
  select coalesce(sum(s), 0), coalesce(max(at) filter (where s > 0), 0) into used, last_used
    from unnest(counted.slots) with ordinality as u(s, at);

  is_admitted := used + p_count <= p_limit;
  if is_admitted then
    counted.slots[241] := counted.slots[241] + p_count;
    used := used + p_count;
    last_used := 241;
    update rate_count r set quarter = counted.quarter, slots = counted.slots
      where r.client_id = p_client_id and r.class = p_class and r.subject = p_subject;
  else
    select min(at) into freed_at
      from (select at, sum(s) over (order by at) as freed
        from unnest(counted.slots) with ordinality as u(s, at)) f
      where freed >= used + p_count - p_limit;
  end if;
  remaining := greatest(p_limit - used, 0);
  -- Slot n leaves the window when n further quarters have begun.
  reset_in_ms := case when last_used = 0 then 0
    else least((counted.quarter + last_used) * 250 - now_ms, 60000) end;
  retry_after_ms := case when is_admitted then 0
    -- More than the limit is never admitted; a minute is as good as any other answer.
    else coalesce((counted.quarter + freed_at) * 250 - now_ms, 60000) end;
end
$function$
;

CREATE OR REPLACE FUNCTION take_tokens(p_requests json)
 RETURNS TABLE(ordinal integer, is_admitted boolean, remaining integer, reset_in_ms integer, retry_after_ms integer)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
  r record;
  stranger_count int := 0;
  first_page int;
  page_count int;
begin
  for r in select * from json_to_recordset(p_requests) as o(ordinal int, client_id bigint,
      class text, subject text, count int, max int)
      order by o.client_id, o.class, o.subject, o.ordinal loop
    return query select r.ordinal, t.*
      from take_token(r.client_id, r.class, r.subject, r.count, r.max) t;
    if r.client_id = 0 then stranger_count := stranger_count + 1; end if;
  end loop;
  if stranger_count = 0 then return; end if;
  -- Whoever makes up names pays for taking away the names that others made up: on a few pages,
  -- wherever they are, so that this takes as long however many names there are (by no index, which
  -- has all of them). Last of all, as one who comes with such a name waits for us.
  page_count := pg_relation_size('rate_count') / current_setting('block_size')::int;
  first_page := floor(random() * (greatest(page_count - 4 * stranger_count, 0) + 1));
  delete from rate_count where ctid = any (array(
    select c.ctid from rate_count c
    where c.ctid >= format('(%s,0)', first_page)::tid
      and c.ctid < format('(%s,0)', first_page + 4 * stranger_count)::tid
      and c.client_id + 0 = 0 and c.quarter > 0
      and c.quarter < extract(epoch from now()) * 4 - 1000
    for update skip locked));
end
$function$
;

CREATE OR REPLACE FUNCTION take_waiting_mail(p_limit integer)
 RETURNS TABLE(client_id bigint, topup_order_id bigint, status text, address text)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
  update email_outbox m set handed_over_at = clock_timestamp()
    where (m.client_id, m.topup_order_id, m.status, m.address) in (
      select w.client_id, w.topup_order_id, w.status, w.address from email_outbox w
        where w.handed_over_at is null order by w.queued_at limit p_limit
        for update skip locked)
    returning m.client_id, m.topup_order_id, m.status, m.address;
$function$
;

CREATE OR REPLACE FUNCTION takes_delivery_back(o topup_order, m recorded_move)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select o.status = 'DELIVERED' and o.reversed_at is null and m.event_id is not null
    and exists (select from submission s where s.client_id = o.client_id
      and s.topup_order_id = o.id and s.route = m.route and s.state = 'DELIVERED'
      and s.attempt_count = 1)
    and not exists (select from topup_order_event e where e.client_id = o.client_id
      and e.topup_order_id = o.id and e.type = 'RETRY_SCHEDULED');
$function$
;

CREATE OR REPLACE FUNCTION way_past_suspended(o topup_order)
 RETURNS SETOF sellable_route
 LANGUAGE sql
 STABLE ROWS 1
AS $function$
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
$function$
;

create table access_version (
  is_only boolean not null default true,
  version bigint not null,
  clients_version bigint not null default 1,
  constraint access_version_pkey PRIMARY KEY (is_only),
  constraint access_version_is_only_check CHECK (is_only)
);

create table api_key (
  client_id bigint not null,
  id text not null,
  secret_hash text not null,
  secret_prefix text not null,
  scopes text[] not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  last_used_at timestamp with time zone,
  constraint api_key_pkey PRIMARY KEY (client_id, id),
  constraint api_key_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id),
  constraint api_key_scopes_check CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['read'::text, 'orders:write'::text])))
);

create table callback (
  client_id bigint not null,
  supplier_id bigint not null,
  event_id text not null,
  supplier_reference text not null,
  body_digest text not null,
  received_at timestamp with time zone not null default clock_timestamp(),
  constraint callback_pkey PRIMARY KEY (client_id, supplier_id, event_id),
  constraint callback_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES supplier(id),
  constraint callback_event_id_check CHECK (((length(event_id) >= 1) AND (length(event_id) <= 255)))
);

create table client (
  client_id bigint not null,
  name text not null,
  is_active boolean not null default true,
  is_rate_limited boolean not null default true,
  changed_in bigint not null default 0,
  constraint client_pkey PRIMARY KEY (client_id),
  constraint client_client_id_check CHECK ((client_id > 0))
);

create table client_network (
  client_id bigint not null,
  network cidr not null,
  constraint client_network_pkey PRIMARY KEY (client_id, network),
  constraint client_network_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id)
);

create table client_rate (
  client_id bigint not null,
  class text not null,
  per_minute integer not null,
  constraint client_rate_pkey PRIMARY KEY (client_id, class),
  constraint client_rate_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id),
  constraint client_rate_class_check CHECK ((class = ANY (ARRAY['login'::text, 'login.address'::text, 'refresh'::text, 'read'::text, 'orders.create'::text, 'charges'::text, 'lookup'::text, 'voucher.guesses'::text]))),
  constraint client_rate_per_minute_check CHECK (((per_minute >= 0) AND (per_minute <= 1000000)))
);

create table currency (
  code text not null,
  name text not null,
  "precision" smallint not null,
  id smallint not null,
  constraint currency_pkey PRIMARY KEY (code),
  constraint currency_id UNIQUE (id),
  constraint currency_code_check CHECK ((code ~ '^[A-Z]{3}$'::text)),
  constraint currency_id_check CHECK ((id > 0)),
  constraint currency_precision_check CHECK ((("precision" >= 0) AND ("precision" <= 4)))
);

create table delivery_pace (
  product_id bigint not null,
  mean_ms double precision not null,
  deviation_ms double precision not null,
  expected_ms double precision not null generated always as ((mean_ms + ((4)::double precision * deviation_ms))) stored,
  constraint delivery_pace_pkey PRIMARY KEY (product_id)
) with (fillfactor=50);

create table discount (
  client_id bigint not null,
  id bigint not null generated always as identity,
  variant_id bigint,
  product_id bigint,
  category text,
  topup_type text,
  percent numeric(9,4) not null,
  valid_from timestamp with time zone not null default now(),
  valid_to timestamp with time zone,
  may_lose boolean not null default false,
  constraint discount_pkey PRIMARY KEY (client_id, id),
  constraint discount_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id),
  constraint discount_product_id_fkey FOREIGN KEY (product_id) REFERENCES product(id),
  constraint discount_variant_id_fkey FOREIGN KEY (variant_id) REFERENCES variant(id),
  constraint discount_category_check CHECK ((category = ANY (ARRAY['Airtime'::text, 'Data'::text, 'Bundle'::text]))),
  constraint discount_check CHECK ((num_nonnulls(variant_id, product_id, category, topup_type) <= 1)),
  constraint discount_check1 CHECK ((valid_to > valid_from)),
  constraint discount_percent_check CHECK (((percent >= (0)::numeric) AND (percent < (100)::numeric) AND (percent <> 'NaN'::numeric))),
  constraint discount_topup_type_check CHECK ((topup_type = ANY (ARRAY['GAMING'::text, 'MOBILE'::text, 'UTILITY'::text])))
);

create table email_outbox (
  client_id bigint not null,
  topup_order_id bigint not null,
  status text not null,
  address text not null,
  queued_at timestamp with time zone not null default clock_timestamp(),
  handed_over_at timestamp with time zone,
  constraint email_outbox_pkey PRIMARY KEY (client_id, topup_order_id, status, address),
  constraint email_outbox_client_id_topup_order_id_fkey FOREIGN KEY (client_id, topup_order_id) REFERENCES topup_order(client_id, id),
  constraint email_outbox_address_check CHECK ((length(address) <= 254))
);

create table entitlement (
  client_id bigint not null,
  id bigint not null generated always as identity,
  product_id bigint,
  variant_id bigint,
  is_enabled boolean not null,
  constraint entitlement_pkey PRIMARY KEY (client_id, id),
  constraint entitlement_client_id_product_id_variant_id_key UNIQUE NULLS NOT DISTINCT (client_id, product_id, variant_id),
  constraint entitlement_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id),
  constraint entitlement_product_id_fkey FOREIGN KEY (product_id) REFERENCES product(id),
  constraint entitlement_variant_id_fkey FOREIGN KEY (variant_id) REFERENCES variant(id),
  constraint entitlement_check CHECK ((num_nonnulls(product_id, variant_id) = 1))
);

create table feed_entry (
  client_id bigint not null,
  sequence bigint not null,
  topup_order_id bigint not null,
  version integer not null,
  entered_at timestamp with time zone not null default clock_timestamp(),
  place bigint not null generated always as identity,
  constraint feed_entry_pkey PRIMARY KEY (client_id, sequence),
  constraint feed_entry_once UNIQUE (client_id, topup_order_id, version)
);

create table feed_inbox (
  id bigint not null generated always as identity,
  client_id bigint not null,
  topup_order_id bigint not null,
  version integer not null
) with (autovacuum_vacuum_threshold=5000, autovacuum_vacuum_scale_factor=0);

create table feed_position (
  client_id bigint not null,
  last_sequence bigint not null,
  removed_through bigint not null default 0,
  kept_since timestamp with time zone,
  constraint feed_position_pkey PRIMARY KEY (client_id),
  constraint feed_position_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id)
) with (fillfactor=50);

create table feed_skip (
  client_id bigint not null,
  skipped_after bigint not null,
  skipped_through bigint not null,
  constraint feed_skip_pkey PRIMARY KEY (client_id, skipped_after),
  constraint feed_skip_client_id_fkey FOREIGN KEY (client_id) REFERENCES feed_position(client_id)
);

create table forex_rate (
  id bigint not null generated always as identity,
  from_currency text not null,
  to_currency text not null,
  rate numeric(20,10) not null,
  valid_from timestamp with time zone not null default now(),
  valid_to timestamp with time zone,
  updated_by text not null,
  constraint forex_rate_pkey PRIMARY KEY (id),
  constraint forex_rate_from_currency_fkey FOREIGN KEY (from_currency) REFERENCES currency(code),
  constraint forex_rate_to_currency_fkey FOREIGN KEY (to_currency) REFERENCES currency(code),
  constraint forex_rate_check CHECK ((from_currency <> to_currency)),
  constraint forex_rate_check1 CHECK ((valid_to > valid_from)),
  constraint forex_rate_rate_check CHECK (((rate > (0)::numeric) AND (rate <> 'NaN'::numeric)))
);

create table offer (
  variant_id bigint not null,
  route smallint not null,
  supplier_id bigint not null,
  supplier_sku text not null,
  is_active boolean not null default true,
  constraint offer_pkey PRIMARY KEY (variant_id, route),
  constraint offer_variant_id_supplier_id_key UNIQUE (variant_id, supplier_id),
  constraint offer_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES supplier(id),
  constraint offer_variant_id_fkey FOREIGN KEY (variant_id) REFERENCES variant(id),
  constraint offer_route_check CHECK (((route >= 1) AND (route <= 9)))
);

create table operator_action (
  client_id bigint not null,
  id bigint not null generated always as identity,
  kind text not null,
  topup_order_id bigint,
  outcome text,
  failure_code text,
  case_kind text,
  case_route smallint,
  seen_state text,
  seen_route smallint,
  seen_attempt_count integer,
  wallet_id bigint,
  amount numeric(20,4),
  currency text,
  remarks text not null,
  proposed_by text not null default SESSION_USER,
  proposed_at timestamp with time zone not null default clock_timestamp(),
  constraint operator_action_pkey PRIMARY KEY (client_id, id),
  constraint operator_action_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id),
  constraint operator_action_client_id_topup_order_id_case_kind_case_ro_fkey FOREIGN KEY (client_id, topup_order_id, case_kind, case_route) REFERENCES reconciliation_case(client_id, topup_order_id, kind, route),
  constraint operator_action_client_id_topup_order_id_fkey FOREIGN KEY (client_id, topup_order_id) REFERENCES topup_order(client_id, id),
  constraint operator_action_client_id_wallet_id_fkey FOREIGN KEY (client_id, wallet_id) REFERENCES wallet(client_id, id),
  constraint operator_action_currency_fkey FOREIGN KEY (currency) REFERENCES currency(code),
  constraint operator_action_amount_check CHECK (((amount <> (0)::numeric) AND (amount <> 'NaN'::numeric))),
  constraint operator_action_failure_code_check CHECK ((failure_code = ANY (ARRAY['INVALID_RECIPIENT'::text, 'RECIPIENT_BARRED'::text, 'RECIPIENT_INELIGIBLE'::text, 'RECIPIENT_LIMIT_EXCEEDED'::text, 'OPERATOR_UNAVAILABLE'::text, 'OPERATOR_LIMIT_EXCEEDED'::text, 'CLIENT_LIMIT_EXCEEDED'::text, 'PRODUCT_UNAVAILABLE'::text, 'PRODUCT_OUT_OF_STOCK'::text, 'AMOUNT_OUT_OF_RANGE'::text, 'UNKNOWN'::text]))),
  constraint operator_action_kind_check CHECK ((kind = ANY (ARRAY['SETTLE_ORDER'::text, 'RESOLVE_CASE'::text, 'ADJUST_WALLET'::text]))),
  constraint operator_action_remarks_check CHECK (((length(btrim(remarks)) >= 1) AND (length(btrim(remarks)) <= 500))),
  constraint operator_action_shape CHECK (
CASE kind
    WHEN 'SETTLE_ORDER'::text THEN ((num_nulls(topup_order_id, outcome) = 0) AND (outcome = ANY (ARRAY['DELIVERED'::text, 'FAILED'::text])) AND ((outcome = 'FAILED'::text) = (failure_code IS NOT NULL)) AND (num_nonnulls(case_kind, case_route, wallet_id, amount, currency) = 0))
    WHEN 'RESOLVE_CASE'::text THEN ((num_nulls(topup_order_id, outcome, case_kind, case_route) = 0) AND (outcome = ANY (ARRAY['NOTED'::text, 'LOSS'::text, 'RECOVERED'::text])) AND (num_nonnulls(failure_code, wallet_id) = 0) AND
    CASE outcome
        WHEN 'NOTED'::text THEN (num_nonnulls(amount, currency) = 0)
        ELSE ((case_kind = ANY (ARRAY['LATE_SUCCESS'::text, 'SECOND_ROUTE_SUCCESS'::text])) AND (num_nulls(amount, currency) = 0) AND (amount > (0)::numeric))
    END)
    ELSE ((num_nulls(wallet_id, amount, currency) = 0) AND (num_nonnulls(topup_order_id, outcome, failure_code, case_kind, case_route) = 0))
END)
);

create table operator_decision (
  client_id bigint not null,
  action_id bigint not null,
  is_approved boolean not null,
  decided_by text not null default SESSION_USER,
  decided_at timestamp with time zone not null default clock_timestamp(),
  transfer_id bigint,
  constraint operator_decision_pkey PRIMARY KEY (client_id, action_id),
  constraint operator_decision_client_id_action_id_fkey FOREIGN KEY (client_id, action_id) REFERENCES operator_action(client_id, id),
  constraint operator_decision_client_id_transfer_id_fkey FOREIGN KEY (client_id, transfer_id) REFERENCES transfer(client_id, id)
);

create table operator_prefix (
  prefix text not null,
  product_id bigint not null,
  constraint operator_prefix_pkey PRIMARY KEY (prefix, product_id),
  constraint operator_prefix_product_id_fkey FOREIGN KEY (product_id) REFERENCES product(id),
  constraint operator_prefix_prefix_check CHECK ((prefix ~ '^\+[1-9][0-9]{0,14}$'::text))
);

create table order_horizon (
  client_id bigint not null,
  topup_order_id bigint not null,
  settles_at xid8 not null,
  constraint order_horizon_pkey PRIMARY KEY (client_id),
  constraint order_horizon_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id)
) with (fillfactor=50);

create table order_milestone (
  client_id bigint not null,
  "position" bigint not null,
  topup_order_id bigint not null,
  latest_at timestamp with time zone not null,
  earliest_at timestamp with time zone not null,
  constraint order_milestone_pkey PRIMARY KEY (client_id, "position"),
  constraint order_milestone_client_id_topup_order_id_fkey FOREIGN KEY (client_id, topup_order_id) REFERENCES topup_order(client_id, id)
);

create table pricing_version (
  only_row boolean not null default true,
  version bigint not null default 1,
  removed_in bigint not null default 0,
  constraint pricing_version_pkey PRIMARY KEY (only_row),
  constraint pricing_version_only_row_check CHECK (only_row)
);

create table product (
  id bigint not null,
  name text not null,
  topup_type text not null,
  country_code text not null,
  currency text not null,
  operator text,
  image_url text,
  input_fields jsonb not null,
  input_fields_version integer not null default 1,
  fulfils_in_request boolean not null default false,
  is_active boolean not null default true,
  is_restricted boolean not null default false,
  changed_in bigint not null default 0,
  constraint product_pkey PRIMARY KEY (id),
  constraint product_currency_fkey FOREIGN KEY (currency) REFERENCES currency(code),
  constraint product_country_code_check CHECK ((country_code ~ '^[A-Z]{3}$'::text)),
  constraint product_id_check CHECK ((id > 0)),
  constraint product_input_fields_check CHECK ((jsonb_typeof(input_fields) = 'array'::text)),
  constraint product_topup_type_check CHECK ((topup_type = ANY (ARRAY['GAMING'::text, 'MOBILE'::text, 'UTILITY'::text])))
);

create unlogged table rate_count (
  client_id bigint not null,
  class text not null,
  subject text not null,
  quarter bigint not null,
  slots integer[] not null,
  constraint rate_count_pkey PRIMARY KEY (client_id, class, subject)
) with (fillfactor=50);

create table reconciliation_case (
  client_id bigint not null,
  topup_order_id bigint not null,
  kind text not null,
  route smallint not null,
  opened_at timestamp with time zone not null default clock_timestamp(),
  resolved_at timestamp with time zone,
  reversed_at timestamp with time zone,
  receipt json,
  constraint reconciliation_case_pkey PRIMARY KEY (client_id, topup_order_id, kind, route),
  constraint reconciliation_case_client_id_topup_order_id_fkey FOREIGN KEY (client_id, topup_order_id) REFERENCES topup_order(client_id, id),
  constraint reconciliation_case_kind_check CHECK ((kind = ANY (ARRAY['LATE_SUCCESS'::text, 'LATE_FAILURE'::text, 'REVERSAL'::text, 'SECOND_ROUTE_SUCCESS'::text]))),
  constraint reconciliation_case_reversed CHECK (((reversed_at IS NULL) OR (kind = ANY (ARRAY['LATE_SUCCESS'::text, 'SECOND_ROUTE_SUCCESS'::text]))))
);

create table revoked_token (
  client_id bigint not null,
  id uuid not null,
  expires_at timestamp with time zone not null,
  constraint revoked_token_pkey PRIMARY KEY (client_id, id),
  constraint revoked_token_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id)
);

create table stray_callback (
  id bigint not null generated always as identity,
  client_id bigint not null,
  supplier_id bigint not null,
  event_id text not null,
  supplier_reference text not null,
  body_digest text not null,
  topup_order_id bigint,
  route smallint,
  outcome json not null,
  received_at timestamp with time zone not null default clock_timestamp(),
  constraint stray_callback_pkey PRIMARY KEY (client_id, supplier_id, event_id),
  constraint stray_callback_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES supplier(id),
  constraint stray_callback_event_id_check CHECK (((length(event_id) >= 1) AND (length(event_id) <= 255)))
);

create table submission (
  client_id bigint not null,
  topup_order_id bigint not null,
  route smallint not null,
  supplier_id bigint not null,
  supplier_reference text not null generated always as (((((client_id || '-'::text) || topup_order_id) || '-'::text) || route)) stored,
  state text not null,
  attempt_count integer not null default 1,
  last_attempt_at timestamp with time zone not null default clock_timestamp(),
  resend_after timestamp with time zone not null,
  asked_at timestamp with time zone,
  accepted_at timestamp with time zone,
  is_ruled_out boolean not null default false,
  constraint submission_pkey PRIMARY KEY (client_id, topup_order_id, route),
  constraint submission_client_id_topup_order_id_fkey FOREIGN KEY (client_id, topup_order_id) REFERENCES topup_order(client_id, id),
  constraint submission_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES supplier(id),
  constraint submission_state_check CHECK ((state = ANY (ARRAY['INTENT'::text, 'ACCEPTED'::text, 'UNKNOWN'::text, 'DELIVERED'::text, 'NOT_APPLIED'::text])))
);

create table supplier (
  id bigint not null,
  code text not null,
  base_url text not null,
  is_suspended boolean not null default false,
  health smallint not null default 100,
  dedupes_by_reference boolean not null default true,
  can_be_queried boolean not null default true,
  concurrency_max integer not null default 64,
  call_deadline_ms integer not null default 30000,
  lease_ms integer not null default 60000,
  settle_window_ms integer not null default 60000,
  retry_window_ms bigint not null default 86400000,
  backoff_ms integer[] not null default '{5000,15000,30000,60000,120000,300000,600000,1200000,2400000,3600000}'::integer[],
  constraint supplier_pkey PRIMARY KEY (id),
  constraint supplier_code_key UNIQUE (code),
  constraint supplier_backoff_ms_check CHECK ((cardinality(backoff_ms) > 0)),
  constraint supplier_call_deadline_ms_check CHECK ((call_deadline_ms > 0)),
  constraint supplier_check CHECK ((lease_ms > call_deadline_ms)),
  constraint supplier_code_check CHECK ((code ~ '^[a-z][a-z0-9-]{0,39}$'::text)),
  constraint supplier_concurrency_max_check CHECK ((concurrency_max > 0)),
  constraint supplier_health_check CHECK (((health >= 0) AND (health <= 100))),
  constraint supplier_retry_window_ms_check CHECK ((retry_window_ms > 0)),
  constraint supplier_settle_window_ms_check CHECK ((settle_window_ms >= 0))
);

create table token_family (
  client_id bigint not null,
  id uuid not null,
  key_id text not null,
  refresh_token_id uuid not null,
  expires_at timestamp with time zone not null,
  constraint token_family_pkey PRIMARY KEY (client_id, id),
  constraint token_family_client_id_key_id_fkey FOREIGN KEY (client_id, key_id) REFERENCES api_key(client_id, id)
);

create table token_generation (
  client_id bigint not null,
  generation integer not null,
  constraint token_generation_pkey PRIMARY KEY (client_id),
  constraint token_generation_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id)
);

create table topup_order (
  client_id bigint not null,
  id bigint not null,
  client_reference text,
  request_id uuid not null,
  input_digest text not null,
  product_id bigint not null,
  variant_id bigint not null,
  product_name text not null,
  variant_name text not null,
  country_code text not null,
  face_value numeric(20,4) not null,
  face_currency text not null,
  discount_percent numeric(9,4) not null,
  forex_rate numeric(20,10),
  forex_rate_id bigint,
  charge numeric(20,4) not null,
  currency text not null,
  wallet_id bigint,
  voucher_id bigint,
  funding_source text not null generated always as (
CASE
    WHEN (voucher_id IS NULL) THEN 'WALLET'::text
    ELSE 'VOUCHER'::text
END) stored,
  input_data json not null,
  recipient text not null,
  input_fields_version integer not null,
  fulfils_in_request boolean not null,
  notification_email text,
  status text not null default 'PENDING'::text,
  fulfilment_state text default 'QUEUED'::text,
  version integer not null default 1,
  failure_code text,
  route smallint not null default 1,
  attempt_count integer not null default 0,
  backoff_step integer not null default 0,
  last_attempt_at timestamp with time zone,
  next_action_at timestamp with time zone,
  lease_token uuid,
  lease_until timestamp with time zone,
  retry_until timestamp with time zone,
  receipt json,
  debit_transfer_id bigint,
  refund_transfer_id bigint,
  reversal_transfer_id bigint,
  reversed_at timestamp with time zone,
  created_at timestamp with time zone not null default clock_timestamp(),
  completed_at timestamp with time zone,
  restored_route smallint,
  set_aside_at timestamp with time zone,
  set_aside_for bigint,
  constraint topup_order_pkey PRIMARY KEY (client_id, id),
  constraint topup_order_client_reference UNIQUE (client_id, client_reference),
  constraint topup_order_request UNIQUE (client_id, request_id),
  constraint topup_order_client_id_voucher_id_fkey FOREIGN KEY (client_id, voucher_id) REFERENCES voucher(client_id, id),
  constraint topup_order_client_id_wallet_id_fkey FOREIGN KEY (client_id, wallet_id) REFERENCES wallet(client_id, id),
  constraint topup_order_charge_check CHECK (((charge > (0)::numeric) AND (charge <> 'NaN'::numeric))),
  constraint topup_order_client_reference_check CHECK (((length(client_reference) >= 1) AND (length(client_reference) <= 255))),
  constraint topup_order_discount_percent_check CHECK (((discount_percent >= (0)::numeric) AND (discount_percent < (100)::numeric) AND (discount_percent <> 'NaN'::numeric))),
  constraint topup_order_face_value_check CHECK (((face_value > (0)::numeric) AND (face_value <> 'NaN'::numeric))),
  constraint topup_order_failure CHECK (((status = 'FAILED'::text) = (failure_code IS NOT NULL))),
  constraint topup_order_forex_rate_check CHECK (((forex_rate > (0)::numeric) AND (forex_rate <> 'NaN'::numeric))),
  constraint topup_order_fulfilment_state_check CHECK ((fulfilment_state = ANY (ARRAY['QUEUED'::text, 'SUBMITTING'::text, 'AWAITING_SUPPLIER'::text, 'OUTCOME_UNKNOWN'::text, 'RETRY_WAIT'::text, 'REVIEW'::text]))),
  constraint topup_order_notification_email_check CHECK ((length(notification_email) <= 254)),
  constraint topup_order_one_funding CHECK ((num_nonnulls(wallet_id, voucher_id) = 1)),
  constraint topup_order_status_check CHECK ((status = ANY (ARRAY['PENDING'::text, 'DELIVERED'::text, 'FAILED'::text, 'CANCELLED'::text]))),
  constraint topup_order_terminal CHECK ((((status = 'PENDING'::text) = (completed_at IS NULL)) AND ((status = 'PENDING'::text) = (fulfilment_state IS NOT NULL)) AND ((status = 'PENDING'::text) = (next_action_at IS NOT NULL))))
) with (fillfactor=80);

create table topup_order_event (
  client_id bigint not null,
  topup_order_id bigint not null,
  version integer not null,
  type text not null,
  previous_status text,
  status text not null,
  failure_code text,
  occurred_at timestamp with time zone not null default clock_timestamp(),
  sequence bigint,
  constraint topup_order_event_pkey PRIMARY KEY (client_id, topup_order_id, version),
  constraint topup_order_event_type_check CHECK ((type = ANY (ARRAY['CREATED'::text, 'SUBMITTED'::text, 'RETRY_SCHEDULED'::text, 'DELIVERED'::text, 'FAILED'::text, 'CANCELLED'::text, 'REVERSED'::text, 'LATE_NEWS'::text])))
);

create table transfer (
  client_id bigint not null,
  id bigint not null default nextval('transfer_id_seq'::regclass),
  reason text not null,
  debit_account text not null,
  credit_account text not null,
  wallet_id bigint,
  voucher_id bigint,
  topup_order_id bigint,
  amount numeric(20,4) not null,
  currency text not null,
  balance_after numeric(20,4),
  remarks text,
  created_at timestamp with time zone not null default clock_timestamp(),
  constraint transfer_pkey PRIMARY KEY (client_id, id),
  constraint transfer_once_per_order UNIQUE (client_id, topup_order_id, reason),
  constraint transfer_client_id_voucher_id_fkey FOREIGN KEY (client_id, voucher_id) REFERENCES voucher(client_id, id),
  constraint transfer_accounts CHECK (((debit_account = ANY (ARRAY['WALLET'::text, 'VOUCHER'::text, 'IN_FLIGHT'::text, 'SALES'::text, 'EXTERNAL'::text, 'LOSS'::text])) AND (credit_account = ANY (ARRAY['WALLET'::text, 'VOUCHER'::text, 'IN_FLIGHT'::text, 'SALES'::text, 'EXTERNAL'::text, 'LOSS'::text])) AND (debit_account <> credit_account))) NOT VALID,
  constraint transfer_amount_check CHECK (((amount > (0)::numeric) AND (amount <> 'NaN'::numeric))),
  constraint transfer_balance_after_check CHECK ((balance_after <> 'NaN'::numeric)),
  constraint transfer_check1 CHECK (((('WALLET'::text = debit_account) OR ('WALLET'::text = credit_account)) = (wallet_id IS NOT NULL))),
  constraint transfer_check2 CHECK (((('VOUCHER'::text = debit_account) OR ('VOUCHER'::text = credit_account)) = (voucher_id IS NOT NULL))),
  constraint transfer_check3 CHECK (((reason = ANY (ARRAY['ORDER_DEBIT'::text, 'ORDER_SALE'::text, 'ORDER_REFUND'::text, 'REVERSAL'::text])) = (topup_order_id IS NOT NULL))),
  constraint transfer_check4 CHECK (((wallet_id IS NULL) = (balance_after IS NULL))),
  constraint transfer_reason_check CHECK ((reason = ANY (ARRAY['ORDER_DEBIT'::text, 'ORDER_SALE'::text, 'ORDER_REFUND'::text, 'REVERSAL'::text, 'FUNDING'::text, 'ADJUSTMENT'::text, 'LOSS'::text]))) NOT VALID
);

create table variant (
  id bigint not null,
  product_id bigint not null,
  name text not null,
  category text,
  fixed_amounts numeric(20,4)[] not null default '{}'::numeric[],
  min_amount numeric(20,4),
  max_amount numeric(20,4),
  amount_step numeric(20,4),
  priority integer not null default 0,
  is_active boolean not null default true,
  is_in_stock boolean not null default true,
  fields jsonb not null default '{}'::jsonb,
  changed_in bigint not null default 0,
  cost_percent numeric(9,4),
  constraint variant_pkey PRIMARY KEY (id),
  constraint variant_product_id_fkey FOREIGN KEY (product_id) REFERENCES product(id),
  constraint variant_amount_step_check CHECK (((amount_step > (0)::numeric) AND (amount_step <> 'NaN'::numeric))),
  constraint variant_category_check CHECK ((category = ANY (ARRAY['Airtime'::text, 'Data'::text, 'Bundle'::text]))),
  constraint variant_check CHECK (((max_amount >= min_amount) AND (max_amount <> 'NaN'::numeric))),
  constraint variant_check1 CHECK (((min_amount IS NULL) = (max_amount IS NULL))),
  constraint variant_check2 CHECK (((min_amount IS NULL) = (amount_step IS NULL))),
  constraint variant_check3 CHECK (((min_amount IS NOT NULL) OR (cardinality(fixed_amounts) > 0))),
  constraint variant_cost_percent_check CHECK (((cost_percent > (0)::numeric) AND (cost_percent <> 'NaN'::numeric))),
  constraint variant_fixed_amounts_check CHECK (((NOT is_active) OR (cardinality(fixed_amounts) = 0) OR ((array_ndims(fixed_amounts) = 1) AND (array_position(fixed_amounts, NULL::numeric) IS NULL) AND ((0)::numeric < ALL (fixed_amounts)) AND ('NaN'::numeric <> ALL (fixed_amounts))))),
  constraint variant_id_check CHECK ((id > 0)),
  constraint variant_min_amount_check CHECK (((min_amount > (0)::numeric) AND (min_amount <> 'NaN'::numeric)))
);

create table voucher (
  client_id bigint not null,
  id bigint not null generated by default as identity,
  code_hash text not null,
  code_last4 text not null,
  value numeric(20,4) not null,
  currency text not null,
  state text not null,
  expires_at timestamp with time zone,
  redeemed_order_id bigint,
  redeemed_at timestamp with time zone,
  constraint voucher_pkey PRIMARY KEY (client_id, id),
  constraint voucher_client_id_code_hash_key UNIQUE (client_id, code_hash),
  constraint voucher_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id),
  constraint voucher_currency_fkey FOREIGN KEY (currency) REFERENCES currency(code),
  constraint voucher_check CHECK (((redeemed_order_id IS NULL) = (redeemed_at IS NULL))),
  constraint voucher_state_check CHECK ((state = ANY (ARRAY['ISSUED'::text, 'DELIVERED'::text, 'COMPLETED'::text, 'EXPIRED'::text, 'CANCELLED'::text]))),
  constraint voucher_value_check CHECK (((value > (0)::numeric) AND (value <> 'NaN'::numeric)))
);

create table wallet (
  client_id bigint not null,
  id bigint not null,
  currency text not null,
  type text not null default 'PREPAID'::text,
  balance numeric(20,4) not null default 0,
  credit_limit numeric(20,4) not null default 0,
  is_default boolean not null default false,
  is_frozen boolean not null default false,
  constraint wallet_pkey PRIMARY KEY (client_id, id),
  constraint wallet_client_id_currency_key UNIQUE (client_id, currency),
  constraint wallet_client_id_fkey FOREIGN KEY (client_id) REFERENCES client(client_id),
  constraint wallet_currency_fkey FOREIGN KEY (currency) REFERENCES currency(code),
  constraint wallet_balance_check CHECK ((balance <> 'NaN'::numeric)),
  constraint wallet_balance_within_credit CHECK ((balance >= (- credit_limit))),
  constraint wallet_credit_limit_check CHECK (((credit_limit >= (0)::numeric) AND (credit_limit <> 'NaN'::numeric))),
  constraint wallet_id_check CHECK ((id > 0)),
  constraint wallet_prepaid_has_no_credit CHECK (((type = 'POSTPAID'::text) OR (credit_limit = (0)::numeric))),
  constraint wallet_type_check CHECK ((type = ANY (ARRAY['PREPAID'::text, 'POSTPAID'::text])))
) with (fillfactor=70);

create table wallet_milestone (
  client_id bigint not null,
  wallet_id bigint not null,
  "position" bigint not null,
  transfer_id bigint not null,
  constraint wallet_milestone_pkey PRIMARY KEY (client_id, wallet_id, "position"),
  constraint wallet_milestone_client_id_transfer_id_fkey FOREIGN KEY (client_id, transfer_id) REFERENCES transfer(client_id, id),
  constraint wallet_milestone_client_id_wallet_id_fkey FOREIGN KEY (client_id, wallet_id) REFERENCES wallet(client_id, id)
);

comment on column callback.received_at is 'for auditors: when the supplier told it';
comment on column stray_callback.topup_order_id is 'read from the reference, as the route; null where that is none of ours';
comment on column topup_order.forex_rate_id is 'for auditors: the row of forex_rate by which it was charged';
comment on column topup_order.input_fields_version is 'for auditors: the version of the product whose fields its input was checked by';
comment on column voucher.code_last4 is 'for support: the code itself is not kept';

create view operator_log as
 SELECT a.client_id,
    a.id,
    a.kind,
    a.topup_order_id,
    a.outcome,
    a.failure_code,
    a.case_kind,
    a.case_route,
    a.seen_state,
    a.seen_route,
    a.seen_attempt_count,
    a.wallet_id,
    a.amount,
    a.currency,
    a.remarks,
    a.proposed_by,
    a.proposed_at,
    d.is_approved,
    d.decided_by,
    d.decided_at,
    d.transfer_id
   FROM (operator_action a
     LEFT JOIN operator_decision d ON (((d.client_id = a.client_id) AND (d.action_id = a.id))));

create view operator_queue as
 SELECT
        CASE o.fulfilment_state
            WHEN 'REVIEW'::text THEN 'REVIEW'::text
            ELSE 'PAST_WINDOW'::text
        END AS what,
    o.client_id,
    o.id AS order_id,
    NULL::smallint AS case_route,
    s.code AS supplier,
    m.supplier_reference,
    o.charge,
    o.currency,
    o.created_at AS since
   FROM (((topup_order o
     LEFT JOIN submission m ON (((m.client_id = o.client_id) AND (m.topup_order_id = o.id) AND (m.route = o.route))))
     LEFT JOIN offer f ON (((f.variant_id = o.variant_id) AND (f.route = o.route))))
     LEFT JOIN supplier s ON ((s.id = COALESCE(m.supplier_id, f.supplier_id))))
  WHERE ((o.status = 'PENDING'::text) AND ((o.fulfilment_state = 'REVIEW'::text) OR ((o.fulfilment_state = 'RETRY_WAIT'::text) AND (o.retry_until < clock_timestamp()) AND ((o.retry_until < o.next_action_at) OR s.is_suspended) AND (NOT (EXISTS ( SELECT
           FROM submission x
          WHERE ((x.client_id = o.client_id) AND (x.topup_order_id = o.id) AND (x.state <> 'NOT_APPLIED'::text))))))))
UNION ALL
 SELECT c.kind AS what,
    c.client_id,
    c.topup_order_id AS order_id,
    c.route AS case_route,
    s.code AS supplier,
    m.supplier_reference,
    o.charge,
    o.currency,
    c.opened_at AS since
   FROM (((reconciliation_case c
     JOIN topup_order o ON (((o.client_id = c.client_id) AND (o.id = c.topup_order_id))))
     LEFT JOIN submission m ON (((m.client_id = c.client_id) AND (m.topup_order_id = c.topup_order_id) AND (m.route = c.route))))
     LEFT JOIN supplier s ON ((s.id = m.supplier_id)))
  WHERE (c.resolved_at IS NULL);

create view sellable_route as
 SELECT f.variant_id,
    f.route,
    f.supplier_id,
    f.supplier_sku,
    v.is_in_stock
   FROM ((offer f
     JOIN variant v ON (((v.id = f.variant_id) AND v.is_active)))
     JOIN product p ON (((p.id = v.product_id) AND p.is_active)))
  WHERE f.is_active;

CREATE INDEX client_changed ON client USING btree (changed_in);
CREATE INDEX discount_begins ON discount USING btree (valid_from);
CREATE INDEX discount_ends ON discount USING btree (valid_to) WHERE (valid_to IS NOT NULL);
CREATE INDEX email_outbox_waiting ON email_outbox USING btree (queued_at) WHERE (handed_over_at IS NULL);
CREATE INDEX feed_entry_place ON feed_entry USING btree (place);
CREATE INDEX feed_inbox_oldest ON feed_inbox USING btree (id);
CREATE INDEX feed_position_oldest ON feed_position USING btree (kept_since);
CREATE INDEX forex_rate_ends ON forex_rate USING btree (from_currency, to_currency, valid_to) WHERE (valid_to IS NOT NULL);
CREATE INDEX forex_rate_open ON forex_rate USING btree (from_currency, to_currency, valid_from DESC) WHERE (valid_to IS NULL);
CREATE INDEX forex_rate_pair ON forex_rate USING btree (from_currency, to_currency, valid_from DESC);
CREATE INDEX order_milestone_latest ON order_milestone USING btree (client_id, latest_at);
CREATE INDEX product_changed ON product USING btree (changed_in);
CREATE INDEX stray_callback_page ON stray_callback USING btree (id);
CREATE INDEX stray_callback_received ON stray_callback USING btree (received_at);
CREATE UNIQUE INDEX submission_effective ON submission USING btree (client_id, topup_order_id) WHERE (state = ANY (ARRAY['INTENT'::text, 'ACCEPTED'::text, 'UNKNOWN'::text, 'DELIVERED'::text]));
CREATE INDEX token_family_ends ON token_family USING btree (client_id, expires_at);
CREATE INDEX topup_order_aside ON topup_order USING btree (set_aside_for, next_action_at, client_id, id) WHERE ((status = 'PENDING'::text) AND (set_aside_at = next_action_at));
CREATE INDEX topup_order_country ON topup_order USING btree (client_id, country_code, id) WHERE (status <> 'PENDING'::text);
CREATE INDEX topup_order_due ON topup_order USING btree (next_action_at) WHERE ((status = 'PENDING'::text) AND (set_aside_at IS DISTINCT FROM next_action_at));
CREATE INDEX topup_order_pending ON topup_order USING btree (client_id, id) WHERE (status = 'PENDING'::text);
CREATE INDEX topup_order_product ON topup_order USING btree (client_id, product_id, id) WHERE (status <> 'PENDING'::text);
CREATE INDEX topup_order_unsuccessful ON topup_order USING btree (client_id, status, id) WHERE (status = ANY (ARRAY['FAILED'::text, 'CANCELLED'::text]));
CREATE INDEX topup_order_wallet ON topup_order USING btree (client_id, wallet_id, id) WHERE (status <> 'PENDING'::text);
CREATE INDEX transfer_wallet ON transfer USING btree (client_id, wallet_id, id DESC) WHERE (wallet_id IS NOT NULL);
CREATE INDEX variant_changed ON variant USING btree (changed_in);
CREATE UNIQUE INDEX wallet_default ON wallet USING btree (client_id) WHERE is_default;

CREATE TRIGGER access AFTER UPDATE OF revoked_at ON api_key FOR EACH STATEMENT EXECUTE FUNCTION bump_access_version();
CREATE TRIGGER access AFTER INSERT OR DELETE OR UPDATE OF is_active, is_rate_limited ON client FOR EACH STATEMENT EXECUTE FUNCTION bump_access_version();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE OF client_id, name, is_active ON client FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_mark BEFORE INSERT OR UPDATE ON client FOR EACH ROW EXECUTE FUNCTION mark_pricing_change();
CREATE TRIGGER pricing_moved AFTER UPDATE OF client_id ON client FOR EACH STATEMENT EXECUTE FUNCTION mark_pricing_removal();
CREATE TRIGGER pricing_removal AFTER DELETE ON client FOR EACH STATEMENT EXECUTE FUNCTION mark_pricing_removal();
CREATE TRIGGER access AFTER INSERT OR DELETE OR UPDATE ON client_network FOR EACH STATEMENT EXECUTE FUNCTION bump_access_version();
CREATE TRIGGER access_truncation AFTER TRUNCATE ON client_network FOR EACH STATEMENT EXECUTE FUNCTION bump_access_version();
CREATE TRIGGER access AFTER INSERT OR DELETE OR UPDATE ON client_rate FOR EACH STATEMENT EXECUTE FUNCTION bump_access_version();
CREATE TRIGGER access_truncation AFTER TRUNCATE ON client_rate FOR EACH STATEMENT EXECUTE FUNCTION bump_access_version();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE ON currency FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE ON discount FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_deleted AFTER DELETE ON discount REFERENCING OLD TABLE AS changed_row FOR EACH STATEMENT EXECUTE FUNCTION mark_priced_clients();
CREATE TRIGGER pricing_inserted AFTER INSERT ON discount REFERENCING NEW TABLE AS changed_row FOR EACH STATEMENT EXECUTE FUNCTION mark_priced_clients();
CREATE TRIGGER pricing_moved AFTER UPDATE ON discount REFERENCING OLD TABLE AS changed_row FOR EACH STATEMENT EXECUTE FUNCTION mark_priced_clients();
CREATE TRIGGER pricing_truncation AFTER TRUNCATE ON discount FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_truncation_mark AFTER TRUNCATE ON discount FOR EACH STATEMENT EXECUTE FUNCTION mark_pricing_removal();
CREATE TRIGGER pricing_updated AFTER UPDATE ON discount REFERENCING NEW TABLE AS changed_row FOR EACH STATEMENT EXECUTE FUNCTION mark_priced_clients();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE ON entitlement FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_deleted AFTER DELETE ON entitlement REFERENCING OLD TABLE AS changed_row FOR EACH STATEMENT EXECUTE FUNCTION mark_priced_clients();
CREATE TRIGGER pricing_inserted AFTER INSERT ON entitlement REFERENCING NEW TABLE AS changed_row FOR EACH STATEMENT EXECUTE FUNCTION mark_priced_clients();
CREATE TRIGGER pricing_moved AFTER UPDATE ON entitlement REFERENCING OLD TABLE AS changed_row FOR EACH STATEMENT EXECUTE FUNCTION mark_priced_clients();
CREATE TRIGGER pricing_truncation AFTER TRUNCATE ON entitlement FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_truncation_mark AFTER TRUNCATE ON entitlement FOR EACH STATEMENT EXECUTE FUNCTION mark_pricing_removal();
CREATE TRIGGER pricing_updated AFTER UPDATE ON entitlement REFERENCING NEW TABLE AS changed_row FOR EACH STATEMENT EXECUTE FUNCTION mark_priced_clients();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE ON forex_rate FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_truncation AFTER TRUNCATE ON forex_rate FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE ON offer FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_deleted AFTER DELETE ON offer REFERENCING OLD TABLE AS changed_offer FOR EACH STATEMENT EXECUTE FUNCTION mark_offered_variants();
CREATE TRIGGER pricing_inserted AFTER INSERT ON offer REFERENCING NEW TABLE AS changed_offer FOR EACH STATEMENT EXECUTE FUNCTION mark_offered_variants();
CREATE TRIGGER pricing_moved AFTER UPDATE ON offer REFERENCING OLD TABLE AS changed_offer FOR EACH STATEMENT EXECUTE FUNCTION mark_offered_variants();
CREATE TRIGGER pricing_truncation BEFORE TRUNCATE ON offer FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_truncation_mark AFTER TRUNCATE ON offer FOR EACH STATEMENT EXECUTE FUNCTION mark_pricing_removal();
CREATE TRIGGER pricing_updated AFTER UPDATE ON offer REFERENCING NEW TABLE AS changed_offer FOR EACH STATEMENT EXECUTE FUNCTION mark_offered_variants();
CREATE TRIGGER stays BEFORE DELETE OR UPDATE ON operator_action FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stays_whole BEFORE TRUNCATE ON operator_action FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
CREATE TRIGGER stays BEFORE DELETE OR UPDATE ON operator_decision FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stays_whole BEFORE TRUNCATE ON operator_decision FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE ON operator_prefix FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_truncation AFTER TRUNCATE ON operator_prefix FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE ON product FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_mark BEFORE INSERT OR UPDATE ON product FOR EACH ROW EXECUTE FUNCTION mark_pricing_change();
CREATE TRIGGER pricing_removal AFTER DELETE ON product FOR EACH STATEMENT EXECUTE FUNCTION mark_pricing_removal();
CREATE TRIGGER pricing_truncation BEFORE TRUNCATE ON product FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_truncation_mark AFTER TRUNCATE ON product FOR EACH STATEMENT EXECUTE FUNCTION mark_pricing_removal();
CREATE TRIGGER access AFTER INSERT OR DELETE OR UPDATE ON revoked_token FOR EACH STATEMENT EXECUTE FUNCTION bump_access_version();
CREATE TRIGGER access_truncation AFTER TRUNCATE ON revoked_token FOR EACH STATEMENT EXECUTE FUNCTION bump_access_version();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE ON supplier FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_truncation AFTER TRUNCATE ON supplier FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER access AFTER INSERT OR DELETE OR UPDATE ON token_generation FOR EACH STATEMENT EXECUTE FUNCTION bump_access_version();
CREATE TRIGGER access_truncation AFTER TRUNCATE ON token_generation FOR EACH STATEMENT EXECUTE FUNCTION bump_access_version();
CREATE TRIGGER stays BEFORE DELETE OR UPDATE OF client_id, id ON topup_order FOR EACH ROW EXECUTE FUNCTION refuse_removal();
CREATE TRIGGER stays_whole BEFORE TRUNCATE ON topup_order FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
CREATE TRIGGER stays BEFORE DELETE OR UPDATE OF client_id, topup_order_id, version, type, previous_status, status, failure_code, occurred_at ON topup_order_event FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stays_whole BEFORE TRUNCATE ON topup_order_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
CREATE TRIGGER stays BEFORE DELETE OR UPDATE ON transfer FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stays_whole BEFORE TRUNCATE ON transfer FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE ON variant FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_mark BEFORE INSERT OR UPDATE ON variant FOR EACH ROW EXECUTE FUNCTION mark_pricing_change();
CREATE TRIGGER pricing_removal AFTER DELETE ON variant FOR EACH STATEMENT EXECUTE FUNCTION mark_pricing_removal();
CREATE TRIGGER pricing_truncation BEFORE TRUNCATE ON variant FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_truncation_mark AFTER TRUNCATE ON variant FOR EACH STATEMENT EXECUTE FUNCTION mark_pricing_removal();
CREATE TRIGGER currency_stays BEFORE UPDATE OF currency ON wallet FOR EACH ROW WHEN ((old.currency IS DISTINCT FROM new.currency)) EXECUTE FUNCTION refuse_other_currency();
CREATE TRIGGER pricing BEFORE INSERT OR DELETE OR UPDATE OF currency, is_default ON wallet FOR EACH STATEMENT EXECUTE FUNCTION bump_pricing_version();
CREATE TRIGGER pricing_mark AFTER INSERT OR UPDATE OF currency, is_default ON wallet FOR EACH ROW EXECUTE FUNCTION mark_client_of_wallet();
CREATE TRIGGER stays BEFORE DELETE OR UPDATE OF client_id, id ON wallet FOR EACH ROW EXECUTE FUNCTION refuse_removal();
CREATE TRIGGER stays_whole BEFORE TRUNCATE ON wallet FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation();

grant execute on function approve_action(client_id bigint, id bigint) to topup_approver;
grant execute on function ask_about_order(p_client_id bigint, p_order_id bigint) to topup_app;
grant execute on function cancel_order(p_client_id bigint, p_order_id bigint) to topup_app;
grant execute on function claim_order(p_client_id bigint, p_order_id bigint) to topup_app;
grant execute on function claim_orders(p_limit integer, p_rooms json) to topup_app;
grant execute on function end_tokens(p_client_id bigint) to topup_app;
grant execute on function find_stray_callbacks(p_after bigint, p_limit integer, OUT after bigint, OUT ids bigint[]) to topup_app;
grant execute on function find_submission(p_client_id bigint, p_order_id bigint, p_route smallint, p_supplier_code text) to topup_app;
grant execute on function find_submissions(p_client_ids bigint[], p_order_ids bigint[], p_routes smallint[], p_supplier_codes text[]) to topup_app;
grant execute on function forget_stray_callbacks(p_ids bigint[], p_limit integer) to topup_app;
grant execute on function give_tokens_back(p_client_id bigint, p_class text, p_subject text, p_count integer) to topup_app;
grant execute on function keep_callback(m recorded_move) to topup_app;
grant execute on function keep_stray_callback(m recorded_move, p_outcome json) to topup_app;
grant execute on function leave_suspended_suppliers(p_limit integer) to topup_app;
grant execute on function leave_suspended_suppliers(p_limit integer, p_after text, OUT found_count integer, OUT after text) to topup_app;
grant execute on function number_events(p_limit integer) to topup_app;
grant execute on function open_token_family(p_client_id bigint, p_key_id text, p_family_id uuid, p_refresh_token_id uuid, p_lives_for interval) to topup_app;
grant execute on function place_orders(p_orders json) to topup_app;
grant execute on function place_orders(p_orders placement[], OUT placed_at timestamp with time zone, OUT verdicts text[], OUT order_ids bigint[], OUT transfer_ids bigint[], OUT expected_by timestamp with time zone[]) to topup_app;
grant execute on function propose_action(kind text, client_id bigint, remarks text, order_id bigint, outcome text, failure_code text, case_kind text, case_route integer, wallet_id bigint, amount numeric, currency text) to topup_clerk;
grant execute on function recall_far_orders(p_limit integer) to topup_app;
grant execute on function recall_from_suspended_suppliers(p_after timestamp with time zone) to topup_app;
grant execute on function record_moves(p_moves json) to topup_app;
grant execute on function refuse_action(client_id bigint, id bigint) to topup_approver;
grant execute on function refuse_action(client_id bigint, id bigint) to topup_clerk;
grant execute on function remove_feed_positions(p_keep_seconds bigint, p_limit integer) to topup_app;
grant execute on function rotate_token_family(p_client_id bigint, p_family_id uuid, p_shown uuid, p_next uuid, p_lives_for interval) to topup_app;
grant execute on function set_notification_email(p_client_id bigint, p_order_id bigint, p_email text) to topup_app;
grant execute on function set_order_milestones(p_client_id bigint) to topup_app;
grant execute on function set_wallet_milestones(p_client_id bigint, p_wallet_id bigint) to topup_app;
grant execute on function take_tokens(p_requests json) to topup_app;
grant execute on function take_waiting_mail(p_limit integer) to topup_app;
grant select on table access_version to topup_app;
grant select on table api_key to topup_app;
grant select on table callback to topup_app;
grant select on table client to topup_app;
grant select on table client_network to topup_app;
grant select on table client_rate to topup_app;
grant select on table currency to topup_app;
grant select on table delivery_pace to topup_app;
grant select on table discount to topup_app;
grant select on table email_outbox to topup_app;
grant select on table entitlement to topup_app;
grant select on table feed_entry to topup_app;
grant select on table feed_inbox to topup_app;
grant select on table feed_position to topup_app;
grant select on table feed_skip to topup_app;
grant select on table forex_rate to topup_app;
grant select on table offer to topup_app;
grant select on table operator_action to topup_app;
grant select on table operator_decision to topup_app;
grant select on table operator_log to topup_app;
grant select on table operator_log to topup_approver;
grant select on table operator_log to topup_clerk;
grant select on table operator_prefix to topup_app;
grant select on table operator_queue to topup_app;
grant select on table operator_queue to topup_approver;
grant select on table operator_queue to topup_clerk;
grant select on table order_horizon to topup_app;
grant select on table order_milestone to topup_app;
grant select on table pricing_version to topup_app;
grant select on table product to topup_app;
grant select on table rate_count to topup_app;
grant select on table reconciliation_case to topup_app;
grant select on table revoked_token to topup_app;
grant select on table sellable_route to topup_app;
grant select on table stray_callback to topup_app;
grant select on table submission to topup_app;
grant select on table supplier to topup_app;
grant select on table token_family to topup_app;
grant select on table token_generation to topup_app;
grant select on table topup_order to topup_app;
grant select on table topup_order_event to topup_app;
grant select on table transfer to topup_app;
grant select on table variant to topup_app;
grant select on table voucher to topup_app;
grant select on table wallet to topup_app;
grant select on table wallet_milestone to topup_app;
grant usage on schema public to public;
grant usage on schema public to topup_app;
grant usage on schema public to topup_approver;
grant usage on schema public to topup_clerk;
