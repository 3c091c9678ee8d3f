import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import {
  createTopupClient, TopupInDoubt, TopupRefused, type TopupClient, type TopupClientOptions,
} from '../../src/client/index.ts';
import { NextToken } from '../../src/client/next-token.ts';
import { logIn, makeKey, TokenSocket } from '../support/access.ts';
import { startCuttingProxy, type CuttingProxy } from '../support/cutting-proxy.ts';
import { keptSockets } from '../support/kept-sockets.ts';
import { useWorld } from '../support/world.ts';

const NEW_ORDER = {
  productId: 4218,
  amount: '4.99',
  inputData: [{ name: 'player_id', value: '5123456789' }, { name: 'server', value: 'asia' }],
};

// Nobody works on the orders: they stay PENDING, and what watches them waits.
const world = useWorld({ role: 'gateway' });
let proxy: CuttingProxy;
let readOnly: string;

beforeAll(async () => {
  proxy = await startCuttingProxy(world().gateway.url);
  readOnly = (await logIn(world(), await makeKey(world(), 1, { scopes: ['read'] }))).access;
});
afterAll(() => proxy.close());

const valid = (): string => world().token(1);

function connect(more: Partial<TopupClientOptions> = {}): TopupClient {
  const client = createTopupClient({ url: `${proxy.url}/graphql`, token: valid, ...more });
  onTestFinished(() => client.close());
  return client;
}

/** Gives the first token first, and at every later time the last one. */
function tokens(...all: readonly (() => string | Promise<string>)[]) {
  let askedCount = 0;
  return () => {
    askedCount += 1;
    return all[Math.min(askedCount, all.length) - 1]?.() ?? '';
  };
}

const failureOf = (asked: Promise<unknown>): Promise<unknown> => asked.then(
  () => 'no failure', (error: unknown) => error);

async function orderCount(): Promise<number> {
  const [row] = await world().database.query<{ count: string }>(
    'select count(*) from topup_order where client_id = 1');
  return Number(row?.count);
}

/** Asks under the told reference; true where the order is the one that had been placed by then. */
async function findsItsOrder(inDoubt: unknown): Promise<boolean> {
  if (!(inDoubt instanceof TopupInDoubt)) return false;
  const { clientReference } = inDoubt;
  const placedCount = await orderCount();
  const order = await connect().createOrder({ ...NEW_ORDER, clientReference });
  return order.clientReference === clientReference && await orderCount() === placedCount;
}

describe('createOrder whose first answer was lost', () => {
  it('asks again under its reference where for a moment there is no token', async () => {
    const before = await orderCount();
    const client = connect({
      token: tokens(valid, () => Promise.reject(new TypeError('fetch failed')), valid),
    });
    proxy.loseNextAnswer();
    expect(await client.createOrder(NEW_ORDER)).toMatchObject({ status: 'PENDING' });
    expect(await orderCount()).toBe(before + 1);
  });

  it('tells the reference where nothing more can be asked', async () => {
    const client = connect({ token: tokens(valid, () => readOnly) });
    proxy.loseNextAnswer();
    const failure = await failureOf(client.createOrder(NEW_ORDER));
    expect(failure).toMatchObject({ name: 'TopupInDoubt', cause: { code: 'FORBIDDEN' } });
    expect(await findsItsOrder(failure)).toBe(true);
  });

  it('tells the reference where no token is taken any more', async () => {
    const client = connect({ token: tokens(valid, () => 'stale') });
    proxy.loseNextAnswer();
    const failure = await failureOf(client.createOrder(NEW_ORDER));
    expect(failure).toMatchObject({ name: 'TopupInDoubt', cause: { code: 'UNAUTHENTICATED' } });
    expect(await findsItsOrder(failure)).toBe(true);
  });

  it('tells the reference where its caller gives up, even while it waits for a token', async () => {
    const caller = new AbortController();
    const client = connect({
      token: tokens(valid, () => {
        caller.abort();
        return new Promise(() => undefined);
      }),
    });
    proxy.loseNextAnswer();
    const failure = await failureOf(client.createOrder(NEW_ORDER, { signal: caller.signal }));
    expect(failure).toMatchObject({ name: 'TopupInDoubt', cause: { name: 'AbortError' } });
    expect(await findsItsOrder(failure)).toBe(true);
  });

  it('tells a refusal, and doubts one that a try on its way may have overtaken', async () => {
    const client = connect();
    expect(await failureOf(client.createOrder({ ...NEW_ORDER, amount: '5' })))
      .toBeInstanceOf(TopupRefused);
    proxy.loseNextAnswer();
    expect(await failureOf(client.createOrder({ ...NEW_ORDER, amount: '5' })))
      .toMatchObject({ name: 'TopupInDoubt', cause: { name: 'TopupRefused' } });
    // This is told behind whatever is on its way.
    proxy.loseNextAnswer();
    expect(await failureOf(client.createOrder({ ...NEW_ORDER, redeemVoucherCode: 'NO-SUCH' })))
      .toBeInstanceOf(TopupRefused);
    const clientReference = 'TAKEN-BY-ANOTHER';
    await client.createOrder({ ...NEW_ORDER, clientReference });
    const other = { ...NEW_ORDER, amount: '9.99', clientReference };
    proxy.loseNextAnswer();
    expect(await failureOf(client.createOrder(other)))
      .toMatchObject({ name: 'TopupInDoubt', clientReference, cause: { name: 'TopupRefused' } });
    expect(await failureOf(client.createOrder(other)))
      .toMatchObject({ name: 'TopupRefused', clientReference });
  });
});

