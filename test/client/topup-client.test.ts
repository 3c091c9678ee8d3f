import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTopupClient, TopupRefused, type OrderEdge } from '../../src/client/index.ts';
import { Sockets } from '../../src/client/sockets.ts';
import { startCuttingProxy, type CuttingProxy } from '../support/cutting-proxy.ts';
import { keptSockets } from '../support/kept-sockets.ts';
import { useWorld } from '../support/world.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const NEW_ORDER = {
  productId: 4218,
  amount: '4.99',
  inputData: [{ name: 'player_id', value: '5123456789' }, { name: 'server', value: 'asia' }],
};

const world = useWorld();
let proxy: CuttingProxy;

beforeAll(async () => {
  proxy = await startCuttingProxy(world().gateway.url);
});
afterAll(() => proxy.close());

const connect = (token = (): string | Promise<string> => world().token(1)) =>
  createTopupClient({ url: `${proxy.url}/graphql`, token });

const ordersUnder = (reference: string) => world().database.query(
  'select id from topup_order where client_id = 1 and client_reference = $1', [reference]);

describe('createOrder', () => {
  it('places one order where the first answer was lost', async () => {
    const client = connect();
    proxy.loseNextAnswer();
    const order = await client.createOrder({ ...NEW_ORDER, clientReference: 'LOST-ANSWER' });
    expect(order).toMatchObject({ clientReference: 'LOST-ANSWER', charge: { amount: '4.7405' } });
    expect(await ordersUnder('LOST-ANSWER')).toEqual([{ id: String(order.orderId) }]);
    await client.close();
  });

  it('makes a reference of its own, another for each order', async () => {
    const client = connect();
    const [one, two] = await Promise.all([NEW_ORDER, NEW_ORDER].map((order) =>
      client.createOrder(order)));
    expect(one?.clientReference).toMatch(/^[0-9a-f]{32}$/);
    expect(two?.clientReference).not.toBe(one?.clientReference);
    await client.close();
  });

  it('tells a refusal with its code, and a reference of another order', async () => {
    const client = connect();
    const refusal = (order: typeof NEW_ORDER & { clientReference?: string }) =>
      client.createOrder(order).then(
        () => 'placed',
        (error: unknown) => error instanceof TopupRefused
          && error.userErrors.map((each) => [each.code, each.details]),
      );
    expect(await refusal({ ...NEW_ORDER, amount: '5' }))
      .toEqual([['AMOUNT_NOT_AVAILABLE', null]]);
    await client.createOrder({ ...NEW_ORDER, clientReference: 'TAKEN' });
    expect(await refusal({ ...NEW_ORDER, amount: '9.99', clientReference: 'TAKEN' }))
      .toEqual([['DUPLICATE_CLIENT_REFERENCE', 'INPUT_MISMATCH']]);
    await client.close();
  });

  it('asks for a fresh token where one was refused', async () => {
    const tokens = ['stale', world().token(1)];
    const client = connect(() => tokens.shift() ?? world().token(1));
    const order = await client.createOrder(NEW_ORDER);
    expect(order.status).toBe('PENDING');
    expect(tokens).toEqual([]);
    await client.close();
  });
});

describe('watchOrder', () => {
  it('tells an order from its snapshot to its end, and ends with it', async () => {
    const client = connect();
    // Held by its supplier until the watch has seen where it stands.
    const { orderId } = await client.createOrder({
      ...NEW_ORDER,
      inputData: [{ name: 'player_id', value: '5123456722' }, { name: 'server', value: 'asia' }],
    });
    const release = (): Promise<number> =>
      fetch(`${world().sandboxUrl}/release/1-${orderId}-1`, { method: 'POST' })
        .then(({ status }) => status);
    const edges: OrderEdge[] = [];
    for await (const edge of client.watchOrder({ orderId })) {
      if (edges.length === 0) await expect.poll(release).toBe(200);
      edges.push(edge);
    }
    expect(edges[0]?.event.type).toBe('SNAPSHOT');
    expect(edges.at(-1)?.event).toMatchObject({ type: 'DELIVERED', status: 'DELIVERED' });
    const [first] = edges;
    const resumed = await collect(client.watchOrder({ orderId }, { after: first?.cursor ?? '' }));
    expect(resumed.map((edge) => edge.event.id)).toEqual(
      edges.slice(1).map((edge) => edge.event.id),
    );
    await client.close();
  });

  it('says so where there is no such order', async () => {
    const client = connect();
    await expect(collect(client.watchOrder({ orderId: 999_999_999 })))
      .rejects.toMatchObject({ name: 'TopupRequestFailed', code: 'NOT_FOUND' });
    await client.close();
  });
});

