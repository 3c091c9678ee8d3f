import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { errorAnswer, HttpRefusal, type RefusalStatus } from './errors.ts';
import {
  answerInHand, beginNoMore, isAnsweredEarly, isEnding, REST_OF_BODY_MS,
} from './http-server.ts';

/** On every answer that says nothing else: it is for one caller, and is what its type says. */
export const ANSWER_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
} as const;

const BROKEN: Readonly<Record<string, RefusalStatus>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

/**
 * Node's parser has given up: there is no request any more, only a socket to answer and close.
 * Where a request that came before is being answered, that answer is the last: a refusal in its
 * place would be read as the refusal of an order that is placed.
 */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !(socket.writable || isEnding(socket))) {
    socket.destroy();
    return;
  }
  if (isEnding(socket)) return;
  const before = answerInHand(socket);
  if (before !== null) {
    endBehind(before, socket);
    return;
  }
  if (isAnsweredEarly(socket)) {
    end(socket);
    return;
  }
  const requestId = randomUUID();
  const refusal = new HttpRefusal(BROKEN[error.code ?? ''] ?? 400);
  const { status, body } = errorAnswer(refusal, requestId);
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...Object.entries(ANSWER_HEADERS).map(([name, value]) => `${name}: ${value}`),
    `X-Request-Id: ${requestId}`,
    'Connection: close',
  ];
  end(socket, `${head.join('\r\n')}\r\n\r\n${text}`);
}

function endBehind(answer: ServerResponse, socket: Socket): void {
  beginNoMore(socket);
  // As long as its head is not out, it says that it is the last.
  answer.shouldKeepAlive = false;
  answer.once('close', () => end(socket));
}

/** Closed once the other side has closed as well: what it still sends would cost it the answer. */
function end(socket: Socket, text = ''): void {
  beginNoMore(socket);
  socket.end(text);
  const timer = setTimeout(() => socket.destroy(), REST_OF_BODY_MS);
  socket.once('close', () => clearTimeout(timer));
}
