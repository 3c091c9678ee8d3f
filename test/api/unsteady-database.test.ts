import { createHmac, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { logIn, makeKey, postAuth, type AuthAnswer } from '../support/access.ts';
import { authorization, JSON_TYPE, rest } from '../support/doors.ts';
import { SUPPLIER_KEYS, useWorld } from '../support/world.ts';

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

/** A delivery of an order that nobody knows, signed as by its supplier. */
function strayCallback(): { readonly headers: Record<string, string>; readonly body: string } {
  const body = JSON.stringify({
    event_id: randomUUID(), reference: '1-987654321-1', status: 'DELIVERED',
    occurred_at: '2026-01-01T00:00:00Z',
  });
  const timestamp = String(Math.trunc(systemClock.now().getTime() / 1000));
  const signature = createHmac('sha256', SUPPLIER_KEYS['sandbox-a'][0] ?? '')
    .update(`${timestamp}.${body}`).digest('hex');
  const headers = { ...JSON_TYPE, 'x-timestamp': timestamp, 'x-signature': signature };
  return { headers, body };
}

async function sendMany(
  prefix: string, count: number, sent: Sent[] = [],
): Promise<readonly Sent[]> {
  const waiting = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  await Promise.all(Array.from({ length: 20 }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      sent.push(await send(next));
    }
  }));
  return sent;
}

/**
 * Disturbs `work` each time it has come `step` answers further. By answers, not by time:
 * a machine that connects more slowly than it is cut would come to no end.
 */
