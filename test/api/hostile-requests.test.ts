import { describe, expect, test } from 'vitest';

import { byGet, byPost, bySocket } from '../support/both-transports.ts';
import { authorization } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

const INVALID = 'GRAPHQL_VALIDATION_FAILED';
const UNPARSED = 'GRAPHQL_PARSE_FAILED';
const REJECTED = 'VALIDATION_FAILURE';

const ORDER = `createTopupOrder(input: {productId: 4218, amount: "4.99", inputData: [
  {name: "player_id", value: "5123456789"}, {name: "server", value: "asia"}]}) {
  order { orderId } userErrors { code } }`;
const CREATE = `mutation ($input: CreateTopupOrderInput!) { createTopupOrder(input: $input) {
  order { orderId } userErrors { code } } }`;

const body = (query: string, more: object = {}): string => JSON.stringify({ query, ...more });
const times = (count: number, part: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => part(index)).join(' ');

/** A create with one part of its input replaced by the given JSON text. */
function create(name: string, value: string): string {
  const input = {
    productId: '4218', amount: '"4.99"',
    inputData: '[{"name":"player_id","value":"5123456789"},{"name":"server","value":"asia"}]',
    [name]: value,
  };
  const members = Object.entries(input).map(([key, text]) => `${JSON.stringify(key)}:${text}`);
  return `{"query":${JSON.stringify(CREATE)},"variables":{"input":{${members.join(',')}}}}`;
}

const player = (value: string): string => create('inputData',
  `[{"name":"player_id","value":${value}},{"name":"server","value":"asia"}]`);

type Probe = readonly [what: string, body: string, verdict: string];

const DOCUMENTS: readonly Probe[] = [
  ['ten orders by aliases', body(`mutation { ${times(10, (n) => `a${n}: ${ORDER}`)} }`), INVALID],
  ['two orders, one in a fragment',
    body(`mutation { ${ORDER} ...F } fragment F on Mutation { b: ${ORDER} }`), INVALID],
  ['two orders, one of them skipped',
    body(`mutation { a: ${ORDER} b: ${ORDER.replace(') {', ') @skip(if: true) {')} }`), INVALID],
  ['an order and a cancellation', body(`mutation { ${ORDER}
    cancelTopupOrder(input: {by: {orderId: 1}}) { userErrors { code } } }`), INVALID],
  ['16 aliases', body(`{ viewer { ${times(16, (n) => `a${n}: name`)} } }`), INVALID],
  ['4,000 aliases', body(`{ viewer { ${times(4_000, (n) => `a${n}: name`)} } }`), UNPARSED],
  ['six root fields', body(`{ ${times(6, (n) => `a${n}: __typename`)} }`), INVALID],
  ['a fragment in itself', body('{ viewer { ...F } } fragment F on Client { ...F }'), INVALID],
  ['two fragments in each other', body(`{ viewer { ...F } }
    fragment F on Client { ...G } fragment G on Client { ...F }`), INVALID],
  ['60 fragments, each twice in the one before', body(`{ viewer { ...F0 } } ${times(60, (n) =>
    `fragment F${n} on Client { ...F${n + 1} ...F${n + 1} }`)} fragment F60 on Client { name }`),
  'DATA'],
  ['the same with aliases', body(`{ viewer { ...F0 } } ${times(60, (n) =>
    `fragment F${n} on Client { ...F${n + 1} ...F${n + 1} }`)}
    fragment F60 on Client { a: name }`), INVALID],
  ['more than 64 fragments', body(`{ viewer { ...F0 } } ${times(64, (n) =>
    `fragment F${n} on Client { ...F${n + 1} }`)} fragment F64 on Client { name }`), INVALID],
  ['1,500 fields of one name', body(`{ viewer { ${times(1_500, () => 'name')} } }`), INVALID],
  ['1,500 times __typename', body(`{ ${times(1_500, () => '__typename')} }`), INVALID],
  ['16 times __typename by aliases', body(`{ viewer {
    ${times(16, (n) => `a${n}: __typename`)} } }`), INVALID],
  ['overlapping fields that differ', body(`{ topupOrder(by: {orderId: 1}) { id }
    topupOrder(by: {orderId: 2}) { id } }`), INVALID],
  ['overlapping fields of one alias', body('{ viewer { a: name a: defaultCurrency } }'), INVALID],
  ['eleven levels', body(`{ ${times(11, () => 'a {')} b ${times(11, () => '}')} }`), INVALID],
  ['eleven levels by a fragment', body(`{ a { b { c { d { e { ...F } } } } } }
    fragment F on X { f { g { h { i { j { k } } } } } }`), INVALID],
  ['5,000 levels', body(`${times(5_000, () => '{a')}${times(5_000, () => '}')}`), UNPARSED],
  ['a directive twice', body('{ viewer @skip(if: false) @skip(if: false) { name } }'), INVALID],
  ['a directive on each of 21 fields', body(`{ viewer {
    ${times(21, () => '... @include(if: true) { name }')} } }`), INVALID],
  ['600 directives on one field', body(`{ viewer { name ${times(600, () => '@a')} } }`), INVALID],
  ['an unknown directive', body('{ viewer { name @defer } }'), INVALID],
  ['types within fields within types', body(`{ __schema { types { fields { type { fields { type {
    fields { name } } } } } } } }`), INVALID],
  ['21 levels of introspection', body(`{ __type(name: "A") { ${times(20, () => 'ofType {')}
    name ${times(20, () => '}')} } }`), INVALID],
  ['a page of pages', body(`{ topupOrders(first: 100) { edges { node { events(first: 100) {
    edges { node { order { charge { amount } faceValue { amount } } } } } } } } }`),
  'LIMIT_EXCEEDED'],
  ['a subscription that may be left out', body(`subscription ($x: Boolean!) {
    topupOrderEvents @include(if: $x) { cursor } }`, { variables: { x: true } }), INVALID],
  ['a misspelt field', body('{ viewe { name } }'), INVALID],
  ['a lone surrogate in the document', `{"query":"{ viewer { name } } #\\ud800"}`, UNPARSED],
  ['a NUL in the document', `{"query":"{ viewer { name } }\\u0000"}`, UNPARSED],
  ['an empty document', body(''), UNPARSED],
  ['SQL', body("select * from wallet; --'"), UNPARSED],
  ['a schema', body('type Query { a: Int } { viewer { name } }'), INVALID],
  ['two operations and no name', body('query A { __typename } query B { __typename }'),
    'OPERATION_RESOLUTION_FAILURE'],
  ['an operation that is not there', body('query A { __typename }', { operationName: 'B' }),
    'OPERATION_RESOLUTION_FAILURE'],
  ['an unknown persisted document', JSON.stringify({ documentId: `sha256:${'0'.repeat(64)}` }),
    'PERSISTED_QUERY_NOT_FOUND'],
  ['a hash of another text', body('{ viewer { name } }', { extensions: {
    persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } } }), 'BAD_USER_INPUT'],
];

