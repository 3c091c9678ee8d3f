import { Passing } from './errors.ts';

/** One that nobody took is not kept: it may be about to end. */
const KEPT_MS = 1000;

interface Asked {
  readonly token: Promise<string>;
  /** Null for as long as there is none. */
  answered: { readonly token: string; readonly atMs: number } | null;
}

/**
 * The token of the connection that comes next, asked for before it is opened: the gateway gives a
 * connection a few seconds until its token is there.
 */
export class NextToken {
  readonly #token: () => string | Promise<string>;
  readonly #withinMs: number;
  #asked: Asked | null = null;

  constructor(token: () => string | Promise<string>, withinMs: number) {
    this.#token = token;
    this.#withinMs = withinMs;
  }

  /**
   * Until it is there, or the signal. All who wait ask once.
   * @throws what the asking throws; Passing where it takes too long
   */
  async prepare(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const asked = this.#fresh() ?? this.#ask();
    let stop = (): void => undefined;
    const stopped = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#forget(asked);
        reject(new Passing(`No token came within ${this.#withinMs} ms`));
      }, this.#withinMs);
      stop = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    signal.addEventListener('abort', stop, { once: true });
    try {
      await Promise.race([asked.token, stopped]);
    } finally {
      stop();
      signal.removeEventListener('abort', stop);
    }
  }

  /** For one connection; null where none is there. */
  take(): string | null {
    const asked = this.#fresh();
    if (asked === null || asked.answered === null) return null;
    this.#asked = null;
    return asked.answered.token;
  }

  #fresh(): Asked | null {
    const asked = this.#asked;
    if (asked === null || asked.answered === null) return asked;
    return performance.now() - asked.answered.atMs < KEPT_MS ? asked : null;
  }

  #ask(): Asked {
    const asked: Asked = { token: (async () => this.#token())(), answered: null };
    this.#asked = asked;
    asked.token.then((token) => {
      asked.answered = { token, atMs: performance.now() };
      // Whoever waits hears of it, and where nobody does, nobody has to.
    }, () => this.#forget(asked));
    return asked;
  }

  #forget(asked: Asked): void {
    if (this.#asked === asked) this.#asked = null;
  }
}
