import type { Invariant } from './invariant.ts';

const TERMINAL = "('DELIVERED', 'FAILED', 'CANCELLED')";

const EVENTS: readonly Invariant[] = [
  {
    name: 'event-numbers',
    says: "An order's events are numbered 1 to its version without gap; each has its order.",
    sql: `
      select client_id, id as topup_order_id, o.version, e.events, e.first, e.last
      from topup_order o
      full join (
        select client_id, topup_order_id as id, count(*) as events, min(version) as first,
          max(version) as last
        from topup_order_event group by client_id, topup_order_id
      ) e using (client_id, id)
      where (e.events, e.first, e.last) is distinct from (o.version, 1, o.version)`,
  },
  {
    name: 'last-event',
    says: "The last event shows the order's status and failure code.",
    sql: `
      select o.client_id, o.id as topup_order_id, o.status, e.status as told
      from topup_order o
      join topup_order_event e on e.client_id = o.client_id and e.topup_order_id = o.id
        and e.version = o.version
      where (e.status, e.failure_code) is distinct from (o.status, o.failure_code)`,
  },
  {
    name: 'event-chain',
    says: 'Each event starts from the status that the one before it left; the first is CREATED.',
    sql: `
      select e.client_id, e.topup_order_id, e.version, e.type, e.previous_status
      from topup_order_event e
      left join topup_order_event p on p.client_id = e.client_id
        and p.topup_order_id = e.topup_order_id and p.version = e.version - 1
      where e.previous_status is distinct from p.status
        or (e.version = 1) <> (e.type = 'CREATED')`,
  },
  {
    name: 'terminal-is-terminal',
    says: 'At most one event ends an order; only REVERSED and LATE_NEWS follow, and no status'
      + ' changes but by the event that ends it.',
    sql: `
      select e.client_id, e.topup_order_id, e.version, e.type
      from topup_order_event e
      left join (
        select client_id, topup_order_id, min(version) as version
        from topup_order_event where type in ${TERMINAL} group by client_id, topup_order_id
      ) ending on ending.client_id = e.client_id and ending.topup_order_id = e.topup_order_id
      where (e.version > ending.version and e.type not in ('REVERSED', 'LATE_NEWS'))
        or e.status <> case when e.type in ${TERMINAL} then e.type
          else coalesce(e.previous_status, 'PENDING') end`,
  },
];

const FEED: readonly Invariant[] = [
  {
    name: 'feed-complete',
    says: 'Every event is in the feed, was removed from it or is on its way there, once, and'
      + ' nothing else is.',
    sql: `
      select client_id, topup_order_id, version, count(f.is_entry) as entries
      from topup_order_event e
      full join (
        select client_id, topup_order_id, version, true as is_entry from feed_entry
        union all
        select client_id, topup_order_id, version, true from feed_inbox
        union all
        select client_id, topup_order_id, version, true from topup_order_event
          where sequence is not null
      ) f using (client_id, topup_order_id, version)
      group by client_id, topup_order_id, version
      having count(f.is_entry) <> 1 or count(e.type) = 0`,
  },
  {
    name: 'feed-numbers',
    says: "A client's feed is numbered without gap, from 1 on and behind what was removed on, but"
      + ' for what a restore skipped.',
    // As many numbers as there is room for, all of them in it: none is left out.
    sql: `
      select client_id, p.last_sequence, p.removed_through, f.entries, f.first, r.removed
      from feed_position p
      left join lateral (
        select coalesce(sum(s.skipped_through - s.skipped_after)
            filter (where s.skipped_after >= p.removed_through), 0) as kept,
          coalesce(sum(s.skipped_through - s.skipped_after)
            filter (where s.skipped_after < p.removed_through), 0) as removed
        from feed_skip s where s.client_id = p.client_id
      ) skipped on true
      full join (
        select f.client_id, count(*) as entries, min(f.sequence) as first,
          max(f.sequence) as last, count(s.client_id) as lost
        from feed_entry f
        left join feed_skip s on s.client_id = f.client_id
          and f.sequence > s.skipped_after and f.sequence <= s.skipped_through
        group by f.client_id
      ) f using (client_id)
      full join (
        select client_id, count(distinct sequence) as removed, max(sequence) as last
        from topup_order_event where sequence is not null group by client_id
      ) r using (client_id)
      where p.client_id is null or f.lost > 0
        or coalesce(f.entries, 0) <> p.last_sequence - p.removed_through - skipped.kept
        or f.first <= p.removed_through or f.last > p.last_sequence
        or coalesce(r.removed, 0) <> p.removed_through - skipped.removed
        or r.last <> p.removed_through`,
  },
  {
    name: 'feed-kept-since',
    says: 'The moment since when a feed is kept is that of its oldest entry.',
    sql: `
      select p.client_id, p.kept_since, f.entered_at
      from feed_position p
      left join lateral (
        select e.client_id, e.entered_at from feed_entry e
        where e.client_id = p.client_id and e.sequence > p.removed_through
        order by e.sequence limit 1
      ) f on true
      where (p.kept_since is null) <> (f.client_id is null) or p.kept_since > f.entered_at`,
  },
  {
    name: 'feed-order',
    says: 'The feed shows the events of an order in the order in which they happened.',
    sql: `
      select b.client_id, b.topup_order_id, b.version, b.sequence
      from feed_entry a
      join feed_entry b on b.client_id = a.client_id and b.topup_order_id = a.topup_order_id
        and b.version = a.version + 1
      where b.sequence < a.sequence`,
  },
];

export const EVENT_INVARIANTS: readonly Invariant[] = [...EVENTS, ...FEED];
