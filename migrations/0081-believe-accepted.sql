-- A supplier's word that it has taken an order changed nothing, but in its answer to the order
-- itself. Where that answer was lost, and its look-up knew nothing of the order yet, the order was
-- sent elsewhere, or failed and refunded at the end of the window, and delivered all the same.

-- What is not known is known then. Whoever is asking about the order right now takes a "not found"
-- for proof, as it did not know yet: it loses its hold, and the next one asks at once.
create function note_accepted(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
begin
  if o.status <> 'PENDING' or o.route <> m.route then return 'NO_CHANGE'; end if;
  update submission s set state = 'ACCEPTED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route
      and s.state in ('INTENT', 'UNKNOWN');
  if not found then return 'NO_CHANGE'; end if;
  update topup_order set
      -- Also of one under review, so that nothing is approved of what was not known.
      fulfilment_state = 'AWAITING_SUPPLIER',
      next_action_at = case when lease_token is null then next_action_at
        else clock_timestamp() end,
      lease_token = null,
      lease_until = null
    where client_id = o.client_id and id = o.id
      and fulfilment_state in ('OUTCOME_UNKNOWN', 'REVIEW', 'AWAITING_SUPPLIER');
  return 'APPLIED';
end
$$;

-- Whether a holder's refusal is one of an attempt that is over: another one has begun since, or
-- the supplier was heard to have taken the order. It does not end the order then.
create function is_overtaken(o topup_order, m recorded_move, p_sent_state text) returns boolean
language sql immutable set search_path = public, pg_temp as $$
  select m.kind = 'FAIL' and m.lease_token is not null
    and m.lease_token is distinct from o.lease_token and p_sent_state in ('INTENT', 'ACCEPTED');
$$;

-- As before, but for refusals that are overtaken.
create or replace function pick_plain_moves(p_moves recorded_move[]) returns recorded_move[]
language sql stable set search_path = public, pg_temp as $$
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
        when 'FAIL' then o.voucher_id is null
          and (s.state <> 'NOT_APPLIED' or o.lease_token = x.lease_token)
          and not is_overtaken(o, x.move, s.state)
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
