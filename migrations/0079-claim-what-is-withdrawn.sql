-- An order that was never sent waited for the room of its supplier, and for the end of its
-- suspension, though the offer was withdrawn and nothing would have been sent there.

-- As before, but for: an offer that is not active has no supplier to wait for.
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
                  and f.route = t.route and f.is_active)) as id) x
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
          where x.variant_id = d.variant_id and x.route = d.route and x.is_active limit 1) f on true
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
