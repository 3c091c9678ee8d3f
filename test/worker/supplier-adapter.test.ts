import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { systemClock } from '../../src/clock.ts';
import type { ClaimedOrder, Outcome, Supplier } from '../../src/domain/fulfilment-ports.ts';
import type { Clock } from '../../src/domain/ports.ts';
import { createSandboxSupplier } from '../../src/outbound/sandbox.supplier.ts';
import { claimedOrder as buildClaimedOrder } from '../domain/builders.ts';

const REFERENCE = '1-42-1';
const KEY = 'the key that signs';
const OLD_KEY = 'the key of last month';
const NOW_MS = Date.UTC(2026, 10, 24, 12);
const clock: Clock = { ...systemClock, now: () => new Date(NOW_MS) };

/** What the hostile supplier does with a whole request. */
type Reaction = (socket: Socket, request: string) => void;

let server: Server;
let url: string;
let supplier: Supplier;
let react: Reaction;
let requests: string[];
const sockets = new Set<Socket>();

beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (!isWhole(received)) return;
      const request = received;
      received = '';
      requests.push(request);
      react(socket, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  requests = [];
  supplier = open(() => `${url}/sandbox-a`);
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

const UNKNOWN = expect.objectContaining({ kind: 'UNKNOWN' }) as Outcome;
const DELIVERED: Outcome = { kind: 'DELIVERED', receipt: null };
const failed = (failureCode: string) => ({ kind: 'FAILED', failureCode });

describe('a request', () => {
  test('is signed over time, method, path and body', async () => {
    react = answers(200, { reference: REFERENCE, status: 'PROCESSING' });
    const order = claimedOrder({ recipient: '1\r\nx: "&=|${1}', inputData: { server: 'asia' } });
    expect(await submit(order)).toEqual({ kind: 'ACCEPTED' });
    const { head, headers, body } = split(requests[0]);
    expect(head).toBe('POST /sandbox-a/orders HTTP/1.1');
    expect(JSON.parse(body)).toEqual({
      reference: REFERENCE, sku: 'pubg-uc-325', amount: '4.99', currency: 'USD', country: 'GLO',
      recipient: '1\r\nx: "&=|${1}', fields: { server: 'asia' },
    });
    const timestamp = String(NOW_MS / 1000);
    expect(headers['x-timestamp']).toBe(timestamp);
    expect(headers['accept-encoding']).toBe('identity');
    expect(headers['content-type']).toBe('application/json');
    const signed = `${timestamp}.POST./sandbox-a/orders.${body}`;
    expect(headers['x-signature']).toBe(hmac(KEY, signed));
  });

  test('of a query has no body, and a strange reference stays one segment', async () => {
    react = answers(404, { status: 'NOT_FOUND' });
    const order = claimedOrder({ supplierReference: '1/../2?x#\r\n' });
    expect(await query(order)).toEqual({ kind: 'NOT_FOUND' });
    expect(split(requests[0]).head)
      .toBe('GET /sandbox-a/orders/1%2F..%2F2%3Fx%23%0D%0A HTTP/1.1');
  });

  test.each([['', '/orders'], ['/', '/orders'], ['/v1/', '/v1/orders']])(
    'to an address that ends in "%s" has no empty segment', async (end, path) => {
      react = answers(404, { status: 'NOT_FOUND' });
      supplier = open(() => `${url}${end}`);
      await query();
      expect(split(requests[0]).head).toBe(`GET ${path}/${REFERENCE} HTTP/1.1`);
    },
  );
});

describe('an answer of the protocol', () => {
  const receipt = {
    pin: '123456789012', code: 'A1>B2 < C3', plan: 'Data: 1.5 GB a day',
    redeem: 'Menu > Recharge > Enter code', page: 'https://supplier.example/?a=1',
  };
  test.each<[status: string, more: object, submitted: unknown, queried: unknown]>([
    ['DELIVERED', {}, DELIVERED, DELIVERED],
    ['DELIVERED', { receipt }, { kind: 'DELIVERED', receipt }, { kind: 'DELIVERED', receipt }],
    ['DELIVERED', { receipt: {
      ...receipt, html: '<b>1</b>', url: ' javascript:alert(1)', link: 'data:text/html,x',
      end: '1</b>', note: '1<!-- 2', old: 'VBScript:f(1)', image: 'data:image/svg+xml;base64,x',
    } }, { kind: 'DELIVERED', receipt }, { kind: 'DELIVERED', receipt }],
    ['PROCESSING', {}, { kind: 'ACCEPTED' }, { kind: 'ACCEPTED' }],
    ['REVERSED', {}, { kind: 'REVERSED' }, { kind: 'REVERSED' }],
    ['DUPLICATE', {}, { kind: 'ACCEPTED' }, UNKNOWN],
    ['DECLINED', {}, UNKNOWN, failed('UNKNOWN')],
    ['REJECTED', { code: 'NEVER-HEARD-OF' }, UNKNOWN, UNKNOWN],
    ['REJECTED', { code: 'constructor' }, UNKNOWN, UNKNOWN],
    ['REJECTED', {}, UNKNOWN, UNKNOWN],
    ['TELEPORTED', {}, UNKNOWN, UNKNOWN],
  ])('%s %j', async (status, more, submitted, queried) => {
    react = answers(200, { reference: REFERENCE, status, ...more });
    expect(await submit()).toEqual(submitted);
    expect(await query()).toEqual(queried);
  });

  test.each<[what: string, more: Partial<ClaimedOrder>, Outcome | object]>([
    ['of one that cannot be asked', {}, failed('UNKNOWN')],
    ['of one that can be asked', { canBeQueried: true }, UNKNOWN],
    ['of one that sends twice what it is sent twice', { dedupesByReference: false }, UNKNOWN],
    ['to a first send', { isResent: false }, UNKNOWN],
  ])('that is a bare DECLINED to a repeat is an answer where there is no other: %s',
    async (_, more, outcome) => {
      react = answers(200, { reference: REFERENCE, status: 'DECLINED' });
      const repeat = { isResent: true, dedupesByReference: true, canBeQueried: false, ...more };
      expect(await submit(claimedOrder(repeat))).toEqual(outcome);
    });

  test.each([
    ['INVALID-CREDIT-PARTY', 'INVALID_RECIPIENT'],
    ['BARRED-CREDIT-PARTY', 'RECIPIENT_BARRED'],
    ['INELIGIBLE-CREDIT-PARTY', 'RECIPIENT_INELIGIBLE'],
    ['LIMITATIONS-ON-CREDIT-PARTY-AMOUNT', 'RECIPIENT_LIMIT_EXCEEDED'],
    ['OPERATOR-CURRENTLY-UNAVAILABLE', 'OPERATOR_UNAVAILABLE'],
    ['LIMITATIONS-ON-OPERATOR', 'OPERATOR_LIMIT_EXCEEDED'],
    ['LIMITATIONS-ON-CUSTOMER', 'CLIENT_LIMIT_EXCEEDED'],
    ['PRODUCT-UNAVAILABLE', 'PRODUCT_UNAVAILABLE'],
    ['OUT-OF-STOCK', 'PRODUCT_OUT_OF_STOCK'],
    ['INVALID-AMOUNT', 'AMOUNT_OUT_OF_RANGE'],
  ])('REJECTED %s is FAILED %s', async (code, failureCode) => {
    react = answers(200, { reference: REFERENCE, status: 'REJECTED', code });
    expect(await submit()).toEqual(failed(failureCode));
    expect(await query()).toEqual(failed(failureCode));
  });

  test.each([
    ['7', 7000], ['0', 0], ['999999', 999_999_000], ['99999999999', 99_999_999_999_000],
    ['-5', null], ['soon', null], ['', null],
    [new Date(NOW_MS + 90_000).toUTCString(), 90_000],
    [new Date(NOW_MS - 90_000).toUTCString(), 0],
    [new Date(NOW_MS + 90_000_000).toUTCString(), 90_000_000],
  ])('503 and 429 with Retry-After "%s" ask for %s ms of patience', async (after, retryAfterMs) => {
    for (const status of [503, 429]) {
      react = answers(status, { status: 'LATER' }, { 'retry-after': after });
      const transient = { kind: 'TRANSIENT', reason: `HTTP ${status}`, retryAfterMs };
      expect(await submit()).toEqual(transient);
      expect(await query()).toEqual(transient);
    }
  });

  test('a date asks for patience by the clock of who says it', async () => {
    const ahead = (ms: number): string => new Date(NOW_MS + 3_600_000 + ms).toUTCString();
    react = answers(503, {}, { 'retry-after': ahead(90_000), 'date': ahead(0) });
    expect(await submit()).toMatchObject({ retryAfterMs: 90_000 });
  });

  test('has a connection of its own where the supplier knows no repeat', async () => {
    const seen = new Set<Socket>();
    react = (socket, request) => {
      seen.add(socket);
      answers(503, {})(socket, request);
    };
    for (const [dedupesByReference, connection] of [
      [true, 'keep-alive'], [false, 'close'],
    ] as const) {
      seen.clear();
      for (let sent = 0; sent < 3; sent += 1) await submit(claimedOrder({ dedupesByReference }));
      expect(split(requests.at(-1)).headers['connection']).toBe(connection);
    }
    expect(seen.size).toBe(3);
  });

  test('401 is said before anything is applied', async () => {
    react = answers(401, { status: 'UNAUTHORIZED' });
    expect(await submit()).toMatchObject({ kind: 'TRANSIENT' });
  });

  test.each([500, 502, 504])('%d proves nothing, and is told by its status', async (status) => {
    react = answers(status, { status: 'NOT_FOUND', reference: REFERENCE });
    const unknown = { kind: 'UNKNOWN', reason: `HTTP ${status}` };
    expect(await submit()).toEqual(unknown);
    expect(await query()).toEqual(unknown);
  });

  test.each([301, 403, 418])('%d is not understood, and is told by its status', async (status) => {
    react = answers(status, { status: 'DELIVERED', reference: REFERENCE });
    const unknown = { kind: 'UNKNOWN', reason: `answer not understood (HTTP ${status})` };
    expect(await submit()).toEqual(unknown);
    expect(await query()).toEqual(unknown);
  });

  test('404 proves something only in the words of the protocol', async () => {
    for (const body of [{ status: 'NOT_FOUND' }, { status: 'NOT_FOUND', reference: REFERENCE }]) {
      react = answers(404, body);
      expect(await query()).toEqual({ kind: 'NOT_FOUND' });
      expect(await submit()).toEqual(UNKNOWN);
    }
    for (const body of [{}, { status: 'NO_SUCH_PATH' }, { status: 'NOT_FOUND', reference: '1' }]) {
      react = answers(404, body);
      expect(await query()).toEqual(UNKNOWN);
    }
    react = sends('HTTP/1.1 404 Not Found\r\ncontent-length: 13\r\n\r\n<h1>404</h1>\n');
    expect(await query()).toEqual(UNKNOWN);
  });

  test('may be announced by 1xx', async () => {
    react = (socket) => {
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n');
      answers(200, { reference: REFERENCE, status: 'DELIVERED' })(socket, '');
    };
    expect(await submit()).toEqual(DELIVERED);
  });
});

describe('a receipt', () => {
  const wide = Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, 'v']));
  test.each<[unknown, object | null]>([
    [{ pin: '1234', steps: ' 1. Dial *111#\n2. Enter the PIN\u0000 ' },
      { pin: '1234', steps: '1. Dial *111# 2. Enter the PIN' }],
    [{ pin: 1234, balance: 5.5, serial: 2 ** 60 }, { pin: '1234' }],
    [{ pin: '1234', 'Serial number': '77', '9': 'x', nested: { a: 'b' }, none: null },
      { pin: '1234', Serial_number: '77' }],
    [{ pin: '1234', terms: 'x'.repeat(1000), more: 'x'.repeat(1001), half: '\ud800' },
      { pin: '1234', terms: 'x'.repeat(1000) }],
    [{ 'pin code': '1', 'pin-code': '2', pin_code: '3' },
      { pin_code: '1', pin_code_: '2', pin_code__: '3' }],
    [['1234'], null], ['1234', null], [7, null], [{}, null], [{ pin: null }, null],
    [{ html: '<b>1</b>' }, null],
    [wide, Object.fromEntries(Object.entries(wide).slice(0, 16))],
  ])('%j costs a delivery no more than what is wrong in it', async (receipt, kept) => {
    react = answers(200, { reference: REFERENCE, status: 'DELIVERED', receipt });
    expect(await submit()).toEqual({ kind: 'DELIVERED', receipt: kept });
    expect(await query()).toEqual({ kind: 'DELIVERED', receipt: kept });
  });

  test('cannot name __proto__', async () => {
    react = sends(((body) => 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'
      + `content-length: ${body.length}\r\n\r\n${body}`)(
      `{"reference":"${REFERENCE}","status":"DELIVERED","receipt":{"__proto__":"x","a":"b"}}`));
    const outcome = await submit();
    expect(outcome).toEqual({ kind: 'DELIVERED', receipt: { a: 'b' } });
  });
});

