-- What is asked for by its key is looked up by its key, by whatever plan. Connections keep their
-- plans until the next analyze, and one that was made when a table had a handful of rows read all
-- of it: with 20,000 orders a claim of 64 compared each of them with each order, 0.25 s, and to
-- record as many moves took 0.16 s. A look-up under a limit, or under a lock, is no join that the
-- planner may turn round; the row that was found so is then written by its address. A row that
-- somebody else wrote in between would have another one and be passed over in silence: orders and
-- wallets are locked before, submissions by their orders, and all that is written is counted. A
-- call that passed one over all the same ends with an error, and is made again.

-- Takes the locked, due orders that are sent or asked about in the ordinary way. The others are
-- left as they are, which is: due.
create or replace function take_orders(p_client_ids bigint[], p_order_ids bigint[])
returns claimed_order[]
language plpgsql set search_path = public, pg_temp as $$
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
        m.state as sent_state, f.supplier_sku, s.id as supplier_id, s.code, s.lease_ms,
        s.backoff_ms, s.call_deadline_ms, s.can_be_queried, s.dedupes_by_reference
      from unnest(p_client_ids, p_order_ids) k (client_id, id)
      cross join lateral (select x.*, x.ctid as address from topup_order x
        where x.client_id = k.client_id and x.id = k.id limit 1) t
      left join lateral (select x.* from submission x
        where x.client_id = t.client_id and x.topup_order_id = t.id and x.route = t.route
        limit 1) m on true
      left join lateral (select x.* from offer x
        where x.variant_id = t.variant_id and x.route = t.route limit 1) f on true
      join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
      where t.fulfilment_state <> 'SUBMITTING'
        and case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
          then (select r.route from sellable_route r
            where r.variant_id = t.variant_id and r.route = t.route limit 1) is not null
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
            where n.variant_id = o.variant_id and n.route > o.route limit 1) is not null,
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

-- Those of the moves that follow the ordinary way: the only one of its order in this call, about
-- the route that is under way, with nothing else under way and no case; a step only by the holder
-- of the lease, a callback only where its event is new.
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
        else x.kind in ('AWAIT', 'RETRY', 'ASK_AGAIN', 'REVIEW') and x.event_id is null
          and o.lease_token = x.lease_token end
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

-- The plain moves that end their orders, as end_order and return_money do one by one.
create or replace function end_orders(p_moves recorded_move[]) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  is_whole boolean;
begin
  insert into callback (client_id, supplier_id, event_id, supplier_reference, body_digest)
    select m.client_id, s.id, m.event_id, m.supplier_reference, m.body_digest
    from unnest(p_moves) m join supplier s on s.code = m.supplier_code
    where m.event_id is not null order by 1, 2, 3;
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

-- The plain moves that leave their orders PENDING, as apply_step does one by one.
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
        when 'RETRY' then 'NOT_APPLIED' else 'UNKNOWN' end
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

-- Records what came of one order or of many. Locks: orders by id, vouchers, wallets by id.
create or replace function record_moves(p_moves json) returns table (ordinal int, result text)
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
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
$$;

-- As before, but for the wallets' addresses.
create or replace function place_orders(p_orders json)
returns table (ordinal int, verdict text, order_id bigint, transfer_id bigint,
  placed_at timestamptz, expected_by timestamptz)
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  todo placement[];
  is_plain boolean;
  oldest_version bigint;
  youngest_version bigint;
  valid_until timestamptz;
  fits boolean;
  order_ids bigint[];
  transfer_ids bigint[];
  expected timestamptz[];
  placed_ids bigint[];
  are_debited boolean;
  started_at timestamptz := clock_timestamp();
