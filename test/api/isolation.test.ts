import {
  getNamedType, isInputObjectType, isListType, isNonNullType, isObjectType, isScalarType,
  type GraphQLArgument, type GraphQLField, type GraphQLInputField, type GraphQLInputType,
  type GraphQLObjectType, type GraphQLOutputType, type GraphQLSchema,
} from 'graphql';
import { createClient } from 'graphql-ws';
import { beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { globalId, type GlobalIdType } from '../../src/graphql/global-id.ts';
import { buildTopupSchema } from '../../src/graphql/schema.ts';
import { authorization, JSON_TYPE, rest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

// Made of the schema and of the routes: a field or an endpoint that is added tomorrow, and takes an
// id, is tried as well. Client 2 names what is client 1's and must hear what it hears of nothing.

const world = useWorld({ role: 'gateway' });

const REFERENCE = 'canary-of-client-1';
/** No sequence of a test comes so far. */
const ABSENT = 8_999_999_999_999_999;
const ABSENT_REFERENCE = 'nobody-has-this-one';
/** What is sold is the same for all; its ids are nobody's. */
const SHARED = /product|variant|quote/i;

/** Integer ids of things that are client 1's. */
const owned: number[] = [];

beforeAll(async () => {
  // Ids of one kind are none of another: client 2's own are not taken for those of client 1.
  await world().database.query(`alter sequence topup_order_id_seq restart 500001;
    alter sequence transfer_id_seq restart 700001`);
  const answer = await rest.create(world(), 1, {
    product_id: 4218,
    amount: '4.99',
    input_data: { player_id: '5123456000', server: 'asia' },
    client_reference: REFERENCE,
  });
  if ('refused' in answer) throw new Error(answer.message);
  const ids = await world().database.query<{ id: string }>(
    `select id from topup_order where client_id = 1
      union select id from transfer where client_id = 1 and topup_order_id is not null
      union select id from wallet where client_id = 1`,
  );
  owned.push(...ids.map(({ id }) => Number(id)));
}, 60_000);

/** An answer without what differs from request to request. */
function comparable(text: string): string {
  expect(text).not.toContain(REFERENCE);
  return text.replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID')
    .replaceAll(/"(cost|throttleStatus)":\{[^}]*\}\}?/g, '');
}

