import type { Invariant } from './invariant.ts';

// Statements join and aggregate whole tables, so that a million orders take seconds; none of them
// looks up one row at a time.

interface OrderTransferRule {
  reason: string;
  /** When an order must have this transfer; at all other times it must have none. */
  due: string;
  debitAccount: string;
  creditAccount: string;
  /** A sale is between our own accounts, and names no wallet or voucher. */
  namesSource?: false;
  /** The column by which the order names the transfer, where it has one. */
  namedBy?: string;
}

function orderTransferSql(rule: OrderTransferRule): string {
  const named = rule.namedBy ?? 'max(t.id)';
  const source = rule.namesSource === false ? 'null, null' : 'o.wallet_id, o.voucher_id';
  return `
    select o.client_id, o.id as topup_order_id, o.status, count(t.id) as transfers
    from topup_order o
    left join transfer t on t.client_id = o.client_id and t.topup_order_id = o.id
      and t.reason = '${rule.reason}'
    group by o.client_id, o.id
    having count(t.id) <> (${rule.due})::int
      or ${named} is distinct from max(t.id)
      or bool_or(t.id is not null
        and (t.debit_account, t.credit_account, t.wallet_id, t.voucher_id, t.amount, t.currency)
          is distinct from (${rule.debitAccount}, ${rule.creditAccount}, ${source}, o.charge,
            o.currency))`;
}

const ORDER_TRANSFERS: readonly Invariant[] = [
  {
    name: 'order-debit',
    says: 'Each order has exactly one debit: its charge, from its own source, into IN_FLIGHT.',
    sql: orderTransferSql({
      reason: 'ORDER_DEBIT',
      due: 'true',
      debitAccount: 'o.funding_source',
      creditAccount: "'IN_FLIGHT'",
      namedBy: 'o.debit_transfer_id',
    }),
  },
  {
    name: 'order-refund',
    says: 'FAILED and CANCELLED have exactly one refund, its debit turned round; others none.',
    sql: orderTransferSql({
      reason: 'ORDER_REFUND',
      due: "o.status in ('FAILED', 'CANCELLED')",
      debitAccount: "'IN_FLIGHT'",
      creditAccount: 'o.funding_source',
      namedBy: 'o.refund_transfer_id',
    }),
  },
  {
    name: 'order-sale',
    says: 'DELIVERED has exactly one sale: its charge, from IN_FLIGHT into SALES; others none.',
    sql: orderTransferSql({
      reason: 'ORDER_SALE',
      due: "o.status = 'DELIVERED'",
      debitAccount: "'IN_FLIGHT'",
      creditAccount: "'SALES'",
      namesSource: false,
    }),
  },
  {
    name: 'order-reversal',
    says: 'A reversed order has exactly one reversal, from SALES to its own source; others none.',
    sql: orderTransferSql({
      reason: 'REVERSAL',
      due: 'o.reversed_at is not null',
      debitAccount: "'SALES'",
      creditAccount: 'o.funding_source',
      namedBy: 'o.reversal_transfer_id',
    }),
  },
  {
    name: 'reversal-case',
    says: 'Only a DELIVERED order is reversed, and a reconciliation case records it.',
    sql: `
      select o.client_id, o.id as topup_order_id, o.status
      from topup_order o
      left join reconciliation_case c on c.client_id = o.client_id and c.topup_order_id = o.id
        and c.kind = 'REVERSAL'
      where o.reversed_at is not null and (o.status <> 'DELIVERED' or c.topup_order_id is null)`,
  },
  {
    name: 'reversed-success',
    says: 'An order that stands on a success which its supplier took back was credited.',
    sql: `
      select o.client_id, o.id as topup_order_id, c.route
      from topup_order o
      join submission s on s.client_id = o.client_id and s.topup_order_id = o.id
        and s.state = 'DELIVERED'
      join reconciliation_case c on c.client_id = o.client_id and c.topup_order_id = o.id
        and c.route = s.route and c.reversed_at is not null
      where o.status = 'DELIVERED' and o.reversed_at is null`,
  },
];

const BALANCES: readonly Invariant[] = [
  {
    name: 'wallet-balance',
    says: "A wallet's balance is the sum of what came in less the sum of what went out.",
    sql: `
      select w.client_id, w.id as wallet_id, w.balance, t.total as booked
      from wallet w
      left join (
        select client_id, wallet_id,
          sum(case credit_account when 'WALLET' then amount else -amount end) as total
        from transfer where wallet_id is not null group by client_id, wallet_id
      ) t on t.client_id = w.client_id and t.wallet_id = w.id
      where w.balance is distinct from coalesce(t.total, 0)`,
  },
  {
    name: 'balance-after',
    says: 'Each transfer of a wallet shows the sum of the transfers up to it as balance_after.',
    sql: `
      select client_id, wallet_id, id as transfer_id, balance_after, booked
      from (
        select client_id, wallet_id, id, balance_after,
          sum(case credit_account when 'WALLET' then amount else -amount end)
            over (partition by client_id, wallet_id order by id rows unbounded preceding) as booked
        from transfer where wallet_id is not null
      ) running
      where balance_after is distinct from booked`,
  },
  {
    name: 'wallet-credit',
    says: 'No wallet is below its credit limit, a prepaid one has none, no balance is NaN.',
    sql: `
      select client_id, id as wallet_id, balance, credit_limit from wallet
      where balance < -credit_limit or balance = 'NaN' or credit_limit = 'NaN'
        or (type = 'PREPAID' and credit_limit <> 0)`,
  },
  {
    name: 'in-flight',
    says: "What is in flight, per client and currency, is the charges of its PENDING orders.",
    sql: `
      select client_id, currency, coalesce(o.pending, 0) as pending,
        coalesce(t.in_flight, 0) as in_flight
      from (
        select client_id, currency, sum(charge) as pending
        from topup_order where status = 'PENDING' group by client_id, currency
      ) o
      full join (
        select client_id, currency,
          sum(case credit_account when 'IN_FLIGHT' then amount else -amount end) as in_flight
        from transfer where 'IN_FLIGHT' in (debit_account, credit_account)
        group by client_id, currency
      ) t using (client_id, currency)
      where coalesce(o.pending, 0) <> coalesce(t.in_flight, 0)`,
  },
];

