import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  createTopupClient, TopupInDoubt, TopupRefused, type TopupClient, type TopupClientOptions,
} from '../../src/client/index.ts';
import { logIn, makeKey, TokenSocket } from '../support/access.ts';
import { startCuttingProxy, type CuttingProxy } from '../support/cutting-proxy.ts';
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

  it('tells a refusal, and doubts only whose a reference is that is taken', async () => {
    const client = connect();
    proxy.loseNextAnswer();
    expect(await failureOf(client.createOrder({ ...NEW_ORDER, amount: '5' })))
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
    let socketCount = 0;
    class CountedSocket extends WebSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        socketCount += 1;
      }
    }
    const client = connect({ watchesPerSocket: 2, webSocketImpl: CountedSocket });
    const { orderId } = await client.createOrder(NEW_ORDER);
    const watches = Array.from({ length: 5 }, () => client.watchOrder({ orderId }));
    await Promise.all(watches.map((watch) => watch.next()));
    expect(socketCount).toBe(3);
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
    const opened: WebSocket[] = [];
    class KeptSocket extends WebSocket {
      constructor(url: string, protocols: string) {
        super(url, protocols);
        opened.push(this);
      }
    }
    const client = connect({ webSocketImpl: KeptSocket });
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

  it('leaves no socket behind where for a moment there is no token, over a long line', async () => {
    const opened: WebSocket[] = [];
    class FarSocket extends WebSocket {
      constructor(url: string, protocols: string) {
        super(url, protocols);
        opened.push(this);
      }

      /** The other side hears of it late, and so do we. */
      override close(code?: number, reason?: string): void {
        setTimeout(() => super.close(code, reason), 500);
      }
    }
    const told: string[] = [];
    const client = connect({
      token: tokens(valid, () => Promise.reject(new TypeError('auth server away')), valid),
      webSocketImpl: FarSocket,
      onRetry: ({ message }) => told.push(message),
    });
    const { orderId } = await client.createOrder(NEW_ORDER);
    expect(await client.watchOrder({ orderId }).next()).toMatchObject({ done: false });
    await expect.poll(() => opened.map(({ readyState }) => readyState))
      .toEqual([WebSocket.CLOSED, WebSocket.OPEN]);
    await client.close();
    await expect.poll(() => opened.map(({ readyState }) => readyState))
      .toEqual([WebSocket.CLOSED, WebSocket.CLOSED]);
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
