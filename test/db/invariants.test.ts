import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { findViolations, INVARIANTS } from '../../src/db/invariants.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { sampleBookSql } from '../support/sample-book.ts';

const PLAN = `values
  (1, null::bigint, 'PENDING', 10.5::numeric, false, 'pending@example.com'),
  (2, null, 'DELIVERED', 20, false, 'delivered@example.com'),
  (3, null, 'FAILED', 30, false, 'failed@example.com'),
  (4, null, 'CANCELLED', 40, false, 'cancelled@example.com'),
  (5, null, 'DELIVERED', 50, true, null),
  (6, 1, 'PENDING', 4.99, false, null),
  (7, 2, 'FAILED', 9.99, false, null),
  (8, 2, 'DELIVERED', 9.99, false, null),
  (9, 3, 'DELIVERED', 9.99, false, null)`;

const ADDRESS = "'other@example.com'";

/** What somebody might break, and the invariants that must then speak: those and no others. */
const PLANTED: readonly (readonly [says: string, plant: string, broken: readonly string[]])[] = [
  // Transfers of orders
  ['a debit that is not there', 'delete from transfer where id = 11',
    ['order-debit', 'wallet-balance', 'balance-after', 'in-flight']],
  ['a debit that the order does not name',
    'update topup_order set debit_transfer_id = null where id = 1', ['order-debit']],
  ['a debit of another amount', 'update topup_order set charge = 10.4 where id = 1',
    ['order-debit', 'in-flight']],
  ['a debit in another currency', "update transfer set currency = 'EUR' where id = 11",
    ['order-debit', 'in-flight', 'same-client']],
  ['a second debit', `alter table transfer drop constraint transfer_once_per_order;
    insert into transfer (client_id, id, reason, debit_account, credit_account, voucher_id,
      topup_order_id, amount, currency)
    values (900, 999, 'ORDER_DEBIT', 'VOUCHER', 'IN_FLIGHT', 1, 6, 4.99, 'USD')`,
  ['order-debit', 'in-flight', 'unique-guards']],
  ['a FAILED order without refund', 'delete from transfer where id = 72',
    ['order-refund', 'in-flight']],
  ['a refund that the order does not name',
    'update topup_order set refund_transfer_id = 31 where id = 3', ['order-refund']],
  ['a refund to another voucher', 'update transfer set voucher_id = 1 where id = 72',
    ['order-refund']],
  ['a refund of a PENDING order', `insert into transfer (client_id, id, reason, debit_account,
      credit_account, voucher_id, topup_order_id, amount, currency)
    values (900, 999, 'ORDER_REFUND', 'IN_FLIGHT', 'VOUCHER', 1, 6, 4.99, 'USD')`,
  ['order-refund', 'in-flight']],
  ['a refund named where there is none',
    'update topup_order set refund_transfer_id = 21 where id = 2', ['order-refund']],
  ['a DELIVERED order without sale', 'delete from transfer where id = 23',
    ['order-sale', 'in-flight']],
  ['a sale of a PENDING order', `insert into transfer (client_id, id, reason, debit_account,
      credit_account, topup_order_id, amount, currency)
    values (900, 999, 'ORDER_SALE', 'IN_FLIGHT', 'SALES', 1, 10.5, 'USD')`,
  ['order-sale', 'in-flight']],
  ['a sale of less than the charge', 'update transfer set amount = 19 where id = 23',
    ['order-sale', 'in-flight']],
  ['a reversal that the order does not name',
    'update topup_order set reversal_transfer_id = null where id = 5', ['order-reversal']],
  ['a reversed order without reversal',
    'update topup_order set reversed_at = now() where id = 9; ' +
    "insert into reconciliation_case values (900, 9, 'REVERSAL', 1); " +
    'update voucher set redeemed_order_id = null, redeemed_at = null where client_id = 900 ' +
    'and id = 3',
    ['order-reversal']],
  ['a reversal without a case', 'delete from reconciliation_case', ['reversal-case']],
  ['an order that stands on what was taken back', `insert into reconciliation_case
    values (900, 2, 'SECOND_ROUTE_SUCCESS', 1, now(), null, now())`, ['reversed-success']],

  // Balances
  ['a balance that was not booked',
    'update wallet set balance = balance + 0.0001 where client_id = 900',
    ['wallet-balance']],
  ['a balance_after that is not the sum',
    'update transfer set balance_after = balance_after + 1 where id = 31', ['balance-after']],
  ['the last balance_after missing', `alter table transfer drop constraint transfer_check4;
    update transfer set balance_after = null where id = 54`, ['balance-after']],
  ['a balance below the limit', `alter table wallet drop constraint wallet_balance_within_credit;
    update transfer set amount = 1, balance_after = balance_after - 999999999 where wallet_id = 900
      and id = 0;
    update transfer set balance_after = balance_after - 999999999 where wallet_id = 900 and id > 0;
    update wallet set balance = balance - 999999999 where client_id = 900`, ['wallet-credit']],
  ['credit on a prepaid wallet', `alter table wallet drop constraint wallet_prepaid_has_no_credit;
    update wallet set credit_limit = 1 where client_id = 900`, ['wallet-credit']],
  ['a balance of NaN', `alter table wallet drop constraint wallet_balance_check;
    update wallet set balance = 'NaN' where client_id = 900`, ['wallet-balance', 'wallet-credit']],
  ['a PENDING order that is not in flight', `update transfer set credit_account = 'EXTERNAL'
    where id = 61`, ['order-debit', 'in-flight', 'transfer-accounts']],

  // Ownership
  ['money from accounts that the reason does not allow', `insert into transfer (client_id, id,
      reason, debit_account, credit_account, amount, currency)
    values (900, 999, 'FUNDING', 'SALES', 'EXTERNAL', 1, 'USD')`, ['transfer-accounts']],
  ['an amount of NaN', `alter table transfer drop constraint transfer_amount_check;
    insert into transfer (client_id, id, reason, debit_account, credit_account, voucher_id, amount,
      currency)
    values (900, 999, 'FUNDING', 'EXTERNAL', 'VOUCHER', 1, 'NaN', 'USD')`, ['transfer-accounts']],
  ['an amount of nothing', `alter table transfer drop constraint transfer_amount_check;
    insert into transfer (client_id, id, reason, debit_account, credit_account, voucher_id, amount,
      currency)
    values (900, 999, 'FUNDING', 'EXTERNAL', 'VOUCHER', 1, 0, 'USD')`, ['transfer-accounts']],
  ["a transfer with another client's voucher", `insert into transfer (client_id, id, reason,
      debit_account, credit_account, voucher_id, amount, currency)
    values (901, 999, 'FUNDING', 'EXTERNAL', 'VOUCHER', 1, 1, 'USD')`, ['same-client']],
  ['a transfer in a currency that is not its source\'s', `insert into transfer (client_id, id,
      reason, debit_account, credit_account, voucher_id, amount, currency)
    values (900, 999, 'FUNDING', 'EXTERNAL', 'VOUCHER', 1, 1, 'EUR')`, ['same-client']],
  ['a transfer of no order', `insert into transfer (client_id, id, reason, debit_account,
      credit_account, topup_order_id, amount, currency)
    values (900, 999, 'ORDER_SALE', 'IN_FLIGHT', 'SALES', 99, 1, 'USD')`,
  ['in-flight', 'same-client']],
  ["an order on another client's wallet", `insert into wallet (client_id, id, currency)
    values (901, 901, 'USD');
    update topup_order set wallet_id = 901 where id = 2`, ['order-debit', 'same-client']],
  ['an order in a currency that is not its wallet\'s',
    "update topup_order set currency = 'EUR' where id = 2",
    ['order-debit', 'order-sale', 'same-client']],
  ['an order on wallet and voucher', `alter table topup_order drop constraint
      topup_order_one_funding;
    update topup_order set wallet_id = 900 where id = 7`,
  ['order-debit', 'order-refund', 'funding-source']],
  ['a voucher that its order does not own',
    `update voucher set redeemed_order_id = null, redeemed_at = null
    where client_id = 900 and id = 1`,
    ['voucher-owner']],
  ['a voucher still owned by a FAILED order',
    'update voucher set redeemed_order_id = 7 where client_id = 900 and id = 2', ['voucher-owner']],
  ['a voucher redeemed by an order that is not on it', `insert into voucher (client_id, id,
      code_hash, code_last4, value, currency, state, redeemed_order_id, redeemed_at)
    overriding system value
    values (900, 99, 'x', 'AAAA', 1, 'USD', 'DELIVERED', 2, now())`, ['voucher-owner']],
  ['two live orders on one voucher', `update topup_order set voucher_id = 2 where id = 9;
    update transfer set voucher_id = 2 where topup_order_id = 9 and voucher_id = 3;
    update voucher set redeemed_order_id = null, redeemed_at = null
      where client_id = 900 and id = 3`,
  ['voucher-owner']],

  // States
  ['a terminal order without completion', `alter table topup_order drop constraint
      topup_order_terminal;
    update topup_order set completed_at = null where id = 2`, ['terminal-columns']],
  ['a terminal order with a next action', `alter table topup_order drop constraint
      topup_order_terminal;
    update topup_order set next_action_at = now() where id = 2`, ['terminal-columns']],
  ['a terminal order in fulfilment', `alter table topup_order drop constraint topup_order_terminal;
    update topup_order set fulfilment_state = 'QUEUED' where id = 2`, ['terminal-columns']],
  ['a failure code on a DELIVERED order', `alter table topup_order drop constraint
      topup_order_failure;
    update topup_order set failure_code = 'UNKNOWN' where id = 2`,
  ['terminal-columns', 'last-event']],
  ['a PENDING order without next action', `alter table topup_order drop constraint
      topup_order_terminal;
    update topup_order set next_action_at = null where id = 1`, ['nothing-forgotten']],
  ['a next action too far away',
    "update topup_order set next_action_at = now() + interval '2 hours' where id = 1",
    ['nothing-forgotten']],
  ['a next action overdue',
    "update topup_order set next_action_at = now() - interval '3 minutes' where id = 1",
    ['nothing-forgotten']],
  ['a lease that ended long ago', `update topup_order set
      next_action_at = now() - interval '9 minutes', lease_until = now() - interval '3 minutes'
    where id = 1`, ['nothing-forgotten']],
  ['no unique client reference',
    'alter table topup_order drop constraint topup_order_client_reference', ['unique-guards']],
  ['a client reference unique only in part', `alter table topup_order drop constraint
      topup_order_client_reference;
    create unique index on topup_order (client_id, client_reference) where status = 'PENDING'`,
  ['unique-guards']],
  ['a client reference indexed but not unique', `alter table topup_order drop constraint
      topup_order_client_reference;
    create index on topup_order (client_id, client_reference)`, ['unique-guards']],
  ['no unique request', 'alter table topup_order drop constraint topup_order_request',
    ['unique-guards']],
  ['no unique reason of an order\'s transfer',
    'alter table transfer drop constraint transfer_once_per_order', ['unique-guards']],
  ['no unique effective submission', 'drop index submission_effective', ['unique-guards']],
  ['no unique sequence', 'alter table feed_entry drop constraint feed_entry_pkey',
    ['unique-guards']],
  ['no unique callback', 'alter table callback drop constraint callback_pkey', ['unique-guards']],
  ['no unique voucher code',
    'alter table voucher drop constraint voucher_client_id_code_hash_key', ['unique-guards']],

  // Submissions
  ['two effective submissions', `drop index submission_effective;
    insert into submission (client_id, topup_order_id, route, supplier_id, state, resend_after)
    values (900, 1, 2, 1, 'INTENT', now())`, ['unique-guards', 'one-effective-submission']],
  ['DELIVERED without delivered submission',
    "update submission set state = 'ACCEPTED' where topup_order_id = 2", ['submission-outcome']],
  ['DELIVERED without any submission', 'delete from submission where topup_order_id = 2',
    ['submission-outcome']],
  ['PENDING with a delivered submission',
    "update submission set state = 'DELIVERED' where topup_order_id = 1", ['submission-outcome']],
  ['refunded while the supplier may still deliver',
    "update submission set state = 'UNKNOWN' where topup_order_id = 3", ['submission-outcome']],

  // Events
  ['a gap in the events', 'delete from topup_order_event where topup_order_id = 2 and version = 2',
    ['event-numbers', 'event-chain', 'feed-complete']],
  ['no event at all', 'delete from topup_order_event where topup_order_id = 1',
    ['event-numbers', 'feed-complete']],
  ['a version without event', 'update topup_order set version = 4 where id = 2',
    ['event-numbers']],
  ['an event beyond the version', `insert into topup_order_event values
    (900, 1, 3, 'SUBMITTED', 'PENDING', 'PENDING')`, ['event-numbers', 'feed-complete']],
  ['an event without its order', `insert into topup_order_event values
    (900, 99, 1, 'CREATED', null, 'PENDING');
    insert into feed_inbox (client_id, topup_order_id, version) values (900, 99, 1)`,
  ['event-numbers']],
  ['a last event of another failure code',
    "update topup_order set failure_code = 'RECIPIENT_BARRED' where id = 3", ['last-event']],
  ['an event that starts from another status', `update topup_order_event
    set previous_status = 'FAILED' where topup_order_id = 2 and version = 3`, ['event-chain']],
  ['a first event that is not CREATED', `update topup_order_event set type = 'SUBMITTED'
    where topup_order_id = 2 and version = 1`, ['event-chain']],
  ['an order that ended twice', `insert into topup_order_event values
    (900, 2, 4, 'DELIVERED', 'DELIVERED', 'DELIVERED');
    update topup_order set version = 4 where id = 2`,
  ['terminal-is-terminal', 'feed-complete']],
  ['a submission after the end', `insert into topup_order_event values
    (900, 2, 4, 'SUBMITTED', 'DELIVERED', 'DELIVERED');
    update topup_order set version = 4 where id = 2`,
  ['terminal-is-terminal', 'feed-complete']],
  ['late news that changes the status', `update topup_order_event set status = 'FAILED'
    where topup_order_id = 5 and version = 4`, ['last-event', 'terminal-is-terminal']],

  // Operators
  ['an action that one person did alone', `insert into operator_action (client_id, kind, wallet_id,
      amount, currency, remarks) values (900, 'ADJUST_WALLET', 1, 1, 'USD', 'x');
    insert into operator_decision (client_id, action_id, is_approved, decided_by)
      select 900, a.id, true, 'somebody else' from operator_action a`, ['operator-actions']],

  // Feed
  ['an event that is not in the feed', 'delete from feed_inbox where topup_order_id = 2',
    ['feed-complete']],
  ['an event in feed and inbox', 'insert into feed_inbox (client_id, topup_order_id, version)'
    + ' values (900, 1, 1)', ['feed-complete']],
  ['an entry without its event', 'insert into feed_inbox (client_id, topup_order_id, version)'
    + ' values (900, 1, 9)', ['feed-complete']],
  ['a position beyond the feed', 'update feed_position set last_sequence = last_sequence + 1',
    ['feed-numbers']],
  ['a feed without position', 'delete from feed_position', ['feed-numbers']],
  ['a gap in the feed', `update feed_entry f set sequence = p.last_sequence + 1
    from feed_position p where f.sequence = p.last_sequence;
    update feed_position set last_sequence = last_sequence + 1`, ['feed-numbers']],
  ['a number that a restore skipped', `insert into feed_skip
    select client_id, last_sequence - 1, last_sequence from feed_position`, ['feed-numbers']],
  ['a feed out of order', `update feed_entry set sequence = -sequence;
    update feed_entry f set sequence = p.last_sequence + 1 + f.sequence from feed_position p`,
  ['feed-order']],
  ['a feed that nobody would remove from', 'update feed_position set kept_since = null',
    ['feed-kept-since']],
  ['a removed position that no event keeps', `delete from feed_entry where sequence = 1;
    update feed_position set removed_through = 1`, ['feed-complete', 'feed-numbers']],

  // Mail
  ['a terminal mail that nobody owes', 'delete from email_outbox where topup_order_id = 2',
    ['terminal-mail']],
  ['a terminal mail twice', `alter table email_outbox drop constraint email_outbox_pkey;
    insert into email_outbox select * from email_outbox where topup_order_id = 2`,
  ['unique-guards', 'terminal-mail']],
  ['a terminal mail to another address',
    `update email_outbox set address = ${ADDRESS} where topup_order_id = 2`, ['terminal-mail']],
  ['a terminal mail that tells another status',
    "update email_outbox set status = 'FAILED' where topup_order_id = 2", ['terminal-mail']],
  ['a mail of a PENDING order', `insert into email_outbox values
    (900, 1, 'PENDING', 'pending@example.com')`, ['terminal-mail']],
  ['a mail of an end that never came', `insert into email_outbox values
    (900, 1, 'DELIVERED', ${ADDRESS})`, ['terminal-mail']],
];