it('a socket over a line that is silent from its beginning is given up', async () => {
  proxy.silenceNew(true);
  const sockets = new Sockets({
    wsUrl: `${proxy.url.replace('http', 'ws')}/graphql`,
    token: () => world().token(1),
    acknowledgedWithinMs: 300,
  });
  const { client } = sockets.enter();
  const ask = (): Promise<unknown> => new Promise((resolve, reject) => {
    client.subscribe({ query: '{ viewer { name } }' }, {
      next: resolve, error: reject, complete: () => undefined,
    });
  });
  await expect(ask()).rejects.toMatchObject({ code: 4499, reason: 'Terminated' });
  proxy.silenceNew(false);
  expect(await ask()).toMatchObject({ data: { viewer: {} } });
  sockets.close();
});

it('keeps a connection though the token of one that was given up fails at last', async () => {
  const late = Promise.withResolvers<string>();
  let askedCount = 0;
  const sockets = new Sockets({
    wsUrl: `${proxy.url.replace('http', 'ws')}/graphql`,
    token: () => {
      askedCount += 1;
      return askedCount === 1 ? late.promise : world().token(1);
    },
    acknowledgedWithinMs: 1_500,
  });
  const { client, tokenFault } = sockets.enter();
  const closes: unknown[] = [];
  client.on('closed', (event) => closes.push(event));
  const ask = () => new Promise((resolve, reject) => {
    client.subscribe({ query: '{ viewer { name } }' }, {
      next: resolve, error: reject, complete: () => undefined,
    });
  });
  await expect(ask()).rejects.toMatchObject({ code: 4499 });
  // Holds the connection open.
  const leave = client.subscribe({ query: 'subscription { topupOrderEvents { cursor } }' }, {
    next: () => undefined, error: () => undefined, complete: () => undefined,
  });
  expect(await ask()).toMatchObject({ data: { viewer: {} } });
  late.reject(new Error('too late'));
  expect(await ask()).toMatchObject({ data: { viewer: {} } });
  expect([closes.length, askedCount, tokenFault()]).toEqual([1, 2, null]);
  leave();
  sockets.close();
});

it('opens a connection once its token is there, one for all who wait for it', async () => {
  const late = Promise.withResolvers<string>();
  const { opened, webSocketImpl } = keptSockets();
  let askedCount = 0;
  const client = createTopupClient({
    url: `${proxy.url}/graphql`,
    token: () => {
      askedCount += 1;
      return late.promise;
    },
    webSocketImpl,
  });
  const { orderId } = await connect().createOrder(NEW_ORDER);
  const watches = [1, 2, 3].map(() => client.watchOrder({ orderId }));
  const left = watches.pop();
  const first = watches.map((each) => each.next());
  const leaving = left?.next();
  await expect.poll(() => askedCount).toBe(1);
  await left?.return?.();
  expect(await leaving).toMatchObject({ done: true });
  expect(opened.length).toBe(0);
  late.resolve(world().token(1));
  for (const { value } of await Promise.all(first)) {
    expect(value).toMatchObject({ event: { type: 'SNAPSHOT' } });
  }
  expect([askedCount, opened.length]).toEqual([1, 1]);
  await client.close();
});

it('has a token before it opens a socket behind one that is closing', async () => {
  const { opened, webSocketImpl } = keptSockets(100);
  const tokens = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  let askedCount = 0;
  const client = createTopupClient({
    url: `${proxy.url}/graphql`,
    token: () => tokens[(askedCount += 1) - 1]?.promise ?? '',
    webSocketImpl,
  });
  const { orderId } = await connect().createOrder(NEW_ORDER);
  tokens[0]?.resolve(world().token(1));
  const first = client.watchOrder({ orderId });
  await first.next();
  await first.return?.();
  const second = client.watchOrder({ orderId }).next();
  await expect.poll(() => [askedCount, opened.map(({ readyState }) => readyState)])
    .toEqual([2, [WebSocket.CLOSED]]);
  tokens[1]?.resolve(world().token(1));
  expect(await second).toMatchObject({ done: false });
  expect([askedCount, opened.length]).toEqual([2, 2]);
  await client.close();
});

it('asks anew for a token that does not come', async () => {
  let askedCount = 0;
  const sockets = new Sockets({
    wsUrl: `${proxy.url.replace('http', 'ws')}/graphql`,
    token: () => {
      askedCount += 1;
      return askedCount === 1 ? new Promise(() => undefined) : world().token(1);
    },
    acknowledgedWithinMs: 50,
  });
  const { prepare } = sockets.enter();
  const { signal } = new AbortController();
  await expect(prepare(signal)).rejects.toThrow('No token came within 50 ms');
  await prepare(signal);
  expect(askedCount).toBe(2);
  sockets.close();
});

