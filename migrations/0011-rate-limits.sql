-- Requests are counted for all processes together, over any 60 seconds.

-- Figures of a client that has others than everybody, tokens a minute.
create table client_rate (
  client_id bigint not null references client (client_id),
  class text not null check (class in ('login', 'login.address', 'refresh', 'read',
    'orders.create', 'charges', 'lookup', 'voucher.guesses')),
  per_minute int not null check (per_minute between 0 and 1000000),
  primary key (client_id, class)
);

create trigger access after insert or update or delete on client_rate
  for each statement execute function bump_access_version();

-- Client 0 stands for callers who are not known yet; `subject` then says who is counted. Not
-- logged: after a crash counting begins anew, and nothing waits for a disk.
create unlogged table rate_count (
  client_id bigint not null,
  class text not null,
  subject text not null,
  -- The quarter of a second, since the epoch, that the last slot stands for.
  quarter bigint not null,
  -- Tokens by quarter, the oldest first: 240, and one that is only partly over.
  slots int[] not null,
  primary key (client_id, class, subject)
) with (fillfactor = 50);

-- Takes all of `p_count` tokens or none. What lies partly within the last 60 seconds counts
-- wholly, so that no 60 seconds ever have more than the limit.
create function take_token(p_client_id bigint, p_class text, p_subject text, p_count int,
  p_limit int, out is_admitted boolean, out remaining int, out reset_in_ms int,
  out retry_after_ms int)
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  counted rate_count;
  now_ms bigint;
  passed bigint;
  used int;
  last_used int;
  freed_at int;
begin
  insert into rate_count values (p_client_id, p_class, p_subject, 0, array_fill(0, array[241]))
    on conflict do nothing;
  if found and p_client_id = 0 then
    -- Whoever makes up names pays for taking away the names that others made up.
    delete from rate_count where (client_id, class, subject) in (
      select r.client_id, r.class, r.subject from rate_count r
      where r.client_id = 0 and r.quarter > 0
        and r.quarter < extract(epoch from now()) * 4 - 1000 limit 10 for update skip locked);
  end if;
  select * into counted from rate_count r
    where r.client_id = p_client_id and r.class = p_class and r.subject = p_subject
    for no key update;
  if not found then
    -- Taken away by a rival between our two statements.
    select * into is_admitted, remaining, reset_in_ms, retry_after_ms
      from take_token(p_client_id, p_class, p_subject, p_count, p_limit);
    return;
  end if;
  now_ms := extract(epoch from clock_timestamp()) * 1000;
  passed := greatest(now_ms / 250 - counted.quarter, 0);
  counted.quarter := counted.quarter + passed;
  counted.slots := case when passed > 240 then array_fill(0, array[241])
    else counted.slots[passed + 1 : 241] || array_fill(0, array[passed]::int[]) end;
  select coalesce(sum(s), 0), coalesce(max(at) filter (where s > 0), 0) into used, last_used
    from unnest(counted.slots) with ordinality as u(s, at);

  is_admitted := used + p_count <= p_limit;
  if is_admitted then
    counted.slots[241] := counted.slots[241] + p_count;
    used := used + p_count;
    last_used := 241;
    update rate_count r set quarter = counted.quarter, slots = counted.slots
      where r.client_id = p_client_id and r.class = p_class and r.subject = p_subject;
  else
    select min(at) into freed_at
      from (select at, sum(s) over (order by at) as freed
        from unnest(counted.slots) with ordinality as u(s, at)) f
      where freed >= used + p_count - p_limit;
  end if;
  remaining := greatest(p_limit - used, 0);
  -- Slot n leaves the window when n further quarters have begun.
  reset_in_ms := case when last_used = 0 then 0
    else least((counted.quarter + last_used) * 250 - now_ms, 60000) end;
  retry_after_ms := case when is_admitted then 0
    -- More than the limit is never admitted; a minute is as good as any other answer.
    else coalesce((counted.quarter + freed_at) * 250 - now_ms, 60000) end;
end
$$;

-- Requests that arrived together, counted in one call; in the order of their rows, so that no two
-- calls wait for each other in a circle.
create function take_tokens(p_requests json)
returns table (ordinal int, is_admitted boolean, remaining int, reset_in_ms int,
  retry_after_ms int)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  r record;
begin
  for r in select * from json_to_recordset(p_requests) as o(ordinal int, client_id bigint,
      class text, subject text, count int, max int)
      order by o.client_id, o.class, o.subject, o.ordinal loop
    return query select r.ordinal, t.*
      from take_token(r.client_id, r.class, r.subject, r.count, r.max) t;
  end loop;
end
$$;

-- Puts tokens back where they were taken last.
create function give_tokens_back(p_client_id bigint, p_class text, p_subject text, p_count int)
returns void
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  counted rate_count;
  owed int := p_count;
  part int;
begin
  select * into counted from rate_count r
    where r.client_id = p_client_id and r.class = p_class and r.subject = p_subject
    for no key update;
  if not found then return; end if;
  for at in reverse 241 .. 1 loop
    exit when owed = 0;
    part := least(owed, counted.slots[at]);
    counted.slots[at] := counted.slots[at] - part;
    owed := owed - part;
  end loop;
  update rate_count r set slots = counted.slots
    where r.client_id = p_client_id and r.class = p_class and r.subject = p_subject;
end
$$;
