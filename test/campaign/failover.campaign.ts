import { expect, test } from 'vitest';
import { faultOf } from '../support/crash-matrix.ts';
import { openCrashWorld, until, type Child, type CrashWorld } from '../support/crash-world.ts';
import { openPostgresPair, type PostgresPair } from '../support/postgres-pair.ts';
import { setBalance } from '../support/set-balance.ts';

// The primary dies while orders are placed and fulfilled, and with it a worker whose calls the
// supplier has taken and whose records were never written. The standby takes over.

/** Delivered at once, refused, a duplicate, an answer that is lost before or after the effect. */
const ENDINGS = ['000', '002', '005', '007', '026'] as const;
const CLIENTS = [1, 2] as const;
const SENDERS_EACH = 50;
/** The lease outlives the call by more than a failover takes: nobody takes over before it. */
const TIMINGS = { deadlineMs: 1000, leaseMs: 5000 };
const ENDED_MS_MAX = 120_000;

interface Create {
  readonly clientId: number;
  readonly reference: string;
  readonly ending: string;
  /** 0 where the line was cut before an answer; null while one is awaited. */
  status: number | null;
  orderId: number | null;
}

test.each([
  { acknowledged: 20, promoted: 'at once' },
  { acknowledged: 110, promoted: 'at once' },
  { acknowledged: 60, promoted: 'after creates were refused' },
])('a failover after $acknowledged orders, promoted $promoted, loses and repeats nothing',
  async ({ acknowledged, promoted }) => {
    const pair = await openPostgresPair();
    const world = await openCrashWorld(TIMINGS, pair.database);
    try {
      await setBalance(pair.database, { clientId: 2, walletId: 4, to: '10000' });
      const gateway = await world.start('all');
      const dying = await world.start('worker', { at: 'ANSWERED', how: 'HOLD', count: 1 });
      const creates: Create[] = [];
      let isOver = false;
      const sending = sendAll(world, gateway, creates, () => isOver);
      await until(() => answered(creates, 200).length >= acknowledged && dying.held.size >= 5,
        60_000, 'the acknowledged orders');
      const known = answered(creates, 200).map(({ orderId }) => Number(orderId));
      const inFlight = creates.filter(({ status }) => status === null).length;
      expect(inFlight).toBeGreaterThan(0);
      await Promise.all([pair.killPrimary(), dying.kill()]);
      if (promoted !== 'at once') {
        await until(() => answered(creates, 503).length > 0, 60_000, 'a refused create');
      }
      await pair.promoteStandby();
      const left = await leftWithSupplier(pair);
      expect(left.length).toBeGreaterThan(0);
      expect(await absent(pair, known)).toEqual([]);
      pair.leadToStandby();

      isOver = true;
      await sending;
      expect(creates.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
      const unknown = creates.filter(({ orderId }) => orderId === null);
      let found = 0;
      for (const create of unknown) if (await settle(world, gateway, create)) found += 1;
      await world.untilEnded(ENDED_MS_MAX);
      // Until now no callback came through, so that every fate had to be asked for.
      await world.sendCallbacksTo([gateway.url]);
      await until(() => world.isSettled(), ENDED_MS_MAX, 'the supplier');

      const orders = await world.orders();
      process.stdout.write(`${creates.length} creates, ${inFlight} in flight at the kill, `
        + `${unknown.length} without an answer (${found} found by reference), `
        + `${left.length} orders left SUBMITTING\n`);
      expect(creates.map(({ orderId }) => String(orderId)).toSorted())
        .toEqual(orders.map(({ id }) => id).toSorted());
      const endings = new Map(creates.map((each) => [each.reference, each.ending]));
      expect(orders.filter((order) =>
        faultOf(order, endings.get(order.client_reference ?? '') ?? '') !== null)).toEqual([]);
      expect(await sentBlindly(pair)).toEqual([]);
      expect(await notAskedAbout(pair, dying.held)).toEqual([]);
      expect(await world.violations()).toEqual([]);
    } finally {
      await world.close();
    }
  });

/** Each sender sends its next order when one is acknowledged; it stops at a refusal. */
async function sendAll(
  world: CrashWorld,
  gateway: Child,
  creates: Create[],
  isOver: () => boolean,
): Promise<void> {
  await Promise.all(CLIENTS.flatMap((clientId) =>
    Array.from({ length: SENDERS_EACH }, async (_, sender) => {
      for (let turn = 0; !isOver(); turn += 1) {
        const ending = ENDINGS[(sender + turn) % ENDINGS.length] ?? '000';
        const reference = `${clientId}-${sender}-${turn}`;
        const create: Create = { clientId, reference, ending, status: null, orderId: null };
        creates.push(create);
        await send(world, gateway, create);
        if (create.status !== 200) return;
      }
    })));
}

async function send(world: CrashWorld, gateway: Child, create: Create): Promise<void> {
  try {
    const response = await fetch(`${gateway.url}/api/v1/topups/orders`, {
      method: 'POST',
      headers: { ...await bearer(world, create), 'content-type': 'application/json' },
      body: `{"product_id":4218,"amount":0.99,"client_reference":"${create.reference}",`
        + `"input_data":{"player_id":"5123456${create.ending}","server":"asia"}}`,
    });
    const { id } = await response.json() as { id?: number };
    create.orderId = response.status === 200 ? id ?? null : null;
    create.status = response.status;
  } catch {
    create.status = 0;
  }
}

/** What a client does without an answer: looks its reference up, sends again what is not there. */
async function settle(world: CrashWorld, gateway: Child, create: Create): Promise<boolean> {
  let wasFound = false;
  await until(async () => {
    const response = await fetch(
      `${gateway.url}/api/v1/topups/orders?client_reference=${create.reference}`,
      { headers: await bearer(world, create) },
    );
    // Told to come back.
    if (response.status === 503) return false;
    const [order] = await response.json() as { id: number }[];
    wasFound = order !== undefined;
    if (order === undefined) await send(world, gateway, create);
    else create.orderId = order.id;
    return create.orderId !== null;
  }, ENDED_MS_MAX, `an answer to ${create.reference}`);
  return wasFound;
}

async function bearer(world: CrashWorld, create: Create): Promise<{ authorization: string }> {
  return { authorization: `Bearer ${await world.signToken(create.clientId)}` };
}

const answered = (creates: readonly Create[], status: number): readonly Create[] =>
  creates.filter((create) => create.status === status);

const leftWithSupplier = (pair: PostgresPair): Promise<object[]> =>
  pair.askStandby("select id from topup_order where fulfilment_state = 'SUBMITTING'");

/** Of these orders the ones that the standby does not have. */
async function absent(pair: PostgresPair, ids: readonly number[]): Promise<readonly number[]> {
  const rows = await pair.askStandby<{ id: string }>('select id from topup_order');
  const there = new Set(rows.map(({ id }) => Number(id)));
  return ids.filter((id) => !there.has(id));
}

/** References that the supplier was sent again without a question in between. */
const sentBlindly = (pair: PostgresPair): Promise<object[]> => pair.database.query(`
  select supplier_code, supplier_reference from (
    select *, lag(kind) over (partition by supplier_code, supplier_reference order by id) as before
    from sandbox.log where kind <> 'CALLBACK') lines
  where kind = 'SUBMIT' and before = 'SUBMIT'`);

/** Of these orders the ones whose fate was decided without a question to the supplier. */
const notAskedAbout = (pair: PostgresPair, ids: ReadonlySet<number>): Promise<object[]> =>
  pair.database.query(`select id from unnest($1::bigint[]) as held(id)
    where not exists (select from sandbox.log
      where kind = 'STATUS' and split_part(supplier_reference, '-', 2)::bigint = held.id)`,
  [[...ids]]);
