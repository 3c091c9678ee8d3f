import { z } from 'zod';
import type { OpenApi, Operation } from './open-api.ts';

/** One documented request: an operation with one of its example bodies, or with none. */
export interface DocumentedRequest {
  readonly operationId: string;
  readonly method: string;
  /** With `{parameters}`. */
  readonly path: string;
  readonly operation: Operation;
  readonly example: string;
  readonly body: unknown;
}

/** What a request needs that no document can say: ids that exist, tokens that hold. */
export interface Particulars {
  readonly path?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface Answered {
  readonly operationId: string;
  readonly status: number;
  readonly headers: Headers;
  /** Parsed, where it is JSON; the text otherwise. */
  readonly body: unknown;
}

export function documentedRequests(document: OpenApi): readonly DocumentedRequest[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, operation]) => {
      const { operationId, requestBody } = operation;
      const examples = requestBody?.content['application/json']?.examples;
      const bodies = Object.entries(examples ?? { none: { value: undefined } });
      return bodies.map(([example, { value }]) => (
        { operationId, method: method.toUpperCase(), path, operation, example, body: value }
      ));
    }));
}

/** Sends it; particulars win over the document's own examples. */
export async function send(
  baseUrl: string,
  request: DocumentedRequest,
  particulars: Particulars = {},
): Promise<Answered> {
  const { operationId, method, operation } = request;
  const query = new URLSearchParams();
  const path = request.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    particulars.path?.[name] ?? String(parameter(operation, name)?.example));
  for (const { in: place, name, required, example } of operation.parameters ?? []) {
    if (place === 'query' && required === true) query.set(name, String(example));
  }
  const body = particulars.body ?? request.body;
  const response = await fetch(`${baseUrl}${path}${query.size === 0 ? '' : `?${query}`}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...particulars.headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const { status, headers } = response;
  return { operationId, status, headers, ...await read(response) };
}

function parameter(operation: Operation, name: string) {
  return operation.parameters?.find((each) => each.name === name);
}

async function read(response: Response): Promise<{ readonly body: unknown }> {
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('text/event-stream')) {
    await response.body?.cancel();
    return { body: '' };
  }
  const text = await response.text();
  return { body: type.startsWith('application/json') ? JSON.parse(text) : text };
}

/** What is wrong with the answer by the document; null if nothing is. */
export function faultOf(document: OpenApi, { operation }: DocumentedRequest, answered: Answered):
string | null {
  const documented = operation.responses[String(answered.status)];
  if (documented === undefined) return `${answered.status} is not documented`;
  const fault = headerFault(documented.headers ?? {}, answered.headers, document);
  if (fault !== null) return fault;
  const schema = documented.content?.['application/json']?.schema;
  if (schema === undefined) return null;
  const whole = resolved(schema, document) as Parameters<typeof z.fromJSONSchema>[0];
  const { error } = z.fromJSONSchema(whole).safeParse(answered.body);
  return error === undefined ? null : z.prettifyError(error);
}

/** What HTTP, and no operation, says of an answer. */
const OF_EVERY_ANSWER: ReadonlySet<string> = new Set([
  'cache-control', 'connection', 'content-length', 'content-type', 'date', 'keep-alive',
  'transfer-encoding', 'x-accel-buffering', 'x-content-type-options',
]);

function headerFault(
  documented: Readonly<Record<string, object>>,
  answered: Headers,
  document: OpenApi,
): string | null {
  const headers = resolved(documented, document) as Record<string, { required?: boolean }>;
  for (const [name, { required }] of Object.entries(headers)) {
    if (required === true && !answered.has(name)) return `${name} is missing`;
  }
  const known = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const unknown = [...answered.keys()]
    .filter((name) => !known.has(name) && !OF_EVERY_ANSWER.has(name));
  return unknown.length === 0 ? null : `${unknown.join(', ')} is not documented`;
}

/** The schema with every reference replaced by what it refers to. */
function resolved(value: unknown, document: OpenApi): unknown {
  if (Array.isArray(value)) return value.map((each) => resolved(each, document));
  if (typeof value !== 'object' || value === null) return value;
  if ('$ref' in value) {
    const steps = String(value.$ref).slice(2).split('/');
    const found = steps.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step],
      document);
    return resolved(found, document);
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, resolved(each, document)]),
  );
}
