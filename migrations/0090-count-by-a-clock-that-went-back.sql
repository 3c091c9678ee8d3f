-- What was counted while the clock was ahead is of now once it is right again, so that it leaves
-- the window within a minute. It stayed there for as long as the clock had been ahead.

create or replace function take_token(
  p_client_id bigint, p_class text, p_subject text, p_count integer, p_limit integer,
  OUT is_admitted boolean, OUT remaining integer, OUT reset_in_ms integer,
  OUT retry_after_ms integer
) returns record
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
  if counted.quarter > now_ms / 250 then
    counted.quarter := now_ms / 250;
    update rate_count r set quarter = counted.quarter
      where r.client_id = p_client_id and r.class = p_class and r.subject = p_subject;
  end if;
  passed := now_ms / 250 - counted.quarter;
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