describe('a hostile answer proves nothing:', () => {
  const good = { reference: REFERENCE, status: 'DELIVERED' };
  const raw = (body: string, headers = 'content-type: application/json\r\n') => sends(
    `HTTP/1.1 200 OK\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const chunk = 'x'.repeat(1 << 20);
  test.each<[string, Reaction]>([
    ['500', answers(500, good)], ['502', answers(502, good)], ['504', answers(504, good)],
    ['201', answers(201, good)], ['400', answers(400, good)],
    ['HTML', raw('<html>DELIVERED</html>', 'content-type: text/html\r\n')],
    ['JSON that claims to be HTML', raw(JSON.stringify(good), 'content-type: text/html\r\n')],
    ['JSON of no type', raw(JSON.stringify(good), '')],
    ['nothing', raw('')],
    ['a list', raw(`[${JSON.stringify(good)}]`)],
    ['null', raw('null')],
    ['NaN', raw(`{"reference":"${REFERENCE}","status":"DELIVERED","amount":NaN}`)],
    ['a cut object', raw(JSON.stringify(good).slice(0, -1))],
    ['bad UTF-8', (socket) => {
      const body = `{"reference":"${REFERENCE}","status":"DELIVERED","x":"\xff\xfe"}`;
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n');
      socket.write(Buffer.from(`content-length: ${body.length}\r\n\r\n${body}`, 'latin1'));
    }],
    ['another reference', answers(200, { ...good, reference: '1-43-1' })],
    ['no reference', answers(200, { status: 'DELIVERED' })],
    ['a reference of another type', answers(200, { ...good, reference: [REFERENCE] })],
    ['a status of another type', answers(200, { ...good, status: ['DELIVERED'] })],
    ['a code of another type', answers(200, { ...good, code: 7 })],
    ['no HTTP', sends('DELIVERED\r\n\r\n')],
    ['an endless head', sends(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(64_000)}\r\n\r\n`)],
    ['two lengths', sends(
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
    )],
    ['64 KiB and more', raw(JSON.stringify(good) + ' '.repeat(65_536))],
    ['an announced length that never comes', (socket) => {
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{"reference":');
    }],
    ['an upgrade', sends('HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n')],
    ['a close before the head', (socket) => socket.end()],
    ['a reset before the head', (socket) => socket.resetAndDestroy()],
    ['a reset in the head', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-', () => socket.resetAndDestroy());
    }],
    ['a reset in the body', (socket) => {
      const start = 'HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{';
      socket.write(start, () => socket.resetAndDestroy());
    }],
    ['a chunk that is cut', (socket) => {
      socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{"refer');
    }],
    ['100 MB', (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${100 << 20}\r\n\r\n`);
      for (let count = 0; count < 100; count += 1) socket.write(chunk);
    }],
  ])('%s', async (_name, reaction) => {
    react = reaction;
    expect(await submit()).toEqual(UNKNOWN);
    expect(await query()).toEqual(UNKNOWN);
    // Nothing was repeated behind our back.
    expect(requests).toHaveLength(2);
  });

  test('100 MB are not read to their end', async () => {
    let writtenCount = 0;
    const closed = Promise.withResolvers<void>();
    react = (socket) => {
      socket.once('close', () => closed.resolve());
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${100 << 20}\r\n\r\n`);
      const push = () => {
        writtenCount += 1;
        if (writtenCount < 100 && !socket.destroyed) socket.write(chunk, push);
      };
      push();
    };
    expect(await submit()).toEqual({ kind: 'UNKNOWN', reason: 'answer too long' });
    await closed.promise;
    expect(writtenCount).toBeLessThan(50);
  });

  test.each([301, 302, 303, 307, 308])('redirect %d, which is not followed', async (status) => {
    react = answers(status, good, { location: `${url}/elsewhere` });
    expect(await submit()).toEqual(UNKNOWN);
    expect(await query()).toEqual(UNKNOWN);
    expect(requests).toHaveLength(2);
  });

  test('silence and drips, which end with the deadline', async () => {
    const reactions: Reaction[] = [() => {}, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n');
      const drip = setInterval(() => socket.write('x-drip: 1\r\n'), 10);
      socket.once('close', () => clearInterval(drip));
    }, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n');
      const drip = setInterval(() => socket.write(' '), 10);
      socket.once('close', () => clearInterval(drip));
    }];
    for (react of reactions) {
      const startedMs = performance.now();
      const unanswered = { kind: 'UNKNOWN', reason: 'no answer in time' };
      expect(await supplier.submit(claimedOrder(), AbortSignal.timeout(150))).toEqual(unanswered);
      expect(await supplier.query(claimedOrder(), AbortSignal.timeout(150))).toEqual(unanswered);
      expect(performance.now() - startedMs).toBeLessThan(5000);
    }
  });

  test('a pooled connection that is closed under the next request', async () => {
    react = answers(200, good);
    expect(await submit()).toEqual(DELIVERED);
    react = (socket) => socket.destroy();
    expect(await submit()).toEqual(UNKNOWN);
    expect(requests).toHaveLength(2);
    react = answers(200, good);
    expect(await submit()).toEqual(DELIVERED);
    expect(requests).toHaveLength(3);
  });
});