begin
  select array_agg(o order by o.ordinal), bool_and(o.voucher_hash is null),
      min(o.pricing_version), max(o.pricing_version), min(o.price_valid_until)
    into todo, is_plain, oldest_version, youngest_version, valid_until
    from json_populate_recordset(null::placement, p_orders) o;
  if todo is null then return; end if;
  if is_plain then
    -- Locks the wallets in order of their ids and looks at what each of them can pay.
    select coalesce(bool_and(d.total <= w.balance + w.credit_limit and not w.is_frozen), false)
        and count(*) = count(w.id)
      into fits
      from (select t.client_id, t.wallet_id, sum(t.charge) as total from unnest(todo) t
        group by t.client_id, t.wallet_id order by t.client_id, t.wallet_id) d
      left join lateral (select x.id, x.balance, x.credit_limit, x.is_frozen from wallet x
        where x.client_id = d.client_id and x.id = d.wallet_id for no key update) w on true;
    -- Read under the locks: whatever changed the figures before is seen now.
    is_plain := fits and oldest_version = youngest_version
      and oldest_version = (select v.version from pricing_version v)
      and (valid_until is null or valid_until > started_at);
  end if;
  if not is_plain then
    return query select * from place_orders_one_by_one(p_orders);
    return;
  end if;

  with t as materialized (
      select x.*, nextval('topup_order_id_seq') as order_id,
          nextval('transfer_id_seq') as transfer_id
        from unnest(todo) x
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
          t.transfer_id, started_at,
          -- The request itself makes the first try; a worker only if it does not.
          started_at + case when t.fulfils_in_request then '3 seconds' else '0' end::interval
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
          started_at
        from placed p cross join lateral (select x.balance from wallet x
          where x.client_id = p.client_id and x.id = p.wallet_id limit 1) w
    ), debited as (
      -- The guard of the wallet's check constraint stands behind this subtraction.
      update wallet w set balance = w.balance - d.total
        from (select p.client_id, p.wallet_id, sum(p.charge) as total from placed p group by 1, 2) d
        cross join lateral (select x.ctid as address from wallet x
          where x.client_id = d.client_id and x.id = d.wallet_id limit 1) a
        where w.ctid = a.address returning 1
    ), told as (
      insert into topup_order_event (client_id, topup_order_id, version, type, status, occurred_at)
        select p.client_id, p.id, 1, 'CREATED', 'PENDING', started_at from placed p
    ), queued as (
      insert into feed_inbox (client_id, topup_order_id, version)
        select p.client_id, p.id, 1 from placed p order by p.id
    )
    select a.order_ids, a.transfer_ids, a.expected, p.ids,
        p.wallet_count = (select count(*) from debited)
      into order_ids, transfer_ids, expected, placed_ids, are_debited
      from (select array_agg(t.order_id order by t.ordinal) as order_ids,
          array_agg(t.transfer_id order by t.ordinal) as transfer_ids,
          array_agg(started_at + d.expected_ms * interval '1 ms' order by t.ordinal) as expected
        from t left join lateral (select x.expected_ms from delivery_pace x
          where x.product_id = t.product_id limit 1) d on true) a,
        (select array_agg(p.id) as ids, count(distinct (p.client_id, p.wallet_id)) as wallet_count
          from placed p) p;
  if not are_debited then
    raise exception 'a wallet was written meanwhile' using errcode = 'serialization_failure';
  end if;

  if cardinality(placed_ids) = cardinality(order_ids) then
    return query select u.ordinal::int, 'PLACED', u.order_id, u.transfer_id, started_at, u.expected
      from unnest(order_ids, transfer_ids, expected)
        with ordinality u(order_id, transfer_id, expected, ordinal);
    return;
  end if;
  -- Asked only now: a rival call that was waited for has committed, and its order can be seen.
  return query select t.ordinal,
      case when t.is_placed then 'PLACED' when o.id is not null then 'REPEATED'
        else 'DUPLICATE' end,
      case when t.is_placed then t.order_id else o.id end,
      case when t.is_placed then t.transfer_id end, started_at,
      case when t.is_placed then t.expected_by end
    from (select x.ordinal, x.client_id, x.request_id, order_ids[x.ordinal] as order_id,
          transfer_ids[x.ordinal] as transfer_id, expected[x.ordinal] as expected_by,
          order_ids[x.ordinal] = any (placed_ids) as is_placed
        from unnest(todo) x) t
      left join lateral (select y.id from topup_order y where not coalesce(t.is_placed, false)
        and y.client_id = t.client_id and y.request_id = t.request_id limit 1) o on true;
end
$$;

-- Up to p_limit due orders, oldest first, none that another worker holds. p_rooms says by supplier
-- code how many orders it may be given now; one that is not named takes any number. What is due is
-- read in its order from the index that has it: sorting all that is pending is the cheaper way only
-- while that is little.
create or replace function claim_orders(p_limit int, p_rooms json) returns setof claimed_order
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  full_suppliers bigint[];
  suspended_suppliers bigint[];
  client_ids bigint[];
  order_ids bigint[];
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
    with due as materialized (
      select t.client_id, t.id, t.variant_id, t.route, t.next_action_at from topup_order t
        where t.status = 'PENDING' and t.next_action_at <= at
          and (cardinality(full_suppliers) + cardinality(suspended_suppliers) = 0 or not exists (
            select from offer f where f.variant_id = t.variant_id and f.route = t.route
              and (f.supplier_id = any (full_suppliers)
                or (f.supplier_id = any (suspended_suppliers)
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
    claims := take_orders(client_ids, order_ids);
  exception when others then
    if order_ids is null then raise; end if;
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
        raise warning 'order % of client % cannot be taken: %', o.id, o.client_id, sqlerrm;
        update topup_order set next_action_at = clock_timestamp() + interval '1 minute'
          where client_id = o.client_id and id = o.id;
      end;
    end loop;
  end if;
  return query select c.* from unnest(claims) c;
end
$$;

-- The order as the question needs it, at most once in two seconds over all processes; nothing where
-- there is nothing to ask about, or somebody has the order in hands: no submission is written but
-- under the lock of its order.
create or replace function ask_about_order(p_client_id bigint, p_order_id bigint)
returns setof claimed_order
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
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
$$;
