import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type Gateway, type Running } from '../../src/app.ts';
import { systemClock } from '../../src/clock.ts';
import { startWorker } from '../../src/engine-room.ts';
import { openParts, type Parts } from '../../src/parts.ts';
import { placeOverRest } from '../support/place-over-rest.ts';
import { useTestDatabase } from '../support/database.ts';
import { VOUCHER_KEY } from '../support/voucher-hash.ts';
import { SUPPLIER_KEYS } from '../support/world.ts';

/** A supplier that calls back while it is called, over HTTP. */

const database = useTestDatabase();
let parts: Parts;
let gateway: Gateway;
let worker: Running;
let startWorking: () => Running;
let supplier: Server;
let token: string;

interface News {
  readonly status: string;
  readonly code?: string;
}
/** By the order's recipient: what it does before it answers a submit or a query, and the answer. */
interface Script {
  readonly submit: (reference: string) => Promise<News>;
  readonly query?: (reference: string) => Promise<News>;
}

const PROCESSING = { status: 'PROCESSING' };
const DELIVERED = { status: 'DELIVERED' };
const INVALID = { status: 'REJECTED', code: 'INVALID-CREDIT-PARTY' };
const BUSY = { status: 'REJECTED', code: 'OPERATOR-CURRENTLY-UNAVAILABLE' };
const heard: Record<string, number[]> = {};

/** Calls back as the supplier does, and notes how that was answered. */
async function callBack(reference: string, news: News, eventId = randomUUID()): Promise<void> {
  const body = JSON.stringify({
    event_id: eventId, reference, ...news, occurred_at: '2026-01-01T00:00:00Z',
  });
  const timestamp = String(Math.trunc(systemClock.now().getTime() / 1000));
  const response = await fetch(`${gateway.url}/callbacks/fulfilment/sandbox-a`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-timestamp': timestamp,
      'x-signature': createHmac('sha256', SUPPLIER_KEYS['sandbox-a'][0] ?? '')
        .update(`${timestamp}.${body}`).digest('hex'),
    },
    body,
  });
  await response.arrayBuffer();
  (heard[reference] ??= []).push(response.status);
}

const SCRIPTS: Readonly<Record<string, Script>> = {
  // The callback comes before the answer to the submit.
  10001: { submit: async (reference) => (await callBack(reference, DELIVERED), PROCESSING) },
  10002: { submit: async (reference) => (await callBack(reference, DELIVERED), INVALID) },
  10003: { submit: async (reference) => (await callBack(reference, INVALID), DELIVERED) },
  10004: { submit: async (reference) => (await callBack(reference, BUSY), DELIVERED) },
  // Many callbacks at once, and a poll in the middle of them.
  10005: {
    submit: () => Promise.resolve(PROCESSING),
    async query(reference) {
      const eventId = randomUUID();
      void Promise.all(Array.from({ length: 20 }, (_, index) =>
        callBack(reference, DELIVERED, index % 2 === 0 ? eventId : undefined)));
      return Promise.resolve(DELIVERED);
    },
  },
  10006: {
    submit: () => Promise.resolve(PROCESSING),
    async query(reference) {
      await Promise.all([callBack(reference, INVALID), callBack(reference, INVALID)]);
      return INVALID;
    },
  },
  // Out of order: "processing" after "delivered".
  10007: {
    async submit(reference) {
      await callBack(reference, DELIVERED);
      await callBack(reference, PROCESSING);
      return PROCESSING;
    },
  },
  // The same event again with another body.
  10008: {
    async submit(reference) {
      const eventId = randomUUID();
      await callBack(reference, DELIVERED, eventId);
      await callBack(reference, INVALID, eventId);
      return PROCESSING;
    },
  },
  // A status that the protocol has not.
  10009: {
    async submit(reference) {
      await callBack(reference, { status: 'DONE' });
      await callBack(reference, DELIVERED);
      return PROCESSING;
    },
  },
  // A callback alone can tell how it ended.
  10010: { submit: () => Promise.resolve(PROCESSING), query: () => Promise.resolve(PROCESSING) },
  // It has to be asked.
  10011: { submit: () => Promise.resolve(PROCESSING), query: () => Promise.resolve(DELIVERED) },
};

