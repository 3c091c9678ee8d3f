import type { Invariant } from './invariant.ts';

const TERMINAL = "('DELIVERED', 'FAILED', 'CANCELLED')";

const EVENTS: readonly Invariant[] = [
  {
    name: 'event-numbers',
    says: "An order's events are numbered 1 to its version without gap.",
    sql: `
      select o.client_id, o.id as topup_order_id, o.version, e.events, e.first, e.last
      from topup_order o
      left join (
        select client_id, topup_order_id, count(*) as events, min(version) as first,
          max(version) as last
        from topup_order_event group by client_id, topup_order_id
      ) e on e.client_id = o.client_id and e.topup_order_id = o.id
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
    says: 'Every event is in the feed or on its way there, once.',
    sql: `
      select e.client_id, e.topup_order_id, e.version, count(f.client_id) as entries
      from topup_order_event e
      left join (
        select client_id, topup_order_id, version from feed_entry
        union all
        select client_id, topup_order_id, version from feed_inbox
      ) f on f.client_id = e.client_id and f.topup_order_id = e.topup_order_id
        and f.version = e.version
      group by e.client_id, e.topup_order_id, e.version having count(f.client_id) <> 1`,
  },
  {
    name: 'feed-numbers',
    says: "A client's feed is numbered from 1 to its position without gap.",
    sql: `
      select client_id, p.last_sequence, f.entries, f.first, f.last
      from feed_position p
      full join (
        select client_id, count(*) as entries, min(sequence) as first, max(sequence) as last
        from feed_entry group by client_id
      ) f using (client_id)
      where (f.entries, f.first, f.last) is distinct from (p.last_sequence, 1, p.last_sequence)`,
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
