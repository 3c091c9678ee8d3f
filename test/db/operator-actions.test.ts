import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { findViolations } from '../../src/db/invariants.ts';
import { countOpenWork } from '../../src/db/open-work.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { withSingleConnection } from '../../src/db/single-connection.ts';
import type { FulfilmentStore, Move } from '../../src/domain/fulfilment-ports.ts';
import { FAILURE_CODES } from '../../src/domain/topup-order.ts';
import { pricedOrder } from '../support/builders.ts';
import { untilWaiting, useTestDatabase } from '../support/database.ts';

/** Anna may propose, Ben may approve, Cleo both; none of them owns anything. */

const database = useTestDatabase();
const suffix = randomUUID().slice(0, 8);
const NAMES = ['anna', 'ben', 'cleo'] as const;
type Name = (typeof NAMES)[number];
const MEMBER_OF: Readonly<Record<Name, string>> = {
  anna: 'topup_clerk', ben: 'topup_approver', cleo: 'topup_clerk, topup_approver',
};
const logins = new Map<Name, pg.Client>();
let superuser: pg.Client;
let pool: pg.Pool;
let store: FulfilmentStore;

beforeAll(async () => {
  superuser = new pg.Client(database().superuserUrl);
  await superuser.connect();
  const { databaseUrl } = database();
  const url = new URL(databaseUrl);
  for (const name of NAMES) {
    const role = `${name}_${suffix}`;
    await superuser.query(`create role ${role} login password '${role}' in role ${MEMBER_OF[name]};
      grant connect on database ${url.pathname.slice(1)} to ${role}`);
    Object.assign(url, { username: role, password: role });
    const client = new pg.Client(url.href);
    await client.connect();
    logins.set(name, client);
  }
  pool = createPool({ databaseUrl, size: 4, applicationName: 'test', onError: () => undefined });
  store = createFulfilmentStore({ pool, onMoved: () => undefined });
});

afterAll(async () => {
  await pool.end();
  for (const [name, client] of logins) {
    await client.end();
    await superuser.query(`drop owned by ${name}_${suffix}; drop role ${name}_${suffix}`);
  }
  await superuser.end();
});

async function as(name: Name, sql: string, values: readonly unknown[] = []): Promise<object[]> {
  const client = logins.get(name);
  if (client === undefined) throw new Error(name);
  return (await client.query<object>(sql, [...values])).rows;
}

/** Answers the action's id. */
async function propose(name: Name, action: Readonly<Record<string, unknown>>): Promise<string> {
  const named = Object.keys(action).map((key, index) => `${key} => $${index + 1}`).join(', ');
  const [row] = await as(name, `select propose_action(client_id => 1, ${named}) as id`,
    Object.values(action));
  return (row as { readonly id: string }).id;
}

const approve = (name: Name, id: string) => as(name, 'select approve_action(1, $1)', [id]);
const refuse = (name: Name, id: string) => as(name, 'select refuse_action(1, $1)', [id]);

/** An order after these moves of whoever had it in hand. */
async function orderAfter(...moves: readonly Move[]): Promise<number> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const placed = await createPlaceOrder({ pool, onPlaced: () => undefined })(pricedOrder({
    pricingVersion: Number(row?.version),
    faceValue: { amount: '0.99', currency: 'USD' },
    charge: { amount: '0.01', currency: 'USD' },
  }));
  if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
  for (const move of moves) await record(placed.order.id, move);
  return placed.order.id;
}

async function record(orderId: number, move: Move): Promise<void> {
  await database().query('update topup_order set next_action_at = now() where id = $1'
    + " and status = 'PENDING'", [orderId]);
  const claims = await store.claimOrders({ limit: 100, rooms: {} });
  const leaseToken = claims.find((each) => each.orderId === orderId)?.leaseToken ?? null;
  await store.recordMove({ clientId: 1, orderId, route: 1, leaseToken, move, callback: null });
}

/** Of a route that took its delivery back. */
async function haveOldCase(orderId: number): Promise<void> {
  await database().query(`insert into reconciliation_case (client_id, topup_order_id, kind, route,
    reversed_at) values (1, $1, 'SECOND_ROUTE_SUCCESS', 3, now())`, [orderId]);
}