let database: TestDatabase;
let superuser: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new pg.Client(database.superuserUrl);
  await superuser.connect();
  await superuser.query(`begin; ${sampleBookSql(PLAN)} commit;`);
});

afterAll(async () => {
  await superuser.end();
  await database.drop();
});

const query = async (sql: string): Promise<readonly object[]> => (await superuser.query(sql)).rows;

async function violationsAfter(plant: string): Promise<string[]> {
  await superuser.query('begin');
  try {
    await superuser.query(`set local session_replication_role = replica; ${plant}`);
    return (await findViolations(query)).map(({ name }) => name);
  } finally {
    await superuser.query('rollback');
  }
}

describe('invariants', () => {
  test('say nothing about sound books', async () => {
    expect(await findViolations(query)).toEqual([]);
  });

  test('say nothing about a late success that is a recorded case', async () => {
    const plant = `update submission set state = 'DELIVERED' where topup_order_id = 3;
      insert into reconciliation_case values (900, 3, 'LATE_SUCCESS', 1)`;
    expect(await violationsAfter(plant)).toEqual([]);
  });

  test('say nothing about an order that waits for a suspended supplier', async () => {
    const plant = `update topup_order set fulfilment_state = 'RETRY_WAIT',
        next_action_at = now() - interval '1 day' where id = 1;
      insert into supplier (id, code, base_url, is_suspended) values (9000, 'held', '', true);
      update submission set supplier_id = 9000 where topup_order_id = 1`;
    expect(await violationsAfter(plant)).toEqual([]);
    const resume = 'update supplier set is_suspended = false where id = 9000';
    expect(await violationsAfter(`${plant}; ${resume}`)).toEqual(['nothing-forgotten']);
  });

  test.each(PLANTED)('notice %s', async (_says, plant, broken) => {
    expect((await violationsAfter(plant)).sort()).toEqual([...broken].sort());
  });

  test('are each seen to fail', () => {
    const seen = new Set(PLANTED.flatMap(([, , broken]) => broken));
    expect(INVARIANTS.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([]);
  });
});
