import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';

import fastify, { type FastifyInstance } from 'fastify';
import { createClient } from 'graphql-ws';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';

import { Forbidden } from '../../src/domain/access.ts';
import type { Clock, OrderFeed, Wallet } from '../../src/domain/ports.ts';
import type { FeedEvent, TopupOrder } from '../../src/domain/topup-order.ts';
import type { ResultIterator } from '../../src/graphql/fresh-subscribe.ts';
import { graphqlDoor, type GraphqlDeps, type GraphqlDoor } from '../../src/graphql/graphql-door.ts';
import { CLOSE, SocketConnection } from '../../src/graphql/socket-connection.ts';
import { snapshot } from '../domain/builders.ts';
import { callerOf } from '../support/caller.ts';
import { noRateLimits } from '../support/no-rate-limits.ts';
import { SocketPeer } from '../support/socket-peer.ts';

const CANARY = 'canary-5b1f';
const TOKEN = 'Bearer good';
const PROTOCOL = 'graphql-transport-ws';
const UPDATES = `subscription ($id: SafeInt!, $after: String) {
  topupOrderUpdated(by: {orderId: $id}, after: $after) {
    cursor node { type sequence version previousStatus status order { status wallet { id } } } } }`;
/** What an answer says of its cost to a client without limits. */
const FREE = { requestedQueryCost: 1, actualQueryCost: 1, throttleStatus: null };
const CREATE = 'createTopupOrder(input: {productId: 1, amount: 1}) { order { orderId } }';
const TRUSTED = 'query Trusted { topupOrder(by: {orderId: 2}) { orderId } }';
const TRUSTED_HASH = createHash('sha256').update(TRUSTED).digest('hex');
const CREATE_FOR = `mutation ($a: Decimal!) {
  createTopupOrder(input: {productId: 1, amount: $a}) { order { orderId } userErrors { code } } }`;

/** More than any other test here opens. */
const SOCKETS_MAX = 30;