/** While news of this order is recorded, and not committed before the deed waits for it. */
async function whileTold<Result>(orderId: number, kind: string, deed: () => Promise<Result>)
: Promise<Result> {
  const row = { client_id: 1, order_id: orderId, route: 1, kind, ordinal: 1 };
  return withSingleConnection(database().ownerDatabaseUrl, async (client) => {
    await client.query('begin');
    await client.query('select * from record_moves($1)', [JSON.stringify([row])]);
    const done = deed();
    await untilWaiting(database());
    await client.query('commit');
    return done;
  });
}

const UNDER_REVIEW: Move = { kind: 'REVIEW', nextInMs: 3_600_000 };
const DELIVER: Move = { kind: 'DELIVER', receipt: null };
const FAIL: Move = { kind: 'FAIL', failureCode: 'INVALID_RECIPIENT' };

async function look(id: number): Promise<unknown> {
  const [row] = await database().query(`select o.status, o.failure_code as code,
      array(select t.reason from transfer t where t.topup_order_id = o.id order by t.id) as moved,
      array(select e.type from topup_order_event e where e.topup_order_id = o.id
        order by e.version) as told,
      array(select c.kind || case when c.resolved_at is null then ' open' else ' resolved' end
        from reconciliation_case c where c.topup_order_id = o.id) as cases
    from topup_order o where o.id = $1`, [id]);
  return row;
}

const settle = (id: number, outcome: string, code?: string) => ({
  kind: 'SETTLE_ORDER', order_id: id, outcome, remarks: 'Mail of the supplier, 27 November',
  ...(code === undefined ? {} : { failure_code: code }),
});

