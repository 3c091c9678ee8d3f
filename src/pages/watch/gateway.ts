import { createClient, type Client } from 'graphql-ws';
import { socketUrl } from '../session.ts';
import type { Edge, Feed } from './documents.ts';

const RETRY_MS_MIN = 200;
/** A gateway that is being restarted is back within seconds; nobody should wait longer than it. */
const RETRY_MS_MAX = 2_000;
/** An unanswered ping ends the socket: a line that is cut without a word is noticed. */
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;
/** Before a socket is acknowledged nothing is pinged. */
const ACKNOWLEDGED_WITHIN_MS = 10_000;
/** Asked again they bring an answer; the first is the library's, where a socket was ended here. */
const PASSING: ReadonlySet<unknown> = new Set([4499, 'SERVICE_UNAVAILABLE', 'RATE_LIMITED']);
/** The token is no longer good: asking again would not help. */
const REFUSED = 4403;
/** Documents of the page are not trusted here, and will not be. */
const FORBIDDEN = 'FORBIDDEN';
/** How a proxy may end a socket in the middle of everything; we never do. */
const NORMAL_CLOSURE = 1000;

export type ConnectionState = 'live' | 'away' | 'full' | 'refused' | 'forbidden';

/** The one socket of the page: everything is asked over it, and the feed comes from it. */
export class Gateway {
  readonly #client: Client;
  readonly #onState: (state: ConnectionState) => void;
  #isRefused = false;
  #isForbidden = false;

  constructor(token: string, onState: (state: ConnectionState) => void) {
    this.#onState = (state) => onState(this.#isForbidden ? 'forbidden' : state);
    this.#client = createClient({
      url: socketUrl(),
      connectionParams: { authorization: `Bearer ${token}` },
      // The feed goes on behind its last cursor, which a retry of the library's would not know.
      retryAttempts: 0,
      keepAlive: PING_EVERY_MS,
    });
    this.#endWithoutWord();
    this.#client.on('connected', () => this.#onState('live'));
    this.#client.on('closed', (event) => {
      this.#isRefused = event instanceof CloseEvent && event.code === REFUSED;
      this.#onState(this.#isRefused ? 'refused' : isOneTooMany(event) ? 'full' : 'away');
    });
  }

  /** The token is no longer good: nothing is sent any more. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  #endWithoutWord(): void {
    let ackIsDue: ReturnType<typeof setTimeout> | undefined;
    let pongIsDue: ReturnType<typeof setTimeout> | undefined;
    this.#client.on('connecting', () => {
      ackIsDue = setTimeout(() => this.#client.terminate(), ACKNOWLEDGED_WITHIN_MS);
    });
    this.#client.on('connected', () => clearTimeout(ackIsDue));
    this.#client.on('ping', (isReceived) => {
      if (!isReceived) pongIsDue = setTimeout(() => this.#client.terminate(), PONG_WITHIN_MS);
    });
    this.#client.on('pong', () => clearTimeout(pongIsDue));
    this.#client.on('closed', (event) => {
      clearTimeout(ackIsDue);
      clearTimeout(pongIsDue);
      // After this one the library retries all the same, and without a pause.
      const isNormal = event instanceof CloseEvent && event.code === NORMAL_CLOSURE;
      if (isNormal) this.#client.terminate();
    });
  }

  /** One answer. @throws where the gateway is away, or refuses the operation */
  async ask<Result>(query: string, variables: Record<string, unknown> = {}): Promise<Result> {
    for await (const data of this.#results<Result>(query, variables)) return data as Result;
    throw new Error('No answer');
  }

  /** The data of an operation. @throws an Error in the gateway's words where it refuses it */
  async *#results<Result>(
    query: string,
    variables: Record<string, unknown>,
  ): AsyncGenerator<Result> {
    const results = this.#client.iterate<Result & Record<string, unknown>>({ query, variables });
    try {
      for await (const { data, errors } of results) {
        if (errors !== undefined || !data) throw refusal(errors);
        yield data as Result;
      }
    } catch (error) {
      // What is refused before it is executed comes as a list of errors.
      if (!Array.isArray(error)) throw error;
      throw refusal(error as readonly Refused[]);
    }
  }

  /**
   * One answer, however often the gateway goes away meanwhile. Only for what may be asked twice: an
   * order with a reference of its own may. `onCut` is called where it has to be asked again.
   */
  async askUntilAnswered<Result>(
    query: string,
    variables: Record<string, unknown>,
    onCut: () => void,
  ): Promise<Result> {
    for (let waitMs = RETRY_MS_MIN; ; waitMs = longer(waitMs)) {
      try {
        return await this.ask<Result>(query, variables);
      } catch (error) {
        if (!isPassing(error) || this.#isRefused) throw error;
        onCut();
      }
      await wait(waitMs);
    }
  }

  /**
   * Everything of a feed from now on, once and in order, across cuts and restarts. `onStart` is
   * called where the feed begins, before anything is taken: what was before it has to be read.
   */
  async follow<Node>(
    feed: Feed<Node>,
    take: (node: Node) => void,
    onStart: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    let after: string | null = null;
    let waitMs = RETRY_MS_MIN;
    while (!this.#isRefused && !this.#isForbidden) {
      try {
        for await (const { cursor, node } of this.#edgesBehind(after, feed)) {
          if (after === null) await onStart();
          if (node !== null) take(node);
          after = cursor;
          waitMs = RETRY_MS_MIN;
        }
      } catch (error) {
        if (codeOf(error) === FORBIDDEN) {
          this.#isForbidden = true;
          this.#onState('forbidden');
        }
        // A cursor that the gateway no longer takes: begin anew.
        if (!isPassing(error)) after = null;
      }
      await wait(waitMs);
      waitMs = longer(waitMs);
    }
  }

  async *#edgesBehind<Node>(
    after: string | null,
    { query, edgeOf }: Feed<Node>,
  ): AsyncGenerator<Edge<Node>> {
    for await (const data of this.#results<Record<string, Edge<Node>>>(query, { after })) {
      const edge = edgeOf(data);
      if (edge !== undefined) yield edge;
    }
  }
}

interface Refused {
  readonly message: string;
  readonly extensions?: { readonly code?: unknown } | undefined;
}

/** The gateway's words, and their code. */
function refusal(errors: readonly Refused[] | undefined): Error {
  const [first] = errors ?? [];
  return Object.assign(new Error(first?.message ?? 'No answer'), { code: first?.extensions?.code });
}

/** The socket went away, or the gateway can say nothing now; anything else is an answer. */
function isPassing(error: unknown): boolean {
  return error instanceof CloseEvent || error instanceof Event
    || PASSING.has(codeOf(error));
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}

/** By the words alone: a gateway that is too busy closes with the same code. */
function isOneTooMany(event: unknown): boolean {
  return event instanceof CloseEvent && event.reason.startsWith('Too many sockets');
}

function longer(waitMs: number): number {
  return Math.min(waitMs * 2, RETRY_MS_MAX);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
