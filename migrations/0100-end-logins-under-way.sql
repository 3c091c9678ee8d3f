-- A logout beside a login left that login's refresh token alive though its access token was dead:
-- the family was opened with the generation of before, and stood only after all were deleted.
-- New: the locks at the beginning of both.

create or replace function open_token_family(p_client_id bigint, p_key_id text, p_family_id uuid,
  p_refresh_token_id uuid, p_lives_for interval)
returns table (generation int, scopes text[], family_ends_at timestamptz)
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
begin
  -- Beside the end of all tokens of its client a login comes before it, as a whole, or after it.
  perform pg_advisory_xact_lock_shared(hashtextextended('tokens of client ' || p_client_id, 0));
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

create or replace function end_tokens(p_client_id bigint) returns void
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  -- Until the logins under way stand, so that they are seen here.
  perform pg_advisory_xact_lock(hashtextextended('tokens of client ' || p_client_id, 0));
  delete from token_family f where f.client_id = p_client_id;
  insert into token_generation as g (client_id, generation) values (p_client_id, 2)
    on conflict (client_id) do update set generation = g.generation + 1;
end
$$;