describe('an order under review', () => {
  it('is delivered where two people say so, and nobody sees a recipient', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    const [waiting] = await as('anna', 'select * from operator_queue where order_id = $1', [id]);
    expect(waiting).toMatchObject({
      what: 'REVIEW', client_id: '1', supplier: 'sandbox-a', supplier_reference: `1-${id}-1`,
      charge: '0.0100', currency: 'USD',
    });
    expect(Object.keys(waiting ?? {})).not.toContain('recipient');
    const action = await propose('anna', settle(id, 'DELIVERED'));
    expect(await look(id)).toMatchObject({ status: 'PENDING' });
    await approve('ben', action);
    expect(await look(id)).toEqual({
      status: 'DELIVERED', code: null, moved: ['ORDER_DEBIT', 'ORDER_SALE'],
      told: ['CREATED', 'SUBMITTED', 'DELIVERED'], cases: [],
    });
    expect(await as('ben', 'select * from operator_log where id = $1', [action])).toMatchObject([{
      kind: 'SETTLE_ORDER', outcome: 'DELIVERED', proposed_by: `anna_${suffix}`,
      is_approved: true, decided_by: `ben_${suffix}`, transfer_id: null,
      remarks: 'Mail of the supplier, 27 November',
    }]);
    expect(await as('anna', 'select from operator_queue where order_id = $1', [id])).toEqual([]);
  });

  it('fails and is refunded; a success that comes after that opens a case', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    await approve('ben', await propose('anna', settle(id, 'FAILED', 'UNKNOWN')));
    expect(await look(id)).toMatchObject({
      status: 'FAILED', code: 'UNKNOWN', moved: ['ORDER_DEBIT', 'ORDER_REFUND'],
    });
    await record(id, DELIVER);
    expect(await look(id)).toMatchObject({ status: 'FAILED', cases: ['LATE_SUCCESS open'] });
  });

  it('may be one that nobody took for too long, which is failed and refunded only', async () => {
    const id = await orderAfter({ kind: 'RETRY', nextInMs: 60_000 });
    const fail = await propose('anna', settle(id, 'FAILED', 'OPERATOR_UNAVAILABLE'));
    await expect(approve('ben', fail)).rejects.toThrow('not under review');
    // Nobody attended it meanwhile: the next claim gives it that time.
    await database().query("update topup_order set retry_until = now() - interval '1 hour',"
      + " next_action_at = now() - interval '2 hours' where id = $1", [id]);
    await expect(approve('ben', fail)).rejects.toThrow('not under review');
    await database().query("update topup_order set retry_until = now() - interval '1 s',"
      + " next_action_at = now() + interval '1 hour' where id = $1", [id]);
    const taken = database().query.bind(null, 'update submission set state = $2'
      + ' where topup_order_id = $1');
    const queued = () => as('ben', 'select what from operator_queue where order_id = $1', [id]);
    await taken([id, 'ACCEPTED']);
    await expect(approve('ben', fail)).rejects.toThrow('not under review');
    expect(await queued()).toEqual([]);
    await taken([id, 'NOT_APPLIED']);
    expect(await queued()).toEqual([{ what: 'PAST_WINDOW' }]);
    await expect(approve('ben', await propose('anna', settle(id, 'DELIVERED'))))
      .rejects.toThrow('not under review');
    await approve('ben', fail);
    expect(await look(id)).toMatchObject({
      status: 'FAILED', code: 'OPERATOR_UNAVAILABLE', moved: ['ORDER_DEBIT', 'ORDER_REFUND'],
    });
  });

  it('may be one whose window ended at a supplier that is suspended', async () => {
    const id = await orderAfter({ kind: 'RETRY', nextInMs: 60_000 });
    const fail = await propose('anna', settle(id, 'FAILED', 'OPERATOR_UNAVAILABLE'));
    await database().query("update topup_order set retry_until = now() - interval '1 hour',"
      + " next_action_at = now() - interval '2 hours' where id = $1", [id]);
    const queued = () => as('ben', 'select what from operator_queue where order_id = $1', [id]);
    const { ordersPastWindow: before } = await countOpenWork(pool);
    expect(await queued()).toEqual([]);
    await database().query('update supplier set is_suspended = true where id = 1');
    try {
      expect(await queued()).toEqual([{ what: 'PAST_WINDOW' }]);
      expect((await countOpenWork(pool)).ordersPastWindow).toBe(before + 1);
      // As where it went on from another one, and was not sent to this one yet.
      await database().query('update submission set route = 9 where topup_order_id = $1', [id]);
      expect(await queued()).toEqual([{ what: 'PAST_WINDOW' }]);
      expect((await countOpenWork(pool)).ordersPastWindow).toBe(before + 1);
      await database().query('update topup_order'
        + " set retry_until = now() - interval '1 second' where id = $1", [id]);
      expect((await countOpenWork(pool)).ordersPastWindow).toBe(before);
      await approve('ben', fail);
    } finally {
      await database().query('update supplier set is_suspended = false');
    }
    expect(await look(id)).toMatchObject({
      status: 'FAILED', code: 'OPERATOR_UNAVAILABLE', moved: ['ORDER_DEBIT', 'ORDER_REFUND'],
    });
  });

  it('is failed where another route took its delivery back', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    await database().query(`insert into reconciliation_case (client_id, topup_order_id, kind, route,
        reversed_at) values (1, $1, 'SECOND_ROUTE_SUCCESS', 2, now())`, [id]);
    await approve('ben', await propose('anna', settle(id, 'FAILED', 'UNKNOWN')));
    expect(await look(id)).toMatchObject({ status: 'FAILED' });
  });

  it('is not settled by what was said of another route', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    const action = await propose('anna', settle(id, 'DELIVERED'));
    for (const step of [
      "update submission set state = 'NOT_APPLIED' where topup_order_id = $1",
      `insert into submission (client_id, topup_order_id, route, supplier_id, state, resend_after)
        values (1, $1, 2, 2, 'UNKNOWN', now())`,
      'update topup_order set route = 2 where id = $1',
    ]) {
      await database().query(step, [id]);
    }
    await expect(approve('ben', action)).rejects.toThrow('went on since');
    await refuse('ben', action);
    await approve('ben', await propose('anna', settle(id, 'DELIVERED')));
    expect(await look(id)).toMatchObject({ status: 'DELIVERED' });
  });

  it('is not settled by what was said of it before it went on', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    const stale = await propose('anna', settle(id, 'FAILED', 'UNKNOWN'));
    await record(id, { kind: 'RETRY', nextInMs: 0 });
    await record(id, UNDER_REVIEW);
    await expect(approve('ben', stale)).rejects.toThrow('went on since');
    expect(await look(id)).toMatchObject({ status: 'PENDING' });
    await approve('ben', await propose('anna', settle(id, 'DELIVERED')));
    expect(await look(id)).toMatchObject({ status: 'DELIVERED' });
  });

  it('is not settled by what was said before its supplier said that it was taken', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    const stale = await propose('anna', settle(id, 'FAILED', 'UNKNOWN'));
    await store.recordMove({
      clientId: 1, orderId: id, route: 1, leaseToken: null, move: { kind: 'NOTE_ACCEPTED' },
      callback: null,
    });
    await expect(approve('ben', stale)).rejects.toThrow('not under review');
    await record(id, UNDER_REVIEW);
    await expect(approve('ben', stale)).rejects.toThrow('as its supplier says');
    await approve('ben', await propose('anna', settle(id, 'DELIVERED')));
    expect(await look(id)).toMatchObject({ status: 'DELIVERED' });
  });

  it.each([
    ['together with others', false],
    ['by itself', true],
  ])('nor before it said so to a worker: %s', async (_says, hasCase) => {
    const id = await orderAfter(UNDER_REVIEW);
    // One with a case is none of those that are recorded together.
    if (hasCase) await haveOldCase(id);
    const stale = await propose('anna', settle(id, 'FAILED', 'UNKNOWN'));
    await record(id, { kind: 'AWAIT', nextInMs: 0 });
    await record(id, UNDER_REVIEW);
    await expect(approve('ben', stale)).rejects.toThrow('as its supplier says');
    const known = await propose('anna', settle(id, 'FAILED', 'UNKNOWN'));
    // What was known already is no news.
    await record(id, { kind: 'AWAIT', nextInMs: 0 });
    await record(id, UNDER_REVIEW);
    await approve('ben', known);
    expect(await look(id)).toMatchObject({ status: 'FAILED' });
  });

  it('nor where it said so while that was proposed', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    const stale = await whileTold(id, 'NOTE_ACCEPTED', () =>
      propose('anna', settle(id, 'FAILED', 'UNKNOWN')));
    await record(id, UNDER_REVIEW);
    await expect(approve('ben', stale)).rejects.toThrow('went on since');
    expect(await look(id)).toMatchObject({ status: 'PENDING' });
  });

  it('nor where it says so while that is approved', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    const stale = await propose('anna', settle(id, 'FAILED', 'UNKNOWN'));
    await whileTold(id, 'NOTE_ACCEPTED', () =>
      expect(approve('ben', stale)).rejects.toThrow('not under review'));
    expect(await look(id)).toMatchObject({ status: 'PENDING' });
  });

  it('is let go of soon by who proposes and does not commit', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    await as('anna', 'begin');
    await propose('anna', settle(id, 'DELIVERED'));
    expect(await as('anna', 'show idle_in_transaction_session_timeout'))
      .toEqual([{ idle_in_transaction_session_timeout: '5s' }]);
    await as('anna', 'rollback');
  });

  it('is settled once, by none of those who proposed, however many approve at once', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    const byCleo = await propose('cleo', settle(id, 'DELIVERED'));
    await expect(approve('cleo', byCleo)).rejects.toMatchObject({ code: '42501' });
    const others = [
      await propose('anna', settle(id, 'FAILED', 'UNKNOWN')),
      await propose('anna', settle(id, 'DELIVERED')),
    ];
    const done = await Promise.allSettled([
      approve('ben', byCleo), ...others.map((action) => approve('cleo', action)),
    ]);
    expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await as('ben', `select count(*)::int as n from operator_log
      where topup_order_id = $1 and is_approved`, [id])).toEqual([{ n: 1 }]);
  });

  it.each<[string, readonly Move[]]>([
    ['waits to be sent', []], ['is with its supplier', [{ kind: 'AWAIT', nextInMs: 60_000 }]],
    ['was delivered', [DELIVER]], ['failed', [FAIL]],
  ])('is what can be settled, and no order that %s', async (_, moves) => {
    const id = await orderAfter(...moves);
    const before = await look(id);
    for (const outcome of ['DELIVERED', 'FAILED'] as const) {
      const code = outcome === 'FAILED' ? 'UNKNOWN' : undefined;
      const action = await propose('anna', settle(id, outcome, code));
      await expect(approve('ben', action)).rejects.toThrow('not under review');
    }
    expect(await look(id)).toEqual(before);
    await database().query('select cancel_order(1, $1)', [id]);
  });

  it('is not refunded where another route has delivered it', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    await database().query(`insert into reconciliation_case (client_id, topup_order_id, kind, route)
      values (1, $1, 'SECOND_ROUTE_SUCCESS', 2)`, [id]);
    await database().query(`insert into submission (client_id, topup_order_id, route, supplier_id,
      state, resend_after) values (1, $1, 2, 2, 'NOT_APPLIED', now())`, [id]);
    await expect(approve('ben', await propose('anna', settle(id, 'FAILED', 'UNKNOWN'))))
      .rejects.toThrow('delivered by another route');
    await approve('ben', await propose('anna', settle(id, 'DELIVERED')));
    expect(await look(id)).toMatchObject({ status: 'DELIVERED' });
    // Whose sale it is.
    expect(await database().query('select route, state from submission where topup_order_id = $1'
      + ' order by route', [id]))
      .toEqual([{ route: 1, state: 'NOT_APPLIED' }, { route: 2, state: 'DELIVERED' }]);
  });

  it('is not delivered where it was never sent to anybody', async () => {
    const id = await orderAfter();
    await database().query(
      "update topup_order set fulfilment_state = 'REVIEW' where id = $1", [id]);
    await expect(approve('ben', await propose('anna', settle(id, 'DELIVERED'))))
      .rejects.toThrow('was never sent to anybody');
    await approve('ben', await propose('anna', settle(id, 'FAILED', 'UNKNOWN')));
    expect(await look(id)).toMatchObject({ status: 'FAILED' });
  });
});

