-- What a case had cost could be booked as recovered only where the supplier took its success back
-- as well, and only in one part; and an amount with more decimals than money has was rounded.

-- As before, but for: what is recovered may come in parts, of a case that is resolved as well.
create or replace function resolve_case(a operator_action) returns bigint
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
$$;

-- As before, but for: an amount has at most four decimals.
create or replace function propose_action(kind text, client_id bigint, remarks text,
  order_id bigint default null, outcome text default null, failure_code text default null,
  case_kind text default null, case_route int default null, wallet_id bigint default null,
  amount numeric default null, currency text default null) returns bigint
language plpgsql security definer set search_path = public, pg_temp
set lock_timeout = '5s' as $$
#variable_conflict use_column
declare
  proposed bigint;
begin
  if scale(trim_scale($10)) > 4 then
    raise exception 'the amount % has more than four decimals', $10
      using errcode = 'invalid_parameter_value';
  end if;
  insert into operator_action as p (kind, client_id, topup_order_id, outcome, failure_code,
      case_kind, case_route, wallet_id, amount, currency, remarks, seen_state, seen_route,
      seen_attempt_count)
    select $1, $2, $4, $5, $6, $7, $8::smallint, $9, $10, $11, $3, o.fulfilment_state, o.route,
      o.attempt_count
    from (select 1) one left join topup_order o on o.client_id = $2 and o.id = $4
    returning p.id into proposed;
  return proposed;
end
$$;
