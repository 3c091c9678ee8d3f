import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createHttpServer } from '../../src/rest/http-server.ts';
import { authorization } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const H2C = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQ'];
const WEB_SOCKET = [
  'Connection: Upgrade', 'Upgrade: WebSocket', 'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol: graphql-transport-ws',
];
const ORDER = JSON.stringify({
  product_id: 4218, amount: 0.99, input_data: { player_id: '5123456789', server: 'asia' },
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** A connection on which bytes are sent as they are. */
class Connection {
  readonly socket: Socket;
  #text = '';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('utf8').on('data', (chunk: string) => { this.#text += chunk; });
    this.socket.on('error', () => undefined);
    connections.push(this);
  }

  write(line: string, headers: readonly string[] = [], body = ''): void {
    const lines = [`${line} HTTP/1.1`, 'Host: x', ...headers];
    if (body !== '') lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
    this.socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  /** The next answer; its body is as long as its head says. */
  async answer(): Promise<Answer> {
    await expect.poll(() => this.#text, { timeout: 30_000 }).toContain('\r\n\r\n');
    const [head = ''] = this.#text.split('\r\n\r\n', 1);
    const [first = '', ...lines] = head.split('\r\n');
    const headers = new Headers(lines.map((line) => line.split(': ') as [string, string]));
    const start = head.length + 4;
    const end = start + Number(headers.get('content-length') ?? 0);
    await expect.poll(() => this.#text.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(end);
    const body = this.#text.slice(start, end);
    this.#text = this.#text.slice(end);
    return { status: Number(first.split(' ')[1]), headers, body };
  }

  async ask(line: string, headers: readonly string[] = [], body = ''): Promise<Answer> {
    this.write(line, headers, body);
    return this.answer();
  }

  /** What came behind the last answer until the other side closed. */
  async rest(): Promise<string> {
    if (!this.socket.closed) await once(this.socket, 'close');
    return this.#text;
  }
}

const connections: Connection[] = [];
afterEach(() => {
  for (const { socket } of connections.splice(0)) socket.destroy();
});

const open = (): Connection => new Connection(Number(new URL(world().gateway.url).port));
const token = (): string => `Authorization: ${authorization(world(), 1)['authorization']}`;

describe('a target with scheme and host', () => {
  const asked = async (line: string, headers: readonly string[] = []) => {
    const { status, headers: answered } = await open().ask(line, headers);
    return [status, answered.get('allow')];
  };

  test('is its path, for every method and door', async () => {
    expect(await asked('GET http://x/livez')).toEqual([200, null]);
    expect(await asked('POST HTTPS://x:443/livez')).toEqual([405, 'GET, HEAD']);
    expect(await asked('DELETE http://x/api/v1/topups/orders')).toEqual([405, 'GET, HEAD, POST']);
    expect(await asked('GET http://x')).toEqual([404, null]);
    expect(await asked('GET http://x?a=b')).toEqual([404, null]);
    expect(await asked('GET http://x/graphql', WEB_SOCKET)).toEqual([101, null]);
  });

  test('of another scheme is nothing that is here', async () => {
    expect(await asked('GET ftp://x/livez')).toEqual([404, null]);
  });
});

describe('an upgrade', () => {
  test('to what is no WebSocket is passed over, and its request served', async () => {
    const headers = [...H2C, token(), 'Content-Type: application/json'];
    const placed = await open().ask('POST /api/v1/topups/orders', headers, ORDER);
    expect([placed.status, placed.body]).toEqual([200, expect.stringContaining('"PENDING"')]);
    expect(placed.headers.get('x-request-id')).toMatch(UUID);
    const { id } = JSON.parse(placed.body) as { id: number };
    const query = JSON.stringify({ query: '{ viewer { name } }' });
    const connection = open();
    for (const offer of [H2C, WEB_SOCKET, ['Connection: Upgrade', 'Upgrade: TLS/1.0']]) {
      const more = [...offer, token()];
      expect((await connection.ask(`GET /api/v1/topups/orders/${id}`, more)).status).toBe(200);
      expect((await connection.ask('GET /livez', offer)).body).toBe('{"ok":true}');
      const json = [...more, 'Content-Type: application/json'];
      const asked = await open().ask('POST /graphql', json, query);
      expect([asked.status, asked.body]).toEqual([200, expect.stringContaining('"viewer"')]);
    }
    const get = `GET /graphql?query=${encodeURIComponent('{viewer{name}}')}`;
    const read = await connection.ask(get, [...H2C, token()]);
    expect([read.status, read.body]).toEqual([200, expect.stringContaining('"viewer"')]);
    expect((await connection.ask('GET /livez')).status).toBe(200);
  });

  test('may come before its body', async () => {
    const connection = open();
    const { length } = ORDER;
    connection.write('POST /api/v1/topups/orders', [
      ...H2C, token(), 'Content-Type: application/json', `Content-Length: ${length}`,
    ]);
    await expect.poll(() => connection.socket.writableLength).toBe(0);
    connection.socket.write(ORDER.slice(0, 20));
    await expect.poll(() => connection.socket.writableLength).toBe(0);
    connection.socket.write(ORDER.slice(20));
    expect((await connection.answer()).status).toBe(200);
  });

  test('with a body ends its connection, refused before all of it is in or not', async () => {
    const refused = open();
    refused.write('POST /api/v1/topups/orders', [
      ...H2C, token(), 'Content-Type: application/json', 'Content-Length: 70000',
    ]);
    refused.socket.write('x'.repeat(69_990));
    const served = open();
    served.write('POST /api/v1/topups/orders', [...H2C, token()], ORDER);
    const statuses: number[] = [];
    for (const connection of [refused, served]) {
      const { status, headers } = await connection.answer();
      statuses.push(status);
      expect(headers.get('connection')).toBe('close');
    }
    expect(statuses).toEqual([413, 415]);
  });

  test('to a WebSocket behind an order, or with a body, is answered in its turn', async () => {
    const connection = open();
    connection.socket.cork();
    const headers = [token(), 'Content-Type: application/json'];
    connection.write('POST /api/v1/topups/orders', headers, ORDER);
    connection.write('GET /graphql', WEB_SOCKET);
    connection.socket.uncork();
    expect((await connection.answer()).body).toContain('"PENDING"');
    expect((await connection.answer()).status).toBe(401);
    const withBody = open();
    expect((await withBody.ask('GET /graphql', WEB_SOCKET, 'x')).status).toBe(401);
  });

  test('to a WebSocket is taken at /graphql, and refused in the envelope elsewhere', async () => {
    const socket = new WebSocket(
      `${world().gateway.url.replace('http', 'ws')}/graphql?x=1`, 'graphql-transport-ws',
    );
    await once(socket, 'open');
    socket.terminate();
    expect((await open().ask('GET /graphql', WEB_SOCKET)).status).toBe(101);
    const connection = open();
    for (const path of ['/', '/graphql/', '/api/v1/topups/socket']) {
      const { status, headers, body } = await connection.ask(`GET ${path}`, WEB_SOCKET);
      expect(status).toBe(404);
      const { error } = JSON.parse(body) as { error: object };
      expect(error).toMatchObject({
        code: 'NOT_FOUND', request_id: headers.get('x-request-id'),
      });
    }
    expect((await connection.ask('GET /livez')).status).toBe(200);
  });
});

test('a request to either door without a Host is refused in the door\'s words', async () => {
  for (const path of ['/graphql', '/api/v1/topups/orders']) {
    const connection = open();
    connection.socket.write(`POST ${path} HTTP/1.1\r\n${token()}\r\nContent-Length: 0\r\n\r\n`);
    const { status, body } = await connection.answer();
    expect([status, body]).toEqual([400, expect.stringContaining('A request has one Host header')]);
  }
});

test('an expectation that nobody knows is ignored', async () => {
  const connection = open();
  const headers = [token(), 'Content-Type: application/json', 'Expect: a-miracle'];
  const placed = await connection.ask('POST /api/v1/topups/orders', headers, ORDER);
  expect([placed.status, placed.body]).toEqual([200, expect.stringContaining('"PENDING"')]);
  expect(placed.headers.get('x-request-id')).toMatch(UUID);
  expect((await connection.ask('GET /livez', ['Expect: 200-ok'])).status).toBe(200);
});

describe('a body that was compressed for its transfer', () => {
  const query = JSON.stringify({ query: '{ viewer { name } }' });
  test.each([
    ['/api/v1/topups/orders', 'chunked', ORDER, 200],
    ['/api/v1/topups/orders', 'gzip, chunked', ORDER, 415],
    ['/graphql', 'Chunked', query, 200],
    ['/graphql', 'gzip, chunked', query, 415],
  ])('is refused: %s with %s', async (path, coding, body, status) => {
    const connection = open();
    connection.write(`POST ${path}`, [
      token(), 'Content-Type: application/json', `Transfer-Encoding: ${coding}`,
    ]);
    connection.socket.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    expect((await connection.answer()).status).toBe(status);
  });
});

test('a client that closes its half behind its request reads the answer', async () => {
  const connection = open();
  connection.write('GET /livez');
  const headers = [token(), 'Content-Type: application/json'];
  connection.write('POST /api/v1/topups/orders', headers, ORDER);
  connection.socket.end();
  expect((await connection.answer()).body).toBe('{"ok":true}');
  const placed = await connection.answer();
  expect([placed.status, placed.body]).toEqual([200, expect.stringContaining('"PENDING"')]);
  expect(await connection.rest()).toBe('');
  const idle = open();
  expect((await idle.ask('GET /livez')).status).toBe(200);
  idle.socket.end();
  expect(await idle.rest()).toBe('');
});

test('a body that goes on without end behind its answer ends its connection alone', async () => {
  const [endless, ending] = [open(), open()];
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  for (const connection of [endless, ending]) {
    connection.write('POST /nowhere', ['Transfer-Encoding: chunked']);
    expect((await connection.answer()).status).toBe(404);
    connection.socket.write(chunk.repeat(8));
  }
  ending.socket.write('0\r\n\r\n');
  const begunMs = performance.now();
  endless.socket.write(chunk.repeat(16));
  expect(await endless.rest()).toBe('');
  // Long before the 30 s that a request may take.
  expect(performance.now() - begunMs).toBeLessThan(15_000);
  expect((await ending.ask('GET /livez')).status).toBe(200);
});

describe('what is no request', () => {
  const headers = (): readonly string[] => [token(), 'Content-Type: application/json'];

  test.each([
    ['a byte too many', [], '\0'],
    ['a brace too many', [], '}'],
    ['another protocol', [], 'EHLO x\r\n\r\n'],
    ['anything behind the last request', ['Connection: close'], 'GET /livez HTTP/1.1\r\n\r\n'],
  ])('does not take the place of the answer to an order: %s', async (_, more, behind) => {
    const connection = open();
    connection.socket.cork();
    connection.write('GET /livez');
    connection.write('POST /api/v1/topups/orders', [...headers(), ...more], ORDER);
    connection.socket.write(behind);
    connection.socket.uncork();
    expect((await connection.answer()).body).toBe('{"ok":true}');
    const placed = await connection.answer();
    expect([placed.status, placed.body]).toEqual([200, expect.stringContaining('"PENDING"')]);
    expect(placed.headers.get('connection')).toBe('close');
    expect(await connection.rest()).toBe('');
  });

  test('is refused where everything before it was answered', async () => {
    const connection = open();
    expect((await connection.ask('POST /api/v1/topups/orders', headers(), ORDER)).status).toBe(200);
    connection.socket.write('\0');
    expect((await connection.answer()).status).toBe(400);
    expect(await connection.rest()).toBe('');
  });

  test('is answered once, and ends also for who goes on and never closes', async () => {
    const { port } = new URL(world().gateway.url);
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
    const begunMs = performance.now();
    socket.write('\0');
    await once(socket, 'end');
    const going = setInterval(() => socket.write('\0'), 50);
    await once(socket, 'error').finally(() => clearInterval(going));
    // Not before who reads slowly has its answer.
    expect(performance.now() - begunMs).toBeGreaterThan(990);
    expect(text.match(/HTTP\/1\.1 400/g)).toHaveLength(1);
  });

  test('is what stands in a body: what is pipelined behind it is answered', async () => {
    const connection = open();
    connection.socket.cork();
    connection.write('POST /api/v1/topups/orders', headers(), '{');
    connection.write('POST /api/v1/topups/orders', headers(), ORDER);
    connection.socket.uncork();
    expect((await connection.answer()).status).toBe(400);
    expect((await connection.answer()).body).toContain('"PENDING"');
  });

  test('is not answered again behind an answer that came before its body', async () => {
    const connection = open();
    connection.write('POST /nowhere', ['Transfer-Encoding: chunked']);
    expect((await connection.answer()).status).toBe(404);
    connection.socket.write('nothing\r\n');
    expect(await connection.rest()).toBe('');
  });

  test('is refused in the middle of a body, behind the answers to what came before', async () => {
    const alone = open();
    const chunked = [...headers(), 'Transfer-Encoding: chunked'];
    alone.write('POST /api/v1/topups/orders', chunked);
    alone.socket.write('nothing\r\n');
    expect((await alone.answer()).status).toBe(400);
    const connection = open();
    connection.socket.cork();
    connection.write('POST /api/v1/topups/orders', headers(), ORDER);
    connection.write('POST /api/v1/topups/orders', chunked);
    connection.socket.write('nothing\r\n');
    connection.socket.uncork();
    expect((await connection.answer()).body).toContain('"PENDING"');
    expect(await connection.rest()).toBe('');
  });
});

describe('an answer', () => {
  let server: Server;
  const told: string[] = [];
  afterEach(() => {
    server.close();
    told.length = 0;
  });

  async function serve(
    answer: (response: ServerResponse) => void,
    silentMs = 10_000,
  ): Promise<Connection> {
    server = createHttpServer((request, response) => {
      told.push('begun');
      request.on('end', () => told.push('read'));
      response.on('finish', () => told.push('answered')).on('close', () => told.push('closed'));
      answer(response);
    }, { socketPath: '/graphql', silentMs }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Connection((server.address() as AddressInfo).port);
  }

  test('that is the last comes behind a body that nobody reads', async () => {
    const connection = await serve((response) => response.writeHead(401).end('no'));
    connection.write('POST /', ['Connection: close', 'Content-Length: 400000']);
    await expect.poll(() => told).toEqual(['begun']);
    connection.socket.write('x'.repeat(400_000));
    expect(await connection.rest()).toContain('HTTP/1.1 401 ');
    expect(told).toEqual(['begun', 'read', 'answered', 'closed']);
  });

  test('that is the last does not wait for ever, and is given once', async () => {
    const faults: unknown[] = [];
    const connection = await serve((response) => {
      response.on('error', (fault) => faults.push(fault));
      response.writeHead(401).end('no');
      response.end('again');
    });
    connection.write('POST /', ['Connection: close', 'Content-Length: 400000']);
    expect((await connection.rest()).split('no')).toHaveLength(2);
    await expect.poll(() => told).toEqual(['begun', 'answered', 'closed']);
    expect(faults).toEqual([]);
  });

  test('that nobody takes is given up', async () => {
    const connection = await serve((response) => response.end('x'.repeat(50_000_000)), 300);
    connection.socket.pause();
    connection.write('GET /');
    await expect.poll(() => told, { timeout: 30_000 }).toContain('closed');
    expect(told).not.toContain('answered');
  });
});

describe('a connection that had its last request', () => {
  let server: Server;
  const begun: string[] = [];
  const answerers: (() => void)[] = [];
  afterEach(() => {
    server.close();
    begun.length = 0;
    answerers.length = 0;
  });

  async function serve(): Promise<Connection> {
    server = createHttpServer((request, response) => {
      begun.push(request.url ?? '');
      const answer = (): unknown => response.end('done');
      if (request.url === '/slow') answerers.push(answer);
      else answer();
    }, { socketPath: '/graphql', requestsPerConnection: 3 }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Connection((server.address() as AddressInfo).port);
  }

  test('is told so and closed, and not before', async () => {
    const connection = await serve();
    const told: unknown[] = [];
    for (let count = 0; count < 3; count += 1) {
      const { status, headers } = await connection.ask('GET /', ['Expect: a-miracle']);
      told.push([status, headers.get('connection')]);
    }
    expect(told).toEqual([[200, 'keep-alive'], [200, 'keep-alive'], [200, 'close']]);
    expect(await connection.rest()).toBe('');
  });

  test('takes the connection along where very many come behind it', async () => {
    const connection = await serve();
    for (const path of ['/', '/', '/slow']) connection.write(`GET ${path}`);
    connection.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1_000));
    await expect.poll(() => answerers.length).toBe(1);
    expect(connection.socket.closed).toBe(false);
    connection.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => connection.socket.closed, { timeout: 20_000 }).toBe(true);
  });

  test('is the first of HTTP/1.0 with chunks, whose end is nobody\'s to say', async () => {
    const connection = await serve();
    const chunked = ['POST /a HTTP/1.0', 'Connection: keep-alive', 'Transfer-Encoding: chunked'];
    const next = 'GET /b HTTP/1.1\r\nHost: x\r\n\r\n';
    connection.socket.write(`${chunked.join('\r\n')}\r\n\r\n1\r\nx\r\n0\r\n\r\n${next}`);
    const { status, headers } = await connection.answer();
    expect([status, headers.get('connection')]).toEqual([200, 'close']);
    await connection.rest();
    expect(begun).toEqual(['/a']);
  });

  test('says so where it is a refusal, too', async () => {
    const connection = new Connection(Number(new URL(world().gateway.url).port));
    const head = ['POST /nowhere HTTP/1.0', 'Host: x', 'Connection: keep-alive',
      'Transfer-Encoding: chunked'];
    connection.socket.write(`${head.join('\r\n')}\r\n\r\n0\r\n\r\n`);
    const { status, headers } = await connection.answer();
    expect([status, headers.get('connection')]).toEqual([404, 'close']);
    expect(await connection.rest()).toBe('');
  });

  test.each(['GET /nowhere', 'POST /auth/login'])('is none that is refused: %s', async (line) => {
    const connection = new Connection(Number(new URL(world().gateway.url).port));
    const { status, headers } = await connection.ask(line, ['Content-Type: application/json'], '{');
    expect([status, headers.get('connection'), headers.get('keep-alive')])
      .toEqual([line.startsWith('GET') ? 404 : 400, 'keep-alive', 'timeout=5']);
    connection.socket.destroy();
  });

  test('begins nothing of what is pipelined behind', async () => {
    const connection = await serve();
    for (const path of ['/a', '/b', '/slow', '/c', '/d']) connection.write(`POST ${path}`, [], 'x');
    expect((await connection.answer()).status).toBe(200);
    expect((await connection.answer()).status).toBe(200);
    await expect.poll(() => answerers.length).toBe(1);
    answerers.pop()?.();
    const { status, headers } = await connection.answer();
    expect([status, headers.get('connection')]).toEqual([200, 'close']);
    expect(await connection.rest()).toBe('');
    expect(begun).toEqual(['/a', '/b', '/slow']);
  });
});
