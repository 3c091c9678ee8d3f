import { refused, type NamedExamples, type RouteExamples } from './examples.ts';
import { HEADERS, headersOf, IF_NONE_MATCH, type Headers } from './open-api-headers.ts';

/** Of OpenAPI's own types, what is touched here. */
export interface OpenApiDocument {
  readonly paths?: Readonly<Record<string, Readonly<Partial<Record<Method, Operation>>>>>;
  readonly components?: {
    readonly schemas?: Readonly<Record<string, object>>;
    readonly headers?: Headers;
  };
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
type Method = (typeof METHODS)[number];

interface Operation {
  readonly security?: readonly object[];
  readonly requestBody?: { readonly content: Content };
  parameters?: object[];
  responses: Record<string, Answer>;
  'x-examples'?: RouteExamples;
  'x-answer-headers'?: Headers;
}

interface Answer {
  readonly description: string;
  readonly content?: Content;
  headers?: Headers;
}

type Content = Readonly<Record<string, { schema: object; examples?: NamedExamples }>>;

const ERROR = { $ref: '#/components/schemas/Error' };

/** What any request may be answered, whatever its route; routes say it better where they can. */
const EVERYWHERE = {
  400: 'The request cannot be read, or is refused.',
  500: 'A fault of ours. Nothing is known to have happened; look before you repeat.',
} as const;
const WITH_TOKEN = {
  401: 'The token is missing, malformed, expired or revoked.',
  403: 'The key lacks the scope for this, or the client may not call from this address.',
  429: 'Too many requests of this class; come back after `Retry-After`.',
  503: 'Not now: the gateway has too much to do, is restarting, or its database is away. '
    + 'Nothing was done.',
} as const;
/** Where an answer can be lost between the database and us. */
const MAYBE_DONE = 'Not now: the gateway has too much to do, is restarting, or its database is '
  + 'away. Nothing was done, unless the message says that it is not known: repeat it, an order '
  + 'with the same `client_reference` until it is there or told as a duplicate, as it may be on '
  + 'its way.';
/** What is sent to a route that needs no body is read all the same. */
const WITH_BODY = {
  413: 'The body is larger than 64 KiB.',
  415: 'The body is no JSON in UTF-8, or is compressed.',
} as const;
type Common = keyof typeof EVERYWHERE | keyof typeof WITH_TOKEN | keyof typeof WITH_BODY;

/**
 * Adds what every route has in common: refusals, headers, and examples in their places. Everything
 * is put in order, so that the file tells what changed and not what was registered first.
 */
export function completeDocument(document: OpenApiDocument): OpenApiDocument {
  const { paths = {}, components = {} } = document;
  for (const item of Object.values(paths)) {
    for (const method of METHODS) {
      if (item[method] !== undefined) completeOperation(item[method], method);
    }
  }
  const referred = schemasReferredTo(paths, components.schemas ?? {});
  return {
    ...document,
    paths: sorted(paths),
    components: {
      ...components,
      headers: HEADERS,
      schemas: sorted(Object.fromEntries(
        Object.entries(components.schemas ?? {}).filter(([name]) => referred.has(name)),
      )),
    },
  };
}

function completeOperation(operation: Operation, method: Method): void {
  const { 'x-examples': examples, 'x-answer-headers': ofRoute } = operation;
  delete operation['x-examples'];
  delete operation['x-answer-headers'];
  const answers = { ...commonAnswers(operation, method), ...operation.responses };
  const kind = {
    ofRoute,
    hasToken: operation.security === undefined,
    isCounted: answers['429'] !== undefined,
    isCached: answers['304'] !== undefined,
  };
  for (const [status, answer] of Object.entries(answers)) {
    answer.headers = { ...headersOf(status, kind), ...answer.headers };
    setExamples(answer.content, examples?.answers[Number(status)] ?? commonExamples(status));
  }
  operation.responses = sorted(answers);
  if (kind.isCached) operation.parameters = [...operation.parameters ?? [], IF_NONE_MATCH];
  setExamples(operation.requestBody?.content, examples?.request);
}

function commonAnswers(operation: Operation, method: Method): Record<string, Answer> {
  const hasToken = operation.security === undefined;
  const texts = {
    ...EVERYWHERE,
    ...(hasToken ? WITH_TOKEN : {}),
    ...(method === 'get' ? {} : WITH_BODY),
    ...(hasToken && method !== 'get' ? { 503: MAYBE_DONE } : {}),
  };
  return Object.fromEntries(Object.entries(texts).map(([status, description]) => (
    [status, { description, content: { 'application/json': { schema: ERROR } } }]
  )));
}

const COMMON_STATUSES: readonly string[] =
  Object.keys({ ...EVERYWHERE, ...WITH_TOKEN, ...WITH_BODY });

/** Where a refusal always says more than its status. */
const EXAMPLE_TEXTS: Readonly<Partial<Record<Common, string>>> = {
  403: 'IP address not authorized',
  429: 'Rate limit exceeded. Retry after 60 seconds.',
  503: 'The service is restarting, please retry',
};

function commonExamples(status: string): NamedExamples | undefined {
  if (!COMMON_STATUSES.includes(status)) return undefined;
  const common = Number(status) as Common;
  return refused(common, EXAMPLE_TEXTS[common]);
}

function setExamples(content: Content | undefined, examples: NamedExamples | undefined): void {
  if (examples === undefined) return;
  for (const media of Object.values(content ?? {})) media.examples = { ...examples };
}

/** Each schema exists for requests and for answers; most are used in one place only. */
function schemasReferredTo(paths: object, schemas: Readonly<Record<string, unknown>>): Set<string> {
  const referred = new Set<string>();
  const visit = (value: unknown): void => {
    for (const [, name = ''] of JSON.stringify(value).matchAll(/#\/components\/schemas\/(\w+)/g)) {
      if (referred.has(name)) continue;
      referred.add(name);
      visit(schemas[name]);
    }
  };
  visit(paths);
  return referred;
}

function sorted<Value>(record: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