describe('where nothing was sent the outcome is TRANSIENT:', () => {
  const transient = (reason: string) => ({ kind: 'TRANSIENT', reason, retryAfterMs: null });

  test('nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    supplier = open(() => `http://127.0.0.1:${port}`);
    expect(await submit()).toEqual(transient('no connection (ECONNREFUSED)'));
    expect(await query()).toEqual(transient('no connection (ECONNREFUSED)'));
  });

  test('the name is not known, the address is none', async () => {
    supplier = open(() => 'http://supplier.invalid');
    const { reason } = await submit() as { reason: string };
    // Where no name is looked up at all, it is not known for now.
    expect(reason).toMatch(/^no connection \((ENOTFOUND|EAI_AGAIN)\)$/);
    for (const address of ['', 'nonsense', 'ftp://127.0.0.1']) {
      supplier = open(() => address);
      expect(await submit()).toMatchObject({ kind: 'TRANSIENT' });
    }
  });

  test('the deadline has passed', async () => {
    expect(await supplier.submit(claimedOrder(), AbortSignal.abort()))
      .toEqual(transient('deadline passed'));
    expect(requests).toEqual([]);
  });

  test('the deadline passes during the handshake', async () => {
    // Takes the connection and never says a word of TLS.
    supplier = open(() => url.replace('http:', 'https:'));
    expect(await supplier.submit(claimedOrder(), AbortSignal.timeout(150)))
      .toEqual(transient('no connection'));
  });

  test('the process was stopped while it connected, and its timer has not fired yet', async () => {
    react = answers(200, { reference: REFERENCE, status: 'PROCESSING' });
    const connection = once(server, 'connection');
    const order = claimedOrder();
    const late = { ...clock, monotonicMs: () => order.askedAtMs + order.callDeadlineMs };
    supplier = open(() => url, late);
    expect(await submit(order)).toEqual(transient('no connection'));
    await connection;
    expect(requests).toEqual([]);
  });
});

