import { once } from 'node:events';
import { METHODS, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

import fastify, { type FastifyInstance } from 'fastify';
import { buildSchema } from 'graphql';
import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { systemClock } from '../../src/clock.ts';
import type { OrderFeed } from '../../src/domain/ports.ts';
import { graphqlDoor, type GraphqlDeps } from '../../src/graphql/graphql-door.ts';
import { callerOf } from '../support/caller.ts';
import { noRateLimits } from '../support/no-rate-limits.ts';

const GRAPHQL = 'application/graphql-response+json';
const JSON_TYPE = 'application/json';
const TOKEN = 'Bearer good';
const BROKEN_ORDER = 13;

/** A door without orders; reading order 13 and placing one breaks down. */
function deps(httpText: GraphqlDeps['httpText']): GraphqlDeps {
  const breakDown = (): never => {
    throw new Error('canary');
  };
  return {
    store: {
      findOrder: async (_clientId: number, id: number) => id === BROKEN_ORDER ? breakDown() : null,
    } as unknown as GraphqlDeps['store'],
    feed: {} as OrderFeed,
    walletFeed: {} as GraphqlDeps['walletFeed'],
    rateLimits: noRateLimits,
    rateHeaders: () => ({}),
    clock: systemClock,
    cursorKey: 'cursor key',
    isIntrospectionAllowed: true,
    httpText,
    trustedDocuments: { texts: new Map(), isOnly: false },
    socketsPerClient: 1,
    subscriptionsPerSocket: 1,
    feedRetentionDays: 30,
    log: { error: () => {}, info: () => {} },
    authenticate: async ({ authorization }) => authorization === TOKEN ? callerOf(1) : null,
    isStillAdmitted: () => true,
    onAccessChange: () => () => {},
    catchUp: async () => {},
    addressOf: () => '127.0.0.1',
    createTopupOrder: async () => breakDown(),
    quoteTopup: async () => breakDown(),
    cancelTopupOrder: async () => breakDown(),
    setNotificationEmail: async () => breakDown(),
  };
}

function useDoor(httpText: GraphqlDeps['httpText']): () => FastifyInstance {
  const app = fastify({ http: { maxHeaderSize: 16_384 } });
  beforeAll(async () => {
    await graphqlDoor(app, deps(httpText));
    await app.listen({ port: 0, host: '127.0.0.1' });
  });
  afterAll(() => app.close());
  return () => app;
}

const urlOf = (app: FastifyInstance): string =>
  `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/graphql`;

const GOOD = '{ topupOrder(by: {orderId: 1}) { id } }';
const PARTIAL = `{ topupOrder(by: {orderId: ${BROKEN_ORDER}}) { id } }`;
const TWO = 'query A { __typename } query B { topupOrder(by: {orderId: 1}) { id } }';
const NEEDS_ID = 'query ($id: SafeInt!) { topupOrder(by: {orderId: $id}) { id } }';
const CREATE = `mutation { createTopupOrder(input: {productId: 1, amount: 1}) {
  order { id } } }`;
const WATCH = 'subscription { topupOrderUpdated(by: {orderId: 1}) { cursor } }';

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, a text as it is. */
  readonly body?: unknown;
  readonly search?: Readonly<Record<string, string>>;
}

interface Told {
  readonly status: number;
  readonly type?: string;
  readonly code?: string;
  readonly allow?: string;
  /** What stands at data; null for null, absent for an answer without data. */
  readonly data?: unknown;
}

async function ask(app: FastifyInstance, asked: Asked): Promise<Told> {
  const method = asked.method ?? (asked.search === undefined ? 'POST' : 'GET');
  const search = asked.search === undefined ? '' : `?${new URLSearchParams(asked.search)}`;
  const { body } = asked;
  const answer = await app.inject({
    method: method as 'GET',
    url: `/graphql${search}`,
    headers: {
      authorization: TOKEN,
      ...(body === undefined ? {} : { 'content-type': JSON_TYPE }),
      ...asked.headers,
    },
    ...(body === undefined ? {} : { payload: typeof body === 'string' ? body
      : JSON.stringify(body) }),
  });
  const { data, errors } = answer.json<{ data?: unknown; errors?: {
    message: string; extensions: { code: string; requestId: string };
  }[]; }>();
  for (const { message, extensions } of errors ?? []) {
    expect(message).not.toBe('');
    expect(extensions.requestId).toBe(answer.headers['x-request-id']);
  }
  const allow = answer.headers['allow'] as string | undefined;
  const code = errors?.[0]?.extensions.code;
  return {
    status: answer.statusCode,
    type: String(answer.headers['content-type']),
    ...(code === undefined ? {} : { code }),
    ...(allow === undefined ? {} : { allow }),
    ...(data === undefined ? {} : { data }),
  };
}