describe('createOrder whose gateway, or a proxy before it, says', () => {
  type Answer = readonly [
    status: number, body: object | string, headers?: Readonly<Record<string, string>>,
  ];
  const failing = (code: string, more = {}): object =>
    ({ errors: [{ message: code, extensions: { code, ...more } }] });
  const PLACED: Answer = [200, {
    data: { createTopupOrder: { order: { status: 'PENDING' }, userErrors: [], duplicateOf: null } },
  }];

  /** Answers in turn; the references that were asked under are told. */
  function scripted(answers: readonly Answer[], more: Partial<TopupClientOptions> = {}) {
    const references: unknown[] = [];
    const client = connect({
      ...more,
      token: () => 'token',
      fetch: async (_url, init) => {
        const sent = JSON.parse(String(init?.body)) as {
          readonly variables: { readonly input: { readonly clientReference: string } };
        };
        references.push(sent.variables.input.clientReference);
        const [status, body, headers = {}] = answers[references.length - 1] ?? PLACED;
        return new Response(typeof body === 'string' ? body : JSON.stringify(body), {
          status, headers,
        });
      },
    });
    return { client, references };
  }

  it.each<readonly [answer: Answer]>([
    [[503, failing('SERVICE_UNAVAILABLE')]], [[500, failing('INTERNAL_SERVER_ERROR')]],
    [[429, failing('RATE_LIMITED')]], [[429, '<p>Slowly</p>']], [[408, '']], [[425, '']],
    [[502, '<p>Bad gateway</p>']], [[200, '{"data":{"createTop']], [[200, { data: null }]],
  ])('%j asks again, under the same reference', async (answer) => {
    const { client, references } = scripted([answer]);
    expect(await client.createOrder(NEW_ORDER)).toEqual({ status: 'PENDING' });
    expect(references).toEqual([references[0], references[0]]);
  });

  it.each<readonly [answer: Answer]>([
    [[429, failing('RATE_LIMITED', { retryAfter: 7 })]],
    [[503, '<p>Later</p>', { 'retry-after': '7' }]],
    [[503, failing('SERVICE_UNAVAILABLE'), { 'retry-after': '7' }]],
  ])('%j asks again when it was told to', async (answer) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const told = Promise.withResolvers<void>();
    const { client, references } = scripted([answer], { onRetry: () => told.resolve() });
    const placed = client.createOrder(NEW_ORDER);
    await told.promise;
    await vi.advanceTimersByTimeAsync(6_900);
    expect(references).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(100);
    await placed;
    expect(references).toHaveLength(2);
  });

  it.each<readonly [says: string, answer: Answer, name: string]>([
    ['too much: nothing was placed', [429, failing('RATE_LIMITED')], 'AbortError'],
    ['that it broke: the order may stand', [500, failing('INTERNAL_SERVER_ERROR')],
      'TopupInDoubt'],
  ])('%s, where its caller gives up', async (_says, answer, name) => {
    const caller = new AbortController();
    const { client } = scripted([answer], { onRetry: () => caller.abort() });
    expect(await failureOf(client.createOrder(NEW_ORDER, { signal: caller.signal })))
      .toMatchObject({ name });
  });

  it('to come back in a month, asks again in an hour', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { client, references } = scripted([[503, {}, { 'retry-after': '3000000' }]]);
    const placed = client.createOrder(NEW_ORDER);
    await vi.advanceTimersByTimeAsync(3_599_000);
    expect(references.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await placed).toMatchObject({ status: 'PENDING' });
    expect(references.length).toBe(2);
  });

  it('nothing, gives the request up in time and asks again', async () => {
    const deadline = new AbortController();
    vi.spyOn(AbortSignal, 'timeout').mockReturnValueOnce(deadline.signal);
    let askedCount = 0;
    const client = connect({
      token: () => 'token',
      fetch: async (_url, init) => {
        askedCount += 1;
        if (askedCount > 1) return Response.json(PLACED[1]);
        return new Promise((_resolve, reject) => {
          init?.signal?.addEventListener('abort', () => reject(new Error('given up')));
          deadline.abort();
        });
      },
    });
    expect(await client.createOrder(NEW_ORDER)).toEqual({ status: 'PENDING' });
    expect(askedCount).toBe(2);
  });
});

