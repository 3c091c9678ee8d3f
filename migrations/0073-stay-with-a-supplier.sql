-- An order belongs to the supplier that it was sent to. Routes may be renumbered while it is under
-- way; it was then sent to its old supplier under the name that the product has at another one,
-- went to the same supplier twice, or failed though somebody could deliver it. So the supplier of a
-- route is noted with the decision to go there, and what is sold is looked up by that supplier.
--
-- And what is sent again without proof that it was not applied (RESEND: its supplier de-duplicates,
-- and cannot be asked or has forgotten what it had taken) is still as unknown as before. It was
-- noted as not applied: delisted while it waited, it was failed and refunded, and its supplier
-- could deliver it all the same.

-- It was sent before and may have been applied: what the supplier says of the repeat alone proves
-- nothing of that.
alter type claimed_order add attribute is_resent boolean;

-- Who may be given the order next: the first one that sells it, has it not now, and never had it.
create function next_offer(o topup_order) returns setof sellable_route
language sql stable set search_path = public, pg_temp as $$
  select n.* from sellable_route n
    where n.variant_id = o.variant_id
      and n.supplier_id is distinct from coalesce(
        (select m.supplier_id from submission m where m.client_id = o.client_id
          and m.topup_order_id = o.id and m.route = o.route),
        (select f.supplier_id from offer f where f.variant_id = o.variant_id
          and f.route = o.route))
      and not exists (select from submission m where m.client_id = o.client_id
        and m.topup_order_id = o.id and m.supplier_id = n.supplier_id)
    order by n.route limit 1;
$$;

-- The offer by which the order goes on its route: that of the supplier it was or will be given to,
-- whatever its number is now.
create function offer_of(o topup_order) returns setof offer
language sql stable set search_path = public, pg_temp as $$
  select f.* from (select 1) one
    left join submission m on m.client_id = o.client_id and m.topup_order_id = o.id
      and m.route = o.route
    join offer f on f.variant_id = o.variant_id
      and case when m.route is null then f.route = o.route else f.supplier_id = m.supplier_id end
    limit 1;
$$;

create or replace function describe_order(o topup_order, p_action text) returns claimed_order
language sql stable set search_path = public, pg_temp as $$
  select (o.client_id, o.id, o.lease_token,
    p_action,
    s.code, o.client_id || '-' || o.id || '-' || o.route,
    -- What is only asked about is sent again by it, so nobody has it of what is not sold any more.
    case when p_action = 'SUBMIT' or exists (select from sellable_route r
      where r.variant_id = f.variant_id and r.route = f.route) then f.supplier_sku end,
    o.route,
    exists (select from next_offer(o)),
    o.face_value, o.face_currency, o.country_code, o.recipient, o.input_data, o.attempt_count,
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
$$;

create or replace function begin_attempt(o topup_order, p_supplier supplier)
returns topup_order
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
      -- That a supplier took it is not forgotten by sending it again.
      state = case submission.state when 'ACCEPTED' then 'ACCEPTED' else 'INTENT' end,
      attempt_count = submission.attempt_count + 1, last_attempt_at = at,
      resend_after = excluded.resend_after;
  return o;
end
$$;

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
            select from (select coalesce(
                (select m.supplier_id from submission m where m.client_id = t.client_id
                  and m.topup_order_id = t.id and m.route = t.route),
                (select f.supplier_id from offer f where f.variant_id = t.variant_id
                  and f.route = t.route)) as id) x
              where x.id = any (full_suppliers) or (x.id = any (suspended_suppliers)
                and t.fulfilment_state in ('QUEUED', 'RETRY_WAIT'))))
        order by t.next_action_at limit p_limit for no key update skip locked
    ), placed as (
      select d.client_id, d.id, (p_rooms ->> s.code)::int as room,
          row_number() over (partition by s.id order by d.next_action_at) as place
        from due d
        left join lateral (select x.supplier_id from submission x where x.client_id = d.client_id
          and x.topup_order_id = d.id and x.route = d.route limit 1) m on true
        left join lateral (select x.supplier_id from offer x
          where x.variant_id = d.variant_id and x.route = d.route limit 1) f on true
        left join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
    )
    select array_agg(p.client_id order by p.client_id, p.id),
        array_agg(p.id order by p.client_id, p.id)
      into client_ids, order_ids from placed p where p.room is null or p.place <= p.room;
    if order_ids is null then return; end if;
    claims := take_orders(client_ids, order_ids);
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
  return query select c.* from unnest(claims) c;
end
$$;