describe('a callback', () => {
  const told = {
    event_id: 'e-1', reference: REFERENCE, status: 'DELIVERED',
    occurred_at: '2026-11-24T11:59:58.123Z',
  };

  test.each<[string, object, unknown]>([
    ['DELIVERED', {}, DELIVERED],
    ['DELIVERED', { receipt: { pin: '1' } }, { kind: 'DELIVERED', receipt: { pin: '1' } }],
    ['REJECTED', { code: 'OUT-OF-STOCK' }, failed('PRODUCT_OUT_OF_STOCK')],
    ['DECLINED', {}, failed('UNKNOWN')],
    ['REVERSED', {}, { kind: 'REVERSED' }],
    ['PROCESSING', {}, { kind: 'ACCEPTED' }],
  ])('%s %j is understood', (status, more, outcome) => {
    const body = JSON.stringify({ ...told, status, ...more });
    const bodyDigest = createHash('sha256').update(body).digest('hex');
    expect(verify({ body })).toEqual({
      event: {
        supplierCode: 'sandbox-a', eventId: 'e-1', supplierReference: REFERENCE, bodyDigest,
      },
      outcome,
    });
  });

  test('is accepted under every key, within five minutes', () => {
    expect(verify({ key: OLD_KEY })).not.toBeNull();
    expect(verify({ timestamp: NOW_MS / 1000 - 300 })).not.toBeNull();
    expect(verify({ timestamp: NOW_MS / 1000 + 300 })).not.toBeNull();
  });

  const body = JSON.stringify(told);
  const now = NOW_MS / 1000;
  const good = hmac(KEY, `${now}.${body}`);
  test.each<[string, Forged]>([
    ['another key', { key: 'key of sandbox-b' }],
    ['no key', { key: '' }],
    ['six minutes old', { timestamp: now - 360 }],
    ['of the future', { timestamp: now + 360 }],
    ['one byte altered', { body: body.replace('e-1', 'e-2'), signature: good }],
    ['serialised anew', { body: JSON.stringify(told, null, 1), signature: good }],
    ['signed over the body only', { signature: hmac(KEY, body) }],
    ['no signature', { signature: undefined }],
    ['an empty signature', { signature: '' }],
    ['a short signature', { signature: good.slice(0, 62) }],
    ['a long signature', { signature: `${good}00` }],
    ['a versioned signature', { signature: `v1,${good}` }],
    ['a signature in capitals', { signature: good.toUpperCase() }],
    ['a signature that is no hex', { signature: 'g'.repeat(64) }],
    ['100 signatures', { signature: Array.from({ length: 100 }, () => good).join(', ') }],
    ['a list of signatures', { signature: [good, good] }],
    ['no timestamp', { headers: { 'x-signature': good } }],
    ['two timestamps', { headers: { 'x-signature': good, 'x-timestamp': [`${now}`, `${now}`] } }],
    ...['', 'now', '1e9', ' 1', `-${now}`, `${now}.0`, '0x10', '9'.repeat(13)].map(
      (timestamp): [string, Forged] => [`the timestamp "${timestamp}"`, { timestamp }],
    ),
  ])('with %s is refused', (_name, forged) => {
    expect(verify({ body, ...forged })).toBeNull();
  });

  test.each([
    '', 'null', '[]', '"DELIVERED"', '{}', '<xml/>', `${body}${body}`, '\u0000',
    JSON.stringify({ ...told, event_id: undefined }), JSON.stringify({ ...told, event_id: '' }),
    JSON.stringify({ ...told, event_id: 'x'.repeat(256) }),
    JSON.stringify({ ...told, event_id: 'a\u0000b' }), JSON.stringify({ ...told, event_id: 1 }),
    JSON.stringify({ ...told, reference: undefined }),
    JSON.stringify({ ...told, reference: 'a b' }),
    JSON.stringify({ ...told, status: 'REJECTED' }),
    JSON.stringify({ ...told, status: 'REJECTED', code: 'NEVER-HEARD-OF' }),
    JSON.stringify({ ...told, status: 'DUPLICATE' }), JSON.stringify({ ...told, status: {} }),
    JSON.stringify({ ...told, occurred_at: 'yesterday' }),
    JSON.stringify({ ...told, more: 'x'.repeat(65_536) }),
  ])('that is signed but not understood is told apart: %.60s', (text) => {
    // What is longer than any message of theirs is not even read.
    expect(verify({ body: text })).toBe(text.length > 65_536 ? null : 'UNREADABLE');
  });

  interface Forged {
    readonly key?: string;
    readonly timestamp?: number | string;
    readonly body?: string;
    readonly signature?: string | readonly string[] | undefined;
    readonly headers?: Record<string, string | readonly string[]>;
  }

  function verify(forged: Forged) {
    const { key = KEY, timestamp = now, body: text = body } = forged;
    const signature = 'signature' in forged
      ? forged.signature
      : hmac(key, `${timestamp}.${text}`);
    const headers = forged.headers
      ?? { 'x-timestamp': String(timestamp), 'x-signature': signature };
    return supplier.verifyCallback({ headers, body: Buffer.from(text) });
  }
});