describe('createOrder that can place nothing', () => {
  it('ends where a fresh token was refused, too', async () => {
    let askedCount = 0;
    const client = connect({
      token: () => {
        askedCount += 1;
        return 'nonsense';
      },
    });
    expect(await failureOf(client.createOrder(NEW_ORDER)))
      .toMatchObject({ name: 'TopupRequestFailed', code: 'UNAUTHENTICATED' });
    expect(askedCount).toBe(2);
  });

  it('ends at a wrong path', async () => {
    const client = connect({ url: `${proxy.url}/nowhere` });
    expect(await failureOf(client.createOrder(NEW_ORDER)))
      .toMatchObject({ name: 'TopupRequestFailed', code: 'HTTP_404' });
  });

  it('ends before it sends anything where its caller gave up', async () => {
    const before = await orderCount();
    const options = { signal: AbortSignal.abort() };
    expect(await failureOf(connect().createOrder(NEW_ORDER, options)))
      .toMatchObject({ name: 'AbortError' });
    expect(await orderCount()).toBe(before);
  });

  it('ends at a token that no header can carry', async () => {
    const client = connect({ token: () => 'two\nlines' });
    expect(await failureOf(client.createOrder(NEW_ORDER))).toBeInstanceOf(TypeError);
  });

  it('tells every failure of a gateway that is not there, until its caller gives up', async () => {
    const caller = new AbortController();
    const told: Error[] = [];
    const client = connect({
      url: 'http://127.0.0.1:9/graphql',
      onRetry: (failure) => {
        told.push(failure);
        if (told.length === 2) caller.abort();
      },
    });
    expect(await failureOf(client.createOrder(NEW_ORDER, { signal: caller.signal })))
      .toMatchObject({ name: 'TopupInDoubt', cause: { name: 'AbortError' } });
    expect(told).toHaveLength(2);
  });

  it('cannot be asked of an address that is none', () => {
    expect(() => connect({ url: 'nonsense' })).toThrow(TypeError);
    expect(() => connect({ wsUrl: 'https://gateway.example/graphql' })).toThrow(TypeError);
    expect(() => connect({ url: 'https://me:secret@gateway.example/graphql' })).toThrow(
      /^A URL cannot carry a user and a password here: gateway.example$/,
    );
  });
});

/** A gateway that greets every socket, and says to each subscription what the test says. */
async function greetingGateway(
  onSubscribe: (of: {
    readonly count: number;
    readonly after: unknown;
    readonly say: (message: object) => void;
    readonly close: (code: number) => void;
  }) => void,
): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  onTestFinished(() => void server.close());
  let count = 0;
  server.on('connection', (socket) => socket.on('message', (data: Buffer) => {
    const { type, id, payload } = JSON.parse(data.toString()) as {
      type: string; id?: string; payload?: { variables?: { after?: unknown } };
    };
    if (type === 'connection_init') socket.send(JSON.stringify({ type: 'connection_ack' }));
    if (type !== 'subscribe') return;
    count += 1;
    onSubscribe({
      count,
      after: payload?.variables?.after,
      say: (message) => socket.send(JSON.stringify({ id, ...message })),
      close: (code) => socket.close(code),
    });
  }));
  await once(server, 'listening');
  return `ws://127.0.0.1:${(server.address() as { port: number }).port}/graphql`;
}

