import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { CallbackResult } from '../../src/domain/receive-callback.ts';
import { NumberText } from '../../src/domain/money.ts';
import type { RawCallback } from '../../src/domain/fulfilment-ports.ts';
import { Rejection, TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { createHttpServer } from '../../src/rest/http-server.ts';
import {
  envelopeOptions, restDoor, setRestEnvelope, type RestDeps,
} from '../../src/rest/rest-door.ts';
import { callerOf } from '../support/caller.ts';
import { noRateLimits } from '../support/no-rate-limits.ts';

const ORDERS = '/api/v1/topups/orders';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MIB = 1_048_576;

/** What the stand-ins for the stories were called with, and what they throw. */
const calls: { name: string; args: unknown[] }[] = [];
const told = {
  error: new Rejection('PRODUCT_NOT_FOUND', 'Product not found') as Error,
  callback: 'DONE' as CallbackResult,
  isReady: true,
  /** Whether the token was taken back while this process stood still. */
  isRevokedAsleep: false,
  isRevoked: false,
};
let app: FastifyInstance;
let baseUrl: string;

async function startApp(): Promise<FastifyInstance> {
  const refuse = (name: string) => async (...args: unknown[]): Promise<never> => {
    calls.push({ name, args });
    throw told.error;
  };
  const started = Fastify({
    ...envelopeOptions,
    genReqId: () => randomUUID(),
    serverFactory: (handler) => createHttpServer(handler, {
      socketPath: '/graphql', requestMs: 400, headersMs: 300,
    }),
  });
  setRestEnvelope(started);
  await started.register(restDoor({
    createTopupOrder: refuse('create'),
    cancelTopupOrder: refuse('cancel'),
    setNotificationEmail: refuse('notification-email'),
    refreshTopupOrder: async (...args) => (calls.push({ name: 'find', args }), null),
    quoteTopup: refuse('quote'),
    store: {
      pricing: () => { throw told.error; },
      listOrders: async (...args) => (
        calls.push({ name: 'list', args }), { items: [], totalCount: 0, hasMore: false }
      ),
      listOrdersBefore: refuse('list-before'),
      countOrders: refuse('count'),
      listWallets: refuse('list-wallets'),
      findWalletsByIds: refuse('find-wallets'),
      listTransfers: refuse('list-transfers'),
      findTransferPages: refuse('find-transfer-pages'),
      findTransfersByIds: refuse('find-transfers'),
    },
    auth: { logIn: refuse('login'), refreshTokens: refuse('refresh'), logOut: refuse('logout') },
    authenticate: async ({ authorization }) =>
      (authorization === 'Bearer good' ? callerOf(7) : null),
    addressOf: () => '127.0.0.1',
    rateLimits: noRateLimits,
    receiveCallback: async (raw) => (calls.push({ name: 'callback', args: [raw] }), told.callback),
    isDatabaseReady: async () => told.isReady,
    feed: {} as RestDeps['feed'],
    clock: systemClock,
    cursorKey: 'cursor key',
    streamsPerClient: 1,
    isStillAdmitted: () => !told.isRevoked,
    onAccessChange: () => () => undefined,
    catchUp: async () => { told.isRevoked = told.isRevokedAsleep; },
    isMigrated: async () => true,
    workerSilentMs: () => 0,
    metrics: { contentType: 'text/plain', write: async () => 'a 1' },
  }));
  await started.listen({ port: 0, host: '127.0.0.1' });
  return started;
}

beforeAll(async () => {
  app = await startApp();
  baseUrl = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
});
afterAll(() => app.close());

interface Sent {
  readonly method?: string;
  readonly token?: string | null;
  readonly type?: string | null;
  readonly body?: string | Buffer<ArrayBuffer>;
  readonly headers?: Record<string, string>;
}

/** One request; `type` is application/json unless named, null sends none. */
async function call(path: string, sent: Sent = {}) {
  const { method = 'GET', token = 'good', type = 'application/json', body, headers } = sent;
  calls.length = 0;
  const response = await fetch(baseUrl + path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined || type === null ? {} : { 'content-type': type }),
      ...headers,
    },
    // Text would get a content type of its own.
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  });
  return {
    status: response.status,
    headers: response.headers,
    text: await response.text(),
  };
}
type Answer = Awaited<ReturnType<typeof call>>;
const post = (path: string, sent: Sent = {}) => call(path, { method: 'POST', body: '{}', ...sent });

