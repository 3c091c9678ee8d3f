-- A table that is emptied by TRUNCATE tells nobody row by row: programs went on by prices, networks
-- and rates that were gone.

create trigger pricing_truncation after truncate on supplier
  execute function bump_pricing_version();
create trigger pricing_truncation before truncate on product
  execute function bump_pricing_version();
create trigger pricing_truncation before truncate on variant
  execute function bump_pricing_version();
create trigger pricing_truncation before truncate on offer
  execute function bump_pricing_version();
create trigger pricing_truncation after truncate on operator_prefix
  execute function bump_pricing_version();
create trigger pricing_truncation after truncate on forex_rate
  execute function bump_pricing_version();
create trigger pricing_truncation after truncate on discount
  execute function bump_pricing_version();
create trigger pricing_truncation after truncate on entitlement
  execute function bump_pricing_version();

-- What is not there bears no mark: all that remains is read anew.
create trigger pricing_truncation_mark after truncate on product
  execute function mark_pricing_removal();
create trigger pricing_truncation_mark after truncate on variant
  execute function mark_pricing_removal();
create trigger pricing_truncation_mark after truncate on offer
  execute function mark_pricing_removal();

create trigger access_truncation after truncate on client_network
  execute function bump_access_version();
create trigger access_truncation after truncate on client_rate
  execute function bump_access_version();
create trigger access_truncation after truncate on revoked_token
  execute function bump_access_version();
create trigger access_truncation after truncate on token_generation
  execute function bump_access_version();

-- What is never removed row by row is not removed as a whole either; nor are clients or currencies,
-- which would take the wallets with them.
create function refuse_truncation() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  raise exception '% is never emptied', tg_table_name using errcode = 'foreign_key_violation';
end
$$;

create trigger stays_whole before truncate on topup_order
  execute function refuse_truncation();
create trigger stays_whole before truncate on wallet
  execute function refuse_truncation();
