-- What only a person can decide: an order under review, a reconciliation case, the balance of a
-- wallet. One role proposes and another approves, never the same person; both stay as rows, and
-- what moves money leaves a transfer.

create table operator_action (
  client_id bigint not null references client,
  id bigint not null generated always as identity,
  kind text not null check (kind in ('SETTLE_ORDER', 'RESOLVE_CASE', 'ADJUST_WALLET')),
  topup_order_id bigint,
  -- What an order becomes, or whether a case costs us something.
  outcome text,
  failure_code text check (failure_code in ('INVALID_RECIPIENT', 'RECIPIENT_BARRED',
    'RECIPIENT_INELIGIBLE', 'RECIPIENT_LIMIT_EXCEEDED', 'OPERATOR_UNAVAILABLE',
    'OPERATOR_LIMIT_EXCEEDED', 'CLIENT_LIMIT_EXCEEDED', 'PRODUCT_UNAVAILABLE',
    'PRODUCT_OUT_OF_STOCK', 'AMOUNT_OUT_OF_RANGE', 'UNKNOWN')),
  case_kind text,
  case_route smallint,
  -- The order as it was proposed about: what was said of it may not hold of what it is later.
  seen_state text,
  seen_route smallint,
  seen_attempt_count int,
  wallet_id bigint,
  amount numeric(20, 4) check (amount <> 0 and amount <> 'NaN'),
  currency text references currency,
  remarks text not null check (length(btrim(remarks)) between 1 and 500),
  -- Whoever logged in, whatever functions and roles came between.
  proposed_by text not null default session_user,
  proposed_at timestamptz not null default clock_timestamp(),
  primary key (client_id, id),
  foreign key (client_id, topup_order_id) references topup_order (client_id, id),
  foreign key (client_id, topup_order_id, case_kind, case_route) references reconciliation_case,
  foreign key (client_id, wallet_id) references wallet (client_id, id),
  constraint operator_action_shape check (case kind
    when 'SETTLE_ORDER' then num_nulls(topup_order_id, outcome) = 0
      and outcome in ('DELIVERED', 'FAILED') and (outcome = 'FAILED') = (failure_code is not null)
      and num_nonnulls(case_kind, case_route, wallet_id, amount, currency) = 0
    when 'RESOLVE_CASE' then num_nulls(topup_order_id, outcome, case_kind, case_route) = 0
      and outcome in ('NOTED', 'LOSS', 'RECOVERED') and num_nonnulls(failure_code, wallet_id) = 0
      -- A loss is what a supplier keeps for what nobody pays us, until it gives it back.
      and case outcome when 'NOTED' then num_nonnulls(amount, currency) = 0
        else case_kind in ('LATE_SUCCESS', 'SECOND_ROUTE_SUCCESS')
          and num_nulls(amount, currency) = 0 and amount > 0 end
    else num_nulls(wallet_id, amount, currency) = 0
      and num_nonnulls(topup_order_id, outcome, failure_code, case_kind, case_route) = 0
    end)
);

create table operator_decision (
  client_id bigint not null,
  action_id bigint not null,
  is_approved boolean not null,
  decided_by text not null default session_user,
  decided_at timestamptz not null default clock_timestamp(),
  -- What it moved; of an order that ends, its own transfers say it.
  transfer_id bigint,
  primary key (client_id, action_id),
  foreign key (client_id, action_id) references operator_action (client_id, id),
  foreign key (client_id, transfer_id) references transfer (client_id, id)
);

-- The rows that are there meet the narrower conditions of before.
alter table transfer
  drop constraint transfer_check,
  drop constraint transfer_reason_check,
  add constraint transfer_accounts check (
    debit_account in ('WALLET', 'VOUCHER', 'IN_FLIGHT', 'SALES', 'EXTERNAL', 'LOSS')
    and credit_account in ('WALLET', 'VOUCHER', 'IN_FLIGHT', 'SALES', 'EXTERNAL', 'LOSS')
    and debit_account <> credit_account) not valid,
  add constraint transfer_reason_check check (reason in ('ORDER_DEBIT', 'ORDER_SALE',
    'ORDER_REFUND', 'REVERSAL', 'FUNDING', 'ADJUSTMENT', 'LOSS')) not valid;

-- What happened is never edited, by nobody: not even by the owner, who would have to say so first.
create function refuse_change() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  raise exception 'rows of % are never changed or removed', tg_table_name
    using errcode = 'foreign_key_violation';
end
$$;
create trigger stays before delete or update on transfer
  for each row execute function refuse_change();
-- Its place in the feed is noted with an event once the feed's log forgets it.
create trigger stays before delete or update of client_id, topup_order_id, version, type,
    previous_status, status, failure_code, occurred_at on topup_order_event
  for each row execute function refuse_change();
create trigger stays before delete or update on operator_action
  for each row execute function refuse_change();
create trigger stays before delete or update on operator_decision
  for each row execute function refuse_change();
create trigger stays_whole before truncate on transfer execute function refuse_truncation();
create trigger stays_whole before truncate on topup_order_event
  execute function refuse_truncation();
