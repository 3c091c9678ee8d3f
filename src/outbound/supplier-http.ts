import type { Dispatcher } from 'undici';

/** What became of one request, with the one distinction that matters: may it have been received? */
export type Exchange =
  | {
    readonly kind: 'ANSWERED';
    readonly status: number;
    readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
    readonly body: Uint8Array;
  }
  /** No byte left this machine. */
  | { readonly kind: 'NOT_SENT'; readonly reason: string }
  /** Bytes may have left, and no whole answer came back. */
  | { readonly kind: 'NO_ANSWER'; readonly reason: string };

/** The reasons that speak of an unreachable supplier; a breaker counts them. */
const NO_CONNECTION = 'no connection';
/** Whether it tells that nobody was connected with. */
export const isNoConnection = (reason: string): boolean => reason.startsWith(NO_CONNECTION);
export const NO_ANSWER_IN_TIME = 'no answer in time';
/** The reason that speaks of an answer by its status alone. */
export const statusReason = (status: number): string => `HTTP ${status}`;
/** Whether it is one that `statusReason` made. */
export const isStatusReason = (reason: string): boolean => /^HTTP \d{3}$/.test(reason);

/** No answer of a supplier is anywhere near this long. */
export const ANSWER_BYTES_MAX = 65_536;

export interface HttpRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** Over a connection of its own: nothing that was sent on it before can come as its answer. */
  readonly reset: boolean;
}

/**
 * Sends one request at most once and reads the whole answer. Follows no redirect, repeats nothing
 * (a reset of a pooled connection that had gone stale is told as NO_ANSWER), never rejects.
 * `isTooLate` is asked last, right before the first byte leaves.
 */
export function exchange(
  dispatcher: Dispatcher,
  request: HttpRequest,
  signal: AbortSignal,
  isTooLate: () => boolean,
): Promise<Exchange> {
  if (signal.aborted) return Promise.resolve({ kind: 'NOT_SENT', reason: 'deadline passed' });
  return new Promise((resolve) => {
    const handler = createHandler(resolve, signal, isTooLate);
    try {
      dispatcher.dispatch({ ...request }, handler);
    } catch (error) {
      handler.onResponseError(null, error);
    }
  });
}

function createHandler(
  resolve: (exchange: Exchange) => void,
  signal: AbortSignal,
  isTooLate: () => boolean,
) {
  let sending: Dispatcher.DispatchController | undefined;
  let head: { status: number; headers: Record<string, string | string[] | undefined> } | undefined;
  let isSettled = false;
  let byteCount = 0;
  const chunks: Buffer[] = [];

  const settle = (exchange: Exchange): void => {
    if (isSettled) return;
    isSettled = true;
    signal.removeEventListener('abort', onDeadline);
    resolve(exchange);
  };
  const giveUp = (reason: string): void => {
    settle({ kind: 'NO_ANSWER', reason });
    sending?.abort(new Error(reason));
  };
  const onDeadline = (): void => {
    if (sending === undefined) settle({ kind: 'NOT_SENT', reason: NO_CONNECTION });
    else giveUp(NO_ANSWER_IN_TIME);
  };
  signal.addEventListener('abort', onDeadline, { once: true });

  return {
    /** Called right before the first byte is written; a throw here stops it from being written. */
    onRequestStart(controller: Dispatcher.DispatchController): void {
      // A process that was stopped while it connected comes here before the signal's timer fires.
      if (isSettled || sending !== undefined || isTooLate()) throw new Error('not wanted any more');
      sending = controller;
    },
    onResponseStart(
      _controller: Dispatcher.DispatchController,
      status: number,
      headers: Record<string, string | string[] | undefined>,
    ): void {
      // 1xx only announce the answer, whose head comes last.
      head = { status, headers };
    },
    onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
      byteCount += chunk.length;
      if (byteCount > ANSWER_BYTES_MAX) giveUp('answer too long');
      else chunks.push(chunk);
    },
    onResponseEnd(): void {
      if (head === undefined) settle({ kind: 'NO_ANSWER', reason: 'answer without a head' });
      else settle({ kind: 'ANSWERED', ...head, body: Buffer.concat(chunks) });
    },
    // The code tells a name that leads nowhere, or a certificate, from a supplier that is down.
    onResponseError(_controller: Dispatcher.DispatchController | null, error: unknown): void {
      const code = codeOf(error);
      if (sending === undefined) {
        const why = code === null ? '' : ` (${code})`;
        settle({ kind: 'NOT_SENT', reason: `${NO_CONNECTION}${why}` });
      } else {
        settle({ kind: 'NO_ANSWER', reason: `connection lost (${code ?? 'no code'})` });
      }
    },
  };
}

function codeOf(error: unknown): string | null {
  const isCoded = error instanceof Error && 'code' in error && typeof error.code === 'string';
  return isCoded ? String(error.code) : null;
}
