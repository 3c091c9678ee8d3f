import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { busyAnswer } from '../../src/graphql/busy-answer.ts';
import { createHttpServer } from '../../src/rest/http-server.ts';
import {
  BUSY, busyTextOf, createLoadShedder, type LoadShedder,
} from '../../src/rest/load-shedder.ts';

/** What one request keeps the process busy for; milliseconds. */
const WORK_MS = 2;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

let server: Server;
let shedder: LoadShedder;
let begun: string[] = [];
/** Those among the begun whose client had hung up before. */
let begunInVain: string[] = [];
const sockets: Socket[] = [];

beforeEach(async () => {
  begun = [];
  begunInVain = [];
  const busy = busyAnswer(BUSY, 'draft');
  shedder = createLoadShedder({
    addressOf: ({ url, socket }) =>
      new URL(url ?? '', 'http://x').searchParams.get('from') ?? socket.remoteAddress ?? '',
    clientOf: (authorization) => Number(/[0-9]+/.exec(authorization ?? '')?.[0] ?? 0),
    textsByPath: { '/graphql': busyTextOf(busy.type, busy.bodyOf) },
  });
  server = createHttpServer(shedder.shed((request, response) => {
    const name = `${request.headers.authorization} ${request.url}`;
    begun.push(name);
    if (request.destroyed) begunInVain.push(name);
    const untilMs = performance.now() + WORK_MS;
    while (performance.now() < untilMs);
    request.resume().on('end', () => response.end('done'));
  }), { socketPath: '/graphql' }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
  await once(server, 'close');
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function openSockets(count: number, from = '127.0.0.1'): Promise<readonly Socket[]> {
  const { port } = server.address() as AddressInfo;
  const opened = Array.from({ length: count }, () =>
    connect({ port, host: '127.0.0.1', localAddress: from }));
  await Promise.all(opened.map((socket) => once(socket, 'connect')));
  sockets.push(...opened);
  return opened;
}

function ask(socket: Socket, path: string, client: number): Promise<Answer> {
  let text = '';
  const answer = new Promise<Answer>((resolve) => {
    const take = (chunk: Buffer): void => {
      text += chunk.toString();
      const [head = '', body] = text.split('\r\n\r\n', 2);
      const [first = '', ...lines] = head.split('\r\n');
      const headers = Object.fromEntries(lines.map((line) => {
        const [name = '', value = ''] = line.split(': ', 2);
        return [name.toLowerCase(), value];
      }));
      if (body === undefined || body.length < Number(headers['content-length'])) return;
      socket.off('data', take);
      resolve({ status: Number(first.split(' ')[1]), headers, body });
    };
    socket.on('data', take);
  });
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${client}\r\n`
    + 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}');
  return answer;
}

/** Three rounds of more than can be begun: the queue comes to know how long a turn takes. */
async function flood(path: string): Promise<{
  readonly answers: readonly Answer[]; readonly open: readonly Socket[];
}> {
  const open = await openSockets(300);
  const answers: Answer[] = [];
  for (let round = 0; round < 3; round += 1) {
    answers.push(...await Promise.all(open.map((socket) => ask(socket, path, 1))));
  }
  return { answers, open };
}

describe('under more than can be done', () => {
  test('REST is refused in its envelope, and nothing of it begins', async () => {
    const before = shedder.refusedCount();
    const { answers, open: [socket] } = await flood('/api/v1/topups/orders');
    const done = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 503);
    expect(done.length + refused.length).toBe(900);
    expect(done.length).toBeGreaterThan(64);
    expect(refused.length).toBeGreaterThan(64);
    expect(begun).toHaveLength(done.length);
    expect(shedder.refusedCount() - before).toBe(refused.length);
    const ids = new Set<string>();
    for (const { headers, body } of refused) {
      const id = headers['x-request-id'] ?? '';
      expect(id).toMatch(UUID);
      ids.add(id);
      expect(JSON.parse(body)).toEqual({ error: {
        name: 'ServiceUnavailableError',
        code: 'SERVICE_UNAVAILABLE',
        message: 'Too many requests at once, please retry',
        request_id: id,
      } });
      expect(headers).toMatchObject({
        'content-type': 'application/json; charset=utf-8',
        'retry-after': '1',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      });
    }
    expect(ids.size).toBe(refused.length);
    // At once after: the connections serve on, and nobody is refused any more.
    if (socket === undefined) throw new Error('Nothing was opened');
    expect((await ask(socket, '/api/v1/topups/orders', 1)).status).toBe(200);
  });

  test('GraphQL is refused as GraphQL', async () => {
    const { answers } = await flood('/graphql?operation=x');
    const refused = answers.find(({ status }) => status === 503);
    expect(refused?.headers['content-type'])
      .toBe('application/graphql-response+json; charset=utf-8');
    expect(JSON.parse(refused?.body ?? '')).toEqual({ errors: [{
      message: 'Too many requests at once, please retry',
      extensions: {
        code: 'SERVICE_UNAVAILABLE', retryAfter: 1, requestId: refused?.headers['x-request-id'],
      },
    }] });
  });

  test('another client, and whoever asks how the process does, are not refused', async () => {
    const [other, health] = await openSockets(2);
    if (other === undefined || health === undefined) throw new Error('Nothing was opened');
    const open = await openSockets(300);
    for (let round = 0; round < 3; round += 1) {
      const flooding = open.map((socket) => ask(socket, '/graphql', 1));
      const answers = await Promise.all([ask(other, '/graphql', 2), ask(health, '/livez', 1)]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      await Promise.all(flooding);
    }
  });

  test('a stranger is not refused for strangers elsewhere', async () => {
    const [other] = await openSockets(1, '127.0.0.2');
    if (other === undefined) throw new Error('Nothing was opened');
    const open = await openSockets(300);
    let refusedCount = 0;
    for (let round = 0; round < 3; round += 1) {
      const flooding = open.map((socket) => ask(socket, '/api/v1/auth/login', 0));
      expect((await ask(other, '/api/v1/auth/login', 0)).status).toBe(200);
      const answers = await Promise.all(flooding);
      refusedCount += answers.filter(({ status }) => status === 503).length;
    }
    expect(refusedCount).toBeGreaterThan(0);
  });

  test('a client is not refused for a stranger with many addresses of one network', async () => {
    const [first, second] = await openSockets(2);
    if (first === undefined || second === undefined) throw new Error('Nothing was opened');
    const open = await openSockets(300);
    let refusedCount = 0;
    for (let round = 0; round < 3; round += 1) {
      const flooding = open.map((socket, number) =>
        ask(socket, `/api/v1/auth/login?from=2001:db8::${round}:${number}`, 0));
      const own = [first, second].map((socket) => ask(socket, '/graphql', 2));
      expect((await Promise.all(own)).map(({ status }) => status)).toEqual([200, 200]);
      const answers = await Promise.all(flooding);
      refusedCount += answers.filter(({ status }) => status === 503).length;
    }
    expect(refusedCount).toBeGreaterThan(0);
  });

  test('nothing begins for whoever hung up while it waited', async () => {
    const open = await openSockets(200);
    // Node takes one connection in a turn of its loop: now all of them are there.
    await Promise.all(open.map((socket) => ask(socket, '/livez', 1)));
    const arrived = arrivals(200);
    for (const socket of open) void ask(socket, '/gone', 1);
    await arrived;
    // More than begin in the turn that comes before anybody is seen to be gone.
    expect(shedder.waitingCount()).toBeGreaterThan(64);
    for (const socket of open) socket.resetAndDestroy();
    const [after] = await openSockets(1);
    if (after === undefined) throw new Error('Nothing was opened');
    expect((await ask(after, '/after', 2)).status).toBe(200);
    await expect.poll(() => shedder.waitingCount()).toBe(0);
    expect(begun).toContain('Bearer 2 /after');
    expect(begunInVain).toEqual([]);
    expect(begun.filter((name) => name.endsWith('/gone')).length).toBeLessThan(200);
  });
});

/** So many requests were read, whether they begin, wait or are refused. */
function arrivals(count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  server.on('request', () => {
    left -= 1;
    if (left === 0) resolve();
  });
  return promise;
}
