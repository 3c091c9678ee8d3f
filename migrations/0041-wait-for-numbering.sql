-- Waits for the client's row where it is being numbered. Passing it over would tell the caller that
-- nothing is old, so that a feed that is written all the time would hardly ever be removed from.

-- Removes up to p_limit positions that are older than p_keep_seconds from the feed in which the
-- oldest stands. Steps are small, because numbering waits for the client's row meanwhile. Returns
-- how many were removed.
create or replace function remove_feed_positions(p_keep_seconds bigint, p_limit int) returns int
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  cutoff timestamptz := clock_timestamp() - p_keep_seconds * interval '1 second';
  p feed_position;
  through bigint;
begin
  select x.* into p from feed_position x where x.kept_since < cutoff
    order by x.kept_since limit 1 for no key update;
  if not found then return 0; end if;
  -- Only what stands before everything young enough: a clock that was set back makes no hole.
  select coalesce(max(f.sequence), p.removed_through) into through from (
    select n.sequence, bool_and(n.entered_at < cutoff) over (order by n.sequence) as is_old
      from (select * from feed_entry where client_id = p.client_id
        and sequence > p.removed_through order by sequence limit p_limit) n) f
    where f.is_old;
  update topup_order_event e set sequence = f.sequence from feed_entry f
    where f.client_id = p.client_id and f.sequence > p.removed_through and f.sequence <= through
      and e.client_id = f.client_id and e.topup_order_id = f.topup_order_id
      and e.version = f.version;
  delete from feed_entry f
    where f.client_id = p.client_id and f.sequence > p.removed_through and f.sequence <= through;
  update feed_position x set removed_through = through, kept_since = (select f.entered_at
      from feed_entry f where f.client_id = p.client_id and f.sequence = through + 1)
    where x.client_id = p.client_id;
  return through - p.removed_through;
end
$$;