const OWNERSHIP: readonly Invariant[] = [
  {
    name: 'transfer-accounts',
    says: 'A transfer moves a positive amount between two accounts that its reason allows.',
    sql: `
      select t.client_id, t.id as transfer_id, t.reason, t.debit_account, t.credit_account, t.amount
      from transfer t
      left join (values
        ('ORDER_DEBIT', 'WALLET', 'IN_FLIGHT'), ('ORDER_DEBIT', 'VOUCHER', 'IN_FLIGHT'),
        ('ORDER_SALE', 'IN_FLIGHT', 'SALES'),
        ('ORDER_REFUND', 'IN_FLIGHT', 'WALLET'), ('ORDER_REFUND', 'IN_FLIGHT', 'VOUCHER'),
        ('REVERSAL', 'SALES', 'WALLET'), ('REVERSAL', 'SALES', 'VOUCHER'),
        ('FUNDING', 'EXTERNAL', 'WALLET'), ('FUNDING', 'EXTERNAL', 'VOUCHER'),
        ('ADJUSTMENT', 'EXTERNAL', 'WALLET'), ('ADJUSTMENT', 'WALLET', 'EXTERNAL'),
        ('ADJUSTMENT', 'EXTERNAL', 'VOUCHER'), ('ADJUSTMENT', 'VOUCHER', 'EXTERNAL'),
        ('LOSS', 'LOSS', 'EXTERNAL'), ('LOSS', 'EXTERNAL', 'LOSS')
      ) allowed (reason, debit_account, credit_account)
        using (reason, debit_account, credit_account)
      where allowed.reason is null or not (t.amount > 0 and t.amount < 'NaN')`,
  },
  {
    name: 'same-client',
    says: 'Money, order and source belong to one client and are of one currency.',
    sql: `
      select 'topup_order' as of_table, o.client_id, o.id
      from topup_order o
      left join wallet w on w.client_id = o.client_id and w.id = o.wallet_id
        and w.currency = o.currency
      left join voucher v on v.client_id = o.client_id and v.id = o.voucher_id
        and v.currency = o.currency
      where (o.wallet_id is not null and w.id is null)
        or (o.voucher_id is not null and v.id is null)
      union all
      select 'transfer', t.client_id, t.id
      from transfer t
      left join wallet w on w.client_id = t.client_id and w.id = t.wallet_id
        and w.currency = t.currency
      left join voucher v on v.client_id = t.client_id and v.id = t.voucher_id
        and v.currency = t.currency
      left join topup_order o on o.client_id = t.client_id and o.id = t.topup_order_id
      where (t.wallet_id is not null and w.id is null)
        or (t.voucher_id is not null and v.id is null)
        or (t.topup_order_id is not null and o.id is null)`,
  },
  {
    name: 'funding-source',
    says: 'Each order is paid by exactly one wallet or voucher.',
    sql: `
      select client_id, id as topup_order_id from topup_order
      where num_nonnulls(wallet_id, voucher_id) <> 1`,
  },
  {
    name: 'voucher-owner',
    says: 'A voucher is redeemed by the order that lives on it, and by no other.',
    sql: `
      select coalesce(v.client_id, o.client_id) as client_id, v.id as voucher_id,
        v.redeemed_order_id, o.id as topup_order_id
      from voucher v
      full join (
        select client_id, voucher_id, id from topup_order
        where voucher_id is not null and status in ('PENDING', 'DELIVERED') and reversed_at is null
      ) o on o.client_id = v.client_id and o.voucher_id = v.id
      where v.redeemed_order_id is distinct from o.id`,
  },
];

const OPERATORS: readonly Invariant[] = [
  {
    name: 'operator-actions',
    says: 'Nobody approved what they proposed, and what an action moved is what was approved.',
    sql: `
      select a.client_id, a.id as action_id, a.kind, a.proposed_by, d.decided_by, d.transfer_id
      from operator_action a
      join operator_decision d on d.client_id = a.client_id and d.action_id = a.id
      left join transfer t on t.client_id = a.client_id and t.id = d.transfer_id
        and t.amount = abs(a.amount) and t.currency = a.currency
        and t.wallet_id is not distinct from a.wallet_id and t.remarks = a.remarks
        and t.reason = case a.kind when 'ADJUST_WALLET' then 'ADJUSTMENT' else 'LOSS' end
        and t.credit_account = case when a.kind = 'ADJUST_WALLET' and a.amount > 0 then 'WALLET'
          when a.outcome = 'RECOVERED' then 'LOSS' else 'EXTERNAL' end
      where (d.is_approved and d.decided_by = a.proposed_by)
        or (d.transfer_id is not null) <> (d.is_approved and a.amount is not null)
        or (d.transfer_id is not null and t.id is null)`,
  },
];

export const MONEY_INVARIANTS: readonly Invariant[] = [
  ...ORDER_TRANSFERS,
  ...BALANCES,
  ...OWNERSHIP,
  ...OPERATORS,
];
