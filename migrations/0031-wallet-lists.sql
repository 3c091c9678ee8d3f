-- Every thousandth transfer of a wallet, counted from the first, for its list of transactions. A
-- wallet's transfers are numbered under its lock: one with a lower id never appears later, so a
-- milestone holds for ever.
create table wallet_milestone (
  client_id bigint not null,
  wallet_id bigint not null,
  position bigint not null,
  transfer_id bigint not null,
  primary key (client_id, wallet_id, position),
  foreign key (client_id, wallet_id) references wallet (client_id, id),
  foreign key (client_id, transfer_id) references transfer (client_id, id)
);

-- Sets up to 100 milestones behind the last, and answers whether there may be more. Of two calls at
-- once both find the same ones.
create function set_wallet_milestones(p_client_id bigint, p_wallet_id bigint) returns boolean
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  last_position bigint;
  last_transfer bigint;
  set_count bigint;
begin
  select m.position, m.transfer_id into last_position, last_transfer from wallet_milestone m
    where m.client_id = p_client_id and m.wallet_id = p_wallet_id
    order by m.position desc limit 1;
  insert into wallet_milestone (client_id, wallet_id, position, transfer_id)
    select p_client_id, p_wallet_id, coalesce(last_position, 0) + n.nth, n.id
    from (select t.id, row_number() over (order by t.id) as nth from transfer t
        where t.client_id = p_client_id and t.wallet_id = p_wallet_id
          and t.id > coalesce(last_transfer, 0)
        order by t.id limit 100000) n
    where n.nth % 1000 = 0
    on conflict do nothing;
  get diagnostics set_count = row_count;
  return set_count = 100;
end
$$;
