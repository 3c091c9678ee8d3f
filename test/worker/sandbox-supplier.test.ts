import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import { isConnectionLost } from '../../src/db/faults.ts';
import { createSandboxBook } from '../../src/demo/sandbox-book.ts';
import { createSandboxSchema } from '../../src/demo/sandbox-schema.ts';
import { startSandboxSupplier, type SandboxSupplier } from '../../src/demo/sandbox-supplier.ts';
import { startSandboxThread } from '../../src/demo/sandbox-thread.ts';
import { useTestDatabase } from '../support/database.ts';

const KEYS: Readonly<Record<string, string>> = {
  'sandbox-a': 'key of a', 'sandbox-b': 'key of b',
};
/** A second of the table takes 40 ms. */
const DELAY_SCALE = 0.04;
/** The line of a submission is written so much later, on a busy machine, than its delay begins. */
const LOGGED_LATE_MS = 20;

const database = useTestDatabase();
let gateway: FakeGateway;
let sandbox: SandboxSupplier;
const complaints: string[] = [];

beforeAll(async () => {
  const { ownerDatabaseUrl } = database();
  await Promise.all([1, 2, 3].map(() => createSandboxSchema(ownerDatabaseUrl, 'topup_app')));
  gateway = await startGateway();
  sandbox = await start(gateway.url);
});
afterAll(async () => {
  await sandbox.close();
  await gateway.close();
  expect(complaints).toEqual([]);
});

function start(callbackBaseUrl: string | null): Promise<SandboxSupplier> {
  return startSandboxSupplier({
    host: '127.0.0.1', port: 0, databaseUrl: database().databaseUrl, signingKeys: KEYS,
    callbackBaseUrl, delayScale: DELAY_SCALE, log: (message) => complaints.push(message),
  });
}

