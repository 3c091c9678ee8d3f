import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';

import fastify, { type FastifyInstance } from 'fastify';
import {
  getNullableType, GraphQLError, isAbstractType, isListType, isObjectType, type GraphQLSchema,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { parse } from 'yaml';

import { systemClock } from '../../src/clock.ts';
import { SCOPES } from '../../src/domain/access.ts';
import type { OrderFeed, Store } from '../../src/domain/ports.ts';
import { NOT_LIMITED } from '../../src/domain/rate-limits.ts';
import { openSchema, type GraphqlDeps } from '../../src/graphql/graphql-door.ts';
import { buildTopupSchema } from '../../src/graphql/schema.ts';
import { envelopeOptions, restDoor, setRestEnvelope } from '../../src/rest/rest-door.ts';
import { snapshot } from '../domain/builders.ts';
import { pathsOf, type FieldPath } from '../support/schema-paths.ts';
import { ROOT } from '../support/sources.ts';

const CANARY = 'canary-8d2e';
const INTERNAL = 'Internal server error';

/** Everything that a thrown thing can carry its text in. */
const throwables: readonly (() => unknown)[] = [
  () => Object.assign(new Error(CANARY), { code: CANARY, detail: CANARY }),
  () => new GraphQLError(CANARY, {
    extensions: { code: CANARY, http: { status: 418, headers: new Map([[CANARY, CANARY]]) } },
  }),
  () => Object.assign(new TypeError(CANARY), {
    extensions: { code: CANARY }, statusCode: 418, headers: { [CANARY]: CANARY },
  }),
  () => CANARY,
  () => ({ message: CANARY, [CANARY]: CANARY, toString: () => CANARY }),
];

let throwCount = 0;

function breakDown(): never {
  throwCount += 1;
  throw throwables[throwCount % throwables.length]?.();
}

/** Lets every field bring something empty, and every type be itself. */
function hollow(schema: GraphQLSchema): void {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isAbstractType(type)) type.resolveType = ({ typename }) => typename as string;
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      const isList = isListType(getNullableType(field.type));
      field.resolve = (_source, _args, _context, { fieldNodes }) => {
        const typename = /on (\w+)/.exec(fieldNodes[0]?.loc?.source.body
          .slice(fieldNodes[0].loc.start, fieldNodes[0].loc.end) ?? '')?.[1];
        return isList ? [{ typename }] : { typename };
      };
    }
  }
  const subscriptions = schema.getSubscriptionType()?.getFields() ?? {};
  for (const field of Object.values(subscriptions)) field.subscribe = () => eventsOf([{}]);
}

async function* eventsOf(events: readonly unknown[]): AsyncIterableIterator<unknown> {
  yield* events;
}

async function* brokenEvents(): AsyncIterableIterator<unknown> {
  yield breakDown();
}

let app: FastifyInstance;
let schema: GraphQLSchema;
let isAuthenticationBroken = false;

const deps = {
  // The guard looks there for how many variants a product has.
  store: { pricing: () => snapshot() } as Store,
  feed: {} as OrderFeed,
  clock: systemClock,
  rateLimits: { take: async () => NOT_LIMITED, giveBack: async () => undefined },
  rateHeaders: () => ({}),
  cursorKey: 'cursor key',
  isIntrospectionAllowed: true,
  httpText: 'draft',
  trustedDocuments: { texts: new Map(), isOnly: false },
  socketsPerClient: 100,
  subscriptionsPerSocket: 10_000,
  addressOf: () => '127.0.0.1',
  isStillAdmitted: () => true,
  onAccessChange: () => () => {},
  catchUp: async () => {},
  log: { error: () => {}, info: () => {} },
  authenticate: async () =>
    isAuthenticationBroken ? breakDown() : { clientId: 1, scopes: SCOPES, expiresAtMs: Infinity },
} as unknown as GraphqlDeps;

beforeAll(async () => {
  schema = await buildTopupSchema();
  hollow(schema);
  app = fastify();
  await openSchema(app, schema, deps);
  await app.listen({ port: 0, host: '127.0.0.1' });
});

afterAll(() => app.close());

/** One open socket, and every text that came through it. */
class Peer {
  readonly #socket = new WebSocket(
    `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/graphql`, 'graphql-transport-ws',
  );
  readonly #heard: string[] = [];
  #wake = (): void => {};
  readonly closed = once(this.#socket, 'close').then(([code, reason]) =>
    `${String(code)} ${String(reason)}`);

  async open(): Promise<this> {
    this.#socket.on('message', (message) => {
      this.#heard.push(String(message));
      this.#wake();
    });
    this.#socket.on('close', () => this.#wake());
    await once(this.#socket, 'open');
    this.#socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: 'x' } }));
    await this.#until(/"type":"connection_ack"/);
    return this;
  }

  async #until(expected: RegExp): Promise<void> {
    while (this.#socket.readyState === WebSocket.OPEN
      && !this.#heard.some((text) => expected.test(text))) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The texts of an operation, up to its end. */
  async ask(id: string, query: string): Promise<string> {
    this.#heard.length = 0;
    this.#socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query } }));
    await this.#until(/"type":"(?:complete|error)"/);
    return this.#heard.join('\n');
  }

  close(): void {
    this.#socket.close();
  }
}

