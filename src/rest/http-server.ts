import { createServer, type RequestListener, type Server } from 'node:http';

const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
const TIMEOUT_CHECK_MS = 1_000;

/** Node's server as the doors use it: it waits for slow requests, but not long. */
export function createHttpServer(handler: RequestListener): Server {
  return createServer({
    // A missing one is refused in the envelope; Node's own answer is empty.
    requireHostHeader: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  }, handler);
}
