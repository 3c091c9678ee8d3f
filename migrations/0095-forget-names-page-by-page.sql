-- Each new name of a stranger looked at all names of strangers until it found ten old ones: 50 to
-- 130 ms where 30,000 young ones stood, and nobody else was counted meanwhile. And two processes
-- that took such names away, and took tokens afterwards, could wait for each other.

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

create or replace function take_tokens(
  p_requests json) returns TABLE(ordinal integer, is_admitted boolean, remaining integer,
  reset_in_ms integer, retry_after_ms integer
)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  r record;
  stranger_count int := 0;
  first_page int;
  page_count int;
begin
  for r in select * from json_to_recordset(p_requests) as o(ordinal int, client_id bigint,
      class text, subject text, count int, max int)
      order by o.client_id, o.class, o.subject, o.ordinal loop
    return query select r.ordinal, t.*
      from take_token(r.client_id, r.class, r.subject, r.count, r.max) t;
    if r.client_id = 0 then stranger_count := stranger_count + 1; end if;
  end loop;
  if stranger_count = 0 then return; end if;
  -- Whoever makes up names pays for taking away the names that others made up: on a few pages,
  -- wherever they are, so that this takes as long however many names there are (by no index, which
  -- has all of them). Last of all, as one who comes with such a name waits for us.
  page_count := pg_relation_size('rate_count') / current_setting('block_size')::int;
  first_page := floor(random() * (greatest(page_count - 4 * stranger_count, 0) + 1));
  delete from rate_count where ctid = any (array(
    select c.ctid from rate_count c
    where c.ctid >= format('(%s,0)', first_page)::tid
      and c.ctid < format('(%s,0)', first_page + 4 * stranger_count)::tid
      and c.client_id + 0 = 0 and c.quarter > 0
      and c.quarter < extract(epoch from now()) * 4 - 1000
    for update skip locked));
end
$$;