function expectError(answer: Answer, status: number, error: Record<string, unknown>) {
  expect(answer.status, answer.text).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  const requestId = answer.headers.get('x-request-id');
  expect(requestId).toMatch(UUID);
  const body = JSON.parse(answer.text) as { error: Record<string, unknown> };
  expect(Object.keys(body)).toEqual(['error']);
  expect(body.error).toMatchObject(error);
  if (body.error['request_id'] !== undefined) expect(body.error['request_id']).toBe(requestId);
}

/** Sends bytes as they are and reads until the server closes. */
async function raw(text: string): Promise<string> {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => { answer += chunk; });
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

describe('routing', () => {
  test('answers 404 on unknown routes, whatever the body', async () => {
    for (const path of ['/', '/api', `${ORDERS}/1/2/3`, '/graphql%2f', '/%00']) {
      for (const sent of [{}, { method: 'POST', type: 'text/plain', body: 'x' },
        { method: 'POST', type: null, body: '{' }, { token: null }]) {
        expectError(await call(path, sent), 404, { name: 'NotFoundError', code: 'NOT_FOUND' });
      }
    }
  });

  test('answers 405 with Allow on a known path', async () => {
    for (const [method, path, allow] of [
      ['PUT', ORDERS, 'GET, HEAD, POST'],
      ['DELETE', `${ORDERS}/5?x=1`, 'GET, HEAD'],
      ['GET', `${ORDERS}/5/cancel`, 'POST'],
      ['GET', '/callbacks/fulfilment/sandbox-a', 'POST'],
      ['POST', '/livez', 'GET, HEAD'],
    ] as const) {
      const answer = await call(path, { method, token: null });
      expectError(answer, 405, { name: 'MethodNotAllowedError', code: 'METHOD_NOT_ALLOWED' });
      expect(answer.headers.get('allow')).toBe(allow);
    }
  });

  test('ignores a method override and a request id of the caller', async () => {
    const headers = { 'x-http-method-override': 'POST', 'x-request-id': 'mine' };
    const answer = await call(`${ORDERS}/5/cancel`, { headers });
    expectError(answer, 405, {});
  });

  test('answers unreadable and overlong paths', async () => {
    expectError(await call('/api/%E0%A4%A'), 400, { code: 'VALIDATION_FAILURE' });
    expectError(await call(`${ORDERS}/${'1'.repeat(200)}`), 404, { code: 'NOT_FOUND' });
  });
});

describe('authentication', () => {
  const unauthorized = (message: string) =>
    ({ name: 'UnauthorizedError', code: 'UNAUTHORIZED', message });

  test('comes before the body and the ids', async () => {
    for (const [path, sent] of [
      [ORDERS, { method: 'POST', body: '{' }],
      [ORDERS, { method: 'POST', type: 'text/plain', body: 'x' }],
      [ORDERS, { method: 'POST', body: 'x'.repeat(MIB) }],
      [`${ORDERS}/x`, {}],
      [`${ORDERS}?access_token=good&token=good`, {}],
    ] as const) {
      const answer = await call(path, { ...sent, token: null });
      expectError(answer, 401, unauthorized('Authorization header required'));
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      const refused = await call(path, { ...sent, token: 'bad' });
      expectError(refused, 401, unauthorized('Invalid or expired token'));
    }
  });

  test('refuses two Authorization headers, in either order', async () => {
    for (const tokens of [['good', 'bad'], ['bad', 'good'], ['good', 'good']]) {
      const [first, second] = tokens.map((token) => `Bearer ${token}`);
      const answer = await raw(`GET ${ORDERS}/5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`
        + `authorization: ${first}\r\nAUTHORIZATION: ${second}\r\n\r\n`);
      expect(answer).toContain('HTTP/1.1 401 ');
      expect(answer).toContain('"message":"Invalid or expired token"');
    }
  });

  test('is asked of orders only', async () => {
    expect((await call('/livez', { token: null })).status).toBe(200);
    expect((await post('/callbacks/fulfilment/sandbox-a', { token: null })).status).toBe(200);
  });
});

