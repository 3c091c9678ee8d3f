import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { requestOf, type LoadPlan } from './http-load.ts';

/** Requests at a steady pace, whatever is answered: each on a connection without one in flight. */
export interface OpenLoopPlan extends LoadPlan {
  readonly pace: number;
}

export interface OpenLoopResult {
  /** By status: how many, and how long after they were sent. */
  readonly answers: Readonly<Record<string, {
    readonly count: number; readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number;
  }>>;
  readonly offered: number;
  /** Due while every connection waited for its answer: not sent. */
  readonly held: number;
  readonly unanswered: number;
}

/** Clients have their connections before the rush begins. */
const OPENING_PER_STEP = 20;
const SENT_PER_TURN_MAX = 200;
const PATIENCE_MS = 10_000;

export async function runOpenLoop(plan: OpenLoopPlan): Promise<OpenLoopResult> {
  const loop = new OpenLoop(plan);
  await loop.open();
  await loop.run();
  return loop.result();
}

class OpenLoop {
  readonly #plan: OpenLoopPlan;
  readonly #free: Socket[] = [];
  readonly #sockets: Socket[] = [];
  readonly #latencies = new Map<string, number[]>();
  #sent = 0;
  #held = 0;
  #inFlight = 0;

  constructor(plan: OpenLoopPlan) {
    this.#plan = plan;
  }

  async open(): Promise<void> {
    while (this.#sockets.length < this.#plan.connections) {
      for (let count = 0; count < OPENING_PER_STEP; count += 1) this.#openOne();
      await delay(5);
    }
  }

  async run(): Promise<void> {
    const { pace, seconds } = this.#plan;
    const startedMs = performance.now();
    let due = 0;
    for (let sinceMs = 0; sinceMs < seconds * 1000; sinceMs = performance.now() - startedMs) {
      const behind = Math.floor(sinceMs / 1000 * pace) - due;
      for (let count = 0; count < Math.min(behind, SENT_PER_TURN_MAX); count += 1) {
        due += 1;
        const socket = this.#takeFree();
        if (socket === undefined) this.#held += 1;
        else this.#send(socket);
      }
      await new Promise((resolve) => { setImmediate(resolve); });
    }
    const untilMs = performance.now() + PATIENCE_MS;
    while (this.#inFlight > 0 && performance.now() < untilMs) await delay(20);
    for (const socket of this.#sockets) socket.destroy();
  }

  result(): OpenLoopResult {
    const answers = [...this.#latencies].map(([status, latencies]) => {
      const sorted = latencies.toSorted((a, b) => a - b);
      const at = (share: number): number => Math.round(sorted[Math.floor(share * sorted.length)]
        ?? sorted.at(-1) ?? 0);
      return [status, {
        count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1),
      }] as const;
    });
    return {
      answers: Object.fromEntries(answers),
      offered: this.#sent + this.#held,
      held: this.#held,
      unanswered: this.#inFlight,
    };
  }

  /** The one that was free longest: a server closes what nothing is asked on. */
  #takeFree(): Socket | undefined {
    for (;;) {
      const socket = this.#free.shift();
      if (socket === undefined || socket.readyState === 'open') return socket;
    }
  }

  #openOne(): void {
    const socket = connect({ host: '127.0.0.1', port: this.#plan.port, noDelay: true });
    this.#sockets.push(socket);
    socket.once('connect', () => this.#free.push(socket));
    socket.on('error', () => undefined);
  }

  #send(socket: Socket): void {
    const request = requestOf(this.#plan, this.#sent);
    this.#sent += 1;
    this.#inFlight += 1;
    const sentMs = performance.now();
    let text = '';
    const take = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      const headEnd = text.indexOf('\r\n\r\n');
      const length = Number(/\r\ncontent-length: ([0-9]+)/i.exec(text)?.[1] ?? '0');
      if (headEnd === -1 || text.length < headEnd + 4 + length) return;
      socket.off('data', take);
      const status = text.slice(9, 12);
      const latencies = this.#latencies.get(status) ?? [];
      latencies.push(performance.now() - sentMs);
      this.#latencies.set(status, latencies);
      this.#inFlight -= 1;
      this.#free.push(socket);
    };
    socket.on('data', take);
    socket.write(request);
  }
}
