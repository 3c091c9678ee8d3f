import {
  createServer, ServerResponse, type IncomingMessage, type RequestListener, type Server,
} from 'node:http';
import type { Socket } from 'node:net';

const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
const TIMEOUT_CHECK_MS = 1_000;
/** Nothing comes and nothing goes for longer than any answer is waited for: nobody reads it. */
const SILENT_MS = 90_000;
/** How long the rest of a body is read and dropped before its connection ends; milliseconds. */
export const REST_OF_BODY_MS = 1_000;
/** How much of a body is read past once it is answered, where the connection is kept; bytes. */
const REST_OF_BODY_MAX = 1024 * 1024;
/** Often enough to spread busy connections over new processes, too seldom to cost anybody time. */
const REQUESTS_PER_CONNECTION = 100_000;
/** Requests behind the last one of a connection, which are not begun. */
const DROPPED_COUNT_MAX = 1_000;

export interface HttpServerOptions {
  /** Where a request may become a WebSocket. */
  readonly socketPath: string;
  readonly requestsPerConnection?: number;
  readonly silentMs?: number;
  /** How long a request may take to come whole. */
  readonly requestMs?: number;
  /** How long its head may. */
  readonly headersMs?: number;
}

/** Answers that wait for the rest of a body. */
const lasting = new WeakSet<ServerResponse>();

/**
 * An answer that ends its connection before the request has come whole would be lost: what still
 * comes then resets the connection, and a proxy in between takes the gateway for dead (RFC 9112,
 * 9.6). So the rest is read past, and then it is given.
 */
class LastingResponse extends ServerResponse {
  override end(...args: unknown[]): this {
    const { req } = this;
    const isLast = !this.shouldKeepAlive || this.getHeader('connection') === 'close';
    if (req.complete || !isLast || this.socket?.destroyed !== false) {
      if (!req.complete) boundRest(req);
      return super.end(...args as Parameters<ServerResponse['end']>);
    }
    if (lasting.has(this)) return this;
    lasting.add(this);
    // Once: to be ended again would be a fault that nobody hears, and the end of the process.
    const endNow = (): void => {
      clearTimeout(timer);
      req.off('close', endNow);
      if (!this.writableEnded) super.end(...args as Parameters<ServerResponse['end']>);
    };
    const timer = setTimeout(endNow, REST_OF_BODY_MS);
    req.once('close', endNow);
    req.resume();
    return this;
  }
}

/** Who is slow may end its body; who sends without end takes the line of everybody. */
function boundRest(request: IncomingMessage): void {
  const { socket } = request;
  const readMax = socket.bytesRead + REST_OF_BODY_MAX;
  const timer = setInterval(() => {
    if (request.complete || socket.destroyed) clearInterval(timer);
    else if (socket.bytesRead > readMax) socket.destroy();
  }, REST_OF_BODY_MS).unref();
}

/** Node's server as the doors use it: it waits for slow requests, but not long. */
export function createHttpServer(
  handler: RequestListener,
  {
    socketPath, requestsPerConnection = REQUESTS_PER_CONNECTION, silentMs = SILENT_MS,
    requestMs = REQUEST_TIMEOUT_MS, headersMs = HEADERS_TIMEOUT_MS,
  }: HttpServerOptions,
): Server {
  const bounded = boundedByConnection(handler, requestsPerConnection);
  const server = createServer({
    // A missing one is refused in the envelope; Node's own answer is empty.
    requireHostHeader: false,
    requestTimeout: requestMs,
    headersTimeout: headersMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, headersMs),
    // Node knows it since 24.9; an older one leaves every upgrade to the sockets, which refuse it.
    shouldUpgradeCallback: (request) => asksForSocket(request, socketPath),
    ServerResponse: LastingResponse,
  }, bounded)
    // What we know no such thing of is ignored; Node's own 417 is empty.
    .on('checkExpectation', bounded);
  keepConnections(server);
  return Object.assign(server, ANSWERS_HALF_OPEN, { timeout: silentMs });
}

/**
 * Who sends a request and closes its own half behind it, as some older clients do, reads the
 * answer of what it asked for. The types do not tell of the property, nor Node's pages: without it
 * Node ends such a connection, though the request is carried out.
 */
const ANSWERS_HALF_OPEN = { httpAllowHalfOpen: true };

/**
 * Any other upgrade is an offer, and the request is served without it: RFC 9110, 7.8. Node loses
 * what was pipelined behind such an offer in one packet: it is not begun, and the connection ends.
 * One with a body, or behind a request that is not answered yet, is served as well: a socket would
 * begin, or be refused, in the middle of that answer.
 */
function asksForSocket(request: IncomingMessage, path: string): boolean {
  takeOriginForm(request);
  const { method, url = '', headers, socket } = request;
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'
    && url.split('?', 1)[0] === path && !hasBody(headers) && answerInHand(socket) === null;
}

