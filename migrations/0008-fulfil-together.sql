-- Claims and outcomes of many orders in a handful of statements. What is rare (takeovers, routes
-- without an offer, given-up routes, cases, vouchers, two moves of one order) goes on order by
-- order, through the functions of 0005; both ways lock the same rows in the same order and leave
-- the same rows behind.

drop function claim_orders(int, text[]);

-- Takes the locked, due orders that are sent or asked about in the ordinary way. The others are
-- left as they are, which is: due.
create function take_orders(p_client_ids bigint[], p_order_ids bigint[]) returns claimed_order[]
language plpgsql set search_path = public, pg_temp as $$
declare
  claims claimed_order[];
  at timestamptz := clock_timestamp();
begin
  with due as materialized (
    select t.client_id, t.id, t.route, t.fulfilment_state in ('QUEUED', 'RETRY_WAIT') as is_sent,
        t.attempt_count = 0 as is_first,
        coalesce(t.retry_until + greatest(at - t.next_action_at, interval '0'),
          case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
            then at + s.retry_window_ms * interval '1 ms' end) as retry_until,
        case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
          then at + (s.call_deadline_ms + s.settle_window_ms) * interval '1 ms'
          else m.resend_after end as resend_after,
        m.state as sent_state, f.supplier_sku, s.id as supplier_id, s.code, s.lease_ms,
        s.backoff_ms, s.call_deadline_ms, s.can_be_queried, s.dedupes_by_reference
      from unnest(p_client_ids, p_order_ids) k (client_id, id)
      join topup_order t on t.client_id = k.client_id and t.id = k.id
      left join submission m on m.client_id = t.client_id and m.topup_order_id = t.id
        and m.route = t.route
      left join offer f on f.variant_id = t.variant_id and f.route = t.route
      join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
      where t.fulfilment_state <> 'SUBMITTING'
        and case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
          then exists (select from sellable_route r
            where r.variant_id = t.variant_id and r.route = t.route)
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
      from due d where o.client_id = d.client_id and o.id = d.id
      returning o.client_id, o.id, o.version, o.status, d.is_sent and d.is_first as is_first,
        d.is_sent, d.route, d.supplier_id, d.resend_after,
        (o.client_id, o.id, o.lease_token, case when d.is_sent then 'SUBMIT' else 'QUERY' end,
          d.code, o.client_id || '-' || o.id || '-' || o.route, d.supplier_sku, o.route,
          exists (select from sellable_route n
            where n.variant_id = o.variant_id and n.route > o.route),
          o.face_value, o.face_currency, o.country_code, o.recipient, o.input_data,
          o.attempt_count, o.backoff_step, d.backoff_ms, d.call_deadline_ms,
          extract(epoch from o.retry_until - at) * 1000,
          coalesce(extract(epoch from d.resend_after - at) * 1000, 0),
          d.can_be_queried, d.dedupes_by_reference,
          not d.is_sent and coalesce(d.sent_state = 'ACCEPTED', false),
          coalesce(o.last_attempt_at > o.retry_until, false))::claimed_order as claim
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
        state = 'INTENT', attempt_count = submission.attempt_count + 1, last_attempt_at = at,
        resend_after = excluded.resend_after
  )
  select array_agg(t.claim) into claims from taken t;
  return coalesce(claims, '{}');
end
$$;

-- Up to p_limit due orders, oldest first, none that another worker holds. p_rooms says by supplier
-- code how many orders it may be given now; one that is not named takes any number.
create function claim_orders(p_limit int, p_rooms json) returns setof claimed_order
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  full_suppliers bigint[];
  suspended_suppliers bigint[];
  client_ids bigint[];
  order_ids bigint[];
  claims claimed_order[] := '{}';
  o topup_order;
