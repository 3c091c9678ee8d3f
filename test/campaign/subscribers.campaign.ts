import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { floodInbox, loggedFeed, placeOrders } from '../support/feed-writers.ts';
import { freePort } from '../support/free-port.ts';
import { useWorld } from '../support/world.ts';

/** Ten thousand subscribers of one gateway process, and readers that stall under a flood. */

const SUBSCRIBERS = Number(process.env['SUBSCRIBERS'] ?? 10_000);
/** Orders that move while everybody watches; the others are subscribed and idle. */
const CONCERNED = Math.min(1_000, SUBSCRIBERS);
const TRANSITIONS_PER_SECOND = 1_000;
const SECONDS = Number(process.env['SECONDS'] ?? 15);
const STALLED_READERS = 20;
const FLOOD = 20_000;
const TICK_MS = 50;

const world = useWorld({ role: 'gateway' });
let gateway: ChildProcess;
let port: number;

beforeAll(async () => {
  port = await freePort();
  gateway = spawn(process.execPath, [new URL('../../dist/main.js', import.meta.url).pathname], {
    env: {
      PATH: process.env['PATH'] ?? '',
      PORT: String(port),
      ROLE: 'gateway',
      ENVIRONMENT: 'sandbox',
      DATABASE_URL: world().database.databaseUrl,
      TOKEN_SIGNING_KEY: 'a token signing key that only tests use',
      KEY_HASHING_KEY: 'a key that hashes what this campaign hashes',
      SUPPLIER_SIGNING_KEYS: ['a', 'b']
        .map((name) => `sandbox-${name}=a signing key of supplier ${name} for tests`).join(),
      SOCKETS_PER_CLIENT: '20000',
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const isUp = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/livez`).then(({ ok }) => ok, () => false);
  while (!await isUp()) await sleep(50);
});

afterAll(async () => {
  const exited = once(gateway, 'exit');
  gateway.kill('SIGTERM');
  await exited;
});

const residentKb = (): number => Number(
  /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1] ?? 0,
);

const report = (figures: Readonly<Record<string, string | number>>): void => {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
};

interface Event {
  readonly sequence: number;
  readonly version: number;
  readonly order: { readonly orderId: number };
}

interface Subscriber {
  readonly socket: WebSocket;
  readonly events: (Event & { readonly atMs: number })[];
}

/** A client as small as can be: this process holds as many of them as the gateway does. */
async function subscribe(field: string, selection: string): Promise<Subscriber> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws');
  const subscriber: Subscriber = { socket, events: [] };
  await once(socket, 'open');
  const opened = Promise.withResolvers<void>();
  socket.on('close', (code, reason) => opened.reject(new Error(`${code} ${String(reason)}`)));
  opened.promise.catch(() => undefined);
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as {
      type: string; payload: { data?: Record<string, { node: Event | null }> };
    };
    if (message.type === 'connection_ack') {
      const query = `subscription { feed: ${field} { cursor node { ${selection} } } }`;
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
    } else if (message.type === 'next') {
      const node = message.payload.data?.['feed']?.node;
      if (node) subscriber.events.push({ ...node, atMs: performance.now() });
      opened.resolve();
    } else if (message.type === 'error') {
      opened.reject(new Error(data.toString()));
    }
  });
  const authorization = `Bearer ${world().token(1)}`;
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization } }));
  await opened.promise;
  return subscriber;
}

/** Moves orders one step each, as one transaction; numbers and tells as the program does. */
async function move(orderIds: readonly number[]): Promise<void> {
  await world().database.query(
    `with moved as (update topup_order set version = version + 1
        where client_id = 1 and id = any($1) returning id, version),
      told as (insert into topup_order_event (client_id, topup_order_id, version, type,
        previous_status, status)
        select 1, id, version, 'RETRY_SCHEDULED', 'PENDING', 'PENDING' from moved)
    insert into feed_inbox (client_id, topup_order_id, version)
      select 1, id, version from moved`, [orderIds],
  );
  await world().database.query('select number_events(1000)');
  await world().database.query('notify feed');
}

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? 0;

describe('one gateway process', () => {
  it('tells the concerned of 10,000 subscribers in time, and takes little for each', async () => {
    const orderIds: number[] = [];
    for (let count = 0; count < SUBSCRIBERS; count += 1_000) {
      orderIds.push(...await placeOrders(world().database, 1, Math.min(1_000, SUBSCRIBERS)));
    }
    await sleep(3_000);
    const emptyKb = residentKb();
    const subscribers: Subscriber[] = [];
    const selection = 'sequence version type order { orderId status }';
    for (let first = 0; first < SUBSCRIBERS; first += 100) {
      subscribers.push(...await Promise.all(orderIds.slice(first, first + 100).map((id) =>
        subscribe(`topupOrderUpdated(by: { orderId: ${id} })`, selection))));
    }
    await sleep(8_000);
    const perSubscriberKb = (residentKb() - emptyKb) / SUBSCRIBERS;
    const movedAt = new Map<string, number>();
    const versions = new Map<number, number>();
    const batch = TRANSITIONS_PER_SECOND * TICK_MS / 1000;
    const startMs = performance.now();
    for (let tick = 0; tick < SECONDS * 1000 / TICK_MS; tick += 1) {
      await sleep(Math.max(0, startMs + tick * TICK_MS - performance.now()));
      const ids = Array.from({ length: batch }, (_, index) =>
        orderIds[(tick * batch + index) % CONCERNED] ?? 0);
      for (const id of ids) {
        const version = (versions.get(id) ?? 1) + 1;
        versions.set(id, version);
        movedAt.set(`${id}:${version}`, performance.now());
      }
      await move(ids);
    }
    const movedMs = performance.now() - startMs;
    const told = (): number => subscribers.reduce((sum, { events }) => sum + events.length - 1, 0);
    await expect.poll(told, { timeout: 30_000 }).toBe(movedAt.size);
    const bySecond = Array.from({ length: SECONDS }, () => [] as number[]);
    for (const [index, { events }] of subscribers.entries()) {
      const last = versions.get(orderIds[index] ?? 0) ?? 1;
      expect(events.map(({ version }) => version))
        .toEqual(Array.from({ length: last }, (_, at) => at + 1));
      for (const { version, atMs } of events.slice(1)) {
        const fromMs = movedAt.get(`${orderIds[index]}:${version}`) ?? 0;
        bySecond[Math.min(SECONDS - 1, Math.floor((fromMs - startMs) / 1000))]
          ?.push(atMs - fromMs);
      }
    }
    const p99 = percentile(bySecond.flat(), 0.99);
    // By the second to look at, not to judge: this process has the 10,000 clients, and where it
    // stands still itself (seen: 207 ms, once in fifteen seconds) that is told as the gateway's.
    const p99s = bySecond.map((each) => Math.round(percentile(each, 0.99)));
    report({
      subscribers: SUBSCRIBERS,
      perSubscriberKb: Number(perSubscriberKb.toFixed(1)),
      transitionsPerSecond: Math.round(movedAt.size / movedMs * 1000),
      p50Ms: Math.round(percentile(bySecond.flat(), 0.5)),
      p99Ms: Math.round(p99),
      p99MsBySecond: p99s.join(),
    });
    for (const { socket } of subscribers) socket.terminate();
    expect(perSubscriberKb).toBeLessThanOrEqual(60);
    expect(p99).toBeLessThanOrEqual(100);
  });

  it('keeps its memory while 20 readers stall, and loses nothing of theirs', async () => {
    const [orderId = 0] = await placeOrders(world().database, 1, 1);
    await sleep(3_000);
    const readers = await Promise.all(Array.from({ length: STALLED_READERS }, () =>
      subscribe('topupOrderEvents', 'sequence version order { orderId productName }')));
    for (const { socket } of readers) socket.pause();
    const start = (await loggedFeed(world().database, 1)).length;
    const beforeKb = residentKb();
    let highestKb = 0;
    for (let count = 0; count < FLOOD; count += 1) {
      if (count % 250 === 0) highestKb = Math.max(highestKb, residentKb());
      // One order, one step a statement would take minutes: a hundred steps each.
      if (count % 100 === 0) {
        await floodInbox(world().database, { clientId: 1, orderId, count: 100 });
      }
    }
    highestKb = Math.max(highestKb, residentKb());
    for (const { socket } of readers) socket.resume();
    await expect.poll(() => Math.min(...readers.map(({ events }) => events.length)), {
      timeout: 60_000,
    }).toBeGreaterThanOrEqual(FLOOD);
    const logged = (await loggedFeed(world().database, 1)).slice(start);
    for (const { events } of readers) {
      expect(events.map(({ sequence, version }) => [sequence, version]).slice(-FLOOD))
        .toEqual(logged.map(({ sequence, version }) => [sequence, version]).slice(-FLOOD));
    }
    report({ stalledReaders: STALLED_READERS, flood: FLOOD, grownKb: highestKb - beforeKb });
    // The cap of a socket's buffer, for each of them, and what the reads of the log leave behind.
    expect(highestKb - beforeKb).toBeLessThan(STALLED_READERS * 1024 + 64 * 1024);
    for (const { socket } of readers) socket.terminate();
  });
});