async function whileDoing<Result>(
  work: Promise<Result>,
  disturb: () => Promise<unknown>,
  { answers, step, signal }: {
    readonly answers: () => number;
    readonly step: number;
    readonly signal: AbortSignal;
  },
): Promise<Result> {
  let isOver = false;
  const disturbing = (async () => {
    let disturbedAt = 0;
    // A test that ran out of time must not go on in those behind it.
    while (!isOver && !signal.aborted) {
      if (answers() >= disturbedAt + step) {
        disturbedAt += step;
        await disturb();
      }
      await sleep(1);
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

/** Ends two of the gateway's connections, whichever; answers how many there were. */
async function cutTwo(): Promise<number> {
  const { rows } = await superuser.query(`select pg_terminate_backend(pid) from (
    select pid from pg_stat_activity where datname = $1 and application_name = 'topup-gateway'
    order by random() limit 2) unlucky`,
  [new URL(world().database.databaseUrl).pathname.slice(1)]);
  return rows.length;
}

describe('connections that are cut at random', () => {
  it('lose no order that was acknowledged, and debit none twice', async ({ signal }) => {
    const { database } = world();
    let cuts = 0;
    const cut = async (): Promise<void> => {
      cuts += await cutTwo();
    };
    const answered: Sent[] = [];
    const sent = await whileDoing(sendMany('CUT', 100, answered), cut,
      { answers: () => answered.length, step: 3, signal });
    expect(cuts).toBeGreaterThan(8);
    expect(sent.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
    // Whoever was left without an answer asks by its reference, or sends it again.
    const again = await Promise.all(sent.filter(({ id }) => id === null)
      .map(({ reference }) => send(reference)));
    expect(again.filter(({ status }) => status !== 200 && status !== 400)).toEqual([]);

    const rows = await stored('CUT');
    expect(rows).toHaveLength(100);
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
    expect(effects).toEqual([{ count: 100 }]);
  }, 60_000);

  it('end neither the process nor what may be repeated', async ({ signal }) => {
    const { gateway, database } = world();
    const { id } = await send('REPEATABLE');
    const path = `/api/v1/topups/orders/${id}`;
    const asks = [
      ['PATCH', `${path}/notification-email`, '{"email":"reader@example.com"}'],
      ['POST', `${path}/cancel`, null],
      ['GET', '/readyz', null],
      ['POST', '/callbacks/fulfilment/sandbox-a', 'stray'],
      ['GET', path, null],
    ] as const;
    const statuses = new Map<string, number>();
    let answers = 0;
    const askAll = async (): Promise<void> => {
      for (const [method, to, body] of asks) {
        const { status } = await fetch(`${gateway.url}${to}`, body === 'stray'
          ? { method, ...strayCallback() }
          : { method, body, headers: { ...authorization(world(), 1), ...JSON_TYPE } });
        const key = `${method} ${to.replace(path, '')} ${status}`;
        statuses.set(key, (statuses.get(key) ?? 0) + 1);
        answers += 1;
      }
      await database.query('update product set name = name where id = 4218');
    };
    let cuts = 0;
    const rounds = Promise.all(Array.from({ length: 6 }, async () => {
      for (let round = 0; round < 5; round += 1) await askAll();
    }));
    await whileDoing(rounds, async () => { cuts += await cutTwo(); },
      { answers: () => answers, step: 4, signal });
    expect(cuts).toBeGreaterThan(20);
    expect([...statuses.keys()].filter((key) => key.endsWith(' 500'))).toEqual([]);
    expect(statuses.get('POST /callbacks/fulfilment/sandbox-a 202')).toBeGreaterThan(15);
    expect(statuses.get('PATCH /notification-email 200')).toBeGreaterThan(15);
  }, 60_000);
});

describe('a refresh or a logout whose answer is lost', () => {
  /** Whoever waits for the client's logins is cut off, until `ask` is answered. */
  async function whileCut(ask: () => Promise<AuthAnswer>): Promise<AuthAnswer> {
    const holder = new pg.Client(world().database.ownerDatabaseUrl);
    await holder.connect();
    let isOver = false;
    try {
      await holder.query('begin; select from token_family where client_id = 2 for update');
      const answer = ask().finally(() => {
        isOver = true;
      });
      while (!isOver) {
        await superuser.query(`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = $1 and application_name = 'topup-gateway' and wait_event_type = 'Lock'`,
        [new URL(world().database.databaseUrl).pathname.slice(1)]);
        await sleep(20);
      }
      return await answer;
    } finally {
      await holder.end();
    }
  }
  const told = ({ status, headers, body }: AuthAnswer): readonly unknown[] =>
    [status, headers.has('retry-after'), body.error?.code, body.error?.message];

  it('is told as not known, with what a refusal will mean', async () => {
    const { url } = world().gateway;
    const { access, refresh } = await logIn(world(), await makeKey(world(), 2));
    const refreshed = (): Promise<AuthAnswer> =>
      postAuth(url, 'refresh', { body: { refresh_token: refresh } });
    const loggedOut = (): Promise<AuthAnswer> =>
      postAuth(url, 'logout', { headers: { authorization: `Bearer ${access}` } });
    expect(told(await whileCut(refreshed))).toEqual([503, true, 'SERVICE_UNAVAILABLE',
      'It is not known whether the refresh token was used; try again, and log in where it is'
      + ' refused']);
    expect(told(await whileCut(loggedOut))).toEqual([503, true, 'SERVICE_UNAVAILABLE',
      'It is not known whether the tokens have ended; try again: where the token is refused, they'
      + ' have']);
    // Here nothing had been done.
    expect((await refreshed()).status).toBe(200);
    expect((await loggedOut()).status).toBe(200);
    expect((await loggedOut()).status).toBe(401);
  });
});

describe('prices that change while orders are placed', () => {
  it('charge no order what was no longer its price', async ({ signal }) => {
    const { database } = world();
    let percent = 5;
    // Who is overtaken twice by a new price is refused.
    const raise = async (): Promise<void> => {
      percent += 1;
      await database.query(
        'update discount set percent = $1 where client_id = 1 and product_id is null', [percent]);
    };
    let charged: readonly number[] = [];
    // Again where a quick machine placed all of a round at one price.
    for (let round = 1; new Set(charged).size < 2; round += 1) {
      const answered: Sent[] = [];
      const sent = await whileDoing(sendMany(`PRICE-${round}`, 150, answered), raise,
        { answers: () => answered.length, step: 20, signal });
      expect(sent.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
      expect(sent.filter(({ status }) => status === 200).length).toBeGreaterThan(20);
      const rows = await database.query<{ discount_percent: string }>(
        `select discount_percent from topup_order
          where client_reference like 'PRICE-${round}-%' order by debit_transfer_id`);
      charged = rows.map((row) => Number(row.discount_percent));
      // Each change raises the discount: an order behind it with a lower one had an old price.
      expect(charged).toEqual(charged.toSorted((a, b) => a - b));
    }
    const now = await rest.create(world(), 1, {
      product_id: 4218, amount: '0.99', input_data: { player_id: '5123456000', server: 'asia' },
    });
    if ('refused' in now) throw new Error(now.message);
    const [last] = await database.query(
      'select discount_percent from topup_order where id = $1', [now.order.id]);
    expect(Number(last?.['discount_percent'])).toBe(percent);
  }, 60_000);
});

describe('a database that only reads', () => {
  /** As of one that is no primary any more. */
  async function setReadOnly(isReadOnly: boolean): Promise<void> {
    const name = new URL(world().database.databaseUrl).pathname.slice(1);
    await superuser.query(`alter database ${name} `
      + (isReadOnly ? 'set default_transaction_read_only = on' : 'reset all'));
    await superuser.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = $1 and application_name = 'topup-gateway'`, [name]);
  }
  const isReady = async (): Promise<unknown> => {
    const answer = await fetch(`${world().gateway.url}/readyz`);
    return (await answer.json() as { checks: { database: boolean } }).checks.database;
  };

  it('is not ready, and whoever orders is told to come back', async () => {
    await setReadOnly(true);
    try {
      await expect.poll(isReady).toBe(false);
      expect(await send('READING-1')).toMatchObject({ status: 503, id: null });
      expect(await stored('READING')).toEqual([]);
    } finally {
      await setReadOnly(false);
    }
    await expect.poll(isReady).toBe(true);
    expect((await send('READING-1')).status).toBe(200);
  });
});
