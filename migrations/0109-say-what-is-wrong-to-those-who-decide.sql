-- A clerk was told the names of constraints, and could change the currency of a wallet with money
-- in it: 48 dollars were 48 pounds at once.

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

create function refuse_other_currency() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if exists (select from transfer t where t.client_id = old.client_id and t.wallet_id = old.id) then
    raise exception 'wallet % of client % has transfers in %: another currency is another wallet',
      old.id, old.client_id, old.currency using errcode = 'foreign_key_violation';
  end if;
  return new;
end
$$;
create trigger currency_stays before update of currency on wallet for each row
  when (old.currency is distinct from new.currency) execute function refuse_other_currency();
