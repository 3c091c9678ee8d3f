import { tooBusy } from './rejection.ts';

/** A client whose reads take so long that others of its own wait longer is told; milliseconds. */
const WAIT_MS_MAX = 2000;

interface Share {
  readingCount: number;
  /** Wakes those who wait, first come first served. */
  readonly waiting: (() => void)[];
}

/**
 * Lets each client have some of the connections of a pool and no more: a filter that little passes
 * is read along a whole index, a feed from where its log begins, an event is shown to hundreds of
 * subscriptions, and one client that asks for many of these keeps no other waiting.
 */
export class ClientShares {
  readonly #sizeMax: number;
  readonly #shares = new Map<number, Share>();

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /**
   * Waits for a place for WAIT_MS_MAX, or for as long as it takes.
   * @throws TemporarilyUnavailable where the client's other reads take too long
   */
  async read<Result>(
    clientId: number,
    read: () => Promise<Result>,
    { isPatient = false }: { readonly isPatient?: boolean } = {},
  ): Promise<Result> {
    const share = this.#shares.get(clientId) ?? { readingCount: 0, waiting: [] };
    this.#shares.set(clientId, share);
    if (share.readingCount === this.#sizeMax) await waitIn(share, isPatient);
    else share.readingCount += 1;
    try {
      return await read();
    } finally {
      const next = share.waiting.shift();
      if (next !== undefined) next();
      else this.#leave(clientId, share);
    }
  }

  #leave(clientId: number, share: Share): void {
    share.readingCount -= 1;
    if (share.readingCount === 0) this.#shares.delete(clientId);
  }
}

/** Whoever ends hands its place on. */
function waitIn({ waiting }: Share, isPatient: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const enter = (): void => {
      clearTimeout(timer);
      resolve();
    };
    waiting.push(enter);
    const timer = isPatient ? undefined : setTimeout(() => {
      waiting.splice(waiting.indexOf(enter), 1);
      reject(tooBusy());
    }, WAIT_MS_MAX);
  });
}
