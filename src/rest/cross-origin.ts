import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** What pages of other origins may use. Not our own pages: in the demo they hold a token. */
const SHARED_PATH =
  /^\/(?:graphql|api\/.*|auth\/.*|openapi\.(?:json|yaml)|schema\.graphql)(?:\?|$)/s;
const METHODS = 'GET, HEAD, POST, PATCH';
/** What scripts may read of an answer beside its body. */
const EXPOSED = [
  'X-Request-Id', 'Retry-After', 'RateLimit', 'RateLimit-Policy', 'X-RateLimit-Limit',
  'X-RateLimit-Remaining', 'X-RateLimit-Reset', 'X-Page', 'X-Per-Page', 'X-Page-Size',
  'X-Total-Count', 'X-Total-Pages', 'X-Has-More', 'ETag',
].join(', ');
/** How long a browser need not ask again; Chromium takes no more than two hours. */
const PREFLIGHT_SECONDS = '7200';

/**
 * Lets scripts of the listed origins read what is answered, refusals included, and answers their
 * browsers' questions before (CORS, Fetch Standard 3.3). Callers show a token in each request and
 * there are no cookies, so this opens nothing that a script could not ask for from its own server;
 * it is about who is served. Around the framework, like the load shedder.
 * @param origins 'https://shop.example.com'; 'http://localhost:*' for any port; '*' for everybody
 */
export function shareWithOrigins(
  handler: RequestListener,
  origins: readonly string[],
): RequestListener {
  if (origins.length === 0) return handler;
  return (request, response) => {
    const origin = request.headers.origin;
    if (origin === undefined || !isShared(request)) return handler(request, response);
    response.setHeader('vary', 'Origin');
    if (!isListed(origin, origins)) return handler(request, response);
    response.setHeader('access-control-allow-origin', origin);
    if (isPreflight(request)) return answerPreflight(request, response);
    response.setHeader('access-control-expose-headers', EXPOSED);
    handler(request, response);
  };
}

function isShared({ url = '', method, headers }: IncomingMessage): boolean {
  // The explorer stands at the same address, for who asks for a page.
  const isPage = method === 'GET' && url.startsWith('/graphql')
    && (headers.accept ?? '').includes('text/html');
  return !isPage && SHARED_PATH.test(url);
}

function isListed(origin: string, origins: readonly string[]): boolean {
  return origins.some((listed) => (
    listed === '*' || listed === origin
      || (listed.endsWith(':*') && origin.replace(/:[0-9]+$/, '') === listed.slice(0, -2))
  ));
}

function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
  const asked = request.headers['access-control-request-headers'];
  response.writeHead(204, {
    'x-request-id': randomUUID(),
    'access-control-allow-methods': METHODS,
    // Whatever is asked for: a header can do no more than it could from anywhere else.
    ...(asked === undefined ? {} : { 'access-control-allow-headers': asked }),
    'access-control-max-age': PREFLIGHT_SECONDS,
  });
  response.end();
}
