import { randomUUID } from 'node:crypto';
import type { RequestListener, ServerResponse } from 'node:http';
import { strangerOf } from '../domain/network.ts';
import { retryAfterSeconds, tooBusy } from '../domain/rejection.ts';
import { cutPolling } from './cut-polling.ts';
import { errorAnswer } from './errors.ts';
import { headerValues } from './header-values.ts';
import type { AddressOf } from './peer-address.ts';
import { RunQueue } from './run-queue.ts';

/** Whoever asks how the process does hears it above all when it does badly. */
const NEVER_REFUSED: ReadonlySet<string> = new Set(['/livez', '/readyz', '/metrics']);
/** Stands for the id of the request while the text around it is made. */
const ID_MARK = '%id%';

/** The client of a token that was shown before, in memory; 0 for everybody else. */
export type ClientOf = (authorization: string | undefined) => number;

/** The body of a refusal, and its media type. */
export interface BusyText {
  readonly type: string;
  readonly body: (requestId: string) => string;
}

export interface LoadShedderOptions {
  readonly clientOf: ClientOf;
  /** Whoever is no client yet shares only with its own address, or IPv6 network. */
  readonly addressOf: AddressOf;
  /** Of doors with an envelope of their own, by their path. */
  readonly textsByPath: Readonly<Record<string, BusyText>>;
}

/** What stands before the doors of HTTP: begins requests, or answers 503 for a part of the cost. */
export interface LoadShedder {
  /** The same handler behind the queue. */
  shed(handler: RequestListener): RequestListener;
  /** Since the process started. */
  refusedCount(): number;
  waitingCount(): number;
}

export const BUSY = tooBusy();

/** One for all doors of a process: all of them draw on the same queue. */
export function createLoadShedder(options: LoadShedderOptions): LoadShedder {
  const { clientOf, addressOf, textsByPath } = options;
  const queue = new RunQueue(cutPolling);
  const texts = new Map(Object.entries(textsByPath));
  const restText = restBusyText();
  let refusedCount = 0;
  return {
    shed: (handler) => (request, response) => {
      const [path = ''] = (request.url ?? '').split('?', 1);
      if (NEVER_REFUSED.has(path)) return handler(request, response);
      const isAdmitted = queue.add(
        () => clientOf(headerValues(request.rawHeaders, 'authorization')[0])
          || strangerOf(addressOf(request)),
        () => {
          // Nothing was done for whoever reset its connection meanwhile, and nobody would read it.
          if (!request.destroyed) handler(request, response);
        },
      );
      if (isAdmitted) return;
      refusedCount += 1;
      refuse(response, texts.get(path) ?? restText);
    },
    refusedCount: () => refusedCount,
    waitingCount: () => queue.waitingCount,
  };
}

/** A text that differs only in the id of its request, which has nothing that JSON would escape. */
export function busyTextOf(type: string, bodyOf: (requestId: string) => object): BusyText {
  const [before = '', after = ''] = JSON.stringify(bodyOf(ID_MARK)).split(ID_MARK);
  return { type, body: (requestId) => before + requestId + after };
}

function restBusyText(): BusyText {
  return busyTextOf('application/json', (requestId) => errorAnswer(BUSY, requestId).body);
}

/** Around the framework: what it does for each request costs more than the rest of this. */
function refuse(response: ServerResponse, { type, body }: BusyText): void {
  const requestId = randomUUID();
  const text = body(requestId);
  response.writeHead(503, {
    'content-type': `${type}; charset=utf-8`,
    'content-length': String(Buffer.byteLength(text)),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    'retry-after': String(retryAfterSeconds(BUSY)),
  });
  response.end(text);
}