describe('a case', () => {
  const resolve = (id: number, rest: object) => ({
    kind: 'RESOLVE_CASE', order_id: id, case_kind: 'LATE_SUCCESS', case_route: 1,
    remarks: 'Agreed on the phone', ...rest,
  });

  it('is resolved once, and what it costs is a loss of ours, not of the client', async () => {
    const id = await orderAfter(FAIL, DELIVER);
    expect(await look(id)).toMatchObject({ cases: ['LATE_SUCCESS open'] });
    const balance = 'select balance from wallet where client_id = 1 order by id';
    const before = await database().query(balance);
    const action = await propose('anna',
      resolve(id, { outcome: 'LOSS', amount: '0.0090', currency: 'USD' }));
    const again = await propose('anna', resolve(id, { outcome: 'NOTED' }));
    await approve('ben', action);
    expect(await look(id)).toMatchObject({ status: 'FAILED', cases: ['LATE_SUCCESS resolved'] });
    expect(await database().query(balance)).toEqual(before);
    expect(await database().query(`select t.reason, t.debit_account, t.credit_account, t.amount,
      t.wallet_id from operator_log a join transfer t on t.client_id = a.client_id
      and t.id = a.transfer_id where a.id = $1`, [action])).toEqual([{
      reason: 'LOSS', debit_account: 'LOSS', credit_account: 'EXTERNAL', amount: '0.0090',
      wallet_id: null,
    }]);
    await expect(approve('ben', again)).rejects.toThrow('resolved already');
    await refuse('ben', again);
    await expect(approve('ben', again)).rejects.toThrow('decided already');
  });

  it('is no loss once its success was taken back, and what it cost is recovered', async () => {
    const id = await orderAfter(FAIL, DELIVER);
    const of = (outcome: string, amount: string) =>
      propose('anna', resolve(id, { outcome, amount, currency: 'USD' }));
    const twice = await of('LOSS', '0.0090');
    await expect(approve('ben', await of('RECOVERED', '0.0090'))).rejects.toThrow('has cost 0 USD');
    await approve('ben', await of('LOSS', '0.0090'));
    await record(id, { kind: 'REVERSE' });
    expect(await look(id)).toMatchObject({ cases: ['LATE_SUCCESS open'] });
    await expect(approve('ben', twice)).rejects.toThrow('no loss');
    await expect(approve('ben', await of('RECOVERED', '0.0091'))).rejects.toThrow('0.0090 USD');
    await approve('ben', await of('RECOVERED', '0.0090'));
    expect(await look(id)).toMatchObject({ cases: ['LATE_SUCCESS resolved'] });
    expect(await database().query(`select sum(case debit_account when 'LOSS' then amount
      else -amount end) as lost from transfer where reason = 'LOSS'
      and id in (select transfer_id from operator_log where topup_order_id = $1)`, [id]))
      .toEqual([{ lost: '0.0000' }]);
  });

  it('is no loss where its success is taken back while that is approved', async () => {
    const id = await orderAfter(FAIL, DELIVER);
    const action = await propose('anna',
      resolve(id, { outcome: 'LOSS', amount: '0.0090', currency: 'USD' }));
    await whileTold(id, 'REVERSE', () =>
      expect(approve('ben', action)).rejects.toThrow('no loss'));
    expect(await look(id)).toMatchObject({ cases: ['LATE_SUCCESS open'] });
  });

  it('is recovered in parts, whether the supplier takes its success back or not', async () => {
    for (const news of [[], [{ kind: 'REVERSE' }]] as const) {
      const id = await orderAfter(FAIL, DELIVER);
      const of = (outcome: string, amount: string, currency = 'USD') =>
        propose('anna', resolve(id, { outcome, amount, currency }));
      await approve('ben', await of('LOSS', '0.0090'));
      for (const each of news) await record(id, each);
      await approve('ben', await of('RECOVERED', '0.0050'));
      expect(await look(id)).toMatchObject({ cases: ['LATE_SUCCESS resolved'] });
      await expect(approve('ben', await of('RECOVERED', '0.0041'))).rejects.toThrow('0.0040 USD');
      await expect(approve('ben', await of('RECOVERED', '0.0040', 'EUR')))
        .rejects.toThrow('has cost 0 EUR');
      const [first, second] = [await of('RECOVERED', '0.0040'), await of('RECOVERED', '0.0040')];
      const ends = await Promise.allSettled([approve('ben', first), approve('cleo', second)]);
      expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    }
  });

  it('has cost nothing by the loss of another route of its order', async () => {
    const id = await orderAfter(FAIL, DELIVER);
    await database().query(`insert into reconciliation_case (client_id, topup_order_id, kind, route)
      values (1, $1, 'LATE_SUCCESS', 2)`, [id]);
    const of = (route: number, outcome: string) => propose('anna',
      resolve(id, { case_route: route, outcome, amount: '0.0090', currency: 'USD' }));
    await approve('ben', await of(1, 'LOSS'));
    await expect(approve('ben', await of(2, 'RECOVERED'))).rejects.toThrow('has cost 0 USD');
    await approve('ben', await of(1, 'RECOVERED'));
  });

  it('has cost nothing by a loss that was refused', async () => {
    const id = await orderAfter(FAIL, DELIVER);
    const of = (outcome: string) =>
      propose('anna', resolve(id, { outcome, amount: '0.0090', currency: 'USD' }));
    await refuse('ben', await of('LOSS'));
    await expect(approve('ben', await of('RECOVERED'))).rejects.toThrow('has cost 0 USD');
  });

  it('is not proposed with more decimals than money has', async () => {
    const id = await orderAfter(FAIL, DELIVER);
    await expect(propose('anna', resolve(id, {
      outcome: 'LOSS', amount: '0.00006', currency: 'USD',
    }))).rejects.toThrow('the amount 0.00006 has more than four decimals');
    const sure = await propose('anna', resolve(id, {
      outcome: 'LOSS', amount: '0.009000', currency: 'USD',
    }));
    await refuse('ben', sure);
  });

  it('is no loss while its order is under way, nor where it was sold', async () => {
    const id = await orderAfter(UNDER_REVIEW);
    await database().query(`insert into reconciliation_case (client_id, topup_order_id, kind, route)
      values (1, $1, 'SECOND_ROUTE_SUCCESS', 1)`, [id]);
    const lose = async () => approve('ben', await propose('anna', resolve(id, {
      outcome: 'LOSS', amount: '1', currency: 'USD', case_kind: 'SECOND_ROUTE_SUCCESS',
    })));
    await expect(lose()).rejects.toThrow('no loss');
    await record(id, DELIVER);
    await expect(lose()).rejects.toThrow('no loss');
    await approve('ben', await propose('anna', resolve(id, {
      outcome: 'NOTED', case_kind: 'SECOND_ROUTE_SUCCESS',
    })));
  });

  it('is let go of soon by who approves and does not commit', async () => {
    await as('ben', 'begin');
    await approve('ben', await propose('anna', {
      kind: 'ADJUST_WALLET', wallet_id: 1, amount: 1, currency: 'USD', remarks: 'x',
    }));
    expect(await as('ben', 'show idle_in_transaction_session_timeout'))
      .toEqual([{ idle_in_transaction_session_timeout: '5s' }]);
    await as('ben', 'rollback');
  });
});

