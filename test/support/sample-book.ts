/**
 * SQL that books orders as they are once everything is done, for one client with one wallet and
 * as many vouchers as the plan names. Written to the tables past every function and trigger, so
 * that checks of the book do not lean on the code that they check.
 *
 * `plan` selects (id, voucher_id, status, charge, is_reversed, email) for each order.
 */
export function sampleBookSql(plan: string): string {
  return `
    set local session_replication_role = replica;
    create temporary table plan on commit drop as
      select * from (${plan}) plan (id, voucher_id, status, charge, is_reversed, email);
    ${CLIENT}
    ${ORDERS}
    ${TRANSFERS}
    ${FULFILMENT}
    drop table plan;`;
}

const CLIENT = `
  insert into client values (900, 'Sample', true, true);
  insert into wallet (client_id, id, currency, balance)
    select 900, 900, 'USD', 1000000000 - coalesce(sum(charge), 0) from plan
    where voucher_id is null and status in ('PENDING', 'DELIVERED') and not is_reversed;
  insert into voucher (client_id, id, code_hash, code_last4, value, currency, state,
      redeemed_order_id, redeemed_at)
    overriding system value
    select 900, voucher_id, voucher_id, 'AAAA', max(charge), 'USD', 'DELIVERED', max(id) filter (
        where status in ('PENDING', 'DELIVERED')),
      max(now()) filter (where status in ('PENDING', 'DELIVERED'))
    from plan where voucher_id is not null group by voucher_id;`;

const ORDERS = `
  insert into topup_order (client_id, id, request_id, input_digest, product_id, variant_id,
      product_name, variant_name, country_code, face_value, face_currency, discount_percent,
      charge, currency, wallet_id, voucher_id, input_data, recipient, input_fields_version,
      fulfils_in_request, notification_email, status, fulfilment_state, version, failure_code,
      next_action_at, debit_transfer_id, refund_transfer_id, reversal_transfer_id, reversed_at,
      completed_at)
    select 900, id, gen_random_uuid(), '', 1, 1, '', '', 'GLO', charge, 'USD', 0, charge, 'USD',
      case when voucher_id is null then 900 end, voucher_id, '{}', '5123456789', 1, false, email,
      status, case status when 'PENDING' then 'AWAITING_SUPPLIER' end,
      case status when 'PENDING' then 2 when 'CANCELLED' then 2 else 3 end + is_reversed::int,
      case status when 'FAILED' then 'UNKNOWN' end, case status when 'PENDING' then now() end,
      id * 10 + 1, case when status in ('FAILED', 'CANCELLED') then id * 10 + 2 end,
      case when is_reversed then id * 10 + 4 end, case when is_reversed then now() end,
      case when status <> 'PENDING' then now() end
    from plan;`;

const TRANSFERS = `
  insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id, voucher_id,
      topup_order_id, amount, currency, balance_after)
    select 900, t.id, t.reason, t.debit_account, t.credit_account, s.wallet_id, s.voucher_id,
      t.order_id, t.amount, 'USD', case when s.wallet_id is not null then
        sum(case t.credit_account when 'WALLET' then t.amount else -t.amount end)
          over (partition by s.wallet_id order by t.id) end
    from (
      select 0, null, 'FUNDING', 'EXTERNAL', 'WALLET', 1000000000::numeric, null::bigint
      union all
      select id * 10 + 1, id, 'ORDER_DEBIT', source, 'IN_FLIGHT', charge, voucher_id from booked
      union all
      select id * 10 + 2, id, 'ORDER_REFUND', 'IN_FLIGHT', source, charge, voucher_id from booked
        where status in ('FAILED', 'CANCELLED')
      union all
      select id * 10 + 3, id, 'ORDER_SALE', 'IN_FLIGHT', 'SALES', charge, voucher_id from booked
        where status = 'DELIVERED'
      union all
      select id * 10 + 4, id, 'REVERSAL', 'SALES', source, charge, voucher_id from booked
        where is_reversed
    ) t (id, order_id, reason, debit_account, credit_account, amount, voucher_id)
    cross join lateral (select
      case when 'WALLET' in (t.debit_account, t.credit_account) then 900 end as wallet_id,
      case when 'VOUCHER' in (t.debit_account, t.credit_account) then t.voucher_id end as voucher_id
    ) s;`.replaceAll(
  'from booked',
  `from (select *, case when voucher_id is null then 'WALLET' else 'VOUCHER' end as source
      from plan) booked`,
);

const FULFILMENT = `
  insert into submission (client_id, topup_order_id, route, supplier_id, state, resend_after)
    select 900, id, 1, 1, case status when 'PENDING' then 'ACCEPTED'
      when 'DELIVERED' then 'DELIVERED' else 'NOT_APPLIED' end, now()
    from plan where status <> 'CANCELLED';
  insert into topup_order_event (client_id, topup_order_id, version, type, previous_status, status,
      failure_code)
    select 900, id, 1, 'CREATED', null, 'PENDING', null from plan
    union all
    select 900, id, 2, 'SUBMITTED', 'PENDING', 'PENDING', null from plan
      where status <> 'CANCELLED'
    union all
    select 900, id, case status when 'CANCELLED' then 2 else 3 end, status, 'PENDING', status,
      case status when 'FAILED' then 'UNKNOWN' end
    from plan where status <> 'PENDING'
    union all
    select 900, id, 4, 'REVERSED', status, status, null from plan where is_reversed;
  insert into feed_entry (client_id, topup_order_id, version, sequence)
    select 900, topup_order_id, version, row_number() over (order by version, topup_order_id)
    from topup_order_event where client_id = 900 and version < 3;
  insert into feed_position (client_id, last_sequence, kept_since)
    select 900, count(*), min(entered_at) from feed_entry where client_id = 900;
  insert into feed_inbox (client_id, topup_order_id, version)
    select 900, topup_order_id, version
    from topup_order_event where client_id = 900 and version >= 3;
  insert into reconciliation_case (client_id, topup_order_id, kind, route)
    select 900, id, 'REVERSAL', 1 from plan where is_reversed;
  insert into email_outbox (client_id, topup_order_id, status, address)
    select 900, id, status, email from plan where status <> 'PENDING' and email is not null;`;
