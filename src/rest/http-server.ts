import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';

const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
const TIMEOUT_CHECK_MS = 1_000;

export interface HttpServerOptions {
  /** Where a request may become a WebSocket. */
  readonly socketPath: string;
}

/** Node's server as the doors use it: it waits for slow requests, but not long. */
export function createHttpServer(
  handler: RequestListener,
  { socketPath }: HttpServerOptions,
): Server {
  return createServer({
    // A missing one is refused in the envelope; Node's own answer is empty.
    requireHostHeader: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    // Node knows it since 24.9; an older one leaves every upgrade to the sockets, which refuse it.
    shouldUpgradeCallback: (request) => asksForSocket(request, socketPath),
  }, handler)
    // What we know no such thing of is ignored; Node's own 417 is empty.
    .on('checkExpectation', handler);
}

/**
 * Any other upgrade is an offer, and the request is served without it: RFC 9110, 7.8. Node loses
 * what was pipelined behind such an offer in one packet: it is not begun, and the connection ends.
 */
function asksForSocket({ method, url = '', headers }: IncomingMessage, path: string): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'
    && url.split('?', 1)[0] === path;
}