describe('a wallet', () => {
  const adjust = (amount: string, currency = 'USD') =>
    ({ kind: 'ADJUST_WALLET', wallet_id: 1, amount, currency, remarks: 'Goodwill' });
  const balance = async (): Promise<number> => {
    const [row] = await database().query<{ balance: string }>(
      'select balance from wallet where client_id = 1 and id = 1');
    return Number(row?.balance);
  };

  it('is adjusted both ways by what two people say', async () => {
    const before = await balance();
    await approve('ben', await propose('anna', adjust('12.5')));
    expect(await balance()).toBeCloseTo(before + 12.5, 4);
    await approve('ben', await propose('anna', adjust('-2.5')));
    expect(await balance()).toBeCloseTo(before + 10, 4);
  });

  it('is told the balance that it has after each of two adjustments at once', async () => {
    const [one, other] = [await propose('anna', adjust('1')), await propose('anna', adjust('1'))];
    await as('ben', 'begin');
    await approve('ben', one);
    const second = approve('cleo', other);
    await untilWaiting(database());
    await as('ben', 'commit');
    await second;
    const told = await database().query<{ balance_after: string }>(`select balance_after
      from transfer where wallet_id = 1 and reason = 'ADJUSTMENT' order by id desc limit 2`);
    const after = await balance();
    expect(told.map((row) => Number(row.balance_after))).toEqual([after, after - 1]);
  });

  it('is not taken more from than it has, and nothing of another currency', async () => {
    const before = await balance();
    await expect(approve('ben', await propose('anna', adjust('-999999999'))))
      .rejects.toThrow('no more to take');
    await expect(approve('ben', await propose('anna', adjust('1', 'EUR'))))
      .rejects.toThrow('is of USD');
    expect(await balance()).toBe(before);
  });

  it('is taken from down to its credit limit and no further', async () => {
    await database().query(`insert into wallet (client_id, id, currency, type, credit_limit)
      values (1, 78, 'INR', 'POSTPAID', 10)`);
    const take = async (amount: string) => approve('ben',
      await propose('anna', { ...adjust(amount, 'INR'), wallet_id: 78 }));
    await expect(take('-10.0001')).rejects.toThrow('has 10.0000 and no more to take');
    await take('-10');
    expect(await database().query('select balance from wallet where client_id = 1 and id = 78'))
      .toEqual([{ balance: '-10.0000' }]);
  });
});