create or replace function take_order(o topup_order) returns claimed_order
language plpgsql set search_path = public, pg_temp as $$
declare
  s supplier;
  claim claimed_order;
  is_resent boolean;
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
    if exists (select from offer_of(o) f join sellable_route r
        on r.variant_id = f.variant_id and r.route = f.route) then
      claim := describe_order(begin_attempt(o, s), 'SUBMIT');
      claim.is_resent := is_resent;
      return claim;
    end if;
    -- Delisted since it was paid. It ends here only where nothing is, or may be, under way.
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
$$;

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
        m.state as sent_state, s.id as supplier_id,
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
      left join lateral (select x.route from sellable_route x
        where x.variant_id = f.variant_id and x.route = f.route limit 1) r on true
      join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id)
      where t.fulfilment_state <> 'SUBMITTING'
        and case when t.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
          then r.route is not null
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
            where n.variant_id = o.variant_id and n.supplier_id <> d.supplier_id
              and (select x.route from submission x where x.client_id = o.client_id
                and x.topup_order_id = o.id and x.supplier_id = n.supplier_id limit 1) is null
            limit 1) is not null,
          o.face_value, o.face_currency, o.country_code, o.recipient, o.input_data,
          o.attempt_count, o.backoff_step, d.backoff_ms, d.call_deadline_ms,
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
$$;

create or replace function apply_step(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  next_route smallint;
  next_supplier bigint;
  step text := m.kind;
  due timestamptz := clock_timestamp() + m.next_in_ms * interval '1 ms';
  sent text;
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
  if step in ('RETRY', 'NEXT_ROUTE') and o.restored_route is not null
    and ask_further_route(o, step) then
    return 'APPLIED';
  end if;
  if step = 'NEXT_ROUTE' then
    select n.route, n.supplier_id into next_route, next_supplier from next_offer(o) n;
    if found then
      -- Numbers name what suppliers were sent, so none is used again, however routes are numbered.
      select greatest(next_route, o.route + 1, max(s.route) + 1) into next_route from submission s
        where s.client_id = o.client_id and s.topup_order_id = o.id;
      insert into submission (client_id, topup_order_id, route, supplier_id, state, attempt_count,
          resend_after)
        values (o.client_id, o.id, next_route, next_supplier, 'NOT_APPLIED', 0,
          clock_timestamp());
    end if;
  end if;
  sent := case step when 'AWAIT' then 'ACCEPTED' when 'RETRY' then 'NOT_APPLIED'
    when 'NEXT_ROUTE' then 'NOT_APPLIED' else null end;
  update submission s set state = case
      when sent is not null then sent when s.state = 'INTENT' then 'UNKNOWN' else s.state end
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = o.route;
  update topup_order set
      fulfilment_state = case step when 'AWAIT' then 'AWAITING_SUPPLIER'
        when 'RETRY' then 'RETRY_WAIT' when 'RESEND' then 'RETRY_WAIT'
        when 'NEXT_ROUTE' then 'RETRY_WAIT'
        when 'REVIEW' then 'REVIEW'
        -- A question without an answer leaves an accepted order where it is.
        else case when o.fulfilment_state = 'SUBMITTING' then 'OUTCOME_UNKNOWN'
          else o.fulfilment_state end end,
      route = coalesce(next_route, case when step = 'RETRY' then o.restored_route end, o.route),
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
$$;

-- Final news, which wins over any lease. What contradicts a final state opens a case.
create or replace function apply_final_news(o topup_order, m recorded_move) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  sent_state text;
  is_elsewhere boolean;
  result text;
begin
  select s.state into sent_state from submission s
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
  -- Repeated, or the success itself, which comes after its reversal.
  if m.kind in ('DELIVER', 'REVERSE') and exists (select from reconciliation_case c
      where c.client_id = o.client_id and c.topup_order_id = o.id and c.route = m.route
        and c.reversed_at is not null) then
    return 'NO_CHANGE';
  end if;
  if m.kind = 'REVERSE' then return apply_reversal(o, m, sent_state); end if;
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
      else 'NO_CHANGE'
    end;
  end if;
  select exists (select from submission s where s.client_id = o.client_id
      and s.topup_order_id = o.id and s.route <> m.route
      and s.state in ('INTENT', 'ACCEPTED', 'UNKNOWN')) into is_elsewhere;
  if m.kind = 'DELIVER' then
    if is_elsewhere then
      -- A route we had given up delivers while the next one is under way.
      result := case when open_case(o, 'SECOND_ROUTE_SUCCESS', m.route)
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
  if deliver_by_given_up_route(o, m.route) then return 'APPLIED'; end if;
  update submission s set state = 'NOT_APPLIED'
    where s.client_id = o.client_id and s.topup_order_id = o.id and s.route = m.route;
  perform end_order(o, 'FAILED', m.failure_code, null);
  return 'APPLIED';
end
$$;
