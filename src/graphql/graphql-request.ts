import { parseJson } from './json-numbers.ts';

type JsonMap = Readonly<Record<string, unknown>>;

/** What a caller asks for, whichever transport brought it. */
export interface GraphqlRequest {
  readonly query: string | null;
  /** Names a persisted document, 'sha256:…'. */
  readonly documentId: string | null;
  readonly operationName: string | null;
  readonly variables: JsonMap | null;
  readonly extensions: JsonMap | null;
}

/** The parameters have the wrong form; the message may be shown. */
export class MalformedRequest extends Error {}

/**
 * The parameters of a JSON body; null is as good as absent, and other properties are ignored.
 * @throws MalformedRequest
 */
export function readParameters(body: JsonMap): GraphqlRequest {
  return {
    query: textOf(body, 'query'),
    documentId: textOf(body, 'documentId'),
    operationName: textOf(body, 'operationName'),
    variables: mapOf(body, 'variables'),
    extensions: mapOf(body, 'extensions'),
  };
}

/**
 * The parameters of a URL, where an empty one is as good as absent.
 * @throws MalformedRequest
 */
export function readSearch(search: string): GraphqlRequest {
  const parameters = new URLSearchParams(search);
  const valueOf = (name: string): string | null => {
    const [value = '', ...more] = parameters.getAll(name);
    if (more.length > 0) throw new MalformedRequest(`\`${name}\` may be given only once`);
    return value === '' ? null : value;
  };
  return readParameters({
    query: valueOf('query'),
    documentId: valueOf('documentId'),
    operationName: valueOf('operationName'),
    variables: jsonOf('variables', valueOf('variables')),
    extensions: jsonOf('extensions', valueOf('extensions')),
  });
}

function textOf(body: JsonMap, name: string): string | null {
  const value = body[name] ?? null;
  if (value === null || typeof value === 'string') return value;
  throw new MalformedRequest(`\`${name}\` must be a string`);
}

function mapOf(body: JsonMap, name: string): JsonMap | null {
  const value = body[name] ?? null;
  if (value === null || isJsonMap(value)) return value;
  throw new MalformedRequest(`\`${name}\` must be an object`);
}

/** An object of JSON: no array, nothing with a class. */
export function isJsonMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null
    && Object.getPrototypeOf(value) === Object.prototype;
}

function jsonOf(name: string, text: string | null): unknown {
  if (text === null) return null;
  try {
    return parseJson(text);
  } catch {
    throw new MalformedRequest(`\`${name}\` must be JSON`);
  }
}
