import { METHODS } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLError, GraphQLFormattedError } from 'graphql';
import type { Caller } from '../domain/access.ts';
import { retryAfterSeconds, TemporarilyUnavailable } from '../domain/rejection.ts';
import type { Admission, Admit } from './admission.ts';
import type { Executor } from './apollo.ts';
import { operationContext, type GraphqlDeps } from './context.ts';
import type { CostReport } from './cost-report.ts';
import { maskErrors, type ErrorCode } from './errors.ts';
import {
  MalformedRequest, readParameters, readSearch, type GraphqlRequest,
} from './graphql-request.ts';
import { acceptOnlyJson, isPlainUtf8 } from './http-body.ts';
import { HTTP_TEXTS, STATUSES, type HttpText } from './http-text.ts';
import { asksForPage, PLAIN_JSON } from './media-types.ts';
import { OperationTurns } from './operation-turns.ts';
import { RefusedRequest, refusedByStatus, shownError } from './refused-request.ts';

/** The address of both transports. */
export const GRAPHQL_PATH = '/graphql';
const SERVED_METHODS = ['GET', 'HEAD', 'POST'];
/** Operations of one client that wait to be parsed and checked; those of most never do. */
const WAITING_MAX = 1_024;

export interface HttpDoorParts {
  readonly executor: Executor;
  readonly admitOperation: Admit;
  readonly deps: GraphqlDeps;
}

/** POST and GET /graphql, with a body parser, authentication and errors of their own. */
export async function addHttpRoutes(app: FastifyInstance, parts: HttpDoorParts): Promise<void> {
  const door = new HttpDoor(parts);
  await app.register(async (scope) => {
    acceptOnlyJson(scope);
    scope.setErrorHandler((error, request, reply) => door.answerError(error, request, reply));
    scope.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id);
      const { answerExplorer } = parts.deps;
      if (answerExplorer !== undefined && isPageRequest(request)) return answerExplorer(reply);
      return door.admitCaller(request, reply);
    });
    // The router has to know a method to let this door refuse it in its own words.
    const unknown = METHODS.filter((method) => !scope.supportedMethods.includes(method));
    for (const method of unknown) scope.addHttpMethod(method);
    scope.route({
      // HEAD comes with GET.
      method: METHODS.filter((method) => method !== 'HEAD'),
      url: GRAPHQL_PATH,
      handler: (request, reply) => door.answer(request, reply),
    });
  });
}

/** A browser that was pointed at the endpoint; the explorer page belongs here. */
function isPageRequest(request: FastifyRequest): boolean {
  const isGet = request.method === 'GET' || request.method === 'HEAD';
  return isGet && asksForPage(request.headers.accept);
}

interface AnswerBody {
  readonly errors: readonly GraphQLFormattedError[] | undefined;
  /** As JSON already. */
  readonly data?: string | undefined;
  readonly extensions?: object | undefined;
}

interface Answer extends Omit<AnswerBody, 'extensions'> {
  readonly cost: CostReport | null;
}

class HttpDoor {
  readonly #parts: HttpDoorParts;
  readonly #text: HttpText;
  /** Of requests that were not counted yet. */
  readonly #callers = new WeakMap<FastifyRequest, Caller>();
  readonly #turns = new OperationTurns(WAITING_MAX);

  constructor(parts: HttpDoorParts) {
    this.#parts = parts;
    this.#text = HTTP_TEXTS[parts.deps.httpText];
  }

