-- The floor: what everybody builds. One order, one transaction, by one function that picks the
-- variant, discounts, debits and inserts; the debit comes last, so that the wallet's lock is held
-- as shortly as it can be.
create table client (id bigint primary key, discount numeric(9, 4) not null);
create table wallet (
  client_id bigint not null,
  id bigint primary key,
  currency text not null,
  balance numeric(20, 4) not null check (balance >= 0)
) with (fillfactor = 70);
create table product (id bigint primary key, name text not null, country_code text not null,
  currency text not null);
create table variant (id bigint primary key, product_id bigint not null, name text not null,
  amount numeric(20, 4) not null);
create index on variant (product_id);
create table topup_order (
  id bigint generated always as identity primary key,
  client_id bigint not null,
  client_reference text,
  product_id bigint not null,
  variant_id bigint not null,
  product_name text not null,
  variant_name text not null,
  country_code text not null,
  face_value numeric(20, 4) not null,
  charge numeric(20, 4) not null,
  currency text not null,
  wallet_id bigint not null,
  input_data json not null,
  status text not null default 'PENDING',
  next_action_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  unique (client_id, client_reference)
);
create index on topup_order (next_action_at) where status = 'PENDING';
create table transfer (
  id bigint generated always as identity primary key,
  client_id bigint not null,
  wallet_id bigint not null,
  topup_order_id bigint not null,
  amount numeric(20, 4) not null,
  created_at timestamptz not null default now()
);
create index on transfer (wallet_id, id);
create table topup_order_event (
  topup_order_id bigint not null,
  version int not null,
  status text not null,
  occurred_at timestamptz not null default now(),
  primary key (topup_order_id, version)
);

create function place_order(p_client bigint, p_product bigint, p_amount numeric, p_input json,
  p_reference text) returns bigint
language plpgsql as $$
declare
  p product;
  v variant;
  percent numeric;
  pays numeric;
  paying bigint;
  order_id bigint;
begin
  select * into strict p from product where id = p_product;
  select * into strict v from variant where product_id = p_product and amount = p_amount
    order by id limit 1;
  select c.discount into strict percent from client c where c.id = p_client;
  pays := p_amount - round(p_amount * percent / 100, 4);
  select w.id into strict paying from wallet w where w.client_id = p_client
    and w.currency = p.currency;
  insert into topup_order (client_id, client_reference, product_id, variant_id, product_name,
      variant_name, country_code, face_value, charge, currency, wallet_id, input_data)
    values (p_client, p_reference, p.id, v.id, p.name, v.name, p.country_code, p_amount, pays,
      p.currency, paying, p_input)
    returning id into order_id;
  insert into transfer (client_id, wallet_id, topup_order_id, amount)
    values (p_client, paying, order_id, pays);
  insert into topup_order_event (topup_order_id, version, status) values (order_id, 1, 'PENDING');
  update wallet set balance = balance - pays where id = paying and balance >= pays;
  if not found then raise exception 'insufficient funds'; end if;
  return order_id;
end
$$;

insert into client select n, 5 from generate_series(1, 1000) n;
insert into wallet select n, n, 'USD', 100000000 from generate_series(1, 1000) n;
create index on wallet (client_id);
insert into product values (4218, 'PUBG Mobile UC', 'GLO', 'USD');
insert into variant values (1, 4218, '60 UC', 0.99), (2, 4218, '325 UC', 4.99),
  (3, 4218, '660 UC', 9.99), (4, 4218, '1800 UC', 24.99);
analyze;