it('leaves no socket behind where one is open before there is no token', async () => {
  const { opened, webSocketImpl } = keptSockets(500);
  let askedCount = 0;
  const sockets = new Sockets({
    wsUrl: `${proxy.url.replace('http', 'ws')}/graphql`,
    token: () => {
      askedCount += 1;
      if (askedCount === 1) throw new TypeError('auth server away');
      return world().token(1);
    },
    webSocketImpl,
  });
  const { client, tokenFault } = sockets.enter();
  const ask = () => new Promise((resolve, reject) => {
    client.subscribe({ query: '{ viewer { name } }' }, {
      next: resolve, error: reject, complete: () => undefined,
    });
  });
  await expect(ask()).rejects.toMatchObject({ code: 4499 });
  expect(tokenFault()).toEqual({ thrown: new TypeError('auth server away') });
  expect(await ask()).toMatchObject({ data: { viewer: {} } });
  await expect.poll(() => opened.map(({ readyState }) => readyState))
    .toEqual([WebSocket.CLOSED, WebSocket.OPEN]);
  sockets.close();
  await expect.poll(() => opened.map(({ readyState }) => readyState))
    .toEqual([WebSocket.CLOSED, WebSocket.CLOSED]);
});

describe('watchOrders', () => {
  it('goes on with a fresh token wherever one ends', async () => {
    const { parts } = world();
    let askedCount = 0;
    const client = connect(() => {
      askedCount += 1;
      return parts.signToken(1, askedCount <= 2 ? 1 : 3600);
    });
    const seen: number[] = [];
    const watching = (async () => {
      for await (const { event } of client.watchOrders()) seen.push(event.order.orderId);
    })();
    await expect.poll(() => askedCount, { timeout: 30_000 }).toBe(3);
    const order = await client.createOrder(NEW_ORDER);
    await expect.poll(() => seen, { timeout: 30_000 }).toContain(order.orderId);
    await client.close();
    await watching;
  });

  it('misses and repeats nothing over cuts and a restart', async () => {
    const client = connect();
    const stopped = new AbortController();
    const seen: number[] = [];
    const isOpen = Promise.withResolvers<void>();
    const watching = (async () => {
      for await (const { event } of client.watchOrders(null, { signal: stopped.signal })) {
        seen.push(event.sequence);
        isOpen.resolve();
      }
    })();
    const placer = createTopupClient({
      url: `${world().gateway.url}/graphql`, token: () => world().token(1),
    });
    // The feed begins now, with the opening edge: this one is the first that can be seen.
    while (seen.length === 0) {
      await placer.createOrder(NEW_ORDER);
      await Promise.race([isOpen.promise, new Promise((resolve) => setTimeout(resolve, 100))]);
    }
    for (let round = 0; round < 8; round += 1) {
      const placed = await Promise.all([NEW_ORDER, NEW_ORDER, NEW_ORDER].map((order) =>
        placer.createOrder(order)));
      proxy.cutAll();
      if (round === 3) {
        const other = await world().startProcess('gateway');
        proxy.leadTo(other?.url ?? '');
        proxy.cutAll();
      }
      await collect(placer.watchOrder({ orderId: placed[0]?.orderId ?? 0 }));
    }
    const [last] = await world().database.query<{ last_sequence: string }>(
      'select last_sequence from feed_position where client_id = 1');
    await expect.poll(() => seen.at(-1), { timeout: 30_000 }).toBeGreaterThanOrEqual(
      Number(last?.last_sequence));
    const from = seen[0] ?? 0;
    expect(seen).toEqual(seen.map((_, index) => from + index));
    stopped.abort();
    await watching;
    await Promise.all([client.close(), placer.close()]);
  }, 60_000);
});

describe('the sample of the README', () => {
  it('places an order and watches it to its end', async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const sample = /```js\n([^`]*createTopupClient[^`]*)```/.exec(readme)?.[1];
    expect(sample).toBeDefined();
    const folder = mkdtempSync(join(tmpdir(), 'topup-sample-'));
    mkdirSync(join(folder, '.data'));
    const facts = {
      graphqlUrl: `${world().gateway.url}/graphql`, clients: [{ token: world().token(1) }],
    };
    writeFileSync(join(folder, '.data/demo.json'), JSON.stringify(facts));
    // Inside the package, so that its own name leads to what it exports.
    const file = join(ROOT, 'dist/readme-sample.mjs');
    writeFileSync(file, sample ?? '');
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: folder });
    // The order may have been delivered before the first look at it.
    expect(stdout.trim().split('\n').at(-1)).toMatch(/^(?:SNAPSHOT|DELIVERED) DELIVERED$/);
    rmSync(folder, { recursive: true });
    rmSync(file);
  });
});

async function collect(edges: AsyncIterable<OrderEdge>): Promise<OrderEdge[]> {
  const all: OrderEdge[] = [];
  for await (const edge of edges) all.push(edge);
  return all;
}
