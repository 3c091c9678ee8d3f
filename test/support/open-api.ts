import { readFile } from 'node:fs/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import { parse } from 'yaml';
import { restDoor, type RestDeps } from '../../src/rest/rest-door.ts';

/** The REST door with nothing behind it: enough to ask the routes what they are. */
export async function bareRestDoor(onRoute?: (url: string, schema: unknown) => void):
Promise<FastifyInstance> {
  const app = Fastify();
  if (onRoute !== undefined) app.addHook('onRoute', ({ url, schema }) => onRoute(url, schema));
  await app.register(restDoor({} as RestDeps));
  await app.ready();
  return app;
}

/** A committed document is read from no server, so it names the one that everybody can start. */
const DEMO = { url: 'http://127.0.0.1:4000', description: 'The demo on your own machine' };

/** What the routes say of themselves, as it is committed. */
export async function openApiDocument(): Promise<object> {
  const app = await bareRestDoor();
  try {
    const served = (await app.inject('/openapi.json')).json<object>();
    return { ...served, servers: [DEMO] };
  } finally {
    await app.close();
  }
}

/** What tests read of a document. */
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export interface Operation {
  readonly operationId: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly {
    readonly in: string;
    readonly name: string;
    readonly required?: boolean;
    readonly example?: unknown;
  }[];
  readonly requestBody?: { readonly content: MediaTypes };
  readonly responses: Readonly<Record<string, {
    readonly headers?: Readonly<Record<string, object>>;
    readonly content?: MediaTypes;
  }>>;
}

type MediaTypes = Readonly<Record<string, {
  readonly schema: object;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}>>;

export async function readOpenApi(path: string): Promise<OpenApi> {
  return parse(await readFile(path, 'utf8')) as OpenApi;
}
