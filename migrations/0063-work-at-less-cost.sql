-- What fulfilment costs the database. Measured with ten thousand orders waiting: a claim read all
-- that was pending, due or not (8,000 pages for 30 orders), and to record moves took the more pages
-- the more callbacks there were (90 for each move).

-- Up to p_limit due orders, oldest first, none that another worker holds. p_rooms says by supplier
-- code how many orders it may be given now; one that is not named takes any number.
create or replace function claim_orders(p_limit int, p_rooms json) returns setof claimed_order
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
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
  -- Nobody waits here, so the order of these locks is free.
  with due as materialized (
    select t.client_id, t.id, t.variant_id, t.route, t.next_action_at from topup_order t
      where t.status = 'PENDING' and t.next_action_at <= at
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
create or replace function pick_plain_moves(p_moves recorded_move[]) returns recorded_move[]
language sql stable set search_path = public, pg_temp as $$
  select coalesce(array_agg(x.move), '{}') from (
      select m as move, m.client_id, m.order_id, m.route, m.kind, m.lease_token, m.event_id,
          (select s.id from supplier s where s.code = m.supplier_code) as supplier_id,
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
      -- Asked whether one exists, the planner reads all there are, once for each call.
      and (x.event_id is null or (x.of_event = 1 and (
        select c.event_id from callback c
          where c.client_id = x.client_id and c.supplier_id = x.supplier_id
            and c.event_id = x.event_id limit 1) is null))
      and not exists (select from submission e where e.client_id = o.client_id
        and e.topup_order_id = o.id and e.route <> o.route
        and e.state in ('INTENT', 'ACCEPTED', 'UNKNOWN'))
      and (select c.topup_order_id from reconciliation_case c
        where c.client_id = o.client_id and c.topup_order_id = o.id limit 1) is null;
$$;

-- Their plans look by key whatever the figures are; planning each call anew cost more than reading.
alter function find_submission(bigint, bigint, smallint, text)
  set plan_cache_mode = force_generic_plan;
alter function record_moves(json) set plan_cache_mode = force_generic_plan;
alter function number_events(int) set plan_cache_mode = force_generic_plan;
