-- An import holds the version of prices for long. Who changes prices beside it waits before any
-- row is changed: a statement about a client held what revokes tokens meanwhile, so that nobody
-- could be logged out, and one about a wallet held the wallet, so that it paid no order.

drop trigger pricing on client;
create trigger pricing before insert or delete or update on client
  for each statement execute function bump_pricing_version();
drop trigger pricing on currency;
create trigger pricing before insert or delete or update on currency
  for each statement execute function bump_pricing_version();
drop trigger pricing on discount;
create trigger pricing before insert or delete or update on discount
  for each statement execute function bump_pricing_version();
drop trigger pricing on entitlement;
create trigger pricing before insert or delete or update on entitlement
  for each statement execute function bump_pricing_version();
drop trigger pricing on forex_rate;
create trigger pricing before insert or delete or update on forex_rate
  for each statement execute function bump_pricing_version();
drop trigger pricing on operator_prefix;
create trigger pricing before insert or delete or update on operator_prefix
  for each statement execute function bump_pricing_version();
drop trigger pricing on supplier;
create trigger pricing before insert or delete or update on supplier
  for each statement execute function bump_pricing_version();
drop trigger pricing on wallet;
create trigger pricing before insert or delete or update of currency, is_default on wallet
  for each statement execute function bump_pricing_version();
