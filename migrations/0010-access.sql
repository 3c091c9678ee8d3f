-- Who may come in, from where and until when: keys, families of refresh tokens, allowed networks,
-- and what was taken back. Each process keeps a copy of what it checks at every request; the
-- version tells it that its copy is old.

create table access_version (
  is_only boolean primary key default true check (is_only),
  version bigint not null
);
insert into access_version (version) values (1);

-- The row is locked to the end of the transaction, so that versions are seen in their order. None
-- of the tables behind it is written by a transaction about money.
create function bump_access_version() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update access_version set version = version + 1;
  perform pg_notify('access', '');
  return null;
end
$$;

-- The id is public, and names its client; of the secret only a keyed hash is kept.
create table api_key (
  client_id bigint not null references client (client_id),
  id text not null,
  secret_hash text not null,
  -- What is shown of the secret, so that an operator finds out which one is meant.
  secret_prefix text not null,
  scopes text[] not null
    check (cardinality(scopes) > 0 and scopes <@ array['read', 'orders:write']),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  -- By login or refresh; written at most once a minute.
  last_used_at timestamptz,
  primary key (client_id, id)
);

-- What one login led to. A family has one refresh token that counts; showing an earlier one ends
-- the family.
create table token_family (
  client_id bigint not null,
  id uuid not null,
  key_id text not null,
  refresh_token_id uuid not null,
  expires_at timestamptz not null,
  primary key (client_id, id),
  foreign key (client_id, key_id) references api_key (client_id, id)
);

-- Tokens that carry a lower generation are refused. No row: generation 1.
create table token_generation (
  client_id bigint primary key references client (client_id),
  generation int not null
);

-- Ids of tokens, or of families, that are refused until they would have ended anyway.
create table revoked_token (
  client_id bigint not null references client (client_id),
  id uuid not null,
  expires_at timestamptz not null,
  primary key (client_id, id)
);

-- A client without a row may call from anywhere.
create table client_network (
  client_id bigint not null references client (client_id),
  network cidr not null,
  primary key (client_id, network)
);

create trigger access after insert or delete or update of is_active, is_rate_limited on client
  for each statement execute function bump_access_version();
-- Not on last_used_at, which moves with every login.
create trigger access after update of revoked_at on api_key
  for each statement execute function bump_access_version();
create trigger access after insert or update or delete on token_generation
  for each statement execute function bump_access_version();
create trigger access after insert or update or delete on revoked_token
  for each statement execute function bump_access_version();
create trigger access after insert or update or delete on client_network
  for each statement execute function bump_access_version();

-- Begins a family for a key whose secret was shown; no row where the key or the client is not
-- live any more.
create function open_token_family(p_client_id bigint, p_key_id text, p_family_id uuid,
  p_refresh_token_id uuid, p_lives_for interval)
returns table (generation int, scopes text[], family_ends_at timestamptz)
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
begin
  update api_key k set last_used_at = now()
    where k.client_id = p_client_id and k.id = p_key_id
      and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
  delete from token_family f where f.client_id = p_client_id and f.expires_at < now();
  return query
    with opened as (
      insert into token_family as f (client_id, id, key_id, refresh_token_id, expires_at)
      select k.client_id, p_family_id, k.id, p_refresh_token_id,
          least(now() + p_lives_for, k.expires_at)
        from api_key k join client c on c.client_id = k.client_id
        where k.client_id = p_client_id and k.id = p_key_id and c.is_active
          and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
      -- A call repeated after its answer was lost.
      on conflict (client_id, id) do update set refresh_token_id = excluded.refresh_token_id
      returning f.client_id, f.key_id, f.expires_at)
    select coalesce(g.generation, 1), k.scopes, o.expires_at
      from opened o
      join api_key k on k.client_id = o.client_id and k.id = o.key_id
      left join token_generation g on g.client_id = o.client_id;
end
$$;

-- Puts the next refresh token in the place of the one that was shown. Of two that show the same,
-- the second waits for the first, finds it rotated and ends the family: one of them is a thief.
create function rotate_token_family(p_client_id bigint, p_family_id uuid, p_shown uuid,
  p_next uuid, p_lives_for interval)
returns table (verdict text, key_id text, generation int, scopes text[],
  family_ends_at timestamptz)
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  live record;
begin
  select k.id, k.scopes, k.expires_at, coalesce(g.generation, 1) as generation into live
    from token_family f
    join api_key k on k.client_id = f.client_id and k.id = f.key_id
    join client c on c.client_id = f.client_id
    left join token_generation g on g.client_id = f.client_id
    where f.client_id = p_client_id and f.id = p_family_id and c.is_active
      and f.expires_at > now() and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now());
  if not found then
    return query select 'REFUSED', null::text, null::int, null::text[], null::timestamptz;
    return;
  end if;
  return query
    update token_family f
      set refresh_token_id = p_next, expires_at = least(now() + p_lives_for, live.expires_at)
      -- Ours already: a call repeated after its answer was lost.
      where f.client_id = p_client_id and f.id = p_family_id
        and f.refresh_token_id in (p_shown, p_next)
      returning 'ROTATED', live.id, live.generation, live.scopes, f.expires_at;
  if found then
    update api_key k set last_used_at = now()
      where k.client_id = p_client_id and k.id = live.id
        and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
    return;
  end if;
  delete from token_family f
    where f.client_id = p_client_id and f.id = p_family_id and f.refresh_token_id <> p_shown;
  if found then
    delete from revoked_token r where r.client_id = p_client_id and r.expires_at < now();
    -- An access token of the family lives for an hour at most.
    insert into revoked_token (client_id, id, expires_at)
      values (p_client_id, p_family_id, now() + interval '2 hours') on conflict do nothing;
    return query select 'REUSED', null::text, null::int, null::text[], null::timestamptz;
    return;
  end if;
  return query select 'REFUSED', null::text, null::int, null::text[], null::timestamptz;
end
$$;

-- Ends all tokens of a client, whatever they came from. Versions last, as everywhere.
create function end_tokens(p_client_id bigint) returns void
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  delete from token_family f where f.client_id = p_client_id;
  insert into token_generation as g (client_id, generation) values (p_client_id, 2)
    on conflict (client_id) do update set generation = g.generation + 1;
end
$$;