function open(baseUrl: () => string, ofClock = clock): Supplier {
  return createSandboxSupplier({
    code: 'sandbox-a', baseUrl, signingKeys: [KEY, OLD_KEY], clock: ofClock,
  });
}

function submit(order = claimedOrder()): Promise<Outcome> {
  return supplier.submit(order, AbortSignal.timeout(5000));
}

function query(order = claimedOrder()): Promise<Outcome> {
  return supplier.query(order, AbortSignal.timeout(5000));
}

function claimedOrder(over: Partial<ClaimedOrder> = {}): ClaimedOrder {
  return buildClaimedOrder({
    orderId: 42, supplierReference: REFERENCE, recipient: '5123400', inputData: {},
    callDeadlineMs: 2000, askedAtMs: performance.now(), ...over,
  });
}

function answers(status: number, body: object, headers: Record<string, string> = {}): Reaction {
  const text = JSON.stringify(body);
  const lines = Object.entries({
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return sends(`HTTP/1.1 ${status} Whatever\r\n${lines}\r\n${text}`);
}

function sends(bytes: string): Reaction {
  return (socket) => {
    socket.write(bytes);
  };
}

function isWhole(received: string): boolean {
  const at = received.indexOf('\r\n\r\n');
  const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
  return at !== -1 && received.length >= at + 4 + length;
}

function split(request: string | undefined) {
  const [top = '', body = ''] = (request ?? '').split('\r\n\r\n');
  const [head = '', ...lines] = top.split('\r\n');
  const headers = Object.fromEntries(lines.map((line) => line.split(': ', 2)));
  return { head, headers: headers as Record<string, string>, body };
}

function hmac(key: string, signed: string): string {
  return createHmac('sha256', key).update(signed).digest('hex');
}
