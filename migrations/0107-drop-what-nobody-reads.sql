-- Found by going through all columns and indexes for their readers.

-- The reason that clients see is told from the state, the supplier's answer and the times.
alter table topup_order drop column pending_reason;
comment on column topup_order.forex_rate_id is
  'for auditors: the row of forex_rate by which it was charged';
comment on column topup_order.input_fields_version is
  'for auditors: the version of the product whose fields its input was checked by';
comment on column callback.received_at is 'for auditors: when the supplier told it';
comment on column voucher.code_last4 is 'for support: the code itself is not kept';

-- Spans of time are found by latest_at and earliest_at.
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
  insert into order_milestone (client_id, position, topup_order_id, latest_at, earliest_at)
    select p_client_id, coalesce(last.position, 0) + s.nth * 1000, s.topup_order_id,
        greatest(last.latest_at, max(s.latest) over (order by s.nth)), s.earliest
      from (select (n.nth + 999) / 1000 as nth, max(n.id) as topup_order_id,
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
alter table order_milestone drop column created_at;

-- Variants are read by what changed, or by their key; products are never deleted.
drop index variant_product;

-- Whether a client's rates are limited is no part of a price; the standings read it.
create or replace trigger pricing before insert or delete or update of client_id, name, is_active
  on client for each statement execute function bump_pricing_version();