/** As clients write to proxies, and every server has to take it: RFC 9112, 3.2.2. */
const ABSOLUTE_FORM = /^https?:\/\/[^/?]*/i;

/** From here on a target is a path, however it was written. */
function takeOriginForm(request: IncomingMessage): void {
  const { url = '' } = request;
  if (url.startsWith('/') || !ABSOLUTE_FORM.test(url)) return;
  const path = url.replace(ABSOLUTE_FORM, '');
  request.url = path.startsWith('/') ? path : `/${path}`;
}

/** What a connection has asked for so far. */
interface Asked {
  readonly count: number;
  /** The request that came last, whole or not yet, and what answers it. */
  readonly last: { readonly request: IncomingMessage; readonly response: ServerResponse };
  /** Answers are given in order: once this one is out, so are those before it. */
  readonly before: ServerResponse | null;
}

const askedBy = new WeakMap<Socket, Asked>();

/**
 * The last answer of a connection says so and ends it. What was pipelined behind it is not begun,
 * as its sender learns from that (RFC 9112, 9.6); Node's own bound answers it with an empty 503.
 */
function boundedByConnection(handler: RequestListener, countMax: number): RequestListener {
  return (request, response) => {
    if (ending.has(request.socket)) return drop(request.socket);
    takeOriginForm(request);
    const known = askedBy.get(request.socket);
    const asked = known?.count ?? 0;
    if (asked >= countMax) return drop(request.socket);
    const isLast = isMisframed(request) || offersUpgradeWithBody(request);
    const count = isLast ? countMax : asked + 1;
    const before = known?.last.response ?? null;
    askedBy.set(request.socket, { count, last: { request, response }, before });
    if (count === countMax) response.shouldKeepAlive = false;
    handler(request, response);
  };
}

const droppedBy = new WeakMap<Socket, number>();

/** Node keeps each of them until the connection ends, which an answer in hand may put off. */
function drop(socket: Socket): void {
  const count = (droppedBy.get(socket) ?? 0) + 1;
  droppedBy.set(socket, count);
  if (count > DROPPED_COUNT_MAX) socket.destroy();
}

/**
 * Node loses what comes in one packet with the end of such a body, and falls silent: the next
 * request, of whoever reads a refusal before all of the body is out.
 */
function offersUpgradeWithBody({ headers }: IncomingMessage): boolean {
  return headers.upgrade !== undefined && hasBody(headers);
}

function hasBody(headers: IncomingMessage['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** HTTP/1.0 knows no chunks: nobody can say where such a request ends (RFC 9112, 6.1). */
function isMisframed({ httpVersion, headers }: IncomingMessage): boolean {
  return httpVersion === '1.0' && headers['transfer-encoding'] !== undefined;
}

/** Connections that end with an answer; what still comes over them is nobody's request. */
const ending = new WeakSet<Socket>();
const tooLate = new WeakSet<IncomingMessage>();

/**
 * From now on nothing begins on a connection, and what has not come whole is not carried out: its
 * sender is told that it was not understood, or took too long, and may send it again. Node reads on
 * behind a timeout, unlike behind a fault.
 */
export function beginNoMore(socket: Socket): void {
  ending.add(socket);
  const last = askedBy.get(socket)?.last.request;
  if (last?.complete === false) tooLate.add(last);
}

/** Whether `beginNoMore` was said of a connection. */
export function isEnding(socket: Socket): boolean {
  return ending.has(socket);
}

/** Whether the end of a request came when its connection was ending. */
export function isTooLate(request: IncomingMessage): boolean {
  return tooLate.has(request);
}

const connectionsOf = new WeakMap<Server, Set<Socket>>();

function keepConnections(server: Server): void {
  const connections = new Set<Socket>();
  connectionsOf.set(server, connections);
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  // WebSockets have an end of their own.
  server.prependListener('upgrade', (_request, socket) => connections.delete(socket as Socket));
}

/** Ends the connections on which no answer is due: their requests never came whole. */
export function endUnanswerable(server: Server): void {
  for (const socket of connectionsOf.get(server) ?? []) {
    if (answerInHand(socket) === null) socket.destroy();
  }
}

/** The youngest answer that is due, or has begun; null where none is. */
export function answerInHand(socket: Socket): ServerResponse | null {
  const asked = askedBy.get(socket);
  if (asked === undefined) return null;
  const { last: { request, response }, before } = asked;
  const answer = request.complete || response.headersSent ? response : before;
  return answer === null || answer.writableFinished || answer.destroyed ? null : answer;
}

/** Whether what comes over a connection belongs to a request that was answered before its end. */
export function isAnsweredEarly(socket: Socket): boolean {
  const { request, response } = askedBy.get(socket)?.last ?? {};
  return request?.complete === false && response?.headersSent === true;
}
