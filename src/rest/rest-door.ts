import type {
  FastifyError, FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest,
} from 'fastify';
import { TemporarilyUnavailable } from '../domain/rejection.ts';
import { loginRoutes, logoutRoute, type AuthStories } from './auth.routes.ts';
import { ANSWER_HEADERS, answerBrokenRequest } from './broken-request.ts';
import { catalogueRoutes, type CatalogueStories } from './catalogue.routes.ts';
import { requireClient, type ClientGuard } from './client-guard.ts';
import { errorAnswer, HttpRefusal } from './errors.ts';
import { headerValues } from './header-values.ts';
import { healthRoutes, type HealthProbe } from './health.routes.ts';
import { endUnanswerable, isTooLate } from './http-server.ts';
import { readJsonBodies } from './json-body.ts';
import { collectRoutes, openApiRoutes } from './open-api.ts';
import { supplierCallbackRoutes, type CallbackGate } from './supplier-callback.routes.ts';
import { topupOrderEventRoutes, type EventStreamDeps } from './topup-order-events.routes.ts';
import { topupOrderRoutes, type TopupOrderStories } from './topup-orders.routes.ts';
import { walletRoutes, type WalletStories } from './wallets.routes.ts';

/** For this long after a stop has begun new requests are answered 503; milliseconds. */
const LAST_REQUESTS_MS = 250;
/** Requests that have not come whole by then are cut; milliseconds. */
const LAST_BODIES_MS = 2_000;

export interface RestDeps
  extends TopupOrderStories, EventStreamDeps, CatalogueStories, WalletStories, CallbackGate,
  HealthProbe, ClientGuard {
  readonly auth: AuthStories;
  readonly store: TopupOrderStories['store'] & CatalogueStories['store'] & WalletStories['store'];
}

/** The REST routes. Each part has its own body parser, which no other part sees. */
export function restDoor(deps: RestDeps): FastifyPluginAsync {
  return async (app) => {
    // The schemas of the routes describe them: what is checked, and in which words it is refused,
    // is the domain's, and a compiled serializer would round the amounts.
    app.setValidatorCompiler(() => () => true);
    app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
    await collectRoutes(app);
    await app.register(async (api) => {
      readJsonBodies(api);
      requireClient(api, deps);
      logoutRoute(api, deps);
      topupOrderRoutes(api, deps);
      topupOrderEventRoutes(api, deps);
      catalogueRoutes(api, deps);
      walletRoutes(api, deps);
    });
    await app.register(async (door) => {
      readJsonBodies(door);
      loginRoutes(door, deps);
    });
    await app.register(async (gate) => supplierCallbackRoutes(gate, deps));
    healthRoutes(app, deps);
    openApiRoutes(app);
  };
}

/**
 * The documented envelope for everything that goes wrong on any route of `app`, and X-Request-Id
 * on every answer. To be called before any route is registered: it notes which methods a path has.
 */
export function setRestEnvelope(app: FastifyInstance): void {
  const allowed = noteMethods(app);
  let isClosing = false;
  app.addHook('preClose', (done) => {
    isClosing = true;
    setTimeout(() => endUnanswerable(app.server), LAST_BODIES_MS).unref();
    // What is on its way over a connection that is kept is answered as well: an idle one is closed
    // next, and a request that meets that is lost without a word.
    setTimeout(done, LAST_REQUESTS_MS);
  });
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(ANSWER_HEADERS).header('x-request-id', request.id);
    if (isClosing) {
      // Another process takes over at once, or this one is back after its restart.
      done(new TemporarilyUnavailable('Server is restarting'));
    } else if (!hasItsHost(request)) {
      done(new HttpRefusal(400, { message: 'A request has one Host header, which names a host' }));
    } else if (request.is404) {
      // Told here, not in the handler, so that nobody reads the body of an unknown route.
      done(noSuchRoute(request, allowed));
    } else {
      done();
    }
  });
  app.addHook('preHandler', (request, _reply, done) => {
    // Nobody reads this any more.
    done(isTooLate(request.raw) ? new HttpRefusal(400) : undefined);
  });
  app.addHook('onError', (_request, reply, _error, done) => {
    // Fastify ends a connection with each body that it refuses, though what is pipelined behind it
    // is begun, and though the answer is lost where the rest of the body is on its way.
    // Said as Node says it: Node is silent where a header was removed.
    if (reply.hasHeader('connection') && reply.raw.shouldKeepAlive && !isClosing) {
      const seconds = Math.floor(app.server.keepAliveTimeout / 1000);
      reply.headers({ connection: 'keep-alive', 'keep-alive': `timeout=${seconds}` });
    }
    done();
  });
  app.setNotFoundHandler((request) => {
    throw noSuchRoute(request, allowed);
  });
  app.setErrorHandler(answerError);
  if (app.log.level === 'debug') logRequests(app);
}

/** Without paths and queries: references, numbers and addresses stand in them. */
function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', (request, reply, done) => {
    request.log.debug({
      method: request.method,
      route: request.routeOptions.url,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    }, 'answered');
    done();
  });
}

/** Fastify options for requests that reach no route: broken HTTP, unreadable paths, shutdown. */
export const envelopeOptions = {
  clientErrorHandler: answerBrokenRequest,
  frameworkErrors: answerUnroutable,
  // Fastify's own 503 has no envelope; the hook of setRestEnvelope refuses instead.
  return503OnClosing: false,
} as const;

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // A caller that hung up in the middle of its body is no fault of ours, and hears nothing.
  const hasLeft = request.raw.destroyed && !request.raw.complete;
  const { status, headers, body } = errorAnswer(hasLeft ? new HttpRefusal(400) : error, request.id);
  if (status === 500) request.log.error({ err: error }, 'request failed');
  return reply.code(status).headers(headers).send(body);
}

function answerUnroutable(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const isTooLong = error.code === 'FST_ERR_MAX_PARAM_LENGTH';
  reply.headers(ANSWER_HEADERS).header('x-request-id', request.id);
  answerError(isTooLong ? new HttpRefusal(404) : error, request, reply);
}

/** A name, an IPv4 address or an IPv6 one in brackets, and a port: RFC 3986, 3.2.2. */
const HOST = /^(?:\[[\w.:%~-]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/;

/** RFC 9112, 3.2. Node would refuse what is missing by itself, but with an empty answer. */
function hasItsHost({ raw }: FastifyRequest): boolean {
  const [host, ...others] = headerValues(raw.rawHeaders, 'host');
  if (host === undefined) return raw.httpVersion !== '1.1';
  return others.length === 0 && HOST.test(host);
}

/** The methods of a path, by every route registered from now on. */
function noteMethods(app: FastifyInstance): (path: string) => readonly string[] {
  const routes: { readonly pattern: readonly string[]; readonly methods: readonly string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    // A wildcard knows every path, and would make a wrong method of every wrong path.
    if (!url.includes('*')) routes.push({ pattern: url.split('/'), methods: [method].flat() });
  });
  return (path) => {
    const parts = path.split('/');
    const methods = routes
      .filter(({ pattern }) => pattern.length === parts.length
        && pattern.every((each, at) => each === parts[at] || (each.startsWith(':') && parts[at])))
      .flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  };
}

function noSuchRoute(
  request: FastifyRequest,
  allowed: (path: string) => readonly string[],
): HttpRefusal {
  const [path = ''] = request.url.split('?', 1);
  const methods = allowed(path);
  if (methods.length === 0 || methods.includes(request.method)) return new HttpRefusal(404);
  return new HttpRefusal(405, { headers: { allow: methods.join(', ') } });
}
