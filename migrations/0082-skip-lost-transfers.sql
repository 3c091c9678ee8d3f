-- A client may hold a cursor of its wallets from the time that a restored database has lost. It was
-- refused until the wallet moved again, and then taken for one of the time since: who keeps books
-- by it never heard that what it had been told was lost.

-- Of a wallet that was restored: no transfer stands, or ever will, behind skipped_after and up to
-- skipped_through.
create table wallet_skip (
  client_id bigint not null,
  wallet_id bigint not null,
  skipped_after bigint not null,
  skipped_through bigint not null,
  primary key (client_id, wallet_id, skipped_after),
  foreign key (client_id, wallet_id) references wallet (client_id, id)
);

-- To be called once the numbers of transfers have moved on. Also of wallets without a transfer:
-- what they had is what was lost.
create function skip_wallet_transfers() returns void
language sql set search_path = public, pg_temp as $$
  insert into wallet_skip (client_id, wallet_id, skipped_after, skipped_through)
    select w.client_id, w.id, coalesce(t.id, 0), q.last_value
      from wallet w
      cross join transfer_id_seq q
      left join lateral (select x.id from transfer x
        where x.client_id = w.client_id and x.wallet_id = w.id order by x.id desc limit 1) t on true
    on conflict (client_id, wallet_id, skipped_after) do update
      set skipped_through = excluded.skipped_through;
$$;