/** Requests that no URL can say, or that mean something else there. */
const BODIES: readonly Probe[] = [
  ['a batch', `[${body('{ viewer { name } }')}]`, 'BAD_REQUEST'],
  ['an empty batch', '[]', 'BAD_REQUEST'],
  ['null', 'null', 'BAD_REQUEST'],
  ['a text', '"{ viewer { name } }"', 'BAD_REQUEST'],
  ['no query', '{"qeury":"{ viewer { name } }"}', 'BAD_REQUEST'],
  ['a query that is a map', '{"query":{"kind":"Document"}}', 'BAD_REQUEST'],
  ['variables that are a list', '{"query":"{ __typename }","variables":[]}', 'BAD_REQUEST'],
  ['variables that are a number', '{"query":"{ __typename }","variables":1.5}', 'BAD_REQUEST'],
  ['a document of 2 MB', body(`{ viewer { ${times(400_000, () => 'name')} } }`),
    'PAYLOAD_TOO_LARGE'],
  ['variables of 2 MB', body('{ viewer { name } }', { variables: { a: 'x'.repeat(2_000_000) } }),
    'PAYLOAD_TOO_LARGE'],
  ...([[30, 'DATA'], [31, 'BAD_REQUEST'], [30_000, 'BAD_REQUEST']] as const)
    .map(([levels, verdict]): Probe => [`variables nested ${levels} deep`,
      `{"query":"{ __typename }","variables":{"a":${'['.repeat(levels)}${']'.repeat(levels)}}}`,
      verdict]),
  ...([[999, 'DATA'], [1_000, 'BAD_REQUEST'], [32_000, 'BAD_REQUEST']] as const)
    .map(([values, verdict]): Probe => [`variables of ${values} values`,
      `{"query":"{ __typename }","variables":{"a":[1.5${',1'.repeat(values - 1)}]}}`, verdict]),
];

