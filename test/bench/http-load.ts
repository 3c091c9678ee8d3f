import { connect, type Socket } from 'node:net';

/** One kind of request, sent again and again. `{n}` in the body is replaced by 9 digits. */
export interface LoadPlan {
  readonly port: number;
  readonly method: 'GET' | 'POST';
  /** One is taken after the other; `{n}` is replaced as in the body. */
  readonly targets: readonly { readonly path: string; readonly token: string }[];
  readonly body: string | null;
  /** What a right answer's body holds; any other counts as wrong. */
  readonly expects: string;
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second, spread evenly; null for as many as are answered. */
  readonly pace: number | null;
  /** The first number, so that no two loads share one. */
  readonly firstNumber: number;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly answered: number;
  readonly wrong: number;
  /** Wrong answers by status, and the first of them. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly firstWrong: string;
}

const DIGITS = 9;

/**
 * A load generator that costs little: requests are bytes made beforehand, answers are cut by their
 * Content-Length. It runs in a process of its own (load-process.ts).
 */
export async function runLoad(
  plan: LoadPlan,
  onAnswer: (answer: Buffer) => void = () => undefined,
): Promise<LoadResult> {
  const state = new LoadState(plan, onAnswer);
  const sockets = await Promise.all(
    Array.from({ length: plan.connections }, () => openSocket(plan.port)),
  );
  const startedMs = performance.now();
  const untilMs = startedMs + plan.seconds * 1000;
  const lanes = sockets.map((socket, lane) =>
    new Lane(socket, state, { lane, lanes: sockets.length, startedMs, untilMs }).run());
  await Promise.all(lanes);
  const tookSeconds = (performance.now() - startedMs) / 1000;
  for (const socket of sockets) socket.destroy();
  return state.result(tookSeconds);
}

async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

/** The nth request of a plan, counted from 0. */
export function requestOf(plan: LoadPlan, nth: number): Buffer {
  const number = String(plan.firstNumber + nth).padStart(DIGITS, '0');
  const target = plan.targets[nth % plan.targets.length];
  if (target === undefined) throw new Error('A load has no target');
  const body = plan.body?.replaceAll('{n}', number) ?? '';
  const head = [
    `${plan.method} ${target.path.replaceAll('{n}', number)} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${target.token}`,
    ...(plan.body === null
      ? [] : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1');
}

class LoadState {
  readonly plan: LoadPlan;
  readonly #onAnswer: (answer: Buffer) => void;
  readonly #latencies: number[] = [];
  readonly #statuses: Record<string, number> = {};
  #wrong = 0;
  #firstWrong = '';
  #sent = 0;

  constructor(plan: LoadPlan, onAnswer: (answer: Buffer) => void) {
    this.plan = plan;
    this.#onAnswer = onAnswer;
  }

  nextRequest(): Buffer {
    this.#sent += 1;
    return requestOf(this.plan, this.#sent - 1);
  }

  record(latencyMs: number, answer: Buffer): void {
    this.#latencies.push(latencyMs);
    this.#onAnswer(answer);
    const status = answer.toString('latin1', 9, 12);
    if (status === '200' && answer.includes(this.plan.expects)) return;
    this.#wrong += 1;
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
    if (this.#firstWrong === '') this.#firstWrong = answer.toString('utf8').slice(-400);
  }

  result(tookSeconds: number): LoadResult {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const quantile = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? 0;
    return {
      perSecond: (sorted.length - this.#wrong) / tookSeconds,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      answered: sorted.length,
      wrong: this.#wrong,
      statuses: this.#statuses,
      firstWrong: this.#firstWrong,
    };
  }
}

interface Span {
  readonly lane: number;
  readonly lanes: number;
  readonly startedMs: number;
  readonly untilMs: number;
}

/** One connection with one request in flight. */
class Lane {
  readonly #socket: Socket;
  readonly #state: LoadState;
  readonly #span: Span;
  #received: Buffer = Buffer.alloc(0);
  #onAnswer: ((answer: Buffer) => void) | null = null;
  #onFault: ((error: Error) => void) | null = null;

  constructor(socket: Socket, state: LoadState, span: Span) {
    this.#socket = socket;
    this.#state = state;
    this.#span = span;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#onFault?.(error));
    socket.on('close', () => this.#onFault?.(new Error('The server closed a connection')));
  }

  async run(): Promise<void> {
    const { lane, lanes, startedMs, untilMs } = this.#span;
    const { pace } = this.#state.plan;
    for (let turn = 0; ; turn += 1) {
      // Paced requests count from when they were due: a server that lags cannot hide it.
      const dueMs = pace === null
        ? performance.now() : startedMs + ((turn * lanes + lane) / pace) * 1000;
      if (Math.max(dueMs, performance.now()) >= untilMs) return;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const sentMs = pace === null ? performance.now() : dueMs;
      const answer = await this.#ask(this.#state.nextRequest());
      this.#state.record(performance.now() - sentMs, answer);
    }
  }

  #ask(request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#onAnswer = resolve;
      this.#onFault = reject;
      this.#socket.write(request);
    });
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const head = this.#received.toString('latin1', 0, headEnd);
    const length = Number(/\r\ncontent-length: ([0-9]+)/i.exec(head)?.[1] ?? '0');
    const end = headEnd + 4 + length;
    if (this.#received.length < end) return;
    const answer = this.#received.subarray(0, end);
    this.#received = Buffer.alloc(0);
    this.#onAnswer?.(answer);
  }
}
