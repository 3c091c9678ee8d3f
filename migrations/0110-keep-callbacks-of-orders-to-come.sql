-- A callback whose order was not known was noted as heard, and no more: once the order was there,
-- nobody applied it, and what the supplier said again counted as a repeat.

-- What suppliers said of submissions that are not there (yet): a database that was set back may
-- still be about to make them. Kept for 24 hours, and in `callback` from then on, or once applied.
create table stray_callback (
  id bigint generated always as identity,
  client_id bigint not null,
  supplier_id bigint not null references supplier,
  event_id text not null check (length(event_id) between 1 and 255),
  supplier_reference text not null,
  body_digest text not null,
  topup_order_id bigint,
  route smallint,
  outcome json not null,
  received_at timestamptz not null default clock_timestamp(),
  primary key (client_id, supplier_id, event_id)
);
comment on column stray_callback.topup_order_id is
  'read from the reference, as the route; null where that is none of ours';
-- Readers: find_stray_callbacks, which goes through them in pages; forget_stray_callbacks.
create index stray_callback_page on stray_callback (id);
create index stray_callback_received on stray_callback (received_at);

-- Whether the event is a new one, the same again, or another one under the same id.
create function keep_stray_callback(m recorded_move, p_outcome json) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  from_supplier bigint;
  known_digest text;
begin
  select s.id into strict from_supplier from supplier s where s.code = m.supplier_code;
  select c.body_digest into known_digest from callback c where c.client_id = m.client_id
    and c.supplier_id = from_supplier and c.event_id = m.event_id;
  if not found then
    insert into stray_callback (client_id, supplier_id, event_id, supplier_reference, body_digest,
        topup_order_id, route, outcome)
      values (m.client_id, from_supplier, m.event_id, m.supplier_reference, m.body_digest,
        m.order_id, m.route, p_outcome)
      on conflict do nothing;
    if found then return 'NEW'; end if;
    select c.body_digest into known_digest from stray_callback c where c.client_id = m.client_id
      and c.supplier_id = from_supplier and c.event_id = m.event_id;
  end if;
  -- Null: forgotten in between, as it was applied. It is heard, whatever this one says.
  return case when known_digest is null or known_digest = m.body_digest
    then 'REPEATED_EVENT' else 'CONFLICTING_EVENT' end;
end
$$;

-- A page of what is kept, from behind `p_after`: those whose submission is there by now, and where
-- the next page begins, null where this was the last one. What is older than the order of its
-- number is of another one, which was lost.
create function find_stray_callbacks(
  p_after bigint, p_limit int, out after bigint, out ids bigint[])
language plpgsql stable security definer set search_path = public, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
  set plan_cache_mode = force_generic_plan as $$
begin
  with page as materialized (
    select c.id, c.client_id, c.topup_order_id, c.route, c.supplier_id, c.received_at
      from stray_callback c where c.id > p_after order by c.id limit p_limit
  )
  select case when count(*) = p_limit then max(p.id) end,
      coalesce(array_agg(p.id order by p.id) filter (where p.topup_order_id is not null and exists (
        select from submission m
          join topup_order o on o.client_id = m.client_id and o.id = m.topup_order_id
          where m.client_id = p.client_id and m.topup_order_id = p.topup_order_id
            and m.route = p.route and m.supplier_id = p.supplier_id
            and o.created_at <= p.received_at)), '{}')
    into after, ids from page p;
end
$$;

-- Removes these, as they are applied, and up to `p_limit` that have been kept for long enough: what
-- is left of them is that they were heard.
create function forget_stray_callbacks(p_ids bigint[], p_limit int) returns void
language plpgsql security definer set search_path = public, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
  set plan_cache_mode = force_generic_plan as $$
begin
  delete from stray_callback c where c.id = any (p_ids);
  with forgotten as (
    delete from stray_callback c where c.id = any (array(
      select x.id from stray_callback x
        where x.received_at < clock_timestamp() - interval '24 hours'
        order by x.received_at limit p_limit for update skip locked))
      returning c.*
  )
  insert into callback (client_id, supplier_id, event_id, supplier_reference, body_digest,
      received_at)
    select f.client_id, f.supplier_id, f.event_id, f.supplier_reference, f.body_digest,
      f.received_at from forgotten f order by 1, 2, 3
    on conflict do nothing;
end
$$;
