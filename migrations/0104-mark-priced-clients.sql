-- Marks on clients, as products and variants have them since 0022: every change of a price made
-- each process read all clients, with their wallets, discounts and entitlements, in one piece. With
-- 20,000 of them that took most of a second, and paused the process for 0.1 to 0.3 s.

alter table client add column changed_in bigint not null default 0;
-- Reader: the refresh of the price snapshot, as of the next two. A discount that begins or ends
-- changes its client without a change of any row.
create index client_changed on client (changed_in);
create index discount_begins on discount (valid_from);
create index discount_ends on discount (valid_to) where valid_to is not null;

create trigger pricing_mark before insert or update on client
  for each row execute function mark_pricing_change();
create trigger pricing_removal after delete on client
  for each statement execute function mark_pricing_removal();
create trigger pricing_moved after update of client_id on client
  for each statement execute function mark_pricing_removal();
-- A mark is no change by itself: what made it has raised the version. Within a savepoint it would
-- be raised again with each mark (20,000 wallets took 13 s, with every change of a price waiting).
drop trigger pricing on client;
create trigger pricing before insert or delete
  or update of client_id, name, is_active, is_rate_limited on client
  for each statement execute function bump_pricing_version();

create function mark_priced_clients() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update client set changed_in = changed_in
    where client_id in (select client_id from changed_row)
      and changed_in < (select version from pricing_version);
  return null;
end
$$;

create trigger pricing_inserted after insert on discount referencing new table as changed_row
  for each statement execute function mark_priced_clients();
create trigger pricing_updated after update on discount referencing new table as changed_row
  for each statement execute function mark_priced_clients();
create trigger pricing_moved after update on discount referencing old table as changed_row
  for each statement execute function mark_priced_clients();
create trigger pricing_deleted after delete on discount referencing old table as changed_row
  for each statement execute function mark_priced_clients();
create trigger pricing_truncation_mark after truncate on discount
  for each statement execute function mark_pricing_removal();

create trigger pricing_inserted after insert on entitlement referencing new table as changed_row
  for each statement execute function mark_priced_clients();
create trigger pricing_updated after update on entitlement referencing new table as changed_row
  for each statement execute function mark_priced_clients();
create trigger pricing_moved after update on entitlement referencing old table as changed_row
  for each statement execute function mark_priced_clients();
create trigger pricing_deleted after delete on entitlement referencing old table as changed_row
  for each statement execute function mark_priced_clients();
create trigger pricing_truncation_mark after truncate on entitlement
  for each statement execute function mark_pricing_removal();

-- A trigger for some columns, as a payment changes others, has no tables of what changed.
create function mark_client_of_wallet() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update client set changed_in = changed_in
    where client_id = new.client_id and changed_in < (select version from pricing_version);
  return null;
end
$$;
create trigger pricing_mark after insert or update of currency, is_default on wallet
  for each row execute function mark_client_of_wallet();
