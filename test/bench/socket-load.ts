import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { runLoad, type LoadPlan } from './http-load.ts';

/** Subscribers of their clients' feeds, and, where `creates` is given, orders for them to see. */
export interface SocketPlan {
  readonly port: number;
  readonly tokens: readonly string[];
  readonly sockets: number;
  readonly creates: LoadPlan | null;
  /** How long the sockets stay where nothing is created; told when all are open. */
  readonly idleSeconds: number;
}

export interface SocketResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly seen: number;
  readonly missed: number;
  readonly wrong: number;
}

const SUBSCRIPTION = 'subscription { topupOrderEvents { node { type order { orderId } } } }';
/** Handshakes under way at one time. */
const OPENING_MAX = 50;
/** What arrives later than this after the last order counts as missed. */
const PATIENCE_MS = 5000;

/** Opens the sockets, tells `onOpen`, and measures what they see of the orders. */
export async function runSockets(
  plan: SocketPlan,
  onOpen: () => void,
): Promise<SocketResult> {
  const seen = new Map<number, number>();
  const sockets: WebSocket[] = [];
  for (let first = 0; first < plan.sockets; first += OPENING_MAX) {
    const count = Math.min(OPENING_MAX, plan.sockets - first);
    sockets.push(...await Promise.all(Array.from({ length: count }, (_, index) => {
      const token = plan.tokens[(first + index) % plan.tokens.length] ?? '';
      return subscribe(plan.port, token, (orderId) => seen.set(orderId, performance.now()));
    })));
  }
  onOpen();
  const result = plan.creates === null
    ? await delay(plan.idleSeconds * 1000, NOTHING_SEEN)
    : await createAndCompare(plan.creates, seen);
  for (const socket of sockets) socket.terminate();
  return result;
}

const NOTHING_SEEN: SocketResult = { p50Ms: 0, p99Ms: 0, seen: 0, missed: 0, wrong: 0 };

/** The answer leaves after the commit: an event is as late as it comes behind the answer. */
async function createAndCompare(
  creates: LoadPlan,
  seen: ReadonlyMap<number, number>,
): Promise<SocketResult> {
  const answered = new Map<number, number>();
  const load = await runLoad(creates, (answer) => {
    const id = /"id":([0-9]+)/.exec(answer.toString('latin1'))?.[1];
    if (id !== undefined) answered.set(Number(id), performance.now());
  });
  const untilMs = performance.now() + PATIENCE_MS;
  while ([...answered.keys()].some((id) => !seen.has(id)) && performance.now() < untilMs) {
    await delay(20);
  }
  const waits = [...answered].filter(([id]) => seen.has(id))
    .map(([id, atMs]) => Math.max(0, (seen.get(id) ?? 0) - atMs))
    .sort((a, b) => a - b);
  return {
    p50Ms: waits[Math.floor(waits.length * 0.5)] ?? 0,
    p99Ms: waits[Math.floor(waits.length * 0.99)] ?? 0,
    seen: waits.length,
    missed: answered.size - waits.length,
    wrong: load.wrong,
  };
}

/** A socket whose subscription has begun: its opening edge, without a node, has arrived. */
async function subscribe(
  port: number,
  token: string,
  onCreated: (orderId: number) => void,
): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws', {
    perMessageDeflate: false,
  });
  const opening = Promise.withResolvers<void>();
  socket.on('message', (data: Buffer) => {
    const text = data.toString('latin1');
    if (text.includes('"type":"connection_ack"')) {
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: SUBSCRIPTION } }));
    } else if (text.includes('"node":null')) {
      opening.resolve();
    } else if (text.includes('"type":"CREATED"')) {
      onCreated(Number(/"orderId":([0-9]+)/.exec(text)?.[1]));
    } else if (text.includes('"type":"ping"')) {
      socket.send('{"type":"pong"}');
    } else if (text.includes('"errors"')) {
      opening.reject(new Error(text));
    }
  });
  socket.on('error', opening.reject);
  socket.on('close', () => opening.reject(new Error('A socket was closed')));
  await once(socket, 'open');
  const payload = { authorization: `Bearer ${token}` };
  socket.send(JSON.stringify({ type: 'connection_init', payload }));
  await opening.promise;
  return socket;
}