/** Orders with a faulty part: the form is refused by the schema, the meaning by our rules. */
const ORDERS: readonly Probe[] = [
  ...['4.99', '5.0', '1e1', '499e-2', '1e400', '-0.0', '5e-324', '5.0000000000000000001']
    .map((text): Probe => [`the amount ${text}, a float`, create('amount', text),
      'BAD_USER_INPUT']),
  ...['"NaN"', '"Infinity"', '"4,99"', '" 4.99"', '"4.99\\n"', '"٤"', '"４.99"', '"0x10"',
    '"1e1"', '".5"', '"5."', '"+5"', `"${'9'.repeat(40)}"`, '"4.99\\u0000"', '""', 'true', 'null',
    '[4.99]', '{}', '{"$gt":0}']
    .map((text): Probe => [`the amount ${text}`, create('amount', text), 'BAD_USER_INPUT']),
  ...['0', '-5', '-0', '"0"', '"-0"', '"0.0000"', '"-5"', '"4.990000000001"',
    '"4.9900000000000001"', '"0.00001"', '"0.0000001"', '"9999999999"', '9007199254740993',
    '100000000000000000000000']
    .map((text): Probe => [`the amount ${text}`, create('amount', text), REJECTED]),
  ['an id beyond 2^53', create('productId', '9007199254740993'), 'BAD_USER_INPUT'],
  ['an id that is a float', create('productId', '4218.0'), 'BAD_USER_INPUT'],
  ['an id that is a text', create('productId', '"4218"'), 'BAD_USER_INPUT'],
  ['an id below zero', create('productId', '-1'), REJECTED],
  ['an unknown key', create('isAdmin', 'true'), 'BAD_USER_INPUT'],
  ['the key __proto__', create('__proto__', '{"isAdmin":true}'), 'BAD_USER_INPUT'],
  ['a lone surrogate in the reference', create('clientReference', '"\\ud800"'), REJECTED],
  ['a reference of 60,000 characters', create('clientReference', `"${'x'.repeat(60_000)}"`),
    REJECTED],
  ['a lone surrogate in a value', player('"\\ud800"'), 'INVALID_INPUT_FIELD'],
  ['a NUL in a value', player('"5123456789\\u0000"'), 'INVALID_INPUT_FIELD'],
  ['a value of 60,000 characters', player(`"${'5'.repeat(60_000)}"`), 'INVALID_INPUT_FIELD'],
  ['a value that is a number', player('5123456789'), 'BAD_USER_INPUT'],
  ['an unknown enum value', create('category', '"AIRTIM"'), 'BAD_USER_INPUT'],
  ['no variables', body(CREATE), 'BAD_USER_INPUT'],
];

/** What would have changed if anything had been placed. */
async function books(): Promise<unknown> {
  return world().database.query(`select (select count(*) from topup_order) as orders,
    (select count(*) from transfer) as transfers,
    (select json_agg(json_build_array(id, balance) order by id) from wallet) as wallets`);
}

describe('a hostile request', () => {
  test.each([...DOCUMENTS, ...BODIES, ...ORDERS])(
    'gets the same verdict by POST and over the socket, and places nothing: %s',
    async (_what, text, verdict) => {
      const before = await books();
      expect({ post: await byPost(world(), text), socket: await bySocket(world(), text) })
        .toEqual({ post: verdict, socket: verdict });
      expect(await books()).toEqual(before);
    },
  );

  // A URL cannot hold half a character.
  const sayable = DOCUMENTS.filter(([, text]) => !text.includes('\\ud800'));
  test.each(sayable)('gets it by GET too, where a URL can say it: %s', async (
    _what, text, verdict,
  ) => {
    // An empty parameter is no parameter.
    const expected = text === body('') ? 'BAD_REQUEST' : verdict;
    expect([expected, null]).toContain(await byGet(world(), text));
  });

  test('suggests nothing of the schema', async () => {
    const response = await fetch(`${world().gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...authorization(world(), 1) },
      body: body('{ viewe { name } }'),
    });
    expect(await response.text()).not.toMatch(/did you mean|viewer/i);
  });
});

describe('an order is not placed', () => {
  const order = `mutation { ${ORDER} }`;
  test.each([
    ['by GET', { method: 'GET' }, 405],
    ['by a form', { type: 'application/x-www-form-urlencoded' }, 415],
    ['by a form of parts', { type: 'multipart/form-data; boundary=x' }, 415],
    ['by plain text', { type: 'text/plain' }, 415],
    ['by the older GraphQL type', { type: 'application/graphql' }, 415],
    ['without a type', { type: '' }, 415],
    ['in UTF-16', { type: 'application/json; charset=utf-16' }, 415],
    ['compressed', { encoding: 'gzip' }, 415],
    ['without a token', { token: '' }, 401],
    ['with a token in the URL', { token: '', search: '?authorization=Bearer%20x' }, 401],
  ] as readonly (readonly [string, {
    method?: string; type?: string; encoding?: string; token?: string; search?: string;
  }, number])[])('%s', async (_way, asked, status) => {
    const before = await books();
    const search = asked.method === 'GET' ? `?${new URLSearchParams({ query: order })}` : '';
    const url = `${world().gateway.url}/graphql${asked.search ?? search}`;
    const response = await fetch(url, {
      method: asked.method ?? 'POST',
      headers: {
        'content-type': asked.type ?? 'application/json',
        ...(asked.encoding === undefined ? {} : { 'content-encoding': asked.encoding }),
        ...(asked.token === undefined ? authorization(world(), 1) : {}),
      },
      ...(asked.method === 'GET' ? {} : { body: body(order) }),
    });
    expect(response.status).toBe(status);
    expect(await books()).toEqual(before);
  });
});

test('the request that all of these are made of is placed, by either transport', async () => {
  const good = create('amount', '"4.99"');
  expect(await byPost(world(), good)).toBe('PLACED');
  expect(await bySocket(world(), good)).toBe('PLACED');
});
