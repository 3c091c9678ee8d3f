-- A list narrowed to a time took the nearest milestone in time as its end. Where the database's
-- clock had been set back, several stretches of ids share a time, and all but one of them were
-- left out, for good. A milestone bounds what lies before it now: `latest_at` is the latest time of
-- any order up to it, `earliest_at` the earliest of its own thousand. `created_at` is its order's
-- own, and read by processes of before alone.

alter table order_milestone add column latest_at timestamptz,
  add column earliest_at timestamptz;

-- Of those that are set only their own order's time is known. Times and ids of orders of one moment
-- cross by the length of a placing call.
update order_milestone m
  set latest_at = r.latest + interval '1 minute', earliest_at = r.earliest - interval '1 minute'
  from (select x.client_id, x.position,
        max(x.created_at) over (partition by x.client_id order by x.position) as latest,
        least(x.created_at, coalesce(lag(x.created_at)
          over (partition by x.client_id order by x.position), '-infinity')) as earliest
      from order_milestone x) r
  where m.client_id = r.client_id and m.position = r.position;
alter table order_milestone alter column latest_at set not null,
  alter column earliest_at set not null;

-- Reader: where a list narrowed to a time begins.
create index order_milestone_latest on order_milestone (client_id, latest_at);
-- Without a reader: those of before sort a client's milestones.
drop index order_milestone_time;

create or replace function set_order_milestones(p_client_id bigint) returns boolean
language plpgsql security definer set search_path = public, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  -- Before the number of this transaction is taken: whoever may still commit an order behind this
  -- one has a lower number, as orders take theirs by locking a wallet or a voucher first.
  youngest bigint := (select max(o.id) from topup_order o where o.client_id = p_client_id);
  horizon order_horizon;
  last order_milestone;
  set_count bigint;
begin
  insert into order_horizon values (p_client_id, 0, '0') on conflict do nothing;
  select h.* into horizon from order_horizon h where h.client_id = p_client_id
    for no key update skip locked;
  if not found or horizon.settles_at > pg_snapshot_xmin(pg_current_snapshot()) then
    return false;
  end if;
  select m.* into last from order_milestone m
    where m.client_id = p_client_id order by m.position desc limit 1;
  insert into order_milestone (client_id, position, topup_order_id, created_at, latest_at,
      earliest_at)
    select p_client_id, coalesce(last.position, 0) + s.nth * 1000, s.topup_order_id, s.created_at,
        greatest(last.latest_at, max(s.latest) over (order by s.nth)), s.earliest
      from (select (n.nth + 999) / 1000 as nth, max(n.id) as topup_order_id,
            max(n.created_at) filter (where n.nth % 1000 = 0) as created_at,
            min(n.created_at) as earliest, max(n.created_at) as latest
          from (select o.id, o.created_at, row_number() over (order by o.id) as nth
              from topup_order o
              where o.client_id = p_client_id and o.id > coalesce(last.topup_order_id, 0)
                and o.id <= horizon.topup_order_id
              order by o.id limit 100000) n
          group by 1 having count(*) = 1000) s;
  get diagnostics set_count = row_count;
  if set_count = 100 then return true; end if;
  update order_horizon h set settles_at = pg_current_xact_id(), topup_order_id = youngest
    where h.client_id = p_client_id and h.topup_order_id < youngest;
  return found and set_count = 0;
end
$$;
