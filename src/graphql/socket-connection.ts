import type { WebSocket } from 'ws';
import type { Caller } from '../domain/access.ts';
import { sleepUntil } from '../domain/deadline.ts';
import type { Clock } from '../domain/ports.ts';
import type { ResultIterator } from './fresh-subscribe.ts';
import { isJsonMap } from './graphql-request.ts';
import { SocketOperations } from './socket-operations.ts';

/** From opening to acknowledgement, a hanging authentication included. */
const ACKNOWLEDGE_WITHIN_MS = 3_000;
/** A client that has not shown its token yet needs one message; 20 are patience enough. */
const MESSAGES_BEFORE_ACK_MAX = 20;
/**
 * What a known client may send in one go of what begins no operation, such as pings and operations
 * beyond those it may have open, and for how much more each second makes room. Operations have
 * limits of their own.
 */
const OTHERS_AT_ONCE_MAX = 2_000;
const OTHERS_PER_SECOND = 500;
/** A longer one counts as several: it is read, and its pong written, in so much more time. */
const OTHER_BYTES = 1_024;
/** How long a socket that we end waits for the answers of what is under way on it. */
const ANSWERS_WITHIN_MS = 3_000;
/** What one slow reader may keep in our memory. */
const SEND_BUFFER_BYTES_MAX = 1_048_576;

/** Why we end a socket, in the words that the client sees. */
export const CLOSE = {
  goingAway: [1001, 'Going away'],
  internalError: [1011, 'Internal server error'],
  tooSlow: [1013, 'Reads too slowly, try again later'],
  tooManySockets: [1013, 'Too many sockets of this client, try again later'],
  unavailable: [1013, 'Temporarily unavailable, try again later'],
  malformed: [4400, 'Malformed message'],
  refused: [4403, 'Forbidden'],
  expired: [4403, 'Token expired'],
  revoked: [4403, 'Token revoked'],
  idInUse: [4409, 'Subscriber already exists'],
  lateAcknowledgement: [4408, 'Connection initialisation timeout'],
  tooManyBefore: [4429, 'Too many messages before connection_init'],
  tooManyMessages: [4429, 'Too many messages'],
} as const satisfies Record<string, readonly [code: number, reason: string]>;

/** One socket: its caller, its deadlines, and what it may keep of our memory. */
export class SocketConnection {
  /** Begins the request ids of its operations. */
  readonly id: string;
  /** From where the upgrade came. */
  readonly address: string;
  readonly operations = new SocketOperations();
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  readonly #results = new Set<ResultIterator>();
  #caller: Caller | null = null;
  #messageCount = 0;
  /** How many messages that begin no operation may come now, as of a moment. */
  #room = OTHERS_AT_ONCE_MAX;
  #roomAtMs = 0;
  #operationCount = 0;
  #isAlive = true;
  #isLeaving = false;