describe('REST', () => {
  interface Operation {
    readonly parameters?: readonly { readonly name: string; readonly in: string }[];
    readonly requestBody?: {
      readonly content: Readonly<Record<string, {
        readonly examples?: Readonly<Record<string, { readonly value: Record<string, unknown> }>>;
      }>>;
    };
    readonly responses: Readonly<Record<string, { readonly content?: object }>>;
  }
  type Call = (value: number | string) => Promise<string>;
  /** Whoever is refused for another reason hears the same of everything. */
  const NOTHING = /^(404 .*"code":"NOT_FOUND"|200 \[\]$)/;

  const isId = (name: string): boolean => name === 'id' || name.endsWith('_id')
    || name === 'client_reference';

  async function send(method: string, path: string, body?: object): Promise<string> {
    const response = await fetch(world().gateway.url + path, {
      method: method.toUpperCase(),
      headers: { ...authorization(world(), 2), ...(body === undefined ? {} : JSON_TYPE) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return `${response.status} ${comparable(text)}`;
  }

  /** Every place of an operation where an id stands, as a call that is given the id. */
  function callsOf(method: string, path: string, operation: Operation): [string, Call][] {
    const example = Object.values(operation.requestBody?.content['application/json']?.examples
      ?? {})[0]?.value;
    const inPath = (id: number | string): string => path.replace(/\{\w+\}/, String(id));
    const calls: [string, Call][] = [];
    for (const { name, in: place } of operation.parameters ?? []) {
      if (!isId(name) || SHARED.test(name)) continue;
      if (place === 'path') calls.push([name, (id) => send(method, inPath(id), example)]);
      if (place === 'query') {
        calls.push([name, (id) => send(method, `${path}?${name}=${encodeURIComponent(id)}`)]);
      }
    }
    if (example !== undefined && 'product_id' in example) {
      const { client_reference: _, ...body } = example;
      calls.push(['wallet_id', (id) => send(method, path, { ...body, wallet_id: Number(id) })]);
    }
    return calls;
  }

  it('answers alike for what is another client\'s and for what is nobody\'s', async () => {
    const response = await fetch(`${world().gateway.url}/openapi.json`);
    const { paths } = await response.json() as {
      paths: Record<string, Record<string, Operation>>;
    };
    const tried: string[] = [];
    for (const [path, item] of Object.entries(paths)) {
      if (!path.startsWith('/api/') || SHARED.test(path)) continue;
      for (const [method, operation] of Object.entries(item)) {
        // A stream has no end, and is silent about what is not its client's.
        if ('text/event-stream' in (operation.responses['200']?.content ?? {})) continue;
        for (const [name, call] of callsOf(method, path, operation)) {
          tried.push(`${method} ${path} ${name}`);
          const isReference = name === 'client_reference';
          const absent = await call(isReference ? ABSENT_REFERENCE : ABSENT);
          expect([tried.at(-1), absent]).toEqual([tried.at(-1), expect.stringMatching(NOTHING)]);
          for (const id of isReference ? [REFERENCE] : owned) {
            expect([tried.at(-1), id, await call(id)]).toEqual([tried.at(-1), id, absent]);
          }
        }
      }
    }
    expect(tried).toEqual(expect.arrayContaining([
      'get /api/v1/topups/orders client_reference',
      'get /api/v1/topups/orders/{id} id',
      'post /api/v1/topups/orders wallet_id',
      'post /api/v1/topups/charges wallet_id',
      'get /api/v1/wallets/{id} id',
      'get /api/v1/transactions wallet_id',
      'get /api/v1/transactions/{id} id',
      'post /api/v1/topups/orders/{id}/cancel id',
      'patch /api/v1/topups/orders/{id}/notification-email id',
    ]));
  }, 60_000);
});

describe('GraphQL', () => {
  /** A place in a field's arguments where an id stands, e.g. ['by', 'orderId']. */
  interface IdPlace {
    readonly path: readonly string[];
    readonly kind: 'ID' | 'SafeInt' | 'reference';
    readonly isList: boolean;
  }

  const GLOBAL: readonly GlobalIdType[] = ['TopupOrder', 'Wallet', 'WalletTransaction'];

  function placesIn(
    inputs: readonly (GraphQLArgument | GraphQLInputField)[],
    before: readonly string[] = [],
  ): IdPlace[] {
    return inputs.flatMap((input) => {
      const path = [...before, input.name];
      const type = getNamedType(input.type);
      if (SHARED.test(input.name)) return [];
      if (isInputObjectType(type)) return placesIn(Object.values(type.getFields()), path);
      const isList = isListType(isNonNullType(input.type) ? input.type.ofType : input.type);
      if (type.name === 'ID' || type.name === 'SafeInt') return [{ path, kind: type.name, isList }];
      return input.name === 'clientReference' ? [{ path, kind: 'reference', isList }] : [];
    });
  }

  /** Values for what must be given, with `value` at its place. */
  function argumentsWith(
    inputs: readonly (GraphQLArgument | GraphQLInputField)[],
    place: IdPlace,
    value: unknown,
  ): Record<string, unknown> {
    const [head, ...rest] = place.path;
    const given = inputs.flatMap((input): [string, unknown][] => {
      const type = getNamedType(input.type);
      if (input.name !== head) {
        const isNeeded = input.name in SAMPLES
          || (isNonNullType(input.type) && input.defaultValue === undefined);
        return isNeeded ? [[input.name, sampleOf(input.name, input.type)]] : [];
      }
      if (rest.length === 0 || !isInputObjectType(type)) {
        return [[input.name, place.isList ? [value] : value]];
      }
      const inner = { ...place, path: rest };
      return [[input.name, argumentsWith(Object.values(type.getFields()), inner, value)]];
    });
    return Object.fromEntries(given);
  }

  const SAMPLES: Readonly<Record<string, unknown>> = {
    first: 5, productId: 4218, amount: '4.99', mobileNumber: '+33612345678', from: 'EUR', to: 'USD',
    email: 'player@example.com',
    inputData: [{ name: 'player_id', value: '5123456000' }, { name: 'server', value: 'asia' }],
  };

  function sampleOf(name: string, type: GraphQLInputType): unknown {
    if (name in SAMPLES) return SAMPLES[name];
    const named = getNamedType(type);
    if (isListType(isNonNullType(type) ? type.ofType : type)) return [];
    if (!isInputObjectType(named)) return isScalarType(named) && named.name === 'Int' ? 1 : 'x';
    const fields = Object.values(named.getFields());
    // Nobody's order, where an order is named.
    if (named.isOneOf) return { [named.getFields()['orderId'] ? 'orderId' : 'id']: ABSENT };
    return Object.fromEntries(fields.filter(({ type: each, defaultValue }) =>
      isNonNullType(each) && defaultValue === undefined)
      .map((field) => [field.name, sampleOf(field.name, field.type)]));
  }

  /** All that can be selected without arguments, three levels down. */
  function selectionOf(output: GraphQLOutputType, depth = 3): string {
    const type = getNamedType(output);
    if (!isObjectType(type)) return 'getFields' in type ? '{ __typename id }' : '';
    const fields = Object.values((type as GraphQLObjectType).getFields())
      .filter((field) => field.args.every(({ type: each }) => !isNonNullType(each)))
      .filter((field) => depth > 1 || isLeaf(field.type))
      .map((field) => `${field.name} ${selectionOf(field.type, depth - 1)}`);
    return `{ __typename ${fields.join(' ')} }`;
  }

  const isLeaf = (type: GraphQLOutputType): boolean => !('getFields' in getNamedType(type));

  type Field = GraphQLField<unknown, unknown>;

  /** Whoever is refused for another reason hears the same of everything. */
  const NOTHING = new RegExp([
    '"code":"(ORDER_|WALLET_)?NOT_FOUND"', '"edges":\\[\\]', '"node":null',
    '^\\{"data":\\{"\\w+":(null|\\[null\\])\\}\\}$',
  ].join('|'));

  function operationOf(kind: string, field: Field, values: Record<string, unknown>): {
    query: string; variables: Record<string, unknown>;
  } {
    const given = field.args.filter(({ name }) => name in values);
    const declared = given.map(({ name, type }) => `$${name}: ${String(type)}`).join(', ');
    const passed = given.map(({ name }) => `${name}: $${name}`).join(', ');
    const query = `${kind} (${declared}) { ${field.name}(${passed}) ${selectionOf(field.type)} }`;
    return { query, variables: values };
  }

  type Told = (operation: { query: string; variables: Record<string, unknown> }) => Promise<string>;

  const overHttp: Told = async (operation) => {
    const response = await fetch(`${world().gateway.url}/graphql`, {
      method: 'POST',
      headers: { ...JSON_TYPE, ...authorization(world(), 2) },
      body: JSON.stringify(operation),
    });
    const { data, errors } = await response.json() as { data?: unknown; errors?: object[] };
    const told = errors?.map((error) => ({ ...error, locations: undefined }));
    return comparable(JSON.stringify({ data, errors: told }));
  };

  /** The first that is heard. */
  const overSocket: Told = async (operation) => {
    const client = createClient({
      url: `${world().gateway.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: authorization(world(), 2),
      retryAttempts: 0,
    });
    const told = await client.iterate(operation).next()
      .catch((error: unknown) => ({ error: String(error) }));
    await client.dispose();
    return comparable(JSON.stringify(told));
  };

  const valuesOf = ({ kind }: IdPlace): readonly (readonly [unknown, unknown])[] => {
    if (kind === 'reference') return [[REFERENCE, ABSENT_REFERENCE]];
    if (kind === 'SafeInt') return owned.map((id) => [id, ABSENT]);
    return [
      [globalId('Client', 1), globalId('Client', ABSENT)],
      ...owned.flatMap((id) => GLOBAL.map(
        (type) => [globalId(type, id), globalId(type, ABSENT)] as const,
      )),
    ];
  };

  async function tryAll(schema: GraphQLSchema, kind: string, tell: Told): Promise<string[]> {
    const root = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
      .find((type) => type?.name.toLowerCase() === kind);
    const tried: string[] = [];
    for (const field of Object.values(root?.getFields() ?? {})) {
      for (const place of placesIn(field.args)) {
        const name = `${field.name} ${place.path.join('.')}`;
        // A reference of one's own may be anything: the order that it makes is one's own.
        if (name === 'createTopupOrder input.clientReference' || SHARED.test(field.name)) continue;
        tried.push(name);
        for (const [foreign, absent] of valuesOf(place)) {
          const [ofForeign, ofAbsent] = await Promise.all([foreign, absent].map((value) =>
            tell(operationOf(kind, field, argumentsWith(field.args, place, value)))));
          expect([name, ofAbsent]).toEqual([name, expect.stringMatching(NOTHING)]);
          expect([name, foreign, ofForeign]).toEqual([name, foreign, ofAbsent]);
        }
      }
    }
    return tried;
  }

  it('answers queries alike', async () => {
    expect(await tryAll(await buildTopupSchema(), 'query', overHttp)).toEqual(
      expect.arrayContaining([
        'topupOrder by.id', 'topupOrder by.orderId', 'topupOrder by.clientReference', 'node id',
        'nodes ids', 'topupOrders filter.walletIds',
      ]),
    );
  }, 60_000);

  it('answers mutations alike', async () => {
    expect(await tryAll(await buildTopupSchema(), 'mutation', overHttp)).toEqual(
      expect.arrayContaining([
        'createTopupOrder input.walletId', 'cancelTopupOrder input.by.orderId',
        'setTopupOrderNotificationEmail input.by.id',
      ]),
    );
  }, 60_000);

  it('answers subscriptions alike', async () => {
    expect(await tryAll(await buildTopupSchema(), 'subscription', overSocket)).toEqual(
      expect.arrayContaining(['topupOrderUpdated by.id', 'topupOrderUpdated by.orderId']),
    );
  }, 120_000);
});
