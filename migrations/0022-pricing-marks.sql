-- Marks on what is priced, so that a process which has the figures of an older version reads only
-- what changed since. The row of pricing_version is locked from the first change of a transaction
-- to its end: versions are in order of commit, and a mark is never seen later than its version.

-- The version in which a product or variant was last deleted: whoever is older reads everything.
alter table pricing_version add column removed_in bigint not null default 0;
alter table product add column changed_in bigint not null default 0;
alter table variant add column changed_in bigint not null default 0;
-- Reader of both: the refresh of the price snapshot.
create index product_changed on product (changed_in);
create index variant_changed on variant (changed_in);

-- Once a transaction, whatever the number of statements.
create or replace function bump_pricing_version() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update pricing_version set version = version + 1 where xmin <> pg_current_xact_id()::xid;
  if found then perform pg_notify('catalogue', ''); end if;
  return null;
end
$$;

create function mark_pricing_change() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  select version into new.changed_in from pricing_version;
  return new;
end
$$;

create function mark_pricing_removal() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update pricing_version set removed_in = version;
  return null;
end
$$;

-- Who supplies a variant decides whether it is available.
create function mark_offered_variants() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update variant set changed_in = changed_in
    where id in (select variant_id from changed_offer)
      and changed_in < (select version from pricing_version);
  return null;
end
$$;

-- Before the rows: they are marked with the version that this makes.
drop trigger pricing on product;
drop trigger pricing on variant;
drop trigger pricing on offer;
create trigger pricing before insert or update or delete on product
  for each statement execute function bump_pricing_version();
create trigger pricing before insert or update or delete on variant
  for each statement execute function bump_pricing_version();
create trigger pricing before insert or update or delete on offer
  for each statement execute function bump_pricing_version();
create trigger pricing_mark before insert or update on product
  for each row execute function mark_pricing_change();
create trigger pricing_mark before insert or update on variant
  for each row execute function mark_pricing_change();
create trigger pricing_removal after delete on product
  for each statement execute function mark_pricing_removal();
create trigger pricing_removal after delete on variant
  for each statement execute function mark_pricing_removal();
create trigger pricing_inserted after insert on offer referencing new table as changed_offer
  for each statement execute function mark_offered_variants();
create trigger pricing_updated after update on offer referencing new table as changed_offer
  for each statement execute function mark_offered_variants();
create trigger pricing_moved after update on offer referencing old table as changed_offer
  for each statement execute function mark_offered_variants();
create trigger pricing_deleted after delete on offer referencing old table as changed_offer
  for each statement execute function mark_offered_variants();