create trigger stays_whole before truncate on operator_action execute function refuse_truncation();
create trigger stays_whole before truncate on operator_decision
  execute function refuse_truncation();

-- Answers the action's id. Nothing happens before another person approves it.
create function propose_action(kind text, client_id bigint, remarks text,
  order_id bigint default null, outcome text default null, failure_code text default null,
  case_kind text default null, case_route int default null, wallet_id bigint default null,
  amount numeric default null, currency text default null) returns bigint
language sql security definer set search_path = public, pg_temp
set lock_timeout = '5s' as $$
  insert into operator_action (kind, client_id, topup_order_id, outcome, failure_code, case_kind,
      case_route, wallet_id, amount, currency, remarks, seen_state, seen_route, seen_attempt_count)
    select $1, $2, $4, $5, $6, $7, $8::smallint, $9, $10, $11, $3, o.fulfilment_state, o.route,
      o.attempt_count
    from (select 1) one left join topup_order o on o.client_id = $2 and o.id = $4
    returning id;
$$;

-- Nobody took it in all of its retry window, and nobody may have it. Time in which nobody attended
-- it is given back by the next claim.
create function is_past_window(o topup_order) returns boolean
language sql stable set search_path = public, pg_temp as $$
  select o.fulfilment_state = 'RETRY_WAIT'
    and o.retry_until < least(o.next_action_at, clock_timestamp())
    and not exists (select from submission m where m.client_id = o.client_id
      and m.topup_order_id = o.id and m.state <> 'NOT_APPLIED');
$$;

-- Ends an order under review, as its supplier was heard to say by other means; or one that nobody
-- took for too long, which is failed only.
create function settle_order(a operator_action) returns void
language plpgsql set search_path = public, pg_temp as $$
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
$$;

-- What a case has cost us by now.
create function loss_of_case(a operator_action) returns numeric
language sql stable set search_path = public, pg_temp as $$
  select coalesce(sum(case x.outcome when 'LOSS' then x.amount else -x.amount end), 0)
    from operator_action x join operator_decision d on d.client_id = x.client_id
      and d.action_id = x.id and d.is_approved
    where x.client_id = a.client_id and x.topup_order_id = a.topup_order_id
      and x.case_kind = a.case_kind and x.case_route = a.case_route
      and x.currency = a.currency and x.outcome in ('LOSS', 'RECOVERED');
$$;

-- Answers the transfer of the loss, where it is one.
create function resolve_case(a operator_action) returns bigint
language plpgsql set search_path = public, pg_temp as $$
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
  update reconciliation_case c set resolved_at = clock_timestamp()
    where c.client_id = a.client_id and c.topup_order_id = a.topup_order_id
      and c.kind = a.case_kind and c.route = a.case_route and c.resolved_at is null;
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
$$;

create function adjust_wallet(a operator_action) returns bigint
language plpgsql set search_path = public, pg_temp as $$
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
$$;

-- Approves and carries out, in one transaction, or refuses. Whoever proposed may refuse, no more.
create function decide_action(p_client_id bigint, p_id bigint, p_is_approved boolean) returns void
language plpgsql security definer set search_path = public, pg_temp
set lock_timeout = '5s' as $$
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
$$;

create function approve_action(client_id bigint, id bigint) returns void
language sql security definer set search_path = public, pg_temp as $$
  select decide_action(client_id, id, true);
$$;

create function refuse_action(client_id bigint, id bigint) returns void
language sql security definer set search_path = public, pg_temp as $$
  select decide_action(client_id, id, false);
$$;

-- What waits for a person, by what the supplier can be asked for; no recipient in it.
create view operator_queue as
  select case o.fulfilment_state when 'REVIEW' then 'REVIEW' else 'PAST_WINDOW' end as what,
      o.client_id, o.id as order_id, null::smallint as case_route,
      s.code as supplier, m.supplier_reference, o.charge, o.currency, o.created_at as since
    from topup_order o
    left join submission m on m.client_id = o.client_id and m.topup_order_id = o.id
      and m.route = o.route
    left join supplier s on s.id = m.supplier_id
    where o.status = 'PENDING' and (o.fulfilment_state = 'REVIEW'
      -- As is_past_window says, which those who read here may not call.
      or (o.fulfilment_state = 'RETRY_WAIT'
        and o.retry_until < least(o.next_action_at, clock_timestamp())
        and not exists (select from submission x where x.client_id = o.client_id
          and x.topup_order_id = o.id and x.state <> 'NOT_APPLIED')))
  union all
  select c.kind, c.client_id, c.topup_order_id, c.route, s.code, m.supplier_reference, o.charge,
      o.currency, c.opened_at
    from reconciliation_case c
    join topup_order o on o.client_id = c.client_id and o.id = c.topup_order_id
    left join submission m on m.client_id = c.client_id and m.topup_order_id = c.topup_order_id
      and m.route = c.route
    left join supplier s on s.id = m.supplier_id
    where c.resolved_at is null;

create view operator_log as
  select a.*, d.is_approved, d.decided_by, d.decided_at, d.transfer_id
    from operator_action a
    left join operator_decision d on d.client_id = a.client_id and d.action_id = a.id;
