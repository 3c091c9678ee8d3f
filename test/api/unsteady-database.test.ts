import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authorization, JSON_TYPE, rest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

/** Prices that change and connections that die while orders are placed. */

const world = useWorld();
let superuser: pg.Client;

beforeAll(async () => {
  superuser = new pg.Client(world().database.superuserUrl);
  await superuser.connect();
});
afterAll(() => superuser.end());

interface Sent {
  readonly reference: string;
  readonly status: number;
  readonly id: number | null;
}

async function send(reference: string): Promise<Sent> {
  const response = await fetch(`${world().gateway.url}/api/v1/topups/orders`, {
    method: 'POST',
    headers: { ...JSON_TYPE, ...authorization(world(), 1) },
    body: `{"product_id":4218,"amount":0.99,"client_reference":"${reference}",`
      + '"input_data":{"player_id":"5123456000","server":"asia"}}',
  });
  const body = await response.json() as { id?: number };
  return { reference, status: response.status, id: body.id ?? null };
}

async function sendMany(prefix: string, count: number): Promise<readonly Sent[]> {
  const waiting = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  const sent: Sent[] = [];
  await Promise.all(Array.from({ length: 20 }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      sent.push(await send(next));
    }
  }));
  return sent;
}

async function whileDoing<Result>(
  work: Promise<Result>,
  disturb: () => Promise<unknown>,
  pauseMs: number,
): Promise<Result> {
  let isOver = false;
  const disturbing = (async () => {
    while (!isOver) {
      await disturb();
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  try {
    return await work;
  } finally {
    isOver = true;
    await disturbing;
  }
}

const stored = (prefix: string): Promise<{ id: string; client_reference: string }[]> =>
  world().database.query(`select id, client_reference from topup_order
    where client_reference like $1 order by id`, [`${prefix}-%`]);

describe('connections that are cut at random', () => {
  it('lose no order that was acknowledged, and debit none twice', async () => {
    const { database } = world();
    let cuts = 0;
    const cut = async (): Promise<void> => {
      const { rows } = await superuser.query(`select pg_terminate_backend(pid) from (
        select pid from pg_stat_activity where datname = $1 and application_name = 'topup-gateway'
        order by random() limit 2) unlucky`, [new URL(database.databaseUrl).pathname.slice(1)]);
      cuts += rows.length;
    };
    const sent = await whileDoing(sendMany('CUT', 200), cut, 25);
    expect(cuts).toBeGreaterThan(20);
    expect(sent.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
    // Whoever was left without an answer asks by its reference, or sends it again.
    const again = await Promise.all(sent.filter(({ id }) => id === null)
      .map(({ reference }) => send(reference)));
    expect(again.filter(({ status }) => status !== 200 && status !== 400)).toEqual([]);

    const rows = await stored('CUT');
    expect(rows).toHaveLength(200);
    const ids = new Map(rows.map((row) => [row.client_reference, Number(row.id)]));
    for (const { reference, id } of [...sent, ...again]) {
      if (id !== null) expect([reference, id]).toEqual([reference, ids.get(reference)]);
    }
    const debits = await database.query(`select topup_order_id from transfer
      where reason = 'ORDER_DEBIT' group by topup_order_id having count(*) > 1`);
    expect(debits).toEqual([]);
    await expect.poll(async () => (await database.query(
      "select 1 from topup_order where status <> 'DELIVERED'")).length, { timeout: 20_000 })
      .toBe(0);
    const effects = await database.query<{ count: number }>(
      'select count(*)::int as count from sandbox.log where effective');
    expect(effects).toEqual([{ count: 200 }]);
  }, 60_000);
});

describe('prices that change while orders are placed', () => {
  it('charge no order what was no longer its price', async () => {
    const { database } = world();
    let percent = 5;
    const raise = async (): Promise<void> => {
      percent += 1;
      await database.query(
        'update discount set percent = $1 where client_id = 1 and product_id is null', [percent]);
    };
    const sent = await whileDoing(sendMany('PRICE', 150), raise, 30);
    expect(sent.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
    expect(sent.filter(({ status }) => status === 200).length).toBeGreaterThan(20);
    const rows = await database.query<{ discount_percent: string }>(`select discount_percent
      from topup_order where client_reference like 'PRICE-%' order by debit_transfer_id`);
    const charged = rows.map((row) => Number(row.discount_percent));
    // Each change raises the discount: an order behind it with a lower one had an old price.
    expect(charged).toEqual(charged.toSorted((a, b) => a - b));
    expect(new Set(charged).size).toBeGreaterThan(1);
    const now = await rest.create(world(), 1, {
      product_id: 4218, amount: '0.99', input_data: { player_id: '5123456000', server: 'asia' },
    });
    if ('refused' in now) throw new Error(now.message);
    const [last] = await database.query(
      'select discount_percent from topup_order where id = $1', [now.order.id]);
    expect(Number(last?.['discount_percent'])).toBe(percent);
  }, 60_000);
});
