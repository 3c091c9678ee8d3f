-- A supplier's word that it has taken an order changed nothing, but in its answer to the order
-- itself. Where that answer was lost, and its look-up knew nothing of the order yet, the order was
-- sent elsewhere, or failed and refunded at the end of the window, and delivered all the same.

-- What is not known is known then. Whoever holds the order goes on with it.
create function note_accepted(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
begin
  if o.status <> 'PENDING' or o.route <> m.route then return 'NO_CHANGE'; end if;
  update submission s set state = 'ACCEPTED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route
      and s.state in ('INTENT', 'UNKNOWN');
  if not found then return 'NO_CHANGE'; end if;
  update topup_order set fulfilment_state = 'AWAITING_SUPPLIER'
    where client_id = o.client_id and id = o.id and fulfilment_state = 'OUTCOME_UNKNOWN';
  return 'APPLIED';
end
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
    else apply_step(o, m) end;
  -- The supplier will say it again: its event must not count as heard.
  if verdict = 'STALE_LEASE' and m.event_id is not null then
    delete from callback c using supplier s where s.code = m.supplier_code
      and c.client_id = m.client_id and c.supplier_id = s.id and c.event_id = m.event_id;
  end if;
  return verdict;
end
$$;