  /** Method, media types and token, before any body is read. @throws RefusedRequest */
  async admitCaller(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!SERVED_METHODS.includes(request.method)) {
      reply.header('allow', 'GET, HEAD, POST');
      throw new RefusedRequest('METHOD_NOT_ALLOWED', 'GraphQL is served to GET and POST');
    }
    if (this.#text.negotiate(request.headers.accept) === null) {
      throw new RefusedRequest('NOT_ACCEPTABLE', 'Answers are application/graphql-response+json, '
        + 'or application/json; subscriptions are served over the WebSocket');
    }
    const caller = hasTwoAuthorizations(request) ? null : await this.#authenticate(request);
    if (caller === null) throw unauthenticated(reply);
    this.#callers.set(request, caller);
    if (!isPlainUtf8(request)) throw refusedByStatus(415);
  }

  #authenticate({ headers, raw }: FastifyRequest): Promise<Caller | null> {
    const { authenticate, addressOf } = this.#parts.deps;
    return authenticate({ authorization: headers.authorization, address: addressOf(raw) });
  }

  async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { executor, deps } = this.#parts;
    const caller = this.#callers.get(request);
    if (caller === undefined) throw new Error('The request was not authenticated');
    await deps.catchUp();
    const { asked, admission } = await this.#turns.run(caller.clientId, async () => {
      if (!deps.isStillAdmitted(caller)) {
        // Taken back while the body was on its way. Nobody's any more, it counts for nobody.
        this.#callers.delete(request);
        throw unauthenticated(reply);
      }
      const asked = this.#read(request);
      return { asked, admission: await this.#admitOperation(asked, caller, request, reply) };
    });
    if (admission.kind === 'REFUSED') return this.#sendRefusal(admission, request, reply);
    const context = operationContext(deps, { ...caller, requestId: request.id });
    const { errors, data } = await executor.execute(admission, asked, context);
    const json = JSON.stringify(data) as string | undefined;
    const cost = admission.settle({ dataJson: () => json, hasErrors: errors !== undefined });
    return this.#send({ errors, data: json, cost }, request, reply);
  }

  #admitOperation(
    asked: GraphqlRequest | GraphQLError,
    caller: Caller,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<Admission> {
    const { admitOperation, deps } = this.#parts;
    this.#callers.delete(request);
    return admitOperation(asked, {
      ...caller,
      transport: request.method === 'POST' ? 'POST' : 'GET',
      onTaken: (...taken) => void reply.headers(deps.rateHeaders(...taken)),
    });
  }

  async answerError(
    error: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { status, shown } = shownError(error);
    const caller = this.#callers.get(request);
    if (caller !== undefined && status < 500) {
      // Nothing that can be read: work as well, and a limit stands before the look at a body.
      const admission = await this.#admitOperation(shown, caller, request, reply);
      const isOther = admission.kind === 'REFUSED' && admission.errors[0] !== shown;
      if (isOther) return this.#sendRefusal(admission, request, reply);
    }
    if (error instanceof TemporarilyUnavailable) {
      reply.header('retry-after', retryAfterSeconds(error));
    }
    const errors = maskErrors([shown], { requestId: request.id, log: this.#parts.deps.log });
    return this.#sendAt(status, { errors }, request, reply);
  }

  #read(request: FastifyRequest): GraphqlRequest {
    try {
      if (request.method !== 'POST') return readSearch(/\?(.*)/s.exec(request.url)?.[1] ?? '');
      // A body that is not there was not parsed either.
      if (request.body === undefined) throw refusedByStatus(400);
      return readParameters(request.body as Record<string, unknown>);
    } catch (error) {
      if (!(error instanceof MalformedRequest)) throw error;
      throw new RefusedRequest('BAD_REQUEST', error.message, this.#text.malformed);
    }
  }

  #sendRefusal(
    { errors, cost }: Extract<Admission, { kind: 'REFUSED' }>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): FastifyReply {
    const { log } = this.#parts.deps;
    const masked = maskErrors(errors, { requestId: request.id, log });
    return this.#send({ errors: masked, cost }, request, reply);
  }

  #send(
    { errors, data, cost }: Answer,
    request: FastifyRequest,
    reply: FastifyReply,
  ): FastifyReply {
    const extensions = cost === null ? undefined : { cost };
    const { code, retryAfter } = firstOf(errors);
    if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
    if (data !== undefined) {
      const status = this.#text.statusOfData(errors !== undefined);
      return this.#sendAt(status, { errors, data, extensions }, request, reply);
    }
    const status = this.#text.statusOfRefusal(code, this.#negotiated(request));
    if (code === 'METHOD_NOT_ALLOWED') reply.header('allow', 'POST');
    return this.#sendAt(status, { errors, extensions }, request, reply);
  }

  #sendAt(
    status: number,
    body: AnswerBody,
    request: FastifyRequest,
    reply: FastifyReply,
  ): FastifyReply {
    const type = this.#text.typeAt(status, this.#negotiated(request));
    return reply.code(status)
      .header('content-type', `${type}; charset=utf-8`)
      .header('cache-control', 'no-store')
      .send(jsonOf(body));
  }

  #negotiated(request: FastifyRequest): ReturnType<HttpText['typeAt']> {
    return this.#text.negotiate(request.headers.accept) ?? PLAIN_JSON;
  }
}

function unauthenticated(reply: FastifyReply): RefusedRequest {
  reply.header('www-authenticate', 'Bearer');
  return new RefusedRequest('UNAUTHENTICATED', 'A valid bearer token is required');
}

/** Node keeps only the first of two, and a proxy may have judged the other. */
function hasTwoAuthorizations(request: FastifyRequest): boolean {
  const names = request.raw.rawHeaders.filter((_, index) => index % 2 === 0);
  return names.filter((name) => name.toLowerCase() === 'authorization').length > 1;
}

function jsonOf({ errors, data, extensions }: AnswerBody): string {
  const members = [
    ...(errors === undefined ? [] : [`"errors":${JSON.stringify(errors)}`]),
    ...(data === undefined ? [] : [`"data":${data}`]),
    ...(extensions === undefined ? [] : [`"extensions":${JSON.stringify(extensions)}`]),
  ];
  return `{${members.join(',')}}`;
}

/** The first error decides the status of an answer without data, and when to come again. */
function firstOf(
  [first]: readonly GraphQLFormattedError[] = [],
): { readonly code: ErrorCode; readonly retryAfter: number | undefined } {
  const { code, retryAfter } = first?.extensions ?? {};
  return {
    code: Object.hasOwn(STATUSES, String(code)) ? code as ErrorCode : 'INTERNAL_SERVER_ERROR',
    retryAfter: typeof retryAfter === 'number' ? retryAfter : undefined,
  };
}
