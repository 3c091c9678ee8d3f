-- A client that reads an order under way lets us ask its supplier, without a lease: what is heard
-- counts like a callback, and whoever holds the order is not disturbed.

-- When a reader let us ask last.
alter table submission add column asked_at timestamptz;

-- The order as the question needs it, at most once in two seconds over all processes; nothing where
-- there is nothing to ask about, or somebody has the row in hands.
create function ask_about_order(p_client_id bigint, p_order_id bigint) returns setof claimed_order
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
  update submission m set asked_at = clock_timestamp()
    where m.client_id = o.client_id and m.topup_order_id = o.id and m.route = o.route;
  return next describe_order(o, 'QUERY');
end
$$;