/** Does `ask` while a field breaks down; the field must have been reached. */
async function whileBroken<Told>(
  { field, name }: FieldPath,
  at: 'resolve' | 'subscribe',
  ask: () => Promise<Told>,
  fault: () => unknown = breakDown,
): Promise<Told> {
  const whole = field[at];
  const before = throwCount;
  field[at] = fault;
  try {
    return await ask();
  } finally {
    Object.assign(field, { [at]: whole });
    expect(throwCount, `${name} was reached`).toBeGreaterThan(before);
  }
}

async function post(query: string): Promise<string> {
  const { headers, payload, statusCode } = await app.inject({
    method: 'POST', url: '/graphql', headers: { authorization: 'x' }, payload: { query },
  });
  expect(statusCode).toBe(294);
  return JSON.stringify(headers) + payload;
}

function expectMasked(told: string, name: string): void {
  expect(told, name).toContain(INTERNAL);
  expect(told, name).not.toContain(CANARY);
}

describe('what breaks down inside never shows its text', () => {
  test('from any resolver, through either transport', async () => {
    const paths = pathsOf(schema);
    expect(paths.length).toBeGreaterThan(80);
    const peer = await new Peer().open();
    for (const [index, path] of paths.entries()) {
      if (path.operation !== 'subscription') {
        expectMasked(await whileBroken(path, 'resolve', () => post(path.query)), path.name);
      }
      const told = await whileBroken(path, 'resolve', () => peer.ask(String(index), path.query));
      expectMasked(told, path.name);
    }
    peer.close();
    expect(await peer.closed).not.toContain(CANARY);
  });

  test('from the beginning of any subscription, and from its events', async () => {
    const roots = pathsOf(schema).filter(({ name }) => name.startsWith('Subscription.'));
    expect(roots.length).toBeGreaterThan(0);
    const peer = await new Peer().open();
    for (const [index, path] of roots.entries()) {
      for (const [at, fault] of [['begin', breakDown], ['event', brokenEvents]] as const) {
        const ask = (): Promise<string> => peer.ask(`${at}${index}`, path.query);
        expectMasked(await whileBroken(path, 'subscribe', ask, fault), path.name);
      }
    }
    peer.close();
    expect(await peer.closed).not.toContain(CANARY);
  });

  test('from authentication, on either transport', async () => {
    isAuthenticationBroken = true;
    for (let kind = 0; kind < throwables.length; kind += 1) {
      const answer = await app.inject({
        method: 'POST', url: '/graphql', headers: { authorization: 'x' }, payload: {},
      });
      expect(answer.statusCode).toBe(500);
      expectMasked(JSON.stringify(answer.headers) + answer.payload, 'authentication');
      expect(await (await new Peer().open()).closed)
        .toBe('1013 Temporarily unavailable, try again later');
    }
    isAuthenticationBroken = false;
  });
});

const CALLER = { clientId: 1, scopes: SCOPES, expiresAtMs: Infinity };

/** Whatever a route calls breaks down, save for the authentication that lets it in. */
function brokenDeps(): Parameters<typeof restDoor>[0] {
  const broken: unknown = new Proxy(() => {}, {
    apply: () => breakDown(),
    get: (_target, name) => name === 'then' ? undefined
      : name === 'authenticate' ? async () => CALLER
        : broken,
  });
  return broken as Parameters<typeof restDoor>[0];
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, {
    readonly requestBody?: unknown;
  }>>>>;
}

/** A body for every route: what each of them takes, and nothing minds what it does not know. */
const BODY = {
  product_id: 4218, amount: 4.99, input_data: { player_id: '5123456789' },
  mobile_number: '+33612345678', email: 'reader@example.com', username: 'x', password: 'x',
  refresh_token: 'x',
};

test('no REST route shows the text of what breaks down behind it', async () => {
  const rest = fastify({ ...envelopeOptions });
  setRestEnvelope(rest);
  await rest.register(restDoor(brokenDeps()));
  const text = readFileSync(`${ROOT}/schema/openapi.yaml`, 'utf8');
  const { paths } = parse(text) as OpenApi;
  const untouched: string[] = [];
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { requestBody }] of Object.entries(methods)) {
      for (let kind = 0; kind < throwables.length; kind += 1) {
        const before = throwCount;
        const { headers, payload } = await rest.inject({
          method: method.toUpperCase() as 'GET',
          url: path.replaceAll(/\{\w+\}/g, '1'),
          headers: { authorization: 'Bearer x' },
          ...(requestBody === undefined ? {} : { payload: BODY }),
        });
        expect(JSON.stringify(headers) + payload, `${method} ${path}`).not.toContain(CANARY);
        if (throwCount === before && kind === 0) untouched.push(`${method} ${path}`);
      }
    }
  }
  await rest.close();
  expect(untouched).toEqual(['get /livez']);
});
