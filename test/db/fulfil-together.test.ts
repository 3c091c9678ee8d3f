import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';
import { hashVoucherCode } from '../support/voucher-hash.ts';

/**
 * Orders that are claimed and recorded together end up as orders taken one by one do: twins go
 * both ways through the same history, and every row about them is compared.
 */

const database = useTestDatabase();
let pool: pg.Pool;

beforeAll(() => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 4, applicationName: 'test', onError: () => undefined,
  });
});
afterAll(() => pool.end());

interface Step {
  readonly kind: string;
  readonly more?: Readonly<Record<string, unknown>>;
  /** The lease is that of another worker. */
  readonly isStale?: boolean;
  /** News that came unasked, under this event id. */
  readonly event?: string;
  /** The holder is gone: the order is claimed again without a move. */
  readonly isLost?: boolean;
}

const DELIVER: Step = { kind: 'DELIVER', more: { receipt: { pin: '1234' } } };
const FAIL: Step = { kind: 'FAIL', more: { failure_code: 'INVALID_RECIPIENT' } };
const later = (kind: string): Step => ({ kind, more: { next_in_ms: 1_800_000 } });
const LOST: Step = { kind: 'NONE', isLost: true };

const HISTORIES: Readonly<Record<string, readonly Step[]>> = {
  'delivered at once': [DELIVER],
  'failed at once': [FAIL],
  'failed as well, from the same wallet': [FAIL],
  'delivered by callback': [{ ...DELIVER, event: 'delivered' }],
  'failed by callback': [later('AWAIT'), { ...FAIL, event: 'failed' }],
  'told twice under one event': [later('AWAIT'), { ...DELIVER, event: 'twice' },
    { ...DELIVER, event: 'twice' }],
  'accepted, asked twice, delivered': [later('AWAIT'), later('AWAIT'), later('ASK_AGAIN'), DELIVER],
  'retried, then failed': [later('RETRY'), later('RETRY'), FAIL],
  'lost, asked, not applied': [later('ASK_AGAIN'), later('ASK_AGAIN'), later('RETRY'), DELIVER],
  'taken over': [LOST, later('ASK_AGAIN'), DELIVER],
  'for a person': [later('REVIEW'), later('REVIEW'), DELIVER],
  'a step of somebody else': [{ ...later('RETRY'), isStale: true }],
  'final news of somebody else': [{ ...DELIVER, isStale: true }],
  'a failure after the end': [DELIVER, { ...FAIL, event: 'after the end' }],
  'reversed': [DELIVER, { kind: 'REVERSE', event: 'reversed' }],
  'unasked and without consequence': [later('AWAIT'), { kind: 'NONE', event: 'processing' }],
  'by the next route': [{ kind: 'NEXT_ROUTE' }, later('AWAIT'), DELIVER],
  'by the next route, the first one delivers too': [
    { kind: 'NEXT_ROUTE' }, { ...DELIVER, event: 'first route', more: { route: 1 } }, FAIL],
  'by the next route, the first one takes back': [{ kind: 'NEXT_ROUTE' }, later('AWAIT'),
    { kind: 'REVERSE', event: 'taken back', more: { route: 1 } }, FAIL],
  'a voucher that comes back': [FAIL],
};

interface Twin {
  readonly history: string;
  readonly id: string;
  lease: string | null;
  route: number;
}

async function placeTwins(way: string): Promise<Twin[]> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const place = createPlaceOrder({
    pool, onPlaced: () => undefined,
  });
  const code = `TWIN${way}`.toUpperCase();
  await database().query(`insert into voucher (client_id, code_hash, code_last4, value, currency,
    state) values (1, $1, 'AAAA', 4.99, 'USD', 'DELIVERED')`, [hashVoucherCode(code)]);
  const twins: Twin[] = [];
  for (const history of Object.keys(HISTORIES)) {
    const placed = await place(pricedOrder({
      pricingVersion: Number(row?.version),
      ...(history.includes('route') ? { variantId: 3, variantName: '660 UC' } : {}),
      ...(history.includes('voucher') ? {
        funding: { kind: 'VOUCHER', codeHash: hashVoucherCode(code) },
        charge: { amount: '4.99', currency: 'USD' },
        discountPercent: '0',
      } : {}),
    }));
    if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
    twins.push({ history, id: String(placed.order.id), lease: null, route: 1 });
  }
  await database().query(`update topup_order set notification_email = 'a@example.com'
    where id = any ($1)`, [twins.map(({ id }) => id)]);
  return twins;
}

const makeDue = (twins: readonly Twin[], at: string): Promise<unknown> => database().query(
  `update topup_order set next_action_at = ${at} where id = any ($1) and status = 'PENDING'`,
  [twins.map(({ id }) => id)]);

type Row = Readonly<Record<string, unknown>>;