describe('a recipient ending in', () => {
  test.each(['000', '15', '099', '900', 'abc', '7', '+33612345600', ''])(
    '%j is delivered, not before a second, and told once',
    async (recipient) => {
      const { reference, submitted } = await submit(recipient);
      expect(submitted).toEqual({ status: 200, body: { reference, status: 'PROCESSING' } });
      await untilStatus(reference, 'DELIVERED');
      await untilCallbacks(reference, ['DELIVERED']);
      const log = await readLog(reference);
      expect(log[0]).toMatchObject({ kind: 'SUBMIT', outcome: 'PROCESSING', effective: false });
      expect(effectiveMs(log)).toBeGreaterThanOrEqual(1000 * DELAY_SCALE - LOGGED_LATE_MS);
    },
  );

  test.each([['1', 3], ['2', 20]] as const)('%s00 waits', async (hundreds, seconds) => {
    const { reference } = await submit(`5123${hundreds}00`);
    await untilStatus(reference, 'DELIVERED');
    expect(effectiveMs(await readLog(reference))).toBeGreaterThanOrEqual(
      seconds * 1000 * DELAY_SCALE - LOGGED_LATE_MS,
    );
  });

  test('300 waits five minutes', async () => {
    const { reference } = await submit('5123300');
    const [row] = await database().query<{ ms: number }>(
      `select (extract(epoch from due_at - created_at) * 1000)::float8 as ms
       from sandbox.supplier_order where reference = $1`,
      [reference],
    );
    expect(row?.ms).toBeCloseTo(300_000 * DELAY_SCALE, -2);
  });

  test('00 with an instant sku is delivered inside the call', async () => {
    const { reference, submitted } = await submit('5123400', { sku: 'mlbb-86-instant' });
    expect(submitted.body).toEqual({ reference, status: 'DELIVERED' });
    expect(await readLog(reference)).toMatchObject([
      { kind: 'SUBMIT', outcome: 'DELIVERED', effective: true },
    ]);
    const late = await submit('5123100', { sku: 'mlbb-86-instant' });
    expect(late.submitted.body).toMatchObject({ status: 'PROCESSING' });
    await untilStatus(late.reference, 'DELIVERED');
  });

  test('01 comes with a receipt, the same in answer and callback', async () => {
    const { reference } = await submit('5123401');
    const body = await untilStatus(reference, 'DELIVERED');
    expect(body).toMatchObject({
      receipt: { pin: expect.stringMatching(/^\d{12}$/), serial: expect.stringMatching(/^SB/) },
    });
    const [callback] = await untilCallbacks(reference, ['DELIVERED']);
    expect(callback).toMatchObject({ receipt: body['receipt'] });
  });

  test.each([
    ['02', 'INVALID-CREDIT-PARTY'], ['03', 'BARRED-CREDIT-PARTY'],
    ['08', 'INELIGIBLE-CREDIT-PARTY'], ['09', 'LIMITATIONS-ON-CREDIT-PARTY-AMOUNT'],
    ['11', 'LIMITATIONS-ON-CUSTOMER'], ['12', 'PRODUCT-UNAVAILABLE'], ['13', 'OUT-OF-STOCK'],
    ['14', 'INVALID-AMOUNT'],
  ])('%s is rejected with %s: at once, or after the delay by callback', async (ending, code) => {
    const now = await submit(`51230${ending}`);
    const rejected = { reference: now.reference, status: 'REJECTED', code };
    expect(now.submitted.body).toEqual(rejected);
    expect((await query(now.reference)).body).toEqual(rejected);
    expect((await submit(`51230${ending}`, now)).submitted.body).toEqual(rejected);

    const late = await submit(`51231${ending}`);
    expect(late.submitted.body).toMatchObject({ status: 'PROCESSING' });
    const [callback] = await untilCallbacks(late.reference, ['REJECTED']);
    expect(callback).toMatchObject({ code });
    expect((await query(late.reference)).body).toMatchObject({ status: 'REJECTED', code });
    for (const { reference } of [now, late]) expect(await effectiveCount(reference)).toBe(0);
  });

  test.each([['04', 'OPERATOR-CURRENTLY-UNAVAILABLE'], ['10', 'LIMITATIONS-ON-OPERATOR']])(
    '%s is rejected with %s on every try and never taken',
    async (ending, code) => {
      const first = await submit(`51230${ending}`);
      for (const answer of [first, await submit(`51230${ending}`, first)]) {
        expect(answer.submitted.body).toMatchObject({ status: 'REJECTED', code });
      }
      expect(await query(first.reference)).toMatchObject(
        { status: 404, body: { status: 'NOT_FOUND' } },
      );
      expect(await outcomes(first.reference)).toEqual(
        ['SUBMIT REJECTED', 'SUBMIT REJECTED', 'STATUS NOT_FOUND'],
      );
    },
  );

  test('05 is called a duplicate, and delivered', async () => {
    const { reference, submitted } = await submit('5123405');
    expect(submitted.body).toEqual({ reference, status: 'DUPLICATE' });
    await untilStatus(reference, 'DELIVERED');
    expect(await effectiveCount(reference)).toBe(1);
    expect(gateway.callbacksOf(reference)).toEqual([]);
  });

  test('06 is declined without a reason', async () => {
    const { reference, submitted } = await submit('5123406');
    expect(submitted.body).toEqual({ reference, status: 'DECLINED' });
    expect((await query(reference)).body).toEqual({ reference, status: 'DECLINED' });
    expect(await effectiveCount(reference)).toBe(0);
  });

  test('07 loses the connection, and is delivered', async () => {
    const reference = newReference();
    await expect(submit('5123407', { reference })).rejects.toThrow();
    await untilStatus(reference, 'DELIVERED');
    expect(await effectiveCount(reference)).toBe(1);
    expect(gateway.callbacksOf(reference)).toEqual([]);
  });

  test.each(['12', '13'])('%s is delivered by the second supplier alone', async (ending) => {
    const sku = 'pubg-uc-660';
    const refused = await submit(`51230${ending}`, { sku });
    expect(refused.submitted.body).toMatchObject({ status: 'REJECTED' });
    const supplierCode = 'sandbox-b';
    const { reference } = await submit(`51230${ending}`, { sku, supplierCode });
    await untilStatus(reference, 'DELIVERED', supplierCode);
    await untilCallbacks(reference, ['DELIVERED']);
    const other = await submit(`51230${ending}`, { sku: 'pubg-uc-325', supplierCode });
    expect(other.submitted.body).toMatchObject({ status: 'REJECTED' });
  });

  test('20 is unavailable twice, then delivered', async () => {
    const { reference, submitted } = await submit('5123420');
    expect(submitted.status).toBe(503);
    expect((await query(reference)).status).toBe(404);
    expect((await submit('5123420', { reference })).submitted.status).toBe(503);
    const third = await submit('5123420', { reference });
    expect(third.submitted).toMatchObject({ status: 200, body: { status: 'PROCESSING' } });
    await untilStatus(reference, 'DELIVERED');
    expect(await effectiveCount(reference)).toBe(1);
  });

  test('21 asks for patience once, then is delivered', async () => {
    const { reference, submitted } = await submit('5123421');
    expect(submitted).toMatchObject({ status: 429, retryAfter: '1' });
    await submit('5123421', { reference });
    await untilStatus(reference, 'DELIVERED');
  });

  test('22 waits to be released', async () => {
    const { reference } = await submit('5123422');
    await untilStatus((await submit('5123400')).reference, 'DELIVERED');
    expect((await query(reference)).body).toMatchObject({ status: 'PROCESSING' });
    expect((await release(reference)).status).toBe(200);
    await untilCallbacks(reference, ['DELIVERED']);
    expect((await release(reference)).body).toMatchObject({ status: 'DELIVERED' });
    expect(await effectiveCount(reference)).toBe(1);
    expect((await release('1-2-3')).status).toBe(404);
  });

  test('22 released at once still takes its second', async () => {
    const { reference } = await submit('5123422');
    await release(reference);
    await untilStatus(reference, 'DELIVERED');
    expect(effectiveMs(await readLog(reference)))
      .toBeGreaterThanOrEqual(1000 * DELAY_SCALE - LOGGED_LATE_MS);
  });

  test('23 is told by callback alone', async () => {
    const { reference } = await submit('5123423');
    await untilCallbacks(reference, ['DELIVERED']);
    expect((await query(reference)).body).toMatchObject({ status: 'PROCESSING' });
    expect(await effectiveCount(reference)).toBe(1);
  });

  test.each(['pubg-uc-325', 'mlbb-86-instant'])('24 is told twice (%s)', async (sku) => {
    const { reference } = await submit('5123424', { sku });
    const [first, second] = await untilCallbacks(reference, ['DELIVERED', 'DELIVERED']);
    expect(second).toEqual(first);
    expect(await effectiveCount(reference)).toBe(1);
  });

  test.each([
    ['25', 'DECLINED', 'DELIVERED'], ['27', 'DELIVERED', 'REVERSED'],
  ])('%s is %s, and once that was taken %s', async (ending, first, second) => {
    gateway.refuse(Infinity);
    onTestFinished(() => gateway.refuse(0));
    const { reference } = await submit(`51234${ending}`);
    const statuses = () => gateway.callbacksOf(reference).map(({ status }) => status);
    // The pauses between so many are together longer than the second step takes.
    await eventually(async () => expect(statuses().length).toBeGreaterThan(5));
    expect(new Set(statuses())).toEqual(new Set([first]));
    expect((await query(reference)).body).toEqual({ reference, status: first });
    gateway.refuse(0);
    await eventually(async () => expect(statuses().at(-1)).toBe(second));
    expect((await query(reference)).body).toEqual({ reference, status: second });
    expect(statuses().filter((status) => status === second)).toHaveLength(1);
    expect(await effectiveCount(reference)).toBe(1);
  });

  test('26 loses the connection with nothing taken; the repeat is delivered', async () => {
    const reference = newReference();
    await expect(submit('5123426', { reference })).rejects.toThrow();
    expect((await query(reference)).status).toBe(404);
    await submit('5123426', { reference });
    await untilStatus(reference, 'DELIVERED');
    expect(await effectiveCount(reference)).toBe(1);
  });
});