const edgeAt = (cursor: string) => ({
  type: 'next', payload: { data: { topupOrderEvents: { cursor, node: { id: 'e' } } } },
});
const EDGE = edgeAt('c');

describe('a watch of all orders', () => {
  it('goes on where the gateway completes it, which has no end of itself', async () => {
    const wsUrl = await greetingGateway(({ count, say }) => {
      say(count < 2 ? { type: 'complete' } : EDGE);
    });
    expect(await connect({ wsUrl }).watchOrders().next())
      .toEqual({ done: false, value: { cursor: 'c', event: { id: 'e' } } });
  });

  // A proxy may end sockets with 1000; graphql-ws retries after it whatever it was told.
  it.each([1000, 1001, 1012])('goes on behind its cursor after a close of %i', async (code) => {
    const behind: unknown[] = [];
    const pausedMs: number[] = [];
    let closedAt = 0;
    const wsUrl = await greetingGateway(({ count, after, say, close }) => {
      behind.push(after);
      if (count > 1) pausedMs.push(performance.now() - closedAt);
      say(edgeAt(`c${count}`));
      closedAt = performance.now();
      close(code);
    });
    const told: string[] = [];
    const watch = connect({ wsUrl, onRetry: ({ message }) => told.push(message) }).watchOrders();
    for (const cursor of ['c1', 'c2', 'c3']) {
      expect(await watch.next()).toMatchObject({ value: { cursor } });
    }
    expect(behind).toEqual([null, 'c1', 'c2']);
    expect(told.length).toBe(2);
    // Half of the shortest pause, less what clocks round.
    expect(Math.min(...pausedMs)).toBeGreaterThan(95);
  });

  it('pauses where every socket is closed with 1000 before it is acknowledged', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    onTestFinished(() => void server.close());
    const madeAt: number[] = [];
    server.on('connection', (socket) => {
      madeAt.push(performance.now());
      socket.close(1000);
    });
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const left = new AbortController();
    const next = connect({ wsUrl: `ws://127.0.0.1:${port}/graphql` })
      .watchOrders({}, { signal: left.signal }).next();
    await expect.poll(() => madeAt.length).toBeGreaterThan(2);
    left.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    const [first = 0, second = 0, third = 0] = madeAt;
    expect([second - first > 95, third - second > 190]).toEqual([true, true]);
  });

  it('goes on over a new socket where the old one answers no ping', async () => {
    const subscribed = Promise.withResolvers<null>();
    const wsUrl = await greetingGateway(({ count, say }) => {
      subscribed.resolve(null);
      if (count === 2) say(EDGE);
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const told: string[] = [];
    const client = connect({ wsUrl, onRetry: ({ message }) => told.push(message) });
    const next = client.watchOrders().next();
    // A poll would let the faked time go on.
    await subscribed.promise;
    await vi.advanceTimersByTimeAsync(14_900);
    expect(told).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    await expect.poll(() => told).toEqual(['The socket was closed: 4499 Terminated']);
    await vi.advanceTimersByTimeAsync(200);
    expect(await next).toMatchObject({ done: false, value: { cursor: 'c' } });
  });
});

describe('a watch', () => {
  it('ends where a fresh token was refused, too', async () => {
    const client = connect({ token: () => 'nonsense' });
    for (const watch of [client.watchOrder({ orderId: 1 }), client.watchOrders()]) {
      expect(await failureOf(watch.next()))
        .toMatchObject({ name: 'TopupRequestFailed', code: 'UNAUTHENTICATED' });
    }
  });

  it('begins at an address with a fragment, too', async () => {
    const client = connect({ url: `${proxy.url}/graphql#somewhere` });
    const { orderId } = await client.createOrder(NEW_ORDER);
    expect(await client.watchOrder({ orderId }).next()).toMatchObject({ done: false });
  });

  it('has room beside fifty others', async () => {
    const client = connect();
    const { orderId } = await client.createOrder(NEW_ORDER);
    const watches = Array.from({ length: 51 }, () => client.watchOrder({ orderId }));
    const firsts = await Promise.all(watches.map((watch) => watch.next()));
    expect(new Set(firsts.map(({ value }) => value?.event.type))).toEqual(new Set(['SNAPSHOT']));
  });

  it('shares a socket with as many as the gateway takes there', async () => {
    const { opened, webSocketImpl } = keptSockets();
    const client = connect({ watchesPerSocket: 2, webSocketImpl });
    const { orderId } = await client.createOrder(NEW_ORDER);
    const watches = Array.from({ length: 5 }, () => client.watchOrder({ orderId }));
    await Promise.all(watches.map((watch) => watch.next()));
    expect(opened.length).toBe(3);
    // A place that was left goes to one that comes.
    await watches[0]?.return?.();
    const later = [client.watchOrder({ orderId }), client.watchOrder({ orderId })];
    await Promise.all(later.map((watch) => watch.next()));
    expect(opened.length).toBe(3);
  });

  it('waits for its place where the gateway gives no further socket', async () => {
    const token = (): string => world().token(2);
    const others = Array.from({ length: 20 }, () => new TokenSocket(proxy.url, token()));
    onTestFinished(() => others.forEach((other) => other.end()));
    await Promise.all(others.map((other) => other.greeted()));
    const client = connect({
      token,
      onRetry: ({ message }) => {
        expect(message).toMatch(/^The socket was closed: 1013 Too many sockets/);
        others[0]?.end();
      },
    });
    const { orderId } = await client.createOrder(NEW_ORDER);
    expect(await client.watchOrder({ orderId }).next()).toMatchObject({ done: false });
    await others[0]?.closed;
  });

  it('ends at once where it is left while it waits, and frees its connection', async () => {
    const { opened, webSocketImpl } = keptSockets();
    const client = connect({ webSocketImpl });
    const { orderId } = await client.createOrder(NEW_ORDER);
    const watch = client.watchOrder({ orderId });
    await watch.next();
    const waiting = watch.next();
    expect(await watch.return?.()).toEqual({ done: true, value: undefined });
    expect(await waiting).toEqual({ done: true, value: undefined });
    // It closes behind the last subscription that is left.
    await expect.poll(() => opened.map(({ readyState }) => readyState))
      .toEqual([WebSocket.CLOSED]);
  });

  it('opens no socket where for a moment there is no token', async () => {
    const { opened, webSocketImpl } = keptSockets();
    const told: string[] = [];
    const client = connect({
      token: tokens(valid, () => Promise.reject(new TypeError('auth server away')), valid),
      webSocketImpl,
      onRetry: ({ message }) => told.push(message),
    });
    const { orderId } = await client.createOrder(NEW_ORDER);
    expect(await client.watchOrder({ orderId }).next()).toMatchObject({ done: false });
    expect(opened.map(({ readyState }) => readyState)).toEqual([WebSocket.OPEN]);
    await client.close();
    await expect.poll(() => opened.map(({ readyState }) => readyState))
      .toEqual([WebSocket.CLOSED]);
    expect(told).toEqual(['auth server away']);
  });

  it('ends at once while its connection is being made', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void silent.close());
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const client = connect({ url: `http://127.0.0.1:${port}/graphql` });
    const [left, open] = [client.watchOrders(), client.watchOrders()];
    const waiting = [left.next(), open.next()];
    await once(silent, 'connection');
    await left.return?.();
    await client.close();
    expect(await Promise.all(waiting)).toEqual([
      { done: true, value: undefined }, { done: true, value: undefined },
    ]);
  });
});

it('a watch over a connection that is open asks for no token', async () => {
  let askedCount = 0;
  const client = connect({
    token: () => {
      askedCount += 1;
      return valid();
    },
  });
  const { orderId } = await client.createOrder(NEW_ORDER);
  expect(await client.watchOrder({ orderId }).next()).toMatchObject({ done: false });
  const before = askedCount;
  expect(await client.watchOrder({ orderId }).next()).toMatchObject({ done: false });
  expect(askedCount).toBe(before);
});

it('a token that nobody took for a second is asked for anew', async () => {
  const now = vi.spyOn(performance, 'now').mockReturnValue(5_000);
  let askedCount = 0;
  const next = new NextToken(() => `token ${askedCount += 1}`, 1_000);
  const { signal } = new AbortController();
  await next.prepare(signal);
  await next.prepare(signal);
  now.mockReturnValue(6_000);
  expect([next.take(), askedCount]).toEqual([null, 1]);
  await next.prepare(signal);
  expect([next.take(), next.take()]).toEqual(['token 2', null]);
});