  constructor(
    socket: WebSocket,
    { id, address, clock }: {
      readonly id: string; readonly address: string; readonly clock: Clock;
    },
  ) {
    this.#socket = socket;
    this.#clock = clock;
    this.id = id;
    this.address = address;
    socket.on('pong', () => {
      this.#isAlive = true;
      this.#countFrame();
    });
    socket.on('ping', () => this.#countFrame());
    void this.#closeUnlessAcknowledged();
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /** The caller, fixed for the life of the socket; null before the acknowledgement. */
  get caller(): Caller | null {
    return this.#caller;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  acknowledge(caller: Caller): void {
    this.#caller = caller;
    void this.#closeAtExpiry(caller.expiresAtMs);
  }

  /** An id for the next operation's errors and log lines: which socket, which operation. */
  nextRequestId(): string {
    this.#operationCount += 1;
    return `${this.id}/${this.#operationCount}`;
  }

  /** Whether one more message is read; closes the socket where it is not. */
  readsMessage(): boolean {
    // A client that leaves our closing frame unanswered could go on placing orders.
    if (!this.isOpen || this.#isLeaving) return false;
    if (this.#caller !== null) return true;
    this.#messageCount += 1;
    if (this.#messageCount <= MESSAGES_BEFORE_ACK_MAX) return true;
    this.close(CLOSE.tooManyBefore);
    return false;
  }

  /**
   * Whether a message that was read is taken, too; closes the socket where it is not.
   * @param operationsMax that may be open at a time
   */
  takesMessage(message: unknown, byteCount: number, operationsMax: number): boolean {
    if (this.#caller === null) return true;
    const isBeginning = isJsonMap(message) && message['type'] === 'subscribe';
    if (isBeginning && this.operations.hasRoom(operationsMax)) {
      // Whoever begins one may end it, too.
      this.#room = Math.min(OTHERS_AT_ONCE_MAX, this.#room + 1);
      return true;
    }
    if (this.#takes(Math.max(1, byteCount / OTHER_BYTES))) return true;
    this.close(CLOSE.tooManyMessages);
    return false;
  }

  /** A frame of the protocol below, which is answered before we hear of it. */
  #countFrame(): void {
    if (!this.#takes(1)) this.terminate();
  }

  #takes(count: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    const gained = (nowMs - this.#roomAtMs) / 1000 * OTHERS_PER_SECOND;
    this.#room = Math.min(OTHERS_AT_ONCE_MAX, this.#room + gained) - count;
    this.#roomAtMs = nowMs;
    return this.#room >= 0;
  }

  /** Resolves when the message has left this process: a slow reader slows its own sources. */
  async send(message: string): Promise<void> {
    const shown = this.operations.shown(message);
    if (!this.isOpen || shown === null) return;
    // What is not told of a subscription now comes behind its cursor, where it goes on.
    if (this.#isLeaving && this.operations.isOfStream(message)) return;
    if (this.#socket.bufferedAmount > SEND_BUFFER_BYTES_MAX) return this.close(CLOSE.tooSlow);
    await new Promise<void>((resolve) => {
      this.#socket.send(shown, () => resolve());
    });
  }

  close([code, reason]: readonly [code: number, reason: string]): void {
    this.#socket.close(code, reason);
  }

  /**
   * Ends it for a reason of ours. Reads nothing more, and first tells what became of queries and
   * mutations that are under way: clients send again what was cut off, and a second order is one.
   */
  async leave(why: Parameters<SocketConnection['close']>[0]): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    if (this.operations.areAnswersDue) {
      const patience = new AbortController();
      const signal = AbortSignal.any([patience.signal, this.#ended.signal]);
      await Promise.race([
        this.operations.untilAnswered(), this.#clock.sleep(ANSWERS_WITHIN_MS, signal),
      ]);
      patience.abort();
    }
    this.close(why);
  }

  /** Ends it without a word; for who would not listen, or is many. */
  terminate(): void {
    this.#socket.terminate();
  }

  /** Ends a socket whose other side has not answered the last ping, and pings the others. */
  beat(): void {
    if (!this.#isAlive) return this.terminate();
    this.#isAlive = false;
    if (this.isOpen) this.#socket.ping();
  }

  /** Keeps hold of a subscription's results, so that none outlives the socket. */
  keep(results: ResultIterator): ResultIterator {
    this.#results.add(results);
    const kept: ResultIterator = {
      [Symbol.asyncIterator]: () => kept,
      next: async () => {
        let isOver = true;
        try {
          const result = await results.next();
          isOver = result.done === true;
          return result;
        } finally {
          if (isOver) this.#results.delete(results);
        }
      },
      return: async () => {
        this.#results.delete(results);
        await results.return?.();
        return { done: true, value: undefined };
      },
    };
    // The socket may have gone while the subscription was being opened.
    if (this.#ended.signal.aborted) void kept.return?.();
    return kept;
  }

  /** The socket is gone: stops the timers and frees every subscription. */
  async end(): Promise<void> {
    this.#ended.abort();
    const results = [...this.#results];
    this.#results.clear();
    await Promise.all(results.map(async (each) => each.return?.()));
  }

  async #closeUnlessAcknowledged(): Promise<void> {
    await this.#clock.sleep(ACKNOWLEDGE_WITHIN_MS, this.#ended.signal);
    if (this.#caller === null) this.close(CLOSE.lateAcknowledgement);
  }

  async #closeAtExpiry(expiresAtMs: number): Promise<void> {
    await sleepUntil(expiresAtMs, this.#clock, this.#ended.signal);
    if (!this.#ended.signal.aborted) await this.leave(CLOSE.expired);
  }
}
