-- What can be sold, through whom, and the figures that price it. Operators write here; the
-- program only reads.

create table currency (
  code text primary key check (code ~ '^[A-Z]{3}$'),
  name text not null,
  -- Digits after the point of an amount that a wallet of this currency pays (ISO 4217 minor unit).
  precision smallint not null check (precision between 0 and 4)
);

create table supplier (
  id bigint primary key,
  code text not null unique check (code ~ '^[a-z][a-z0-9-]{0,39}$'),
  base_url text not null,
  is_suspended boolean not null default false,
  -- 0 (down) to 100 (well); breaks ties between variants of equal price.
  health smallint not null default 100 check (health between 0 and 100),
  -- Capabilities: they decide what recovery may do after a lost answer.
  dedupes_by_reference boolean not null default true,
  can_be_queried boolean not null default true,
  concurrency_max int not null default 64 check (concurrency_max > 0),
  call_deadline_ms int not null default 30000 check (call_deadline_ms > 0),
  -- A lease outlives the call it covers, so a live worker is never taken over.
  lease_ms int not null default 60000,
  -- How long after a send the supplier may still answer "not found" about an order it has.
  settle_window_ms int not null default 60000 check (settle_window_ms >= 0),
  retry_window_ms bigint not null default 86400000 check (retry_window_ms > 0),
  backoff_ms int[] not null default
    '{5000,15000,30000,60000,120000,300000,600000,1200000,2400000,3600000}'
    check (cardinality(backoff_ms) > 0),
  check (lease_ms > call_deadline_ms)
);

create table product (
  id bigint primary key check (id > 0),
  name text not null,
  topup_type text not null check (topup_type in ('GAMING', 'MOBILE', 'UTILITY')),
  country_code text not null check (country_code ~ '^[A-Z]{3}$'),
  currency text not null references currency (code),
  operator text,
  image_url text,
  -- Typed form of the recipient, in display order; the first field names the recipient.
  input_fields jsonb not null check (jsonb_typeof(input_fields) = 'array'),
  input_fields_version int not null default 1,
  fulfils_in_request boolean not null default false,
  is_active boolean not null default true,
  -- A restricted product is sold only to clients with an entitlement.
  is_restricted boolean not null default false
);

create table variant (
  id bigint primary key check (id > 0),
  product_id bigint not null references product (id),
  name text not null,
  category text check (category in ('Airtime', 'Data', 'Bundle')),
  fixed_amounts numeric(20, 4)[] not null default '{}',
  min_amount numeric(20, 4) check (min_amount > 0 and min_amount <> 'NaN'),
  max_amount numeric(20, 4) check (max_amount >= min_amount and max_amount <> 'NaN'),
  amount_step numeric(20, 4) check (amount_step > 0 and amount_step <> 'NaN'),
  priority int not null default 0,
  is_active boolean not null default true,
  is_in_stock boolean not null default true,
  fields jsonb not null default '{}',
  check ((min_amount is null) = (max_amount is null)),
  check ((min_amount is null) = (amount_step is null)),
  check (min_amount is not null or cardinality(fixed_amounts) > 0)
);
create index variant_product on variant (product_id);

-- Who can supply a variant. Route 1 is tried first; the next only after a definite non-delivery.
create table offer (
  variant_id bigint not null references variant (id),
  route smallint not null check (route between 1 and 9),
  supplier_id bigint not null references supplier (id),
  supplier_sku text not null,
  is_active boolean not null default true,
  primary key (variant_id, route),
  unique (variant_id, supplier_id)
);

-- Directed: a missing pair is refused, never inverted or chained.
create table forex_rate (
  id bigint generated always as identity primary key,
  from_currency text not null references currency (code),
  to_currency text not null references currency (code),
  rate numeric(20, 10) not null check (rate > 0 and rate <> 'NaN'),
  valid_from timestamptz not null default now(),
  valid_to timestamptz,
  updated_by text not null,
  check (from_currency <> to_currency),
  check (valid_to > valid_from)
);
create index forex_rate_pair on forex_rate (from_currency, to_currency, valid_from desc);

-- One row. Every change of a figure that prices an order moves the version, so that an order
-- priced with older figures is told to price again.
create table pricing_version (
  only_row boolean primary key default true check (only_row),
  version bigint not null default 1
);
insert into pricing_version default values;

create function bump_pricing_version() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update pricing_version set version = version + 1;
  perform pg_notify('catalogue', '');
  return null;
end
$$;

create trigger pricing after insert or update or delete on currency
  for each statement execute function bump_pricing_version();
create trigger pricing after insert or update or delete on supplier
  for each statement execute function bump_pricing_version();
create trigger pricing after insert or update or delete on product
  for each statement execute function bump_pricing_version();
create trigger pricing after insert or update or delete on variant
  for each statement execute function bump_pricing_version();
create trigger pricing after insert or update or delete on offer
  for each statement execute function bump_pricing_version();
create trigger pricing after insert or update or delete on forex_rate
  for each statement execute function bump_pricing_version();