const recipients = new Map<string, string>();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const isSubmit = request.method === 'POST';
  const sent = isSubmit
    ? JSON.parse(Buffer.concat(chunks).toString()) as { reference: string; recipient: string }
    : null;
  const reference = sent?.reference ?? request.url?.split('/').at(-1) ?? '';
  if (sent !== null) recipients.set(reference, sent.recipient);
  const script = SCRIPTS[recipients.get(reference) ?? ''];
  const news = isSubmit ? await script?.submit(reference) : await script?.query?.(reference);
  const text = JSON.stringify({ reference, ...(news ?? DELIVERED) });
  response.writeHead(200, { 'content-type': 'application/json' }).end(text);
}

beforeAll(async () => {
  await database().query("update supplier set backoff_ms = '{20}', retry_window_ms = 5000");
  supplier = createServer((request, response) => void answer(request, response));
  supplier.listen(0, '127.0.0.1');
  await once(supplier, 'listening');
  const { port } = supplier.address() as AddressInfo;
  parts = await openParts({
    databaseUrl: database().databaseUrl,
    tokenSigningKey: 'a token signing key that only tests use',
    keyHashingKey: VOUCHER_KEY,
    environment: 'sandbox',
    trustedProxies: [],
    supplierKeys: SUPPLIER_KEYS,
    sandboxUrl: `http://127.0.0.1:${port}`,
    mailServer: null,
    feedRetentionDays: 30,
    clock: systemClock,
    onError: () => undefined,
  });
  token = await parts.signToken(1, 3600);
  const appParts = {
    ...parts,
    log: pino({ level: 'silent' }),
    onWork: (listener: () => void) => parts.wakeUps.on('work', listener),
  };
  gateway = await startGateway(appParts, {
    keyHashingKey: VOUCHER_KEY,
    inlineWaitMs: 1000,
    isIntrospectionAllowed: false,
    httpText: 'draft',
    trustedDocuments: { texts: new Map(), isOnly: false },
    allowedOrigins: [],
    socketsPerClient: 20,
    subscriptionsPerSocket: 50,
    feedRetentionDays: 30,
  }, { host: '127.0.0.1', port: 0 });
  startWorking = () => startWorker(appParts);
  worker = startWorking();
});

afterAll(async () => {
  await worker.stop();
  await gateway.stop();
  await parts.close();
  supplier.closeAllConnections();
  supplier.close();
});

interface Outcome {
  readonly status: string;
  readonly events: readonly string[];
  readonly transfers: readonly string[];
  readonly cases: readonly string[];
}

async function outcomeOf(orderId: number): Promise<Outcome | undefined> {
  const [row] = await database().query<Outcome>(`select o.status,
      array(select e.type from topup_order_event e where e.topup_order_id = o.id
        order by e.version) as events,
      array(select t.reason from transfer t where t.topup_order_id = o.id order by t.id)
        as transfers,
      array(select c.kind from reconciliation_case c where c.topup_order_id = o.id) as cases
    from topup_order o where o.id = $1`, [orderId]);
  return row;
}

const delivered = (cases: readonly string[] = []): Outcome => ({
  status: 'DELIVERED',
  events: ['CREATED', 'SUBMITTED', 'DELIVERED', ...cases.map(() => 'LATE_NEWS')],
  transfers: ['ORDER_DEBIT', 'ORDER_SALE'],
  cases,
});
const failed = (cases: readonly string[] = []): Outcome => ({
  status: 'FAILED',
  events: ['CREATED', 'SUBMITTED', 'FAILED', ...cases.map(() => 'LATE_NEWS')],
  transfers: ['ORDER_DEBIT', 'ORDER_REFUND'],
  cases,
});

