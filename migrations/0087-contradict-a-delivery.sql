-- A refusal that passes elsewhere (out of stock, operator unavailable) is a step and no final news,
-- and a step of an order that has ended was nothing: told by callback of what had been sent once
-- and was told as delivered, it opened no case.

-- A step that comes by callback is such a refusal; where nothing else was sent, it is of no other
-- attempt, and where nothing was to be sent again, it was not heard before the delivery.
create function takes_delivery_back(o topup_order, m recorded_move) returns boolean
language sql stable set search_path = public, pg_temp as $$
  select o.status = 'DELIVERED' and o.reversed_at is null and m.event_id is not null
    and exists (select from submission s where s.client_id = o.client_id
      and s.topup_order_id = o.id and s.route = m.route and s.state = 'DELIVERED'
      and s.attempt_count = 1)
    and not exists (select from topup_order_event e where e.client_id = o.client_id
      and e.topup_order_id = o.id and e.type = 'RETRY_SCHEDULED');
$$;

create or replace function record_move(m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  o topup_order;
  verdict text;
begin
  select t.* into o from topup_order t where t.client_id = m.client_id and t.id = m.order_id;
  if not found then return 'UNKNOWN_ORDER'; end if;
  verdict := case when m.event_id is null then 'NEW' else keep_callback(m) end;
  if verdict <> 'NEW' then return verdict; end if;
  verdict := case when m.kind = 'NONE' then 'NO_CHANGE'
    when m.kind = 'NOTE_ACCEPTED' then note_accepted(o, m)
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
end $$;
