-- A snapshot's xmax is one past the last transaction that has ended, and not past those that are
-- under way: an order that one of them committed was counted past, for good.

create or replace function set_order_milestones(p_client_id bigint) returns boolean
language plpgsql security definer set search_path = public, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  -- Before the number of this transaction is taken: whoever may still commit an order behind this
  -- one has a lower number, as orders take theirs by locking a wallet or a voucher first.
  youngest bigint := (select max(o.id) from topup_order o where o.client_id = p_client_id);
  horizon order_horizon;
  last_position bigint;
  last_order bigint;
  set_count bigint;
begin
  insert into order_horizon values (p_client_id, 0, '0') on conflict do nothing;
  select h.* into horizon from order_horizon h where h.client_id = p_client_id
    for no key update skip locked;
  if not found or horizon.settles_at > pg_snapshot_xmin(pg_current_snapshot()) then
    return false;
  end if;
  select m.position, m.topup_order_id into last_position, last_order from order_milestone m
    where m.client_id = p_client_id order by m.position desc limit 1;
  insert into order_milestone (client_id, position, topup_order_id, created_at)
    select p_client_id, coalesce(last_position, 0) + n.nth, n.id, n.created_at
    from (select o.id, o.created_at, row_number() over (order by o.id) as nth from topup_order o
        where o.client_id = p_client_id and o.id > coalesce(last_order, 0)
          and o.id <= horizon.topup_order_id
        order by o.id limit 100000) n
    where n.nth % 1000 = 0;
  get diagnostics set_count = row_count;
  if set_count = 100 then return true; end if;
  update order_horizon h set settles_at = pg_current_xact_id(), topup_order_id = youngest
    where h.client_id = p_client_id and h.topup_order_id < youngest;
  return found and set_count = 0;
end
$$;

-- What was noted by the old rule is noted anew; the places that are set stay.
update order_horizon set topup_order_id = 0, settles_at = '0';
