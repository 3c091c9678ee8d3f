import type { Invariant } from './invariant.ts';

const EFFECTIVE = "('INTENT', 'ACCEPTED', 'UNKNOWN', 'DELIVERED')";

const STATES: readonly Invariant[] = [
  {
    name: 'terminal-columns',
    says: 'Completion and next action follow the status; a failure code says FAILED.',
    sql: `
      select client_id, id as topup_order_id, status from topup_order
      where (status = 'PENDING') <> (completed_at is null)
        or (status = 'PENDING') <> (fulfilment_state is not null)
        or (status <> 'PENDING' and next_action_at is not null)
        or (status = 'FAILED') <> (failure_code is not null)`,
  },
  {
    name: 'nothing-forgotten',
    says: 'Every PENDING order has a next action, within 75 minutes and not two minutes overdue,'
      + ' unless its supplier is suspended.',
    // 75 minutes are the longest rung of the retry ladder, an hour, with its jitter; two minutes
    // are a lease and two polls.
    sql: `
      select o.client_id, o.id as topup_order_id, o.fulfilment_state, o.next_action_at,
        o.lease_until
      from topup_order o
      left join submission m on m.client_id = o.client_id and m.topup_order_id = o.id
        and m.route = o.route
      left join offer f on f.variant_id = o.variant_id and f.route = o.route
      left join supplier s on s.id = coalesce(m.supplier_id, f.supplier_id) and s.is_suspended
        and o.fulfilment_state in ('QUEUED', 'RETRY_WAIT')
      where o.status = 'PENDING' and (o.next_action_at is null
        or o.next_action_at > now() + interval '75 minutes'
        or (s.id is null
          and greatest(o.next_action_at, o.lease_until) < now() - interval '2 minutes'))`,
  },
  {
    name: 'unique-guards',
    says: 'The unique indexes that decide duplicates exist and are valid.',
    sql: `
      select guard.on_table, guard.on_columns
      from (values
        ('topup_order', '{client_id,client_reference}', false),
        ('topup_order', '{client_id,request_id}', false),
        ('transfer', '{client_id,reason,topup_order_id}', false),
        ('submission', '{client_id,topup_order_id}', true),
        ('topup_order_event', '{client_id,topup_order_id,version}', false),
        ('feed_entry', '{client_id,topup_order_id,version}', false),
        ('feed_entry', '{client_id,sequence}', false),
        ('callback', '{client_id,event_id,supplier_id}', false),
        ('voucher', '{client_id,code_hash}', false),
        ('email_outbox', '{address,client_id,status,topup_order_id}', false)
      ) guard (on_table, on_columns, is_partial)
      left join (
        select x.indrelid, x.indpred is not null as is_partial,
          array_agg(a.attname::text order by a.attname)::text as on_columns
        from pg_index x
        join pg_attribute a on a.attrelid = x.indrelid and a.attnum = any (x.indkey::int2[])
        where x.indisunique and x.indisvalid and x.indexprs is null
        group by x.indexrelid
      ) index on index.indrelid = to_regclass(guard.on_table)
        and index.is_partial = guard.is_partial and index.on_columns = guard.on_columns
      where index.indrelid is null`,
  },
];

const SUBMISSIONS: readonly Invariant[] = [
  {
    name: 'one-effective-submission',
    says: 'At most one submission of an order is, or may be, effective.',
    sql: `
      select client_id, topup_order_id, count(*) as submissions
      from submission where state in ${EFFECTIVE}
      group by client_id, topup_order_id having count(*) > 1`,
  },
  {
    name: 'submission-outcome',
    says: 'DELIVERED has one delivered submission; others none, refunded ones no open one either,'
      + ' unless a case records it.',
    sql: `
      select o.client_id, o.id as topup_order_id, o.status, s.delivered, s.effective
      from topup_order o
      left join (
        select client_id, topup_order_id,
          count(*) filter (where state = 'DELIVERED') as delivered,
          count(*) filter (where state in ${EFFECTIVE}) as effective
        from submission group by client_id, topup_order_id
      ) s on s.client_id = o.client_id and s.topup_order_id = o.id
      left join (
        select distinct client_id, topup_order_id from reconciliation_case
      ) c on c.client_id = o.client_id and c.topup_order_id = o.id
      where case o.status
        when 'DELIVERED' then s.delivered is distinct from 1
        when 'PENDING' then s.delivered > 0 and c.topup_order_id is null
        else s.effective > 0 and c.topup_order_id is null end`,
  },
];

const MAIL: readonly Invariant[] = [
  {
    name: 'terminal-mail',
    says: 'A terminal order owes one mail to the address it names, and all it owes tell how it'
      + ' ended; a PENDING order owes none.',
    // Other addresses than the one it names were named, and got their mail, after its end.
    sql: `
      select o.client_id, o.id as topup_order_id, o.status, count(m.topup_order_id) as mails
      from topup_order o
      left join email_outbox m on m.client_id = o.client_id and m.topup_order_id = o.id
      group by o.client_id, o.id
      having count(m.topup_order_id) filter (where m.address = o.notification_email)
          <> (o.status <> 'PENDING' and o.notification_email is not null)::int
        or bool_or(m.status <> o.status) or (o.status = 'PENDING' and count(m.status) > 0)`,
  },
];

export const ORDER_INVARIANTS: readonly Invariant[] = [...STATES, ...SUBMISSIONS, ...MAIL];
