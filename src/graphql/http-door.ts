import type { ApolloServer } from '@apollo/server';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TemporarilyUnavailable } from '../domain/rejection.ts';
import { operationContext, type GraphqlDeps, type OperationContext } from './context.ts';
import { keepWrittenNumbers } from './json-numbers.ts';
import { maskErrors, requestError, type ErrorCode } from './errors.ts';

/** The address of both transports. */
export const GRAPHQL_PATH = '/graphql';
const BODY_BYTES_MAX = 65_536;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** POST and GET /graphql, with a body parser, authentication and errors of their own. */
export async function addHttpRoutes(
  app: FastifyInstance,
  { apollo, deps }: {
    readonly apollo: ApolloServer<OperationContext>; readonly deps: GraphqlDeps;
  },
): Promise<void> {
  const callers = new WeakMap<FastifyRequest, number>();
  await app.register(async (scope) => {
    acceptOnlyJson(scope);
    scope.setErrorHandler((error, request, reply) => answerError(error, request, reply, deps));
    scope.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id);
      if (isPageRequest(request)) return answerPage(reply, deps);
      if (!isPlainUtf8(request)) throw new RefusedRequest(415, ...REFUSED_BY_FASTIFY[415]);
      const caller = hasTwoAuthorizations(request)
        ? null
        : await deps.authenticate(request.headers.authorization);
      if (caller === null) {
        reply.header('www-authenticate', 'Bearer');
        throw new RefusedRequest(401, 'UNAUTHENTICATED', 'A valid bearer token is required');
      }
      callers.set(request, caller.clientId);
    });
    scope.route({
      method: ['GET', 'POST'],
      url: GRAPHQL_PATH,
      handler: fastifyApolloHandler(apollo, {
        context: async (request) => {
          const clientId = callers.get(request);
          if (clientId === undefined) throw new Error('The request was not authenticated');
          return operationContext(deps, { clientId, requestId: request.id });
        },
      }),
    });
  });
}

/** Node keeps only the first of two, and a proxy may have judged the other. */
function hasTwoAuthorizations(request: FastifyRequest): boolean {
  const names = request.raw.rawHeaders.filter((_, index) => index % 2 === 0);
  return names.filter((name) => name.toLowerCase() === 'authorization').length > 1;
}

/** Compressed bodies are refused unread: what they unpack to has no bound. */
function isPlainUtf8(request: FastifyRequest): boolean {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = request.headers;
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(type)?.[1] ?? 'utf-8';
  return encoding.toLowerCase() === 'identity' && /^utf-?8$/i.test(charset);
}

/** A browser that was pointed at the endpoint; the explorer page belongs here. */
function isPageRequest(request: FastifyRequest): boolean {
  const isGet = request.method === 'GET' || request.method === 'HEAD';
  return isGet && (request.headers.accept ?? '').includes('text/html');
}

function answerPage(
  reply: FastifyReply,
  { answerExplorer }: GraphqlDeps,
): FastifyReply | Promise<FastifyReply> {
  if (answerExplorer !== undefined) return answerExplorer(reply);
  return reply.code(404).type('text/plain').send('Not found\n');
}

function acceptOnlyJson(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX },
    (_request, body, done) => {
      try {
        const text = utf8.decode(body as Buffer);
        done(null, JSON.parse(text, keepWrittenNumbers));
      } catch {
        done(new RefusedRequest(400, 'BAD_REQUEST', 'Invalid request body'));
      }
    },
  );
}

/** A request that is refused before there is an operation. */
class RefusedRequest extends Error {
  readonly statusCode: number;
  readonly code: ErrorCode;

  constructor(statusCode: number, code: ErrorCode, message: string) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
  }
}

/** What Fastify itself refuses, by status; all else it throws is unexpected. */
const REFUSED_BY_FASTIFY = {
  400: ['BAD_REQUEST', 'Invalid request body'],
  413: ['PAYLOAD_TOO_LARGE', `A request body has at most ${BODY_BYTES_MAX} bytes`],
  415: ['UNSUPPORTED_MEDIA_TYPE', 'A request body must be plain application/json in UTF-8'],
} as const satisfies Readonly<Record<number, readonly [ErrorCode, string]>>;

function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  { log }: GraphqlDeps,
): FastifyReply {
  const [status, shown] = shownError(error);
  if (error instanceof TemporarilyUnavailable) {
    reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000));
  }
  const errors = maskErrors([shown], { requestId: request.id, log });
  return reply.code(status).type('application/json; charset=utf-8').send({ errors });
}

function isRefusedStatus(status: unknown): status is keyof typeof REFUSED_BY_FASTIFY {
  return typeof status === 'number' && Object.hasOwn(REFUSED_BY_FASTIFY, status);
}

function shownError(error: unknown): readonly [status: number, shown: unknown] {
  if (error instanceof RefusedRequest) {
    return [error.statusCode, requestError(error.code, error.message)];
  }
  if (error instanceof TemporarilyUnavailable) return [503, error];
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  if (!isRefusedStatus(status)) return [500, error];
  const [code, message] = REFUSED_BY_FASTIFY[status];
  return [status, requestError(code, message)];
}