/** A clock that stands still until a test moves it. */
class HandClock implements Clock {
  #nowMs = Date.parse('2026-11-03T09:30:00Z');
  #sleptMs = 0;
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  now(): Date {
    return new Date(this.#nowMs + this.#sleptMs);
  }

  /** The machine sleeps: what it tells afterwards is later, and no timer is nearer to its end. */
  sleepMachine(ms: number): void {
    this.#sleptMs += ms;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sleeper = { atMs: this.#nowMs + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper);
        resolve();
      }, { once: true });
    });
  }

  get sleeperCount(): number {
    return this.#sleepers.size;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const sleeper of this.#sleepers) {
      if (sleeper.atMs > this.#nowMs) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}

/** Holds whoever comes to the place that it is told. */
class Delay {
  #place: string | null = null;
  #held: (() => void)[] = [];

  /** Until they are released. */
  hold(place: string): void {
    this.#place = place;
  }

  async at(place: string): Promise<void> {
    if (place !== this.#place) return;
    await new Promise<void>((resolve) => {
      this.#held.push(resolve);
    });
  }

  get heldCount(): number {
    return this.#held.length;
  }

  release(): void {
    this.#place = null;
    for (const resolve of this.#held.splice(0)) resolve();
  }
}

/** Orders 1, 2, ... of client 1; every open iterator is counted. */
class HandFeed implements OrderFeed {
  readonly orders = new Map<number, TopupOrder>();
  readonly open = new Set<(event: FeedEvent | Error) => void>();

  async snapshot(clientId: number, orderId: number) {
    const order = this.orders.get(orderId);
    return order?.clientId === clientId ? { order, sequence: 100 + order.version } : null;
  }

  readonly watchClient = () => this.watchOrder();
  readonly extent = () => Promise.resolve({
    removedThrough: 0, lastSequence: 0, skipped: [],
  });
  readonly readClient = () => Promise.resolve([]);

  watchOrder(): AsyncIterableIterator<FeedEvent> {
    const queue: (FeedEvent | Error)[] = [];
    let wake: (() => void) | undefined;
    let hasEnded = false;
    const push = (event: FeedEvent | Error): void => {
      queue.push(event);
      wake?.();
    };
    this.open.add(push);
    const end = () => {
      hasEnded = true;
      this.open.delete(push);
      wake?.();
      return Promise.resolve({ done: true as const, value: undefined });
    };
    const iterator: AsyncIterableIterator<FeedEvent> = {
      [Symbol.asyncIterator]: () => iterator,
      return: end,
      async next() {
        while (queue.length === 0 && !hasEnded) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const event = queue.shift();
        if (event instanceof Error) throw event;
        if (event === undefined) return end();
        if (event.status !== 'PENDING') hasEnded = true;
        return { done: false, value: event };
      },
    };
    return iterator;
  }

  /** Moves an order on, for all who watch; as a feed does, after the order's own row. */
  move(id: number, change: Partial<TopupOrder>, type: FeedEvent['type']): void {
    const before = this.orders.get(id) ?? orderOf(id);
    const order = { ...before, ...change, version: before.version + 1 };
    this.orders.set(id, order);
    for (const push of this.open) {
      push({
        clientId: 1, topupOrderId: id, sequence: 100 + order.version, version: order.version, type,
        previousStatus: before.status, status: order.status, failureCode: order.failureCode,
        occurredAt: new Date(), order,
      });
    }
  }

  untilTerminal(): Promise<TopupOrder> {
    throw new Error(CANARY);
  }
}

function orderOf(id: number, change: Partial<TopupOrder> = {}): TopupOrder {
  return {
    clientId: 1, id, clientReference: `ref-${id}`, inputDigest: '', productId: 4218, variantId: 1,
    productName: 'PUBG', variantName: '60 UC', countryCode: 'GLO',
    faceValue: { amount: '4.99', currency: 'USD' }, discountPercent: '5', forexRate: null,
    charge: { amount: '4.7405', currency: 'USD' }, fundingSource: 'WALLET', walletId: 1,
    inputData: { player_id: '5123456789' }, fulfilsInRequest: false, status: 'PENDING',
    fulfilmentState: 'QUEUED', version: 1, failureCode: null, attemptCount: 0, lastAttemptAt: null,
    nextActionAt: null, debitTransferId: 1, refundTransferId: null, reversalTransferId: null,
    reversedAt: null, receipt: null, createdAt: new Date(), completedAt: null, expectedBy: null,
    notificationEmail: null, ...change,
  };
}

const wallet: Wallet = {
  id: 1, currency: 'USD', type: 'PREPAID', balance: '10', creditLimit: '0', isDefault: true,
  isFrozen: false,
};

interface Harness {
  readonly app: FastifyInstance;
  readonly door: GraphqlDoor;
  readonly clock: HandClock;
  readonly feed: HandFeed;
  readonly logged: object[];
  readonly walletReads: (readonly number[])[];
  /** The clients of the orders that were placed. */
  readonly created: number[];
  /** Called by everything that may fail in a test. */
  readonly fault: { at: string | null };
  /** Of every take, how many tokens. */
  readonly taken: number[];
  /** What takes longer in a test than the socket lives. */
  readonly delay: Delay;
  /** What admitted a caller may hold no more: everybody is looked at. */
  readonly tellAccess: () => void;
  readonly port: number;
}

let harness: Harness;

async function start(): Promise<Harness> {
  const [clock, feed, logged] = [new HandClock(), new HandFeed(), [] as object[]];
  const walletReads: (readonly number[])[] = [];
  const created: number[] = [];
  const taken: number[] = [];
  const accessListeners: (() => void)[] = [];
  const tellAccess = (): void => accessListeners.forEach((tell) => tell());
  const fault: Harness['fault'] = { at: null };
  const delay = new Delay();
  const failAt = (place: string): void => {
    if (fault.at === place) throw new Error(`${CANARY} in ${place}`);
  };
  for (const id of [1, 2, 3]) feed.orders.set(id, orderOf(id));
  feed.orders.set(9, orderOf(9, { clientId: 2 }));
  const findOrder = (clientId: number, id: number): TopupOrder | null => {
    failAt('findOrder');
    const order = feed.orders.get(id);
    return order?.clientId === clientId ? order : null;
  };
  const store = {
    pricing: () => snapshot(),
    findOrder: async (clientId: number, id: number) => findOrder(clientId, id),
    findOrderByReference: async (clientId: number, reference: string) =>
      findOrder(clientId, Number(reference.slice(4))),
    findOrdersByIds: async (clientId: number, ids: readonly number[]) =>
      ids.map((id) => findOrder(clientId, id)).filter((order) => order !== null),
    findWalletsByIds: async (_clientId: number, ids: readonly number[]) => {
      failAt('findWalletsByIds');
      walletReads.push(ids);
      return [wallet];
    },
    findTransfersByIds: async () => [],
  } as unknown as GraphqlDeps['store'];
  const deps: GraphqlDeps = {
    store, feed, clock,
    walletFeed: {} as GraphqlDeps['walletFeed'],
    rateLimits: {
      ...noRateLimits,
      async take(taking) {
        await delay.at('take');
        taken.push(taking.count);
        return noRateLimits.take(taking);
      },
    },
    rateHeaders: () => ({}),
    cursorKey: 'cursor key',
    isIntrospectionAllowed: false,
    httpText: 'draft',
    trustedDocuments: { texts: new Map([[TRUSTED_HASH, TRUSTED]]), isOnly: false },
    socketsPerClient: 3,
    socketsMax: SOCKETS_MAX,
    subscriptionsPerSocket: 4,
    feedRetentionDays: 7,
    log: { error: (fields) => logged.push(fields), info: () => {} },
    isStillAdmitted: () => fault.at !== 'isStillAdmitted',
    onAccessChange: (listener) => {
      accessListeners.push(listener);
      return () => {};
    },
    catchUp: async () => {
      failAt('catchUp');
      await delay.at('catchUp');
    },
    addressOf: () => '127.0.0.1',
    async authenticate({ authorization }) {
      failAt('authenticate');
      await delay.at('authenticate');
      if (authorization === 'Bearer hangs') return new Promise(() => {});
      if (authorization === 'Bearer elsewhere') throw new Forbidden('Not from here');
      const expiresAtMs = clock.now().getTime() + 3_600_000;
      if (authorization === TOKEN) return callerOf(1, { expiresAtMs });
      return authorization === 'Bearer other' ? callerOf(2, { expiresAtMs }) : null;
    },
    async createTopupOrder(clientId) {
      failAt('createTopupOrder');
      await delay.at('createTopupOrder');
      created.push(clientId);
      return orderOf(7, { clientId });
    },
    async quoteTopup() {
      throw new Error('not part of this test');
    },
    async cancelTopupOrder(clientId, id) {
      return orderOf(id, { clientId, status: 'CANCELLED' });
    },
    async setNotificationEmail(clientId, id) {
      return orderOf(id, { clientId });
    },
  };
  const app = fastify();
  const door = await graphqlDoor(app, deps);
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  return {
    app, door, clock, feed, logged, walletReads, created, fault, delay, taken, tellAccess, port,
  };
}

/** A peer of the door that the test has started. */
class Peer extends SocketPeer {
  constructor(protocol?: string) {
    super(`http://127.0.0.1:${harness.port}`, protocol);
  }

  static async acknowledged(authorization = TOKEN): Promise<Peer> {
    return new Peer().acknowledgedBy(authorization);
  }
}

beforeEach(async () => {
  harness = await start();
});

afterEach(async () => {
  await harness.app.close();
  expect(harness.feed.open.size, 'iterators left open').toBe(0);
  expect(harness.door.socketCount()).toBe(0);
  expect(harness.clock.sleeperCount, 'timers left').toBe(0);
});

const post = (query: string, more: object = {}, headers: object = {}) => harness.app.inject({
  method: 'POST', url: '/graphql', headers: { authorization: TOKEN, ...headers },
  payload: { query, ...more },
});

describe('a socket is ended', () => {
  test('with 4406 without the protocol', async () => {
    expect(await (await new Peer('').opened()).closed).toEqual([4406, expect.any(String)]);
  });

  test('with 4408 without connection_init for 3 s', async () => {
    const peer = await new Peer().opened();
    await until(() => harness.clock.sleeperCount === 2);
    harness.clock.advance(2_999);
    expect(harness.door.socketCount()).toBe(1);
    harness.clock.advance(1);
    expect((await peer.closed)[0]).toBe(4408);
  });

  test('with 4408 where authentication hangs', async () => {
    const peer = await new Peer().opened();
    peer.say({ type: 'connection_init', payload: { authorization: 'Bearer hangs' } });
    await until(() => harness.clock.sleeperCount === 2);
    harness.clock.advance(3_000);
    expect((await peer.closed)[0]).toBe(4408);
  });

  test.each([
    ['a wrong token', { authorization: 'Bearer wrong' }],
    ['no token', undefined],
    ['a token that is no text', { authorization: 5 }],
    ['two tokens', { authorization: TOKEN, Authorization: TOKEN }],
    ['a token of another network', { authorization: 'Bearer elsewhere' }],
  ])('with 4403 for %s', async (_name, payload) => {
    const peer = await new Peer().opened();
    peer.say({ type: 'connection_init', payload });
    expect(await peer.closed).toEqual([4403, 'Forbidden']);
  });

  test('with 4403 where the token was taken back while it was looked at', async () => {
    harness.fault.at = 'isStillAdmitted';
    const peer = await new Peer().opened();
    peer.say({ type: 'connection_init', payload: { authorization: TOKEN } });
    expect(await peer.closed).toEqual([4403, 'Token revoked']);
  });

  test('with 4403 when the token expires, subscriptions and all', async () => {
    const peer = await Peer.acknowledged();
    peer.subscribe('1', UPDATES, { id: 1 });
    expect((await peer.heard()).type).toBe('next');
    await until(() => harness.feed.open.size === 1);
    harness.clock.advance(3_600_000);
    expect(await peer.closed).toEqual([4403, 'Token expired']);
    await until(() => harness.feed.open.size === 0);
  });

  test('with 4403 half a minute after a sleep in which the token expired', async () => {
    const peer = await Peer.acknowledged();
    harness.clock.sleepMachine(3_600_000);
    harness.clock.advance(30_000);
    expect(await peer.closed).toEqual([4403, 'Token expired']);
  });

  test('that shows no token, for another one where there are too many', async () => {
    const known = await Peer.acknowledged();
    const strangers: Peer[] = [];
    while (strangers.length < SOCKETS_MAX - 1) strangers.push(await new Peer().opened());
    const next = await Peer.acknowledged();
    expect((await strangers[0]?.closed)?.[0]).toBe(1006);
    for (const peer of [known, next]) expect(await peer.heardUntilPong()).toEqual([]);
    for (const peer of strangers.slice(1)) expect(await peer.heardUntilPong()).toEqual([]);
  });

  test('that shows no token, also where others went by themselves before', async () => {
    for (let count = 0; count < 3; count += 1) (await new Peer().opened()).terminate();
    await until(() => harness.door.socketCount() === 0);
    const strangers: Peer[] = [];
    while (strangers.length < SOCKETS_MAX) strangers.push(await new Peer().opened());
    await Peer.acknowledged();
    expect((await strangers[0]?.closed)?.[0]).toBe(1006);
    await until(() => harness.door.socketCount() <= SOCKETS_MAX);
  });

  test('for another one where it is one too many of its client, and does not go', async () => {
    for (let count = 0; count < 3; count += 1) await Peer.acknowledged();
    const { calls } = vi.spyOn(WebSocket.prototype, 'close').mock;
    const refused: Peer[] = [];
    while (refused.length < SOCKETS_MAX - 3) {
      const peer = await new Peer().opened();
      peer.stopReading();
      peer.say({ type: 'connection_init', payload: { authorization: TOKEN } });
      refused.push(peer);
    }
    await until(() => calls.length >= refused.length);
    expect(harness.door.socketCount()).toBe(SOCKETS_MAX);
    const next = await Peer.acknowledged('Bearer other');
    expect(await next.heardUntilPong()).toEqual([]);
    for (const peer of refused) peer.terminate();
  });

  test.each([
    ['pong', (peer: Peer) => peer.pongFrame()],
    ['ping', (peer: Peer) => peer.pingFrame()],
  ])('for more frames of %s than anybody needs', async (_kind, frame) => {
    const peer = await Peer.acknowledged();
    // A few at a time: who has many pongs to come is ended by the library below already.
    for (let round = 0; round < 100; round += 1) {
      for (let count = 0; count < 19; count += 1) frame(peer);
      expect(await peer.heardUntilPong()).toEqual([]);
    }
    frame(peer);
    expect((await peer.closed)[0]).toBe(1006);
  });

  test('with 4401 for a subscribe before the acknowledgement', async () => {
    const peer = await new Peer().opened();
    peer.subscribe('1', UPDATES, { id: 1 });
    expect((await peer.closed)[0]).toBe(4401);
  });

  test('with 4429 for long pings sooner than for short ones', async () => {
    const ping = (length: number) => ({ type: 'ping', payload: { text: 'x'.repeat(length) } });
    const peer = await Peer.acknowledged();
    for (let count = 0; count < 30; count += 1) {
      peer.say(ping(60_000));
      expect((await peer.heard()).type).toBe('pong');
    }
    for (let count = 0; count < 10; count += 1) peer.say(ping(60_000));
    expect(await peer.closed).toEqual([4429, 'Too many messages']);
  });

  test('with 4429 for a second connection_init', async () => {
    const peer = await Peer.acknowledged();
    peer.say({ type: 'connection_init' });
    expect((await peer.closed)[0]).toBe(4429);
  });

  test('with 4429 for the 21st message before the acknowledgement', async () => {
    const peer = await new Peer().opened();
    for (let count = 1; count <= 21; count += 1) peer.say({ type: 'ping' });
    expect((await peer.closed)[0]).toBe(4429);
  });

  test('with 4429 for a flood of messages, and not for as many in a while', async () => {
    const calm = await Peer.acknowledged();
    for (let count = 1; count <= 1_500; count += 1) {
      calm.say({ type: 'ping' });
      expect((await calm.heard()).type).toBe('pong');
    }
    const others = ['{"type":"ping"}', '{"type":"pin\\u0067"}', '{"type":"complete","id":"x"}'];
    for (const one of others) {
      const flood = await Peer.acknowledged();
      for (let count = 1; count <= 10_000; count += 1) flood.say(one);
      expect((await flood.closed)[0]).toBe(4429);
    }
    calm.say({ type: 'ping' });
    expect((await calm.heard()).type).toBe('pong');
  });

  test('with 4429 for a flood of operations beyond those that it may have open', async () => {
    const peer = await Peer.acknowledged();
    for (let count = 1; count <= 4; count += 1) peer.subscribe(`${count}`, UPDATES, { id: 1 });
    for (let count = 1; count <= 10_000; count += 1) peer.subscribe(`x${count}`, '{ __typename }');
    expect((await peer.closed)[0]).toBe(4429);
  });

  test('with 4429 not for operations that are ended as they come', async () => {
    const peer = await Peer.acknowledged();
    for (let count = 1; count <= 3_000; count += 1) {
      peer.subscribe(`${count}`, '{ __typename }');
      await peer.heard();
      peer.complete(`${count}`);
    }
    peer.say({ type: 'ping' });
    await expect.poll(async () => (await peer.heard()).type).toBe('pong');
  });

  test('with 4409 for an id in use', async () => {
    const peer = await Peer.acknowledged();
    peer.subscribe('1', UPDATES, { id: 1 });
    await peer.heard();
    peer.subscribe('1', UPDATES, { id: 2 });
    expect((await peer.closed)[0]).toBe(4409);
  });

  test.each(['{', '[]', '"x"', 'null', '{"type":"nonsense"}', '{"type":"connection_ack"}',
    '{"id":"1","type":"subscribe","payload":{"query":5}}', '{"id":"","type":"complete"}',
    Buffer.from('{"type":"ping","payload":{"is":"\xff"}}', 'latin1'),
    `{"id":"${'x'.repeat(1025)}","type":"subscribe","payload":{"query":"{ __typename }"}}`,
  ])('with 4400 for %s', async (message) => {
    const peer = await Peer.acknowledged();
    peer.say(message);
    expect((await peer.closed)[0]).toBe(4400);
  });

  test('with 1008 for a message in more frames than any client makes of one', async () => {
    const peer = await Peer.acknowledged();
    peer.sayInFrames({ type: 'ping' }, 16);
    expect((await peer.heard()).type).toBe('pong');
    peer.sayInFrames({ type: 'ping' }, 17);
    expect((await peer.closed)[0]).toBe(1008);
  });

  test('with 1009 for a message over 64 KiB', async () => {
    const peer = await Peer.acknowledged();
    peer.say({ type: 'ping', payload: { filler: 'x'.repeat(65_536) } });
    expect((await peer.closed)[0]).toBe(1009);
  });

  test('with 1013 beyond the sockets of a client, and another client is let in', async () => {
    const peers = [await Peer.acknowledged(), await Peer.acknowledged(), await Peer.acknowledged()];
    const fourth = await new Peer().opened();
    fourth.say({ type: 'connection_init', payload: { authorization: TOKEN } });
    expect((await fourth.closed)[0]).toBe(1013);
    (await Peer.acknowledged('Bearer other')).terminate();
    peers[0]!.terminate();
    await until(() => harness.door.socketCount() === 2);
    await Peer.acknowledged();
  });

  test('with 1013 beyond the sockets of a client, however many of them have gone', async () => {
    const peers = [await Peer.acknowledged(), await Peer.acknowledged(), await Peer.acknowledged()];
    for (const peer of peers.slice(1)) peer.terminate();
    await until(() => harness.door.socketCount() === 1);
    for (let count = 0; count < 2; count += 1) await Peer.acknowledged();
    const fourth = await new Peer().opened();
    fourth.say({ type: 'connection_init', payload: { authorization: TOKEN } });
    expect(await Promise.race([fourth.heard(), fourth.closed]))
      .toEqual([1013, expect.any(String)]);
  });

  test('with 1013 where it reads nothing, whether that can still be told or not', async () => {
    const { calls } = vi.spyOn(WebSocket.prototype, 'close').mock;
    const { walletReads, clock, door } = harness;
    const isOver = (): boolean => calls.length > 0 || door.socketCount() === 0;
    const peer = await Peer.acknowledged();
    peer.stopReading();
    const ping = { type: 'ping', payload: { filler: 'x'.repeat(60_000) } };
    // Not more at a time than may be said, and not so long that a heartbeat is missed.
    for (let round = 1; round <= 5 && !isOver(); round += 1) {
      for (let count = 0; count < 30; count += 1) peer.say(ping);
      peer.subscribe(`${round}`, '{ topupOrder(by: {orderId: 1}) { wallet { id } } }');
      await until(() => walletReads.length === round || isOver());
      clock.advance(4_000);
    }
    await until(() => door.socketCount() === 0);
    expect(calls).toEqual([[1013, 'Reads too slowly, try again later']]);
    peer.terminate();
  });

  test('where it answers no heartbeat', async () => {
    const peer = await Peer.acknowledged();
    peer.stopReading();
    harness.clock.advance(12_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(harness.door.socketCount()).toBe(1);
    harness.clock.advance(12_000);
    await until(() => harness.door.socketCount() === 0);
    peer.terminate();
  });

  test('with 1001 on shutdown, which the client of graphql-ws comes back from', async () => {
    const closes: number[] = [];
    const client = createClient({
      url: `ws://127.0.0.1:${harness.port}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { Authorization: TOKEN },
      retryAttempts: 0,
      on: { closed: (event) => closes.push((event as { code: number }).code) },
    });
    const edges = client.iterate({ query: UPDATES, variables: { id: 1 } });
    expect((await edges.next()).value).toMatchObject({ data: { topupOrderUpdated: {} } });
    await harness.door.close();
    await expect(edges.next()).rejects.toMatchObject({ code: 1001 });
    expect(closes).toEqual([1001]);
    await expect(once(new WebSocket(`ws://127.0.0.1:${harness.port}/graphql`), 'open'))
      .rejects.toThrow(/503/);
  });

  test('at any other path, with 404', async () => {
    const url = `ws://127.0.0.1:${harness.port}/elsewhere`;
    const socket = new WebSocket(url, PROTOCOL);
    await expect(once(socket, 'open')).rejects.toThrow(/404/);
  });
});

describe('a socket that we end', () => {
  const ends = [
    ['as its token expires', [4403, 'Token expired'], () => harness.clock.advance(3_600_000)],
    ['as its token was taken back', [4403, 'Token revoked'], () => {
      harness.fault.at = 'isStillAdmitted';
      harness.tellAccess();
    }],
    ['as the process stops', [1001, 'Going away'], () => void harness.door.close()],
  ] as const;

  async function ordering(): Promise<Peer> {
    const peer = await Peer.acknowledged();
    peer.subscribe('events', UPDATES, { id: 1 });
    expect((await peer.heard()).id).toBe('events');
    harness.delay.hold('createTopupOrder');
    peer.subscribe('order', `mutation { ${CREATE} }`);
    await until(() => harness.delay.heldCount === 1);
    return peer;
  }

  test.each(ends)('%s tells first what became of an order, and reads no other', async (
    _name, close, end,
  ) => {
    const peer = await ordering();
    end();
    peer.subscribe('late', `mutation { ${CREATE} }`);
    // Whoever goes on with the events elsewhere hears of this there.
    harness.feed.move(1, { status: 'DELIVERED' }, 'DELIVERED');
    await peer.arrived();
    harness.delay.release();
    expect(await peer.heard()).toMatchObject({
      type: 'next', id: 'order', payload: { data: { createTopupOrder: { order: { orderId: 7 } } } },
    });
    expect(await peer.heard()).toEqual({ type: 'complete', id: 'order' });
    expect(await peer.closed).toEqual(close);
    expect(harness.created).toEqual([1]);
  });

  test.each(ends.slice(0, 2))('%s begins nothing that is still to be admitted', async (
    _name, close, end,
  ) => {
    const peer = await Peer.acknowledged();
    harness.delay.hold('take');
    peer.subscribe('order', `mutation { ${CREATE} }`);
    await until(() => harness.delay.heldCount === 1);
    end();
    await peer.arrived();
    harness.delay.release();
    expect(await peer.heard()).toMatchObject({
      type: 'error', id: 'order', payload: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
    expect(await peer.closed).toEqual(close);
    expect(harness.created).toEqual([]);
  });

  test.each(ends)('%s waits no longer than that', async (_name, close, end) => {
    const peer = await ordering();
    end();
    await until(() => harness.clock.sleeperCount > 0);
    harness.clock.advance(3_000);
    expect(await peer.closed).toEqual(close);
    harness.delay.release();
  });
});

describe('a socket lives on', () => {
  test('and is told its heartbeat and resume window, whatever the case of the key', async () => {
    const peer = await new Peer().opened();
    peer.say({ type: 'connection_init', payload: { AUTHORIZATION: 'good' } });
    expect(await peer.heard()).toEqual({
      type: 'connection_ack',
      payload: { heartbeatIntervalMs: 12_000, resumeWindowSeconds: 604_800 },
    });
    peer.say('{"type":"ping","payload":{"at":1.5}}');
    expect(await peer.heard()).toEqual({ type: 'pong', payload: { at: 1.5 } });
    peer.say({ type: 'ping', payload: { documentId: 'x', extensions: { persistedQuery: 1 } } });
    expect(await peer.heard()).toEqual({
      type: 'pong', payload: { documentId: 'x', extensions: { persistedQuery: 1 } },
    });
  });

  test('for as long as it answers each heartbeat', async () => {
    const peer = await Peer.acknowledged();
    for (let beat = 0; beat < 3; beat += 1) {
      harness.clock.advance(12_000);
      // The second message comes behind the frame that answers the heartbeat.
      for (let count = 0; count < 2; count += 1) expect(await peer.heardUntilPong()).toEqual([]);
      expect(harness.door.socketCount()).toBe(1);
    }
  });

  test.each([
    ['a syntax error', '{', /Syntax Error/],
    ['an unknown field', '{ nothing }', /Cannot query field/],
    ['two orders', `mutation { a: ${CREATE} b: ${CREATE} }`, /more than one/],
    ['introspection', '{ __schema { types { name } } }', /introspection/i],
    ['a subscription to nothing',
      'subscription { topupOrderUpdated(by: {orderId: 1}) @skip(if: true) { cursor } }', /@skip/],
    ['no operation', 'query A { viewer { id } } query B { viewer { id } }', /operation/],
    ['a missing variable', 'query ($id: SafeInt!) { topupOrder(by: {orderId: $id}) { id } }',
      /Variable "\$id"/],
  ])('after %s, which ends alone', async (_name, query, message) => {
    const peer = await Peer.acknowledged();
    peer.subscribe('good', UPDATES, { id: 1 });
    expect((await peer.heard()).id).toBe('good');
    peer.subscribe('bad', query);
    const answer = await peer.heard();
    expect(answer.id).toBe('bad');
    const errors = answer.type === 'error' ? answer.payload : answer.payload.errors;
    expect(errors[0].message).toMatch(message);
    expect(errors[0].extensions).toMatchObject({
      code: expect.any(String), requestId: expect.any(String),
    });
    const { json } = await post(query);
    expect(json().errors[0].message).toMatch(message);
    expect(harness.logged).toEqual([]);
    if (answer.type === 'next') expect((await peer.heard()).type).toBe('complete');
    harness.feed.move(1, { status: 'DELIVERED' }, 'DELIVERED');
    expect(await peer.heard()).toMatchObject({ id: 'good', type: 'next' });
    expect(await peer.heard()).toEqual({ id: 'good', type: 'complete' });
  });

  test('and tells each fault by the id of the socket and a number of its own', async () => {
    const peer = await Peer.acknowledged();
    const ids: string[][] = [];
    for (const id of ['1', '2']) {
      peer.subscribe(id, '{');
      ids.push((await peer.heard()).payload[0].extensions.requestId.split('/'));
    }
    expect(ids).toEqual([[ids[0]?.[0], '1'], [ids[0]?.[0], '2']]);
  });

  test('beyond its subscriptions, with an error for that one', async () => {
    const peer = await Peer.acknowledged();
    for (const id of ['1', '2', '3', '4', '5']) peer.subscribe(id, UPDATES, { id: 1 });
    const answers = [];
    for (let count = 1; count <= 5; count += 1) answers.push(await peer.heard());
    expect(answers.filter(({ type }) => type === 'error')).toMatchObject([
      { id: '5', payload: [{ extensions: { code: 'LIMIT_EXCEEDED' } }] },
    ]);
    peer.say({ id: '1', type: 'complete' });
    await until(() => harness.feed.open.size === 3);
    peer.subscribe('6', UPDATES, { id: 1 });
    expect(await peer.heard()).toMatchObject({ id: '6', type: 'next' });
  });

  test('and executes queries and mutations', async () => {
    const peer = await Peer.acknowledged();
    const query = '{ topupOrder(by: {clientReference: "ref-2"}) { orderId charge { amount } } }';
    peer.subscribe('q', query);
    expect(await peer.heard()).toEqual({
      id: 'q', type: 'next',
      payload: {
        data: { topupOrder: { orderId: 2, charge: { amount: '4.7405' } } },
        extensions: { cost: FREE },
      },
    });
    expect(await peer.heard()).toEqual({ id: 'q', type: 'complete' });
    peer.subscribe('m', CREATE_FOR, { a: '4.99' });
    expect((await peer.heard()).payload.data.createTopupOrder.order).toEqual({ orderId: 7 });
  });

  test.each([
    ['documentId', { documentId: `sha256:${TRUSTED_HASH}` }],
    ['documentId beside a query that is null',
      { query: null, documentId: `sha256:${TRUSTED_HASH}` }],
    ['the older hash',
      { extensions: { persistedQuery: { version: 1, sha256Hash: TRUSTED_HASH } } }],
  ])('and executes a document named by %s, as HTTP does', async (_way, payload) => {
    const peer = await Peer.acknowledged();
    peer.say({ id: '1', type: 'subscribe', payload });
    const data = { topupOrder: { orderId: 2 } };
    expect(await peer.heard()).toMatchObject({ type: 'next', payload: { data } });
    const answer = await harness.app.inject({
      method: 'POST', url: '/graphql', headers: { authorization: TOKEN }, payload,
    });
    expect(answer.json()).toMatchObject({ data });
  });

  test('and no float passes as an amount', async () => {
    const peer = await Peer.acknowledged();
    const payload = `{"query":${JSON.stringify(CREATE_FOR)},"variables":{"a":5.0}}`;
    peer.say(`{"id":"m","type":"subscribe","payload":${payload}}`);
    expect(await peer.heard()).toMatchObject({
      payload: { errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] },
    });
  });
});

describe('topupOrderUpdated', () => {
  test('pays for its events where they are large', async () => {
    const peer = await Peer.acknowledged();
    harness.taken.length = 0;
    const parts = Array.from({ length: 14 }, (_, nth) => `p${nth}: inputData { name }`).join(' ');
    peer.subscribe('1', `subscription { topupOrderUpdated(by: {orderId: 1}) {
      node { order { ${parts} } } } }`);
    expect((await peer.heard()).type).toBe('next');
    // It costs 3 to begin; of some 140 objects of the event 40 are free.
    expect(harness.taken).toEqual([3, 1]);
    peer.complete('1');
    await peer.heardUntilPong();
  });

  test('begins with a snapshot, goes on, and completes with the order', async () => {
    const peer = await Peer.acknowledged();
    peer.subscribe('1', UPDATES, { id: 1 });
    const first = (await peer.heard()).payload.data.topupOrderUpdated;
    expect(first.node).toMatchObject({
      type: 'SNAPSHOT', sequence: 101, version: 1, previousStatus: null, status: 'PENDING',
    });
    await until(() => harness.feed.open.size === 1);
    harness.feed.move(1, { attemptCount: 1 }, 'SUBMITTED');
    harness.feed.move(1, { status: 'FAILED', failureCode: 'UNKNOWN' }, 'FAILED');
    const submitted = (await peer.heard()).payload.data.topupOrderUpdated;
    expect(submitted.node).toMatchObject({ type: 'SUBMITTED', sequence: 102, version: 2 });
    expect((await peer.heard()).payload.data.topupOrderUpdated.node).toMatchObject({
      type: 'FAILED', previousStatus: 'PENDING', status: 'FAILED', order: { status: 'FAILED' },
    });
    expect(await peer.heard()).toEqual({ id: '1', type: 'complete' });
    // Three events, three reads: what was read for one is not shown for the next.
    expect(harness.walletReads).toEqual([[1], [1], [1]]);
  });

  test('tells what it cost with its first event, and not again', async () => {
    const peer = await Peer.acknowledged();
    peer.subscribe('1', UPDATES, { id: 1 });
    expect((await peer.heard()).payload.extensions).toMatchObject({ cost: {} });
    await until(() => harness.feed.open.size === 1);
    harness.feed.move(1, { attemptCount: 1 }, 'SUBMITTED');
    expect((await peer.heard()).payload).not.toHaveProperty('extensions');
  });

  test('completes right after the snapshot of an order that has ended', async () => {
    harness.feed.move(1, { status: 'DELIVERED' }, 'DELIVERED');
    const peer = await Peer.acknowledged();
    peer.subscribe('1', UPDATES, { id: 1 });
    const { cursor } = (await peer.heard()).payload.data.topupOrderUpdated;
    expect(await peer.heard()).toEqual({ id: '1', type: 'complete' });
    peer.subscribe('2', UPDATES, { id: 1, after: cursor });
    expect(await peer.heard()).toEqual({ id: '2', type: 'complete' });
  });

  test('goes on behind a cursor without a snapshot', async () => {
    const peer = await Peer.acknowledged();
    peer.subscribe('1', UPDATES, { id: 1 });
    const { cursor } = (await peer.heard()).payload.data.topupOrderUpdated;
    peer.subscribe('2', UPDATES, { id: 1, after: cursor });
    await until(() => harness.feed.open.size === 2);
    peer.say({ id: '1', type: 'complete' });
    await until(() => harness.feed.open.size === 1);
    harness.feed.move(1, { status: 'DELIVERED' }, 'DELIVERED');
    expect((await peer.heard()).payload.data.topupOrderUpdated.node.type).toBe('DELIVERED');
    peer.subscribe('3', UPDATES, { id: 2, after: cursor });
    expect((await peer.heard()).type).toBe('complete');
    expect((await peer.heard()).payload.errors).toMatchObject([{
      extensions: { code: 'BAD_USER_INPUT', detail: 'CURSOR_FOREIGN' },
    }]);
  });

  test.each([[404, 'an unknown order'], [9, "another client's order"], [-1, 'no id at all']])(
    'of %s, %s, is NOT_FOUND', async (id) => {
      const peer = await Peer.acknowledged();
      peer.subscribe('1', UPDATES, { id });
      expect((await peer.heard()).payload).toMatchObject({
        errors: [{ message: 'Order not found', extensions: { code: 'NOT_FOUND' } }],
      });
      expect((await peer.heard()).type).toBe('complete');
    },
  );

  test('leaves nothing behind when 3 sockets with 4 subscriptions are torn off', async () => {
    const peers = [await Peer.acknowledged(), await Peer.acknowledged(), await Peer.acknowledged()];
    for (const peer of peers) {
      for (const id of ['1', '2', '3', '4']) peer.subscribe(id, UPDATES, { id: 1 });
    }
    await until(() => harness.feed.open.size === 12);
    for (const peer of peers) peer.terminate();
    await until(() => harness.feed.open.size === 0);
  });

  test('leaves nothing behind where one id is used, completed and used again at once', async () => {
    const peer = await Peer.acknowledged();
    for (let count = 1; count <= 3; count += 1) {
      peer.subscribe('1', UPDATES, { id: 1 });
      peer.say({ id: '1', type: 'complete' });
    }
    peer.subscribe('2', UPDATES, { id: 1 });
    // Of the three that were completed none is left, before the socket ends as well.
    await until(() => harness.feed.open.size === 1);
    peer.terminate();
    await until(() => harness.feed.open.size === 0);
  });
});

describe('a socket that is gone', () => {
  /** Ends the socket while what it asked for is being held, and lets that go on. */
  async function tearOff(peer: Peer): Promise<void> {
    await until(() => harness.delay.heldCount === 1);
    peer.terminate();
    await until(() => harness.door.socketCount() === 0);
    harness.delay.release();
  }

  test('before it was authenticated does not count for its client', async () => {
    for (let count = 1; count <= 3; count += 1) {
      harness.delay.hold('authenticate');
      const peer = await new Peer().opened();
      peer.say({ type: 'connection_init', payload: { authorization: TOKEN } });
      await tearOff(peer);
    }
    const next = await new Peer().opened();
    next.say({ type: 'connection_init', payload: { authorization: TOKEN } });
    expect(await Promise.race([next.heard(), next.closed]))
      .toMatchObject({ type: 'connection_ack' });
  });

  test('before the limits let its order in places none', async () => {
    const peer = await Peer.acknowledged();
    harness.delay.hold('take');
    peer.subscribe('1', `mutation { ${CREATE} }`);
    await tearOff(peer);
    // One that came later, and went the whole way.
    const other = await Peer.acknowledged('Bearer other');
    other.subscribe('1', `mutation { ${CREATE} }`);
    expect((await other.heard()).type).toBe('next');
    expect(harness.created).toEqual([2]);
  });

  test('is read no more once we end it, whether its client answers that or not', async () => {
    const { clock, port } = harness;
    const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, PROTOCOL);
    await once(socket, 'open');
    const connection = new SocketConnection(socket, { id: 'x', address: '127.0.0.1', clock });
    connection.acknowledge(callerOf(1));
    expect(connection.readsMessage()).toBe(true);
    connection.close(CLOSE.revoked);
    expect(connection.readsMessage()).toBe(false);
    await connection.end();
    socket.terminate();
  });

  test('keeps no hold of a subscription that ended before', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${harness.port}/graphql`, PROTOCOL);
    await once(socket, 'open');
    const { clock } = harness;
    const connection = new SocketConnection(socket, { id: 'x', address: '127.0.0.1', clock });
    let freedCount = 0;
    const source = {
      next: async () => ({ done: true, value: undefined }),
      return: async () => void (freedCount += 1),
    } as unknown as ResultIterator;
    expect(await connection.keep(source).next()).toEqual({ done: true, value: undefined });
    expect(freedCount).toBe(0);
    await connection.keep(source).return?.();
    expect(freedCount).toBe(1);
    await connection.end();
    expect(freedCount).toBe(1);
    socket.terminate();
  });

  // The protocol's library looks for it as well, so it is asked without the library.
  test('while a subscription was being opened frees what that brings', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${harness.port}/graphql`, PROTOCOL);
    await once(socket, 'open');
    const { clock } = harness;
    const connection = new SocketConnection(socket, { id: 'x', address: '127.0.0.1', clock });
    const source = harness.feed.watchOrder() as unknown as ResultIterator;
    expect(harness.feed.open.size).toBe(1);
    await connection.end();
    connection.keep(source);
    expect(harness.feed.open.size).toBe(0);
    socket.terminate();
  });
});

describe('an internal error is masked', () => {
  const internal = {
    message: 'Internal server error',
    extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: expect.any(String) },
  };

  test.each([
    ['findOrder', '{ topupOrder(by: {orderId: 1}) { id } }'],
    ['findWalletsByIds', '{ topupOrder(by: {orderId: 1}) { wallet { id } } }'],
    ['createTopupOrder', `mutation { ${CREATE} }`],
    ['findOrder', 'subscription { topupOrderUpdated(by: {orderId: 1}) { cursor } }'],
  ])('in %s, on both transports', async (place, query) => {
    const peer = await Peer.acknowledged();
    harness.fault.at = place;
    peer.subscribe('1', query);
    const message = await peer.heard();
    expect(message.payload.errors).toMatchObject([internal]);
    expect(JSON.stringify(message)).not.toContain(CANARY);
    expect(harness.logged).toMatchObject([{ err: { message: expect.stringContaining(CANARY) } }]);
    if (query.startsWith('subscription')) return;
    const answer = await post(query);
    expect(answer.json().errors).toMatchObject([internal]);
    expect(answer.body).not.toContain(CANARY);
    expect(harness.logged).toHaveLength(2);
    expect(harness.logged[1]).toMatchObject({ requestId: answer.headers['x-request-id'] });
  });

  test('and tells the order that it came behind, on both transports', async () => {
    const query = `mutation { createTopupOrder(input: {productId: 1, amount: 1}) {
      order { orderId wallet { id } } } }`;
    const behind = [{ ...internal, extensions: { ...internal.extensions, orderId: 7 } }];
    const peer = await Peer.acknowledged();
    harness.fault.at = 'findWalletsByIds';
    peer.subscribe('1', query);
    expect((await peer.heard()).payload.errors).toMatchObject(behind);
    expect((await post(query)).json().errors).toMatchObject(behind);
    expect(harness.created).toEqual([1, 1]);
  });

  test('where nobody can say any more who was revoked, before anything begins', async () => {
    const peer = await Peer.acknowledged();
    harness.fault.at = 'catchUp';
    peer.subscribe('1', `mutation { ${CREATE} }`);
    expect((await peer.heard()).payload).toMatchObject([internal]);
    // Over HTTP once more behind the body, in which a process may stand still as well.
    expect((await post(`mutation { ${CREATE} }`)).json().errors).toMatchObject([internal]);
    expect(harness.created).toEqual([]);
  });

  test('in the middle of a subscription', async () => {
    const peer = await Peer.acknowledged();
    peer.subscribe('1', UPDATES, { id: 1 });
    await peer.heard();
    await until(() => harness.feed.open.size === 1);
    for (const push of harness.feed.open) push(new Error(CANARY));
    const message = await peer.heard();
    expect(message).toMatchObject({ id: '1', type: 'error', payload: [internal] });
    expect(JSON.stringify(message)).not.toContain(CANARY);
    await until(() => harness.feed.open.size === 0);
  });

  test('in authentication', async () => {
    harness.fault.at = 'authenticate';
    const peer = await new Peer().opened();
    peer.say({ type: 'connection_init', payload: { authorization: TOKEN } });
    const [code, reason] = await peer.closed;
    expect([code, reason.includes(CANARY)]).toEqual([1013, false]);
    const answer = await post('{ viewer { id } }');
    expect(answer.statusCode).toBe(500);
    expect(answer.json().errors).toMatchObject([internal]);
    expect(answer.body).not.toContain(CANARY);
  });
});

/** Of 48 fragments in one place: it takes a good part of a turn to be checked, or more than one. */
function heavyDocument(number: number): string {
  const names = Array.from({ length: 48 }, (_, nth) => `f${nth}`);
  const fragments = names.map((name) => `fragment ${name} on TopupOrder {
    id status product { id name } wallet { id currency } charge { amount } faceValue { amount } }`);
  return `query Heavy${number} { topupOrder(by: {orderId: 1}) {
    ${names.map((name) => `...${name}`).join(' ')} } } ${fragments.join(' ')}`;
}

describe('many heavy documents at once', () => {
  const numbers = Array.from({ length: 12 }, (_, number) => number);

  /** How many were parsed and checked in each turn of the loop that did so. */
  async function takenByTurn(ask: () => Promise<void>): Promise<readonly number[]> {
    harness.delay.hold('catchUp');
    const asked = ask();
    await until(() => harness.delay.heldCount === numbers.length);
    const counts: number[] = [];
    let isOver = false;
    const count = (): void => {
      counts.push(harness.taken.length - counts.reduce((sum, each) => sum + each, 0));
      if (!isOver) setImmediate(count);
    };
    harness.delay.release();
    setImmediate(count);
    await asked;
    isOver = true;
    count();
    return counts.filter((each) => each > 0);
  }

  function expectTurns(counts: readonly number[]): void {
    expect(counts.reduce((sum, each) => sum + each, 0)).toBe(numbers.length);
    expect(Math.max(...counts)).toBeLessThan(numbers.length / 2);
  }

  test('are checked over several turns, on sockets', async () => {
    const peers = await Promise.all([1, 2, 3].map(() => Peer.acknowledged()));
    expectTurns(await takenByTurn(async () => {
      await Promise.all(peers.map(async (peer, nth) => {
        const own = numbers.filter((number) => number % peers.length === nth);
        for (const number of own) peer.subscribe(`${number}`, heavyDocument(number));
        const heard: string[] = [];
        while (heard.length < 2 * own.length) heard.push((await peer.heard()).type);
        expect(heard.sort()).toEqual([...own.map(() => 'complete'), ...own.map(() => 'next')]);
      }));
    }));
  });

  test('are checked over several turns, over HTTP', async () => {
    expectTurns(await takenByTurn(async () => {
      const answers = await Promise.all(numbers.map((number) => post(heavyDocument(number))));
      expect(answers.map(({ statusCode }) => statusCode)).toEqual(numbers.map(() => 200));
    }));
  });
});

describe('over HTTP', () => {
  const answerOf = async (request: object) => {
    const { statusCode, json } = await harness.app.inject({ url: '/graphql', ...request } as never);
    return [statusCode, json().errors?.[0]?.extensions.code] as const;
  };
  const bearer = { authorization: TOKEN };
  const headers = { ...bearer, 'content-type': 'application/json' };
  const query = '{ topupOrder(by: {orderId: 1}) { orderId } }';
  const get = `/graphql?query=${encodeURIComponent(query)}`;
  const change = `/graphql?query=${encodeURIComponent(`mutation { ${CREATE} }`)}`;

  test.each([
    ['a query', { method: 'POST', headers, payload: { query } }, 200, undefined],
    ['a query by GET', { method: 'GET', url: get, headers: bearer }, 200, undefined],
    ['a mutation by GET', { method: 'GET', url: change, headers: bearer }, 405,
      'METHOD_NOT_ALLOWED'],
    ['no token', { method: 'POST', payload: { query } }, 401, 'UNAUTHENTICATED'],
    ['no token by GET', { method: 'GET', url: get }, 401, 'UNAUTHENTICATED'],
    ['a batch', { method: 'POST', headers, payload: [{ query }] }, 400, 'BAD_REQUEST'],
    ['no JSON', { method: 'POST', headers, payload: '{' }, 400, 'BAD_REQUEST'],
    ['a byte order mark', { method: 'POST', headers, payload: '\uFEFF{}' }, 400, 'BAD_REQUEST'],
    ['wrong UTF-8', { method: 'POST', headers, payload: Buffer.from([0x7b, 0xff, 0x7d]) }, 400,
      'BAD_REQUEST'],
    ['deep JSON', { method: 'POST', headers, payload: '['.repeat(60_000) }, 400, 'BAD_REQUEST'],
    ['an empty body', { method: 'POST', headers, payload: '' }, 400, 'BAD_REQUEST'],
    ['a form', { method: 'POST', headers: { ...headers, 'content-type':
      'application/x-www-form-urlencoded' }, payload: 'query=x' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['plain text', { method: 'POST', headers: { ...headers, 'content-type': 'text/plain' },
      payload: '{}' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['too much', { method: 'POST', headers, payload: { query, x: 'x'.repeat(65_536) } }, 413,
      'PAYLOAD_TOO_LARGE'],
    ['a subscription', { method: 'POST', headers, payload: { query: UPDATES } }, 422,
      'BAD_USER_INPUT'],
    ['a syntax error', { method: 'POST', headers, payload: { query: '{' } }, 400,
      'GRAPHQL_PARSE_FAILED'],
    ['an unknown operation', { method: 'POST', headers, payload: { query, operationName: 'X' } },
      422, 'OPERATION_RESOLUTION_FAILURE'],
  ])('%s is answered by its status and code', async (_name, request, status, code) => {
    expect(await answerOf(request)).toEqual([status, code]);
  });

  test('a browser finds no page, and is answered as any client', async () => {
    const ask = (accept: string): Promise<unknown> =>
      answerOf({ method: 'GET', url: '/graphql', headers: { accept } });
    expect(await ask('text/html')).toEqual([406, 'NOT_ACCEPTABLE']);
    expect(await ask('text/html,*/*;q=0.8')).toEqual([401, 'UNAUTHENTICATED']);
  });

  test('no float passes as an amount', async () => {
    for (const amount of ['4.99', '5.0', '5.0000000000000000001', '1e1']) {
      const payload = `{"query":${JSON.stringify(CREATE_FOR)},"variables":{"a":${amount}}}`;
      const request = { method: 'POST', headers, payload };
      expect(await answerOf(request)).toEqual([422, 'BAD_USER_INPUT']);
    }
    const { json } = await post(CREATE_FOR, { variables: { a: 5 } });
    expect(json().data.createTopupOrder.order.orderId).toBe(7);
  });

  test('an upgrade that breaks off ends nothing', async () => {
    const raw = connect(harness.port, '127.0.0.1');
    raw.write('GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n'
      + 'Upgrade: websocket\r\n\r\n');
    raw.resetAndDestroy();
    await Peer.acknowledged();
  });

  test('nor does one that is refused, and breaks off before it hears that', async () => {
    await harness.door.close();
    for (let count = 0; count < 20; count += 1) {
      const raw = await upgrading();
      raw.resetAndDestroy();
    }
    await until(isConnectedToNobody);
  });

  test('an upgrade that is refused leaves no half of a connection open', async () => {
    await harness.door.close();
    const raw = await upgrading();
    try {
      await once(raw.resume(), 'end');
      await expect.poll(isConnectedToNobody, { timeout: 5_000 }).toBe(true);
    } finally {
      raw.destroy();
    }
  });
});

/** A connection that has asked to become a socket, and would go on when the other half ends. */
async function upgrading(): Promise<Socket> {
  const raw = connect({ port: harness.port, host: '127.0.0.1', allowHalfOpen: true });
  await once(raw, 'connect');
  raw.write('GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n'
    + 'Upgrade: websocket\r\n\r\n');
  return raw;
}

async function isConnectedToNobody(): Promise<boolean> {
  return await new Promise<number>((resolve) => {
    harness.app.server.getConnections((_error, count) => resolve(count));
  }) === 0;
}

/** Waits until something that happens on the other side of a socket has happened. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 2));
}