const fine = { status: 200, type: `${GRAPHQL}; charset=utf-8`, data: { topupOrder: null } };
const legacyFine = { ...fine, type: `${JSON_TYPE}; charset=utf-8` };
const partial = {
  status: 294, type: `${GRAPHQL}; charset=utf-8`, code: 'INTERNAL_SERVER_ERROR',
  data: { topupOrder: null },
};
const refused = (status: number, code: string, more: Partial<Told> = {}): Told =>
  ({ status, type: `${GRAPHQL}; charset=utf-8`, code, ...more });
const accept = (value: string): Record<string, string> => ({ accept: value });
const body = { query: GOOD };

describe('by the draft', () => {
  const app = useDoor('draft');

  test.each([
    ['NONSENSE', 'Invalid request body'], ['', 'Invalid request body'],
    ['"x"', 'Invalid request body'], ['null', 'Invalid request body'],
    ['[{"query":"{ __typename }"}]', 'Operation batching disabled'],
  ])('the body %s is refused with words', async (payload, message) => {
    const answer = await app().inject({
      method: 'POST', url: '/graphql', payload,
      headers: { authorization: TOKEN, 'content-type': JSON_TYPE },
    });
    expect([answer.statusCode, answer.json()]).toEqual([400, { errors: [
      { message, extensions: { code: 'BAD_REQUEST', requestId: expect.any(String) } },
    ] }]);
  });

  test('where a stream of events is asked for, the words say where there is one', async () => {
    const { body: text } = await app().inject({
      url: '/graphql',
      query: { query: GOOD },
      headers: { authorization: TOKEN, accept: 'text/event-stream' },
    });
    expect(text).toContain('subscriptions are served over the WebSocket');
  });

  test.each<readonly [rule: string, asked: Asked, told: Told]>([
    // Media types of the answer.
    ['GraphQL\'s own type is served', { body, headers: accept(GRAPHQL) }, fine],
    ['plain JSON is served', { body, headers: accept(JSON_TYPE) }, legacyFine],
    ['without Accept the own type is taken', { body }, fine],
    ['for */* the own type is taken', { body, headers: accept('*/*') }, fine],
    ['for application/* the own type is taken', { body, headers: accept('application/*') }, fine],
    ['of both the greater quality wins',
      { body, headers: accept(`${GRAPHQL};q=0.5, ${JSON_TYPE};q=0.9`) }, legacyFine],
    ['of equal ones the own type wins',
      { body, headers: accept(`${JSON_TYPE}, ${GRAPHQL}`) }, fine],
    ['the recommended header brings the own type', { body, headers: accept(
      `${GRAPHQL}; charset=utf-8, ${JSON_TYPE}; charset=utf-8`) }, fine],
    ['a type of quality 0 is not taken',
      { body, headers: accept(`${GRAPHQL};q=0, */*;q=0.1`) }, legacyFine],
    ['an exact type counts before a wildcard',
      { body, headers: accept(`${GRAPHQL};q=0.2, */*;q=0.8`) }, legacyFine],
    ['no supported type is 406', { body, headers: accept('text/csv, image/*') },
      refused(406, 'NOT_ACCEPTABLE')],
    ['a failure never claims to be plain JSON',
      { body: { query: '{ nothing }' }, headers: accept(JSON_TYPE) },
      refused(422, 'GRAPHQL_VALIDATION_FAILED')],

    // The request.
    ['UTF-8 is taken where it is said', { body, headers: {
      'content-type': `${JSON_TYPE}; charset=utf-8` } }, fine],
    ['other encodings are 415', { body, headers: {
      'content-type': `${JSON_TYPE}; charset=utf-16` } }, refused(415, 'UNSUPPORTED_MEDIA_TYPE')],
    ['another media type is 415', { body: 'query=x', headers: {
      'content-type': 'application/x-www-form-urlencoded' } },
    refused(415, 'UNSUPPORTED_MEDIA_TYPE')],
    ['GraphQL in plain text is 415', { body: GOOD, headers: { 'content-type': 'text/plain' } },
      refused(415, 'UNSUPPORTED_MEDIA_TYPE')],
    ['a POST without a body is 400', { method: 'POST' }, refused(400, 'BAD_REQUEST')],
    ['a body that is no JSON is 400', { body: 'NONSENSE' }, refused(400, 'BAD_REQUEST')],
    ['a body that ends early is 400', { body: '{"query":' }, refused(400, 'BAD_REQUEST')],
    ['a batch is 400', { body: '[{"query":"{ __typename }"}]' }, refused(400, 'BAD_REQUEST')],
    ['too great a body is 413', { body: { query: GOOD, x: 'x'.repeat(65_536) } },
      refused(413, 'PAYLOAD_TOO_LARGE')],
    ['a missing query is 422', { body: { qeury: GOOD } }, refused(422, 'BAD_REQUEST')],
    ['a query that is no text is 422', { body: { query: 7 } }, refused(422, 'BAD_REQUEST')],
    ['an operationName that is no text is 422', { body: { ...body, operationName: {} } },
      refused(422, 'BAD_REQUEST')],
    ['variables that are no map are 422', { body: { ...body, variables: [7] } },
      refused(422, 'BAD_REQUEST')],
    ['extensions that are no map are 422', { body: { ...body, extensions: 'x' } },
      refused(422, 'BAD_REQUEST')],
    ['null is as good as absent', { body: {
      ...body, operationName: null, variables: null, extensions: null } }, fine],
    ['unknown properties are ignored', { body: { ...body, more: [1] } }, fine],

    // GET.
    ['a query comes by GET', { search: body }, fine],
    ['variables come by GET as JSON', { search: { query: NEEDS_ID, variables: '{"id":1}' } },
      fine],
    ['operationName comes by GET', { search: { query: TWO, operationName: 'B' } }, fine],
    ['empty parameters are as good as absent', { search: {
      query: GOOD, operationName: '', variables: '', extensions: '' } }, fine],
    ['operationName=null names an operation', { search: { query: GOOD, operationName: 'null' } },
      refused(422, 'OPERATION_RESOLUTION_FAILURE')],
    ['variables that are no JSON are 422', { search: { query: GOOD, variables: '{' } },
      refused(422, 'BAD_REQUEST')],
    ['a GET without a query is 422', { search: {} }, refused(422, 'BAD_REQUEST')],
    ['a mutation by GET is 405', { search: { query: CREATE } },
      refused(405, 'METHOD_NOT_ALLOWED', { allow: 'POST' })],
    ...METHODS.filter((method) => !['GET', 'HEAD', 'POST', 'CONNECT'].includes(method))
      .map((method) => [`${method} is 405`, { method, body },
        refused(405, 'METHOD_NOT_ALLOWED', { allow: 'GET, HEAD, POST' })] as const),

    // Statuses by what became of the operation.
    ['a document that cannot be parsed is 400', { body: { query: '{' } },
      refused(400, 'GRAPHQL_PARSE_FAILED')],
    ['an invalid document is 422', { body: { query: '{ nothing }' } },
      refused(422, 'GRAPHQL_VALIDATION_FAILED')],
    ['an operation that nobody named is 422', { body: { query: TWO } },
      refused(422, 'OPERATION_RESOLUTION_FAILURE')],
    ['an unknown operation is 422', { body: { query: TWO, operationName: 'C' } },
      refused(422, 'OPERATION_RESOLUTION_FAILURE')],
    ['variables of the wrong type are 422', { body: { query: NEEDS_ID, variables: {} } },
      refused(422, 'BAD_USER_INPUT')],
    ['a subscription is 422', { body: { query: WATCH } }, refused(422, 'BAD_USER_INPUT')],
    ['data and errors are 294', { body: { query: PARTIAL } }, partial],
    ['data and errors in plain JSON are 294',
      { body: { query: PARTIAL }, headers: accept(JSON_TYPE) },
      { ...partial, type: `${JSON_TYPE}; charset=utf-8` }],
    ['data that is null beside errors is 294', { body: { query: CREATE } },
      { ...partial, data: null }],
    ['no token is 401', { body, headers: { authorization: '' } }, refused(401, 'UNAUTHENTICATED')],
  ])('%s', async (_rule, asked, told) => {
    expect(await ask(app(), asked)).toEqual(told);
  });

  test('a 401 says how to authenticate', async () => {
    const answer = await app().inject({ method: 'POST', url: '/graphql', payload: body });
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  });

  test('two tokens are none, in either order', async () => {
    const askWith = async (...tokens: readonly string[]) => {
      const asking = request(`${urlOf(app())}?query={__typename}`, {
        headers: { accept: GRAPHQL, authorization: tokens as unknown as string },
      }).end();
      const [answer] = await once(asking, 'response') as [IncomingMessage];
      return [answer.statusCode, await json(answer)];
    };
    expect(await askWith(TOKEN)).toMatchObject([200, { data: { __typename: 'Query' } }]);
    for (const tokens of [[TOKEN, 'Bearer bad'], ['Bearer bad', TOKEN], [TOKEN, TOKEN]]) {
      expect(await askWith(...tokens)).toMatchObject([401, { errors: [
        { extensions: { code: 'UNAUTHENTICATED' } },
      ] }]);
    }
  });

  test('answers are UTF-8', async () => {
    const answer = await fetch(urlOf(app()), {
      method: 'POST',
      headers: { authorization: TOKEN, 'content-type': JSON_TYPE },
      body: JSON.stringify({ query: '{ __type(name: "Run🏃") { name } }' }),
    });
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await answer.arrayBuffer());
    expect(JSON.parse(text)).toMatchObject({ data: { __type: null } });
  });

  test('the schema can be downloaded where it can be asked for, and only there', async () => {
    const answer = await app().inject({ url: '/schema.graphql' });
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(buildSchema(answer.body).getMutationType()?.getFields()).toHaveProperty(
      'createTopupOrder');
    const closed = fastify();
    await graphqlDoor(closed, { ...deps('draft'), isIntrospectionAllowed: false });
    expect((await closed.inject({ url: '/schema.graphql' })).statusCode).toBe(404);
    await closed.close();
  });

  test('a question mark may stand in a URL twice', async () => {
    const url = `/graphql?query=${encodeURIComponent(GOOD)}&extensions={"a":"?"}`;
    const answer = await app().inject({ url, headers: { authorization: TOKEN } });
    expect([answer.statusCode, answer.json()]).toMatchObject([200, { data: fine.data }]);
  });

  test('no amount in a URL passes as a rounded number', async () => {
    const query = 'query ($id: SafeInt!) { topupOrder(by: {orderId: $id}) { id } }';
    const answer = await ask(app(), { search: { query, variables: '{"id":9007199254740993}' } });
    expect(answer).toMatchObject(refused(422, 'BAD_USER_INPUT'));
  });
});

