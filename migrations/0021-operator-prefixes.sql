-- Which operator a mobile number was first given to. A number may have been ported since, so this
-- tells a best guess and never more.

create table operator_prefix (
  -- As numbers begin in E.164, with its plus.
  prefix text not null check (prefix ~ '^\+[1-9][0-9]{0,14}$'),
  product_id bigint not null references product (id),
  primary key (prefix, product_id)
);

create trigger pricing after insert or update or delete on operator_prefix
  for each statement execute function bump_pricing_version();