describe('bodies', () => {
  const invalid = {
    name: 'ValidationException', code: 'VALIDATION_FAILURE', message: 'Invalid request body',
  };

  test('reaches the story with numbers as written', async () => {
    const body = '{"product_id":4218,"amount":4.990,"input_data":{"server":"asia"},"extra":1}';
    for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON',
      'application/json;charset="UTF-8"']) {
      expectError(await post(ORDERS, { body, type }), 404, { message: 'Product not found' });
      expect(calls).toEqual([{ name: 'create', args: [7, expect.objectContaining({
        productId: new NumberText('4218'),
        amount: new NumberText('4.990'),
        inputData: [['server', 'asia']],
      })] }]);
    }
  });

  test('refuses what is not a JSON object with 400', async () => {
    for (const body of ['{', '[]', 'null', '"x"', '{} x', '\uFEFF{}', Buffer.from([0x7b, 0xff]),
      `{"a":${'['.repeat(30_000)}`, '']) {
      expectError(await post(ORDERS, { body }), 400, invalid);
      expect(calls).toEqual([]);
    }
    expectError(await call(ORDERS, { method: 'POST' }), 400, invalid);
  });

  test('refuses other media types, charsets and compression with 415', async () => {
    const refused = { name: 'UnsupportedMediaTypeError', code: 'UNSUPPORTED_MEDIA_TYPE' };
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp',
      'multipart/form-data; boundary=x', 'application/problem+json', 'json', null,
      'application/json; charset=utf-16', 'application/json; charset=latin1']) {
      expectError(await post(ORDERS, { type }), 415, refused);
    }
    for (const encoding of ['gzip', 'br', 'x', 'identity, gzip']) {
      const headers = { 'content-encoding': encoding };
      expectError(await post(ORDERS, { headers }), 415, refused);
      expectError(await post('/callbacks/fulfilment/a', { headers }), 415, refused);
    }
    expect(calls).toEqual([]);
  });

  test('takes 64 KiB and refuses more with 413', async () => {
    const padded = (bytes: number) => `{"a":"${'x'.repeat(bytes - 8)}"}`;
    expectError(await post(ORDERS, { body: padded(65_536) }), 404, {});
    const tooLarge = { name: 'PayloadTooLargeError', code: 'PAYLOAD_TOO_LARGE' };
    expectError(await post(ORDERS, { body: padded(65_537) }), 413, tooLarge);
    expectError(await post('/callbacks/fulfilment/a', { body: padded(65_537) }), 413, tooLarge);
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const answer = await raw(`POST ${ORDERS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n`
      + `Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`);
    expect(answer).toContain('HTTP/1.1 413 ');
  });

  test('reads past the rest of what is too large, so that the answer arrives', async () => {
    const body = 'x'.repeat(1_000_000);
    const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    for (const [length, sent] of [
      [`Content-Length: ${body.length}`, body], ['Transfer-Encoding: chunked', chunks],
    ]) {
      const answers = await raw(`POST ${ORDERS} HTTP/1.1\r\nHost: x\r\n`
        + `Authorization: Bearer good\r\nContent-Type: application/json\r\n${length}\r\n\r\n${sent}`
        + 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      expect(answers.match(/HTTP\/1\.1 [0-9]+/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200']);
    }
  });

  test('needs none to cancel', async () => {
    for (const sent of [{}, { body: '' }, { body: '{}' }, { body: '{"a":1}' }]) {
      const answer = await call(`${ORDERS}/5/cancel`, { method: 'POST', ...sent });
      expectError(answer, 404, { message: 'Product not found' });
      expect(calls).toEqual([{ name: 'cancel', args: [7, 5] }]);
    }
  });
});

describe('reading orders', () => {
  test('answers 400 for an id that is none', async () => {
    for (const id of ['-1', '0', '1e3', '0x10', '%EF%BC%91', '1;drop', '..%2f1', '%00', '1.0',
      '%20', '9007199254740993', '1'.repeat(40), 'constructor']) {
      for (const answer of [await call(`${ORDERS}/${id}`), await post(`${ORDERS}/${id}/cancel`)]) {
        expectError(answer, 400, { code: 'VALIDATION_FAILURE', name: 'ValidationException' });
        expect(calls).toEqual([]);
      }
    }
  });

  test('says the same to the byte of whatever order it does not find', async () => {
    const answer = await call(`${ORDERS}/5`);
    expectError(answer, 404, { code: 'NOT_FOUND', message: 'Order not found' });
    expect(calls).toEqual([{ name: 'find', args: [7, 5] }]);
    expect((await call(`${ORDERS}/9007199254740991`)).text).toBe(answer.text);
  });

  test('looks a reference up by its exact characters', async () => {
    for (const reference of ['A', ' A', 'A ', '%', '_', "'; drop table--", '<script>', 'a+b&c=d',
      'x'.repeat(255)]) {
      const answer = await call(`${ORDERS}?client_reference=${encodeURIComponent(reference)}`);
      expect([answer.status, answer.text]).toEqual([200, '[]']);
      expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(answer.headers.get('x-request-id')).toMatch(UUID);
      const page = { number: 1, limit: 50, offset: 0 };
      const filter = expect.objectContaining({ clientReference: reference });
      expect(calls).toEqual([{ name: 'list', args: [7, filter, page] }]);
    }
  });

  test('answers 400 for a bad or repeated reference', async () => {
    for (const query of ['?client_reference', '?client_reference=',
      '?client_reference=a&client_reference=a', '?client_reference[]=a', '?client_reference=%0A',
      '?client_reference=%00', '?client_reference=%7F', '?client_reference=%C3%A9',
      '?client_reference=%E9', '?client_reference=%FF', `?client_reference=${'x'.repeat(256)}`]) {
      expectError(await call(ORDERS + query), 400, { code: 'VALIDATION_FAILURE' });
      expect(calls).toEqual([]);
    }
  });
});

describe('errors of the stories', () => {
  async function answerTo(error: Error) {
    told.error = error;
    return post(ORDERS);
  }

  test('tells a fault in neutral words', async () => {
    for (const error of [
      new Error('canary'),
      Object.assign(new Error('canary'), { code: '23505', statusCode: 400, detail: 'canary' }),
      'canary' as unknown as Error,
    ]) {
      const answer = await answerTo(error);
      expectError(answer, 500, {
        name: 'InternalServerError', code: 'INTERNAL_SERVER_ERROR', request_id: expect.any(String),
      });
      expect(answer.text).not.toMatch(/canary|rest-envelope|23505/);
    }
  });

  test('tells when to come back', async () => {
    for (const [ms, seconds] of [[1, '1'], [1000, '1'], [1001, '2']] as const) {
      const answer = await answerTo(new TemporarilyUnavailable('Please retry', ms));
      expectError(answer, 503, {
        name: 'ServiceUnavailableError', code: 'SERVICE_UNAVAILABLE', message: 'Please retry',
      });
      expect(answer.headers.get('retry-after')).toBe(seconds);
    }
  });

  test('tells a rejection with its fields', async () => {
    const answer = await answerTo(
      new Rejection('DUPLICATE_CLIENT_REFERENCE', 'Duplicate client_reference',
        { field: ['clientReference'] }));
    expectError(answer, 400, {
      name: 'BadRequestError', code: 'BAD_REQUEST', message: 'Duplicate client_reference',
      details: [{
        field: 'client_reference',
        code: 'DUPLICATE_CLIENT_REFERENCE',
        message: 'Duplicate client_reference',
      }],
    });
  });
});

describe('supplier callbacks', () => {
  test('hand over the raw bytes and headers', async () => {
    const body = Buffer.concat([Buffer.from('{ "a" : 1.0 }\n'), Buffer.from([0xff, 0x00])]);
    const headers = { 'webhook-signature': 'v1,abc' };
    for (const type of ['application/json', 'application/vnd.supplier+json; charset=utf-8']) {
      await post('/callbacks/fulfilment/sandbox-a', { body, headers, type, token: null });
      const [raw] = calls[0]?.args as [RawCallback & { supplierCode: string }];
      expect(raw).toMatchObject({ supplierCode: 'sandbox-a', headers });
      expect(Buffer.compare(raw.body, body)).toBe(0);
    }
  });

  test('answer what became of the message', async () => {
    const path = '/callbacks/fulfilment/sandbox-a';
    for (const [result, status] of [['DONE', 200], ['KEPT', 202]] as const) {
      told.callback = result;
      expect((await post(path)).status).toBe(status);
    }
    told.callback = 'REFUSED';
    expectError(await post(path), 401, { name: 'UnauthorizedError', code: 'UNAUTHORIZED' });
    told.callback = 'TRY_LATER';
    const answer = await post(path);
    expectError(answer, 503, { code: 'SERVICE_UNAVAILABLE' });
    expect(answer.headers.get('retry-after')).toBe('1');
    told.callback = 'DONE';
  });
});

describe('broken HTTP', () => {
  test.each([
    ['a header of 64 KB', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(65_536)}\r\n\r\n`, 431],
    ['a request that stops', `POST ${ORDERS} HTTP/1.1\r\nHost: x\r\nContent-`, 408],
    ['no HTTP at all', 'hello\r\n\r\n', 400],
    ['length and chunked', 'POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n'
      + 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    ['no Host', 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['two Hosts', 'GET /livez HTTP/1.1\r\nHost: a\r\nhost: b\r\nConnection: close\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n'
      + 'Content-Length: 2\r\n\r\n', 400],
  ])('answers %s in the envelope', (_name, text, status) => expectEnvelope(text, status));

  test.each(['x y', 'x/y', '"<script>', '[::1', '::1', 'a:b', 'a@b', 'x:80:80', '[::1]x'])(
    'answers the Host %j in the envelope',
    (host) => expectEnvelope(livezAt(host), 400),
  );

  async function expectEnvelope(text: string, status: number): Promise<void> {
    const answer = await raw(text);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toContain(`HTTP/1.1 ${status} `);
    expect(head).toMatch(/^content-type: application\/json; charset=utf-8$/im);
    expect(head).toMatch(/^x-content-type-options: nosniff$/im);
    const { error } = JSON.parse(body) as { error: { request_id: string } };
    expect(head).toMatch(new RegExp(`^x-request-id: ${error.request_id}$`, 'im'));
  }

  test('ends a body that drips with 408', async () => {
    const answer = await raw(`POST ${ORDERS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n`
      + 'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{');
    expect(answer).toContain('HTTP/1.1 408 ');
    expect((await call('/livez')).status).toBe(200);
  });

  const body = JSON.stringify({ product_id: 4218, amount: 4.99, input_data: { player_id: '1' } });
  const whole = `POST ${ORDERS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n`
    + `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

  test('is no order where it is none: the same bytes in time are one', async () => {
    calls.length = 0;
    await raw(whole.replace('Host: x', 'Host: x\r\nConnection: close'));
    expect(calls).toMatchObject([{ name: 'create' }]);
  });

  test.each([
    ['nothing', ''],
    ['an empty line', '\r\n'],
    ['half of a head', whole.slice(0, 40)],
    ['half of a body', whole.slice(0, -10)],
    ['an order, but for the end of the next one', `GET /livez HTTP/1.1\r\nHost: x\r\n\r\n${
      whole.slice(0, -10)}`],
  ])('what completes %s behind its 408 is not carried out', async (_name, first) => {
    const rest = first.includes('livez') ? whole.slice(-10) : whole.slice(first.trim().length);
    calls.length = 0;
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined);
    const timedOut = new Promise((resolve) => {
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.includes('HTTP/1.1 408 ')) resolve(text);
      });
    });
    socket.write(first);
    await timedOut;
    socket.write(rest);
    await once(socket, 'close');
    expect(calls).toEqual([]);
    expect((await call('/livez')).status).toBe(200);
  });
});

test('a token that was taken back while its request stood still places nothing', async () => {
  told.isRevokedAsleep = true;
  const body = JSON.stringify({ product_id: 4218, amount: 4.99, input_data: {} });
  expectError(await post(ORDERS, { body }), 401, { code: 'UNAUTHORIZED' });
  expect(calls).toEqual([]);
  told.isRevokedAsleep = false;
  await post(ORDERS, { body });
  expect(calls).toMatchObject([{ name: 'create' }]);
});

test('every answer names its request and is nothing but data', async () => {
  for (const [path, sent] of [
    ['/livez', {}], ['/readyz', {}], ['/metrics', {}], ['/openapi.json', {}], ['/nowhere', {}],
    [`${ORDERS}/5`, {}], [`${ORDERS}?client_reference=A`, {}], [ORDERS, { method: 'PUT' }],
    ['/callbacks/fulfilment/a', { method: 'POST', body: '{}' }], ['/api/%E0%A4%A', {}],
  ] as const) {
    const { headers } = await call(path, sent);
    expect(headers.get('x-request-id'), path).toMatch(UUID);
    expect(headers.get('x-content-type-options'), path).toBe('nosniff');
    expect(headers.get('cache-control'), path).toBe('no-store');
  }
});

test.each(['', 'x', 'a_b.example:80', '127.0.0.1', '[::1]:4000', '[fe80::1%25eth0]', 'xn--e1a:'])(
  'takes the Host %j',
  async (host) => expect(await raw(livezAt(host))).toContain(' 200 OK'),
);

function livezAt(host: string): string {
  return `GET /livez HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
}

test('HTTP/1.0 needs no Host', async () => {
  expect(await raw('GET /livez HTTP/1.0\r\n\r\n')).toContain(' 200 OK');
});

describe('shutdown', () => {
  test('finishes what runs and refuses what comes on an open connection with 503', async () => {
    told.error = new Rejection('PRODUCT_NOT_FOUND', 'Product not found');
    const closing = await startApp();
    const { port } = closing.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => { answer += chunk; });
    const create = `POST ${ORDERS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n`
      + 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n';
    // Half a request keeps the connection open over the beginning of the shutdown.
    socket.write(`${create}{`);
    await once(closing.server, 'request');
    const closed = closing.close();
    socket.write(`}${create}{}`);
    await Promise.all([closed, once(socket, 'close')]);
    const [, first, second] = answer.split('HTTP/1.1 ');
    expect(first).toMatch(/^404 [^]*Product not found/);
    expect(second).toMatch(/^503 [^]*retry-after: 1\r\n[^]*"SERVICE_UNAVAILABLE"/);
  });
});

test('a shutdown tells whoever comes over an idle connection just then', async () => {
  const closing = await startApp();
  const { port } = closing.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => { answer += chunk; });
  const ask = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n';
  socket.write(ask);
  await once(socket, 'data');
  const closed = closing.close();
  // The hooks of the shutdown have run by then.
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  socket.write(ask);
  await Promise.all([closed, once(socket, 'close')]);
  const [, first, second] = answer.split('HTTP/1.1 ');
  expect(first).toMatch(/^200 /);
  expect(second).toMatch(/^503 [^]*connection: close\r\n[^]*"SERVICE_UNAVAILABLE"/i);
});

describe('health', () => {
  test('tells whether it lives and whether it is ready', async () => {
    expect((await call('/livez')).text).toBe('{"ok":true}');
    for (const isReady of [true, false]) {
      told.isReady = isReady;
      const answer = await call('/readyz');
      expect(answer.status).toBe(isReady ? 200 : 503);
      expect(JSON.parse(answer.text)).toEqual({
        ok: isReady, checks: { database: isReady, migrations: isReady, worker: true },
      });
    }
  });
});