describe('by the older text', () => {
  const app = useDoor('legacy');

  test('all audits of graphql-http pass', async () => {
    const audits = serverAudits({
      url: urlOf(app()),
      fetchFn: (url: string, init: RequestInit = {}) => fetch(url, {
        ...init, headers: { ...init.headers as Record<string, string>, authorization: TOKEN },
      }),
    });
    expect(audits).toHaveLength(61);
    const results = await Promise.all(audits.map(({ fn }) => fn()));
    const notOk = results.filter(({ status }) => status !== 'ok');
    expect(notOk.map(({ id, name }) => `${id} ${name}`)).toEqual([]);
  });

  test.each<readonly [rule: string, asked: Asked, told: Told]>([
    ['errors beside data are 200', { body: { query: PARTIAL }, headers: accept(GRAPHQL) },
      { ...partial, status: 200 }],
    ['an invalid document is 200 in plain JSON', { body: { query: '{ nothing }' } },
      refused(200, 'GRAPHQL_VALIDATION_FAILED', { type: `${JSON_TYPE}; charset=utf-8` })],
    ['an invalid document is 400 otherwise',
      { body: { query: '{ nothing }' }, headers: accept(GRAPHQL) },
      refused(400, 'GRAPHQL_VALIDATION_FAILED')],
    ['no token is 401 all the same', { body, headers: { authorization: '' } },
      refused(401, 'UNAUTHENTICATED', { type: `${JSON_TYPE}; charset=utf-8` })],
    ['a mutation by GET is 405 all the same', { search: { query: CREATE } },
      refused(405, 'METHOD_NOT_ALLOWED',
        { type: `${JSON_TYPE}; charset=utf-8`, allow: 'POST' })],
  ])('%s', async (_rule, asked, told) => {
    expect(await ask(app(), asked)).toEqual(told);
  });
});