async function place(player: string, reference: string): Promise<number> {
  const id = await placeOverRest(gateway.url, {
    token,
    reference,
    productId: 4218,
    amount: '0.99',
    inputData: { player_id: player, server: 'asia' },
  });
  if (id === null) throw new Error('The order was refused');
  return id;
}

describe('callbacks', () => {
  it.each<readonly [string, string, Outcome, readonly number[]]>([
    ['before the answer, which adds nothing', '10001', delivered(), [200]],
    ['before an answer that contradicts them', '10002', delivered(['LATE_FAILURE']), [200]],
    ['that fail the order before it is delivered', '10003', failed(['LATE_SUCCESS']), [200]],
    ['that would send it again while it is being sent', '10004', delivered(), [503]],
    ['many at once, and a poll', '10005', delivered(), Array<number>(20).fill(200)],
    ['of a failure, twice at once, and a poll', '10006', failed(), [200, 200]],
    ['out of order', '10007', delivered(), [200, 200]],
    ['under one id with two bodies', '10008', delivered(), [200, 401]],
    ['that are signed and not understood', '10009', delivered(), [400, 200]],
  ])('%s', async (_says, player, outcome, answers) => {
    const id = await place(player, `CALLBACK-${player}`);
    await expect.poll(() => outcomeOf(id), { timeout: 30_000, interval: 20 }).toEqual(outcome);
    await expect.poll(() => heard[`1-${id}-1`], { timeout: 30_000, interval: 20 }).toEqual(answers);
    expect(await outcomeOf(id)).toEqual(outcome);
  });

  it('of an order that nobody knows are kept, one body under one id', async () => {
    const eventId = randomUUID();
    await callBack('1-999999-1', DELIVERED, eventId);
    await callBack('1-999999-1', DELIVERED, eventId);
    await callBack('1-999999-1', INVALID, eventId);
    await callBack('1-999998-1', DELIVERED, eventId);
    expect([heard['1-999999-1'], heard['1-999998-1']]).toEqual([[202, 202, 401], [401]]);
  });

  it.each<readonly [string, string, News]>([
    ['a delivery is applied', '10010', DELIVERED],
    ['a refusal, as it is of another attempt, is not', '10011', INVALID],
  ])('that come before their order is sent are kept: %s', async (says, player, news) => {
    await worker.stop();
    const id = await place(player, `KEPT ${says}`);
    const reference = `1-${id}-1`;
    const eventId = randomUUID();
    await callBack(reference, news, eventId);
    await callBack(reference, news, eventId);
    expect(heard[reference]).toEqual([202, 202]);
    worker = startWorking();
    await expect.poll(() => outcomeOf(id), { timeout: 30_000, interval: 20 }).toEqual(delivered());
    const kept = (): Promise<unknown> => database().query(
      'select from stray_callback where supplier_reference = $1', [reference]);
    await expect.poll(kept, { timeout: 30_000, interval: 20 }).toEqual([]);
    await callBack(reference, news, eventId);
    expect(heard[reference]).toEqual([202, 202, 200]);
    expect(await outcomeOf(id)).toEqual(delivered());
  });

  it('that came before their order was made count where they are told again', async () => {
    const reference = `1-${await place('10001', 'BEFORE') + 1}-1`;
    const eventId = randomUUID();
    await callBack(reference, DELIVERED, eventId);
    const id = await place('10010', 'AFTER');
    expect(reference).toBe(`1-${id}-1`);
    const isSent = async (): Promise<boolean | undefined> =>
      (await outcomeOf(id))?.events.includes('SUBMITTED');
    await expect.poll(isSent, { timeout: 30_000, interval: 20 }).toBe(true);
    expect((await outcomeOf(id))?.status).toBe('PENDING');
    await callBack(reference, DELIVERED, eventId);
    expect(heard[reference]).toEqual([202, 200]);
    expect(await outcomeOf(id)).toEqual(delivered());
  });
});
