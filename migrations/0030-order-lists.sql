-- Lists of orders by page and by filter, however many there are.

-- Readers: lists narrowed to a status, a product or a country. What has ended is written into them
-- once, at its end; only the first has to do with orders under way.
create index topup_order_pending on topup_order (client_id, id) where status = 'PENDING';
create index topup_order_unsuccessful on topup_order (client_id, status, id)
  where status in ('FAILED', 'CANCELLED');
create index topup_order_product on topup_order (client_id, product_id, id)
  where status <> 'PENDING';
create index topup_order_country on topup_order (client_id, country_code, id)
  where status <> 'PENDING';

-- Every thousandth order of a client, counted from the first. Orders never leave, so a milestone
-- holds for ever: a page deep in the list begins at one, and a count ends at the last.
create table order_milestone (
  client_id bigint not null,
  position bigint not null,
  topup_order_id bigint not null,
  created_at timestamptz not null,
  primary key (client_id, position),
  foreign key (client_id, topup_order_id) references topup_order (client_id, id)
);
-- Reader: lists narrowed to a time.
create index order_milestone_time on order_milestone (client_id, created_at);

-- Up to which order a client's milestones may be set next: once every transaction has ended that
-- was under way when it was noted, no order with a lower id can appear any more.
create table order_horizon (
  client_id bigint primary key references client (client_id),
  topup_order_id bigint not null,
  settles_at xid8 not null
) with (fillfactor = 50);

-- Sets up to 100 milestones behind the last, and the horizon of the next call. Answers whether
-- there may be more to set at once. Readers call it when too much lies behind the last milestone.
create function set_order_milestones(p_client_id bigint) returns boolean
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
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
  update order_horizon h set settles_at = pg_snapshot_xmax(pg_current_snapshot()),
      topup_order_id = (select max(o.id) from topup_order o where o.client_id = p_client_id)
    where h.client_id = p_client_id
      and h.topup_order_id < (select max(o.id) from topup_order o where o.client_id = p_client_id);
  return found and set_count = 0;
end
$$;