/** What was claimed, without what differs between any two orders. */
function claimed(twins: readonly Twin[], rows: readonly Row[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(rows.map((row) => {
    const twin = twins.find(({ id }) => id === String(row['order_id']));
    if (twin === undefined) throw new Error('An order of somebody else was claimed');
    twin.lease = String(row['lease_token']);
    twin.route = Number(row['route']);
    const { order_id: _id, lease_token: _lease, supplier_reference: reference, ...rest } = row;
    return [twin.history, {
      ...rest,
      client_id: Number(rest['client_id']),
      reference: String(reference).replace(`1-${twin.id}-`, ''),
      window_left_ms: Math.round(Number(rest['window_left_ms']) / 10_000),
      // A moment ago is -0 to Math.round, and 0 is 0.
      resend_in_ms: Math.round(Number(rest['resend_in_ms']) / 10_000) + 0,
    }];
  }));
}

async function claimTogether(twins: readonly Twin[]): Promise<unknown> {
  await makeDue(twins, "now() - interval '1 ms'");
  const { rows } = await pool.query<Row>("select * from claim_orders(1000, '{}')");
  return claimed(twins, rows);
}

async function claimOneByOne(twins: readonly Twin[]): Promise<unknown> {
  await makeDue(twins, "now() - interval '1 ms'");
  const rows: Row[] = [];
  for (const { id } of twins) {
    rows.push(...await database().query<Row>(`select c.* from topup_order t, take_order(t) c
      where t.id = $1 and t.status = 'PENDING'`, [id]));
  }
  return claimed(twins, rows);
}

function movesOf(twins: readonly Twin[], round: number, way: string): readonly object[] {
  return twins.flatMap(({ history, id, lease, route }) => {
    const step = HISTORIES[history]?.[round];
    if (step === undefined || step.isLost === true) return [];
    const callback = step.event === undefined ? { lease_token: lease } : {
      lease_token: null,
      supplier_code: 'sandbox-a',
      event_id: `${way} ${step.event}`,
      supplier_reference: `1-${id}-1`,
      body_digest: 'digest',
    };
    return [{
      client_id: 1, order_id: id, route, kind: step.kind, ...callback, ...step.more,
      ...(step.isStale === true ? { lease_token: '00000000-0000-4000-8000-000000000000' } : {}),
    }];
  }).map((move, index) => ({ ordinal: index + 1, ...move }));
}

async function recordTogether(moves: readonly object[]): Promise<unknown> {
  const { rows } = await pool.query<{ ordinal: number; result: string }>(
    'select * from record_moves($1::json) order by ordinal', [JSON.stringify(moves)]);
  return rows.map(({ result }) => result);
}

async function recordOneByOne(moves: readonly object[]): Promise<unknown> {
  const results: unknown[] = [];
  for (const move of moves) {
    const [row] = await database().query<{ result: string }>(
      'select record_move(json_populate_record(null::recorded_move, $1::json)) as result',
      [JSON.stringify(move)]);
    results.push(row?.result);
  }
  return results;
}

/** Every row about the orders; moments only as far as both ways can agree on them. */
async function everythingAbout(twins: readonly Twin[], way: string): Promise<unknown> {
  const rows = await database().query(`select o.id, o.status, o.fulfilment_state, o.version,
      o.failure_code, o.route, o.attempt_count, o.backoff_step, o.receipt, o.lease_token is null
        as is_free, o.lease_until is null as has_no_lease, o.refund_transfer_id is null as is_kept,
      o.reversal_transfer_id is null as is_sold, o.completed_at is null as is_open,
      round(extract(epoch from o.next_action_at - clock_timestamp()) / 600) as due_in,
      round(extract(epoch from o.retry_until - o.last_attempt_at) / 10) as window,
      (select json_agg(json_build_array(e.version, e.type, e.previous_status, e.status,
        e.failure_code) order by e.version) from topup_order_event e
        where e.topup_order_id = o.id) as events,
      (select json_agg(f.version order by f.id) from feed_inbox f
        where f.topup_order_id = o.id) as inbox,
      (select json_agg(json_build_array(t.reason, t.debit_account, t.credit_account, t.wallet_id,
        t.voucher_id is null, t.amount, t.currency, t.balance_after is null) order by t.reason)
        from transfer t where t.topup_order_id = o.id) as transfers,
      (select json_agg(json_build_array(s.route, s.supplier_id, s.state, s.attempt_count,
        round(extract(epoch from s.resend_after - s.last_attempt_at))) order by s.route)
        from submission s where s.topup_order_id = o.id) as submissions,
      (select json_agg(json_build_array(c.kind, c.route, c.reversed_at is null) order by c.kind)
        from reconciliation_case c where c.topup_order_id = o.id) as cases,
      (select json_agg(json_build_array(replace(c.event_id, $2, ''), c.supplier_id,
        c.body_digest) order by c.event_id) from callback c
        where c.supplier_reference = '1-' || o.id || '-1') as callbacks,
      (select json_agg(json_build_array(m.status, m.address)) from email_outbox m
        where m.topup_order_id = o.id) as mails
    from topup_order o where o.id = any ($1)`, [twins.map(({ id }) => id), way]);
  return Object.fromEntries(rows.map(({ id, ...row }) =>
    [twins.find((twin) => twin.id === id)?.history, row]));
}

it('is the same together as one by one', async () => {
  const together = await placeTwins('together');
  const oneByOne = await placeTwins('alone');
  await makeDue(oneByOne, "now() + interval '1 hour'");
  const rounds = Math.max(...Object.values(HISTORIES).map((history) => history.length));
  for (let round = 0; round < rounds; round += 1) {
    const isOn = ({ history }: Twin): boolean => round < (HISTORIES[history]?.length ?? 0);
    const [first, second] = [together.filter(isOn), oneByOne.filter(isOn)];
    expect(await claimTogether(first), `claims of round ${round}`)
      .toEqual(await claimOneByOne(second));
    await makeDue(second, "now() + interval '1 hour'");
    expect(await recordTogether(movesOf(first, round, 'together')), `moves of round ${round}`)
      .toEqual(await recordOneByOne(movesOf(second, round, 'alone')));
    await makeDue([...first, ...second], "now() + interval '1 hour'");
    expect(await everythingAbout(first, 'together'), `rows of round ${round}`)
      .toEqual(await everythingAbout(second, 'alone'));
  }
});