describe('the currency of a wallet', () => {
  const change = (id: number) => database().query(
    "update wallet set currency = 'KWD' where client_id = 1 and id = $1 returning currency", [id],
  );

  it('stays, once there were transfers in it', async () => {
    await approve('ben', await propose('anna', {
      kind: 'ADJUST_WALLET', wallet_id: 1, amount: 1, currency: 'USD', remarks: 'x',
    }));
    await expect(change(1)).rejects.toThrow('wallet 1 of client 1 has transfers in USD');
  });

  it('is put right while there were none', async () => {
    await database().query("insert into wallet (client_id, id, currency) values (1, 77, 'TRY')");
    expect(await change(77)).toEqual([{ currency: 'KWD' }]);
  });
});

describe('an action', () => {
  const adjustment = {
    kind: 'ADJUST_WALLET', wallet_id: 1, amount: 1, currency: 'USD', remarks: 'x',
  };
  const resolution = {
    kind: 'RESOLVE_CASE', order_id: 1, outcome: 'NOTED', case_kind: 'LATE_SUCCESS', case_route: 1,
    remarks: 'x',
  };
  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    ['without remarks', { ...settle(1, 'DELIVERED'), remarks: ' ' }, 'remarks have 1 to 500'],
    ['of no kind', { ...settle(1, 'DELIVERED'), kind: 'REMOVE_ORDER' }, 'kind is SETTLE_ORDER, R'],
    ['with a code for a delivery', settle(1, 'DELIVERED', 'UNKNOWN'), 'SETTLE_ORDER takes'],
    ['without a code for a failure', settle(1, 'FAILED'), 'or FAILED with a failure_code'],
    ['with a code that there is not', settle(1, 'FAILED', 'LOST'), 'no failure_code LOST'],
    ['that cancels', settle(1, 'CANCELLED'), 'SETTLE_ORDER takes order_id and outcome'],
    ['about an order that there is not', settle(999_999_999, 'DELIVERED'),
      'there is no order 999999999 of client 1'],
    ['that notes an amount', { ...resolution, amount: 1, currency: 'USD' }, 'RESOLVE_CASE takes'],
    ['about a case that there is not', resolution,
      'order 1 of client 1 has no case LATE_SUCCESS of route 1'],
    ['of nothing', { ...adjustment, amount: 0 }, 'amount is a number, and not 0'],
    ['of no number', { ...adjustment, amount: 'NaN' }, 'amount is a number, and not 0'],
    ['of an order as well', { ...adjustment, order_id: 1 }, 'ADJUST_WALLET takes wallet_id, am'],
    ['about a wallet that there is not', { ...adjustment, wallet_id: 99 },
      'there is no wallet 99 of client 1'],
    ['of a currency that there is not', { ...adjustment, currency: 'XXX' },
      'there is no currency XXX'],
  ])('%s is not proposed', async (_, action, words) => {
    await orderAfter(DELIVER);
    await expect(propose('anna', action)).rejects.toMatchObject({
      code: expect.stringMatching(/^23(503|514)$/) as string,
      message: expect.stringContaining(words) as string,
      detail: undefined,
    });
  });

  it.each([
    ['kind => null', 'an action takes kind, client_id and remarks'],
    ['remarks => null', 'an action takes kind, client_id and remarks'],
    ['amount => 1e30', 'amount or case_route is too large'],
    ["amount => 'Infinity'", 'amount or case_route is too large'],
    ['case_route => 70000', 'amount or case_route is too large'],
  ])('with %s is not proposed', async (part, words) => {
    const given = ["kind => 'ADJUST_WALLET'", "remarks => 'x'", 'client_id => 1'];
    const parts = given.filter((each) => each.split(' ')[0] !== part.split(' ')[0]);
    await expect(as('anna', `select propose_action(${[...parts, part].join(', ')})`))
      .rejects.toThrow(words);
  });

  it('of a client that there is not is not proposed', async () => {
    await expect(as('anna', `select propose_action('ADJUST_WALLET', 99, 'x', wallet_id => 1,
      amount => 1, currency => 'USD')`)).rejects.toThrow('there is no client 99');
  });

  it('knows the failure codes of the program', async () => {
    const [row] = await database().query<{ text: string }>(`select pg_get_constraintdef(oid) as text
      from pg_constraint where conname = 'operator_action_failure_code_check'`);
    const known = [...row?.text.matchAll(/'([A-Z_]+)'/g) ?? []].map(([, code]) => code);
    expect(known).toEqual([...FAILURE_CODES]);
  });

  it.each<[Name, string]>([
    ['anna', 'select approve_action(1, 1)'],
    ['ben', "select propose_action('SETTLE_ORDER', 1, 'x')"],
    ['cleo', 'select decide_action(1, 1, true)'], ['cleo', 'select * from topup_order'],
    ['cleo', 'update wallet set balance = 1'], ['cleo', 'select recipient from topup_order'],
    ['cleo', "insert into operator_action (kind) values ('SETTLE_ORDER')"],
    ['cleo', 'select adjust_wallet(a) from operator_action a'],
  ])('is all that they may do: not %s, %s', async (name, sql) => {
    await expect(as(name, sql)).rejects.toMatchObject({ code: '42501' });
  });

  it.each(['propose_action(\'SETTLE_ORDER\', 1, \'x\')', 'approve_action(1, 1)',
    'refuse_action(1, 1)'])(
    'is nothing that the program does: %s', async (call) => {
      await expect(pool.query(`select ${call}`)).rejects.toMatchObject({ code: '42501' });
    });

  it.each([
    'update transfer set amount = 1', 'delete from transfer', 'truncate transfer cascade',
    'update topup_order_event set version = 2', 'delete from topup_order_event',
    'truncate topup_order_event', "update operator_action set proposed_by = 'somebody'",
    'delete from operator_decision', 'truncate operator_decision',
  ])('is never edited, by the owner of the tables neither: %s', async (sql) => {
    await approve('ben', await propose('anna', {
      kind: 'ADJUST_WALLET', wallet_id: 1, amount: 1, currency: 'USD', remarks: 'x',
    }));
    await expect(database().query(sql)).rejects.toMatchObject({ code: '23503' });
  });

  it('is decided once, though two decide it at once', async () => {
    const action = await propose('anna', {
      kind: 'ADJUST_WALLET', wallet_id: 1, amount: 1, currency: 'USD', remarks: 'x',
    });
    await as('ben', 'begin');
    await approve('ben', action);
    const second = expect(refuse('cleo', action)).rejects.toThrow('decided already');
    await untilWaiting(database());
    await as('ben', 'commit');
    await second;
  });

  it('by which somebody approved what they proposed would be noticed', async () => {
    await superuser.query('begin; set local session_replication_role = replica');
    await superuser.query(`update operator_decision d set decided_by = a.proposed_by
      from operator_action a where a.client_id = d.client_id and a.id = d.action_id
      and d.is_approved`);
    const found = await findViolations(async (sql) => (await superuser.query<object>(sql)).rows);
    await superuser.query('rollback');
    expect(found.map(({ name }) => name)).toEqual(['operator-actions']);
  });
});