describe('the books', () => {
  test('equal submits at the same time have one effect', async () => {
    for (const sku of ['pubg-uc-325', 'mlbb-86-instant']) {
      const reference = newReference();
      const answers = await Promise.all(
        Array.from({ length: 30 }, () => submit('5123400', { reference, sku })),
      );
      expect(answers.map(({ submitted }) => submitted.status)).not.toContain(500);
      await untilStatus(reference, 'DELIVERED');
      expect(await effectiveCount(reference)).toBe(1);
    }
  });

  test('queries and the ticker race for the effect, and one of them has it', async () => {
    const placed = await Promise.all(Array.from({ length: 20 }, () => submit('5123400')));
    await Promise.all(placed.map(({ reference }) => untilStatus(reference, 'DELIVERED')));
    for (const { reference } of placed) expect(await effectiveCount(reference)).toBe(1);
  });

  test('several processes answer as one supplier; one that lives delivers for all', async () => {
    const other = await start(null);
    const { reference } = await submit('5123100', { url: other.url });
    // Known here too; on a machine that pauses it may be delivered already.
    expect((await query(reference)).body).toMatchObject({
      reference, status: expect.stringMatching(/^(PROCESSING|DELIVERED)$/),
    });
    await other.close();
    await untilCallbacks(reference, ['DELIVERED']);
    expect(await effectiveCount(reference)).toBe(1);
  });

  test('a query that comes before any ticker delivers', async () => {
    await sandbox.close();
    const pool = new pg.Pool({ connectionString: database().databaseUrl });
    const book = createSandboxBook({
      pool, delayScale: DELAY_SCALE, nowMs: () => 0, onLater: () => {},
    });
    const reference = newReference();
    const order = { supplierCode: 'sandbox-a', reference, sku: 'pubg-uc-325', recipient: '00' };
    await book.submit(order);
    await eventually(async () => {
      expect(await book.query('sandbox-a', reference)).toMatchObject({ status: 'DELIVERED' });
    });
    await pool.end();
    sandbox = await start(gateway.url);
    const effective = (await readLog(reference)).filter((line) => line.effective);
    expect(effective).toMatchObject([{ kind: 'STATUS', outcome: 'DELIVERED' }]);
    await untilCallbacks(reference, ['DELIVERED']);
  });

  test('that are read are opened at once, and older ones get what they lack', async () => {
    const reader = new pg.Client(database().databaseUrl);
    await reader.connect();
    const { ownerDatabaseUrl } = database();
    try {
      await reader.query('begin');
      await reader.query('select from sandbox.callback, sandbox.supplier_order, sandbox.log');
      await createSandboxSchema(ownerDatabaseUrl, 'topup_app');
      await reader.query('rollback');
    } finally {
      await reader.end();
    }
    await sandbox.close();
    await database().query('alter table sandbox.callback drop column sequel_in_ms');
    await createSandboxSchema(ownerDatabaseUrl, 'topup_app');
    sandbox = await start(gateway.url);
    const { reference } = await submit('5123425');
    await untilStatus(reference, 'DELIVERED');
  });

  test('the log tells of a call as documented, and can only be appended to', async () => {
    const { reference } = await submit('5123406');
    const lines = await readLog();
    expect(lines.filter((line) => line.supplierReference === reference))
      .toMatchObject([{ kind: 'SUBMIT', outcome: 'DECLINED', effective: false }]);
    for (const line of lines) {
      expect(Object.keys(line)).toEqual(
        ['at', 'kind', 'supplierReference', 'outcome', 'effective'],
      );
      expect(line.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    }
    const program = new pg.Client(database().databaseUrl);
    await program.connect();
    try {
      for (const change of ['update sandbox.log set effective = true', 'delete from sandbox.log']) {
        await expect(program.query(change)).rejects.toThrow('permission denied');
      }
    } finally {
      await program.end();
    }
  });
});

describe('callbacks', () => {
  test('are signed, and repeated with the same bytes until they are taken', async () => {
    gateway.refuse(3);
    const { reference } = await submit('5123400');
    await untilCallbacks(reference, ['DELIVERED', 'DELIVERED', 'DELIVERED', 'DELIVERED']);
    const requests = gateway.requests.filter(({ body }) => body.includes(reference));
    expect(new Set(requests.map(({ body }) => body)).size).toBe(1);
    for (const { headers, url, body } of requests) {
      expect(url).toBe('/callbacks/fulfilment/sandbox-a');
      const signed = `${String(headers['x-timestamp'])}.${body}`;
      expect(headers['x-signature']).toBe(hmac('key of a', signed));
    }
  });

  test('are given up after a day, and what waited for them comes', async () => {
    gateway.refuse(Infinity);
    onTestFinished(() => gateway.refuse(0));
    const { reference } = await submit('5123425');
    await untilStatus(reference, 'DECLINED');
    // A try that is under way does not see how old it has become; the next one does.
    await eventually(async () => {
      await database().query(`update sandbox.callback
        set created_at = now() - interval '25 hours', next_try_at = now()
        where body::json ->> 'reference' = $1`, [reference]);
      expect((await query(reference)).body).toMatchObject({ status: 'DELIVERED' });
    });
    gateway.refuse(0);
    await eventually(async () => {
      expect(gateway.callbacksOf(reference).at(-1)).toMatchObject({ status: 'DELIVERED' });
    });
  });

  test('go to another gateway when the newest is gone', async () => {
    await database().query(
      `insert into sandbox.gateway values ('http://127.0.0.1:9', now() + interval '2 seconds')`,
    );
    const { reference } = await submit('5123400');
    await untilCallbacks(reference, ['DELIVERED']);
    await database().query(`delete from sandbox.gateway where base_url like '%:9'`);
  });

  test('do not hold up a close, and are sent by the next process', async () => {
    const isolated = await startGateway();
    isolated.hang();
    await sandbox.close();
    const dying = await start(isolated.url);
    const { reference } = await submit('5123400', { url: dying.url });
    await eventually(async () => {
      expect(isolated.requests.length).toBeGreaterThan(0);
    });
    const startedMs = performance.now();
    await dying.close();
    expect(performance.now() - startedMs).toBeLessThan(2500);
    await isolated.close();
    sandbox = await start(gateway.url);
    await untilCallbacks(reference, ['DELIVERED']);
  });
});

describe('hostile calls', () => {
  const order = (over: object = {}) => JSON.stringify({
    reference: newReference(), sku: 'pubg-uc-325', amount: '4.99', currency: 'USD',
    country: 'GLO', recipient: '5123400', fields: {}, ...over,
  });

  test('without a good signature have no effect', async () => {
    const reference = newReference();
    const body = order({ reference });
    const path = '/sandbox-a/orders';
    const now = Math.trunc(performance.timeOrigin / 1000 + performance.now() / 1000);
    const good = sign({ method: 'POST', path, body, timestamp: now });
    const forged: Record<string, Record<string, string>> = {
      unsigned: {},
      'wrong key': sign({ method: 'POST', path, body, timestamp: now, key: 'key of b' }),
      stale: sign({ method: 'POST', path, body, timestamp: now - 360 }),
      'of the future': sign({ method: 'POST', path, body, timestamp: now + 360 }),
      'other method': sign({ method: 'GET', path, body, timestamp: now }),
      'other path': sign({ method: 'POST', path: '/sandbox-b/orders', body, timestamp: now }),
      'other body': sign({ method: 'POST', path, body: `${body} `, timestamp: now }),
      'short signature': { ...good, 'x-signature': 'abcd' },
      'not a time': { ...good, 'x-timestamp': 'now' },
    };
    for (const [name, headers] of Object.entries(forged)) {
      const response = await fetch(`${sandbox.url}${path}`, { method: 'POST', body, headers });
      expect(response.status, name).toBe(401);
    }
    expect((await query(reference)).status).toBe(404);
    const taken = await fetch(`${sandbox.url}${path}`, { method: 'POST', body, headers: good });
    expect(taken.status).toBe(200);
    expect((await signedFetch({ path: '/constructor/orders', body })).status).toBe(401);
  });

  test.each([
    ['no JSON', '{"reference":'], ['null', 'null'], ['a list', '[]'],
    ['a bad reference', order({ reference: '../../x' })], ['a number', order({ amount: 4.99 })],
    ['NaN', order({ amount: 'NaN' })], ['nothing', order({ amount: '0.00' })],
    ['a NUL', order({ recipient: 'a\u0000b' })], ['half a character', order({ sku: '\ud800' })],
    ['no fields', order({ fields: undefined })],
  ])('that are no order are refused: %s', async (_name, body) => {
    expect((await signedFetch({ path: '/sandbox-a/orders', body })).status).toBe(400);
  });

  test('that are too large are refused', async () => {
    const reference = newReference();
    const body = order({ reference, fields: { text: 'x'.repeat(70_000) } });
    // Its connection may end while it is still being sent.
    const response = await signedFetch({ path: '/sandbox-a/orders', body }).catch(() => null);
    expect(response?.status ?? 413).toBe(413);
    expect((await query(reference)).status).toBe(404);
  });

  test.each([
    '/', '//', '/%', '/%zz/orders', '/sandbox-a', '/sandbox-a/orders/a/b', '/release/',
    '/release/%00', '/log/x', '/log?reference=%00', '/sandbox-a/orders/..%2f..',
    '/__proto__/orders', '/*', '/?',
  ])('with the path %s are answered', async (path) => {
    const { hostname, port } = new URL(sandbox.url);
    for (const method of ['GET', 'POST', 'DELETE']) {
      const socket = connect(Number(port), hostname);
      socket.end(`${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
  });

  test('that are no HTTP, or ask for a tunnel, do not end it', async () => {
    const { hostname, port } = new URL(sandbox.url);
    const answerTo = (bytes: string) => {
      const socket = connect(Number(port), hostname);
      socket.end(bytes);
      return text(socket);
    };
    expect(await answerTo('\u0000\u0001\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await answerTo('CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n')).toBe('');
    expect((await query(newReference())).status).toBe(404);
  });
});

describe('the thread', () => {
  const options = () => ({
    host: '127.0.0.1', port: 0, databaseUrl: database().databaseUrl, signingKeys: KEYS,
    callbackBaseUrl: null, delayScale: DELAY_SCALE,
    log: (message: string) => complaints.push(message),
  });

  test('answers as the same supplier, and closes', async () => {
    const thread = await startSandboxThread(options());
    const { reference } = await submit('5123400', { url: thread.url });
    await untilStatus(reference, 'DELIVERED');
    await thread.close();
    await thread.close();
    await expect(fetch(`${thread.url}/log`)).rejects.toThrow();
  });

  test('says why it cannot start', async () => {
    const port = sandbox.port;
    await expect(startSandboxThread({ ...options(), port })).rejects.toThrow('EADDRINUSE');
    const away = new URL(database().databaseUrl);
    away.port = '1';
    const lost = await startSandboxThread({ ...options(), databaseUrl: away.href })
      .then(() => null, (error: unknown) => error);
    expect(isConnectionLost(lost)).toBe(true);
  });
});

interface LogLine {
  readonly at: string;
  readonly kind: string;
  readonly supplierReference: string;
  readonly outcome: string;
  readonly effective: boolean;
}

interface Told {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: Record<string, unknown>;
}

interface CallOptions {
  readonly reference?: string;
  readonly sku?: string;
  readonly supplierCode?: string;
  readonly url?: string;
}

function newReference(): string {
  return `1-${randomUUID()}-1`;
}

async function submit(
  recipient: string,
  options: CallOptions = {},
): Promise<{ reference: string; submitted: Omit<Told, 'retryAfter'> }> {
  const { reference = newReference(), sku = 'pubg-uc-325', supplierCode = 'sandbox-a' } = options;
  const body = JSON.stringify({
    reference, sku, amount: '4.99', currency: 'USD', country: 'GLO', recipient, fields: {},
  });
  const { retryAfter, ...told } = await tell(await signedFetch({
    path: `/${supplierCode}/orders`, body, supplierCode, url: options.url ?? sandbox.url,
  }));
  return { reference, submitted: retryAfter === null ? told : { ...told, retryAfter } as Told };
}

async function query(reference: string, supplierCode = 'sandbox-a'): Promise<Told> {
  return tell(await signedFetch({ path: `/${supplierCode}/orders/${reference}`, supplierCode }));
}

async function release(reference: string): Promise<Told> {
  return tell(await fetch(`${sandbox.url}/release/${reference}`, { method: 'POST' }));
}

async function tell(response: Response): Promise<Told> {
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    body: await response.json() as Record<string, unknown>,
  };
}

function signedFetch(call: {
  path: string; body?: string; supplierCode?: string; url?: string;
}): Promise<Response> {
  const { path, body, supplierCode = 'sandbox-a', url = sandbox.url } = call;
  const method = body === undefined ? 'GET' : 'POST';
  const timestamp = Math.trunc((performance.timeOrigin + performance.now()) / 1000);
  const key = KEYS[supplierCode] ?? '';
  const headers = sign({ method, path, body: body ?? '', timestamp, key });
  return fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
}

function sign(call: {
  method: string; path: string; body: string; timestamp: number; key?: string;
}): Record<string, string> {
  const { method, path, body, timestamp, key = 'key of a' } = call;
  const signature = hmac(key, `${timestamp}.${method}.${path}.${body}`);
  return { 'x-timestamp': String(timestamp), 'x-signature': signature };
}

function hmac(key: string, signed: string): string {
  return createHmac('sha256', key).update(signed).digest('hex');
}

async function readLog(reference?: string): Promise<LogLine[]> {
  const filter = reference === undefined ? '' : `?reference=${reference}`;
  const lines = (await (await fetch(`${sandbox.url}/log${filter}`)).text()).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as LogLine);
}

async function outcomes(reference: string): Promise<string[]> {
  return (await readLog(reference)).map(({ kind, outcome }) => `${kind} ${outcome}`);
}

async function effectiveCount(reference: string): Promise<number> {
  return (await readLog(reference)).filter(({ effective }) => effective).length;
}

/** How much later the sandbox's clock, set anew, may take the same moment to be. */
const CLOCK_SET_MS = 20;

/** From the submit to the effect, no shorter than it really was. */
function effectiveMs(log: readonly LogLine[]): number {
  const at = (line: LogLine | undefined) => Date.parse(line?.at ?? '');
  return at(log.find(({ effective }) => effective)) - at(log[0]) + CLOCK_SET_MS;
}

async function untilStatus(
  reference: string,
  status: string,
  supplierCode = 'sandbox-a',
): Promise<Record<string, unknown>> {
  return eventually(async () => {
    const { body } = await query(reference, supplierCode);
    expect(body).toMatchObject({ reference, status });
    return body;
  });
}

/** Waits for exactly these statuses, in this order, to have been told of the reference. */
async function untilCallbacks(
  reference: string,
  statuses: readonly string[],
): Promise<Record<string, unknown>[]> {
  return eventually(async () => {
    const told = gateway.callbacksOf(reference);
    expect(told.map(({ status }) => status)).toEqual(statuses);
    return told;
  });
}

async function eventually<T>(check: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + 10_000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await sleep(10);
    }
  }
}

interface FakeGateway {
  readonly url: string;
  readonly requests: { headers: IncomingMessage['headers']; url: string; body: string }[];
  callbacksOf(reference: string): Record<string, unknown>[];
  /** Answers so many requests with 503. */
  refuse(count: number): void;
  /** Answers nothing any more. */
  hang(): void;
  close(): Promise<void>;
}

async function startGateway(): Promise<FakeGateway> {
  const requests: FakeGateway['requests'] = [];
  let refusalsLeft = 0;
  let isHanging = false;
  const server: Server = createServer((request, response) => {
    void text(request).then((body) => {
      requests.push({ headers: request.headers, url: request.url ?? '', body });
      if (isHanging) return;
      response.statusCode = refusalsLeft > 0 ? 503 : 200;
      refusalsLeft -= 1;
      response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    callbacksOf: (reference) => requests
      .map(({ body }) => JSON.parse(body) as Record<string, unknown>)
      .filter((body) => body['reference'] === reference),
    refuse(count) {
      refusalsLeft = count;
    },
    hang() {
      isHanging = true;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