begin
  select coalesce(array_agg(s.id) filter (where (p_rooms ->> s.code)::int <= 0), '{}'),
      coalesce(array_agg(s.id) filter (where s.is_suspended), '{}')
    into full_suppliers, suspended_suppliers from supplier s;
  -- Nobody waits here, so the order of these locks is free.
  with due as materialized (
    select t.client_id, t.id, t.variant_id, t.route, t.next_action_at from topup_order t
      where t.status = 'PENDING' and t.next_action_at <= clock_timestamp()
        and (cardinality(full_suppliers) + cardinality(suspended_suppliers) = 0 or not exists (
          select from offer f where f.variant_id = t.variant_id and f.route = t.route
            and (f.supplier_id = any (full_suppliers) or (f.supplier_id = any (suspended_suppliers)
              and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')))))
      order by t.next_action_at limit p_limit for no key update skip locked
  ), placed as (
    select d.client_id, d.id, (p_rooms ->> s.code)::int as room,
        row_number() over (partition by f.supplier_id order by d.next_action_at) as place
      from due d
      left join offer f on f.variant_id = d.variant_id and f.route = d.route
      left join supplier s on s.id = f.supplier_id
  )
  select array_agg(p.client_id order by p.client_id, p.id),
      array_agg(p.id order by p.client_id, p.id)
    into client_ids, order_ids from placed p where p.room is null or p.place <= p.room;
  if order_ids is null then return; end if;
  begin
    claims := take_orders(client_ids, order_ids);
  exception when others then
    -- All of them go order by order: the one that cannot be taken must not keep its neighbours.
    raise warning '% orders cannot be taken together: %', cardinality(order_ids), sqlerrm;
  end;
  if cardinality(claims) < cardinality(order_ids) then
    for o in select t.* from unnest(client_ids, order_ids) k (client_id, id)
        join topup_order t on t.client_id = k.client_id and t.id = k.id
        where t.next_action_at <= clock_timestamp() loop
      begin
        claims := claims || take_order(o);
      exception when others then
        raise warning 'order % of client % cannot be taken: %', o.id, o.client_id, sqlerrm;
        update topup_order set next_action_at = clock_timestamp() + interval '1 minute'
          where client_id = o.client_id and id = o.id;
      end;
    end loop;
  end if;
  return query select c.* from unnest(claims) c;
end
$$;

-- Those of the moves that follow the ordinary way: the only one of its order in this call, about
-- the route that is under way, with nothing else under way and no case; a step only by the holder
-- of the lease, a callback only where its event is new.
create function pick_plain_moves(p_moves recorded_move[]) returns recorded_move[]
language sql stable set search_path = public, pg_temp as $$
  select coalesce(array_agg(x.move), '{}') from (
      select m as move, m.client_id, m.order_id, m.route, m.kind, m.lease_token, m.event_id,
          m.supplier_code,
          count(*) over (partition by m.client_id, m.order_id) as of_order,
          count(*) over (partition by m.client_id, m.supplier_code, m.event_id) as of_event
        from unnest(p_moves) m
    ) x
    join topup_order o on o.client_id = x.client_id and o.id = x.order_id
      and o.status = 'PENDING' and o.route = x.route
    join submission s on s.client_id = o.client_id and s.topup_order_id = o.id
      and s.route = o.route
    where x.of_order = 1
      and case x.kind
        when 'DELIVER' then true
        when 'FAIL' then o.voucher_id is null
          and (s.state <> 'NOT_APPLIED' or o.lease_token = x.lease_token)
        else x.kind in ('AWAIT', 'RETRY', 'ASK_AGAIN', 'REVIEW') and x.event_id is null
          and o.lease_token = x.lease_token end
      and (x.event_id is null or (x.of_event = 1 and not exists (
        select from callback c join supplier p on p.id = c.supplier_id
          where c.client_id = x.client_id and c.event_id = x.event_id
            and p.code = x.supplier_code)))
      and not exists (select from submission e where e.client_id = o.client_id
        and e.topup_order_id = o.id and e.route <> o.route
        and e.state in ('INTENT', 'ACCEPTED', 'UNKNOWN'))
      and not exists (select from reconciliation_case c
        where c.client_id = o.client_id and c.topup_order_id = o.id);
$$;

-- The plain moves that end their orders, as end_order and return_money do one by one.
create function end_orders(p_moves recorded_move[]) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into callback (client_id, supplier_id, event_id, supplier_reference, body_digest)
    select m.client_id, s.id, m.event_id, m.supplier_reference, m.body_digest
    from unnest(p_moves) m join supplier s on s.code = m.supplier_code
    where m.event_id is not null order by 1, 2, 3;
  with news as materialized (
    -- Numbered under the wallets' locks: a wallet's transfers are in the order of their balances.
    select n.*, nextval('transfer_id_seq') as transfer_id from (
      select o.client_id, o.id, o.route, m.kind = 'DELIVER' as is_delivered, m.failure_code,
          m.receipt, o.charge, o.currency, case when m.kind = 'FAIL' then o.wallet_id end
            as wallet_id
        from unnest(p_moves) m
        join topup_order o on o.client_id = m.client_id and o.id = m.order_id
        where m.kind in ('DELIVER', 'FAIL') order by o.client_id, wallet_id, o.id) n
  ), booked as (
    insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id,
        topup_order_id, amount, currency, balance_after)
      select n.client_id, n.transfer_id,
        case when n.is_delivered then 'ORDER_SALE' else 'ORDER_REFUND' end, 'IN_FLIGHT',
        case when n.is_delivered then 'SALES' else 'WALLET' end, n.wallet_id, n.id, n.charge,
        n.currency, w.balance + sum(n.charge) over (partition by n.client_id, n.wallet_id
          order by n.transfer_id)
      from news n left join wallet w on w.client_id = n.client_id and w.id = n.wallet_id
  ), credited as (
    update wallet w set balance = w.balance + r.total
      from (select n.client_id, n.wallet_id, sum(n.charge) as total from news n
        where n.wallet_id is not null group by 1, 2) r
      where w.client_id = r.client_id and w.id = r.wallet_id
  ), closed as (
    update submission s set state = case when n.is_delivered then 'DELIVERED'
        else 'NOT_APPLIED' end
      from news n
      where s.client_id = n.client_id and s.topup_order_id = n.id and s.route = n.route
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
      from news n where o.client_id = n.client_id and o.id = n.id
      returning o.client_id, o.id, o.version, o.status, o.failure_code, o.notification_email
  ), told as (
    insert into topup_order_event (client_id, topup_order_id, version, type, previous_status,
        status, failure_code)
      select e.client_id, e.id, e.version, e.status, 'PENDING', e.status, e.failure_code
      from ended e
  ), entered as (
    insert into feed_inbox (client_id, topup_order_id, version)
      select e.client_id, e.id, e.version from ended e order by 1, 2
  )
  insert into email_outbox (client_id, topup_order_id, status, address)
    select e.client_id, e.id, e.status, e.notification_email from ended e
    where e.notification_email is not null on conflict do nothing;
end
$$;

-- The plain moves that leave their orders PENDING, as apply_step does one by one.
create function step_orders(p_moves recorded_move[]) returns void
language sql set search_path = public, pg_temp as $$
  with noted as (
    update submission s set state = case m.kind when 'AWAIT' then 'ACCEPTED'
        when 'RETRY' then 'NOT_APPLIED' else 'UNKNOWN' end
      from unnest(p_moves) m
      where s.client_id = m.client_id and s.topup_order_id = m.order_id and s.route = m.route
        and (m.kind in ('AWAIT', 'RETRY') or s.state = 'INTENT')
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
      from unnest(p_moves) m where o.client_id = m.client_id and o.id = m.order_id
      returning o.client_id, o.id, o.version, m.kind
  ), told as (
    insert into topup_order_event (client_id, topup_order_id, version, type, previous_status,
        status)
      select t.client_id, t.id, t.version, 'RETRY_SCHEDULED', 'PENDING', 'PENDING'
      from stepped t where t.kind = 'RETRY'
  )
  insert into feed_inbox (client_id, topup_order_id, version)
    select t.client_id, t.id, t.version from stepped t where t.kind = 'RETRY' order by 1, 2;
$$;

-- One move of an order that is read anew: an earlier one of the same call may have changed it.
create function record_move(m recorded_move) returns text
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

-- Records what came of one order or of many. Locks: orders by id, vouchers, wallets by id.
create or replace function record_moves(p_moves json) returns table (ordinal int, result text)
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  moves recorded_move[];
  plain recorded_move[];
  m recorded_move;
begin
  select array_agg(x order by x.ordinal) into moves
    from json_populate_recordset(null::recorded_move, p_moves) x;
  if moves is null then return; end if;
  perform 1 from topup_order t
    where (t.client_id, t.id) in (select x.client_id, x.order_id from unnest(moves) x)
    order by t.client_id, t.id for no key update;
  if exists (select from unnest(moves) x where x.kind in ('FAIL', 'REVERSE')) then
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
$$;
