import { getIntrospectionQuery, type GraphQLSchema } from 'graphql';
import { beforeAll, describe, expect, test } from 'vitest';

import { readParameters } from '../../src/graphql/graphql-request.ts';
import { createGuard, type Verdict } from '../../src/graphql/guard.ts';
import { buildTopupSchema } from '../../src/graphql/schema.ts';

const CREATE = 'createTopupOrder(input: {productId: 4218, amount: "4.99"}) { order { id } }';

/** A guard, asked by text and operation alone. */
type TextGuard = (query: string, operationName?: string) => Verdict;

let schema: GraphQLSchema;
let guard: TextGuard;

beforeAll(async () => {
  schema = await buildTopupSchema();
  guard = guardOf({ isIntrospectionAllowed: false });
});

function guardOf(options: { readonly isIntrospectionAllowed: boolean }): TextGuard {
  const trustedDocuments = { texts: new Map<string, string>(), isOnly: false };
  const whole = createGuard(schema, {
    ...options, trustedDocuments, variantCountMax: () => 0,
  });
  return (query, operationName) => whole(readParameters({ query, operationName }));
}

/** The messages of a refusal, or [] of an allowed text. */
function refusalOf(source: string, operationName?: string): readonly string[] {
  const verdict = guard(source, operationName);
  return verdict.kind === 'ALLOWED' ? [] : verdict.errors.map((error) => error.message);
}

/** The very document that would be executed, or null. */
function documentOf(by: TextGuard, source: string): unknown {
  const verdict = by(source);
  return verdict.kind === 'ALLOWED' ? verdict.document : null;
}

const aliases = (count: number): string =>
  Array.from({ length: count }, (_, index) => `a${index}: name`).join(' ');

const viewers = (count: number): string =>
  Array.from({ length: count }, (_, index) => `v${index}: viewer { name }`).join(' ');

const variables = (count: number): string =>
  Array.from({ length: count }, (_, index) => `$v${index}: Int @x`).join(' ');

/** Fragments that all ask for the same field. */
function named(count: number): { readonly spreads: string; readonly fragments: string } {
  const names = Array.from({ length: count }, (_, index) => `F${index}`);
  return {
    spreads: names.map((name) => `...${name}`).join(' '),
    fragments: names.map((name) => `fragment ${name} on Client { name }`).join(' '),
  };
}

const among = (others: number): string => ['query A { viewer { ...F0 } }', ...Array.from(
  { length: others },
  (_, n) => `fragment F${n} on Client { ${n + 1 < others ? `...F${n + 1}` : 'name'} }`,
)].join(' ');

describe('an operation is allowed', () => {
  test.each([
    ['plain', '{ viewer { name } }'],
    ['with one order', `mutation { ${CREATE} }`],
    ['with 15 aliases', `{ viewer { ${aliases(15)} } }`],
    ['with a field that fifty fragments ask for',
      `{ viewer { ${named(50).spreads} } } ${named(50).fragments}`],
    ['among 63 others', among(63)],
    ['with 5 root fields', `{ ${viewers(4)} viewer{name} }`],
    ['with 5 root fields and the type they stand in', `{ __typename ${viewers(5)} }`],
    ['with one order said twice, which is one field',
      `mutation { ${CREATE} ...F } fragment F on Mutation { ${CREATE} }`],
    ['that subscribes with everything', `subscription { topupOrderUpdated(by: {orderId: 1}) {
      cursor node { order { refund { transaction { balanceAfter { amount } } } } } } }`],
    ['that subscribes to parts that may be left out',
      'subscription ($x: Boolean!) { topupOrderEvents { cursor @include(if: $x) } }'],
  ])('%s', (_name, source) => {
    expect(refusalOf(source)).toEqual([]);
  });
});

test('each of two operations may place an order', () => {
  const source = `mutation A { ${CREATE} } mutation B { ${CREATE} }`;
  expect(refusalOf(source, 'B')).toEqual([]);
});

describe('an operation is refused whole', () => {
  const deep = (levels: number): string => `${'{ a '.repeat(levels)}${'}'.repeat(levels)}`;
  test.each<readonly [string, string, RegExp]>([
    ['deeper than 10 levels', deep(11), /deeper than 10 levels/],
    ['deeper by its fragments', `{ a { b { c { d { e { ...F } } } } } }
      fragment F on X { f { g { h { i { j { k } } } } } }`, /deeper than 10 levels/],
    ['with 16 aliases', `{ viewer { ${aliases(16)} } }`, /more than 15 aliases/],
    ['with aliases multiplied by fragments', `{ viewer { ...F } b: viewer { ...F } }
      fragment F on Client { ${aliases(8)} }`, /more than 15 aliases/],
    ['with aliases in introspection', `{ __type(name: "X") { ${aliases(16)} } }`,
      /more than 15 aliases/],
    ['among 64 others', among(64), /at most 64 operations and fragments/],
    ['with 6 root fields', `{ ${viewers(6)} }`, /more than 5 root fields/],
    ['with 6 root fields, one of them a type', `{ a: __typename ${viewers(5)} }`,
      /more than 5 root fields/],
    ['with two orders', `mutation { a: ${CREATE} b: ${CREATE} }`, /more than one order/],
    ['with two orders, one in a fragment', `mutation { ${CREATE} ...F }
      fragment F on Mutation { ... on Mutation { b: ${CREATE} } }`, /more than one order/],
    ['with an order placed and one cancelled',
      `mutation { ${CREATE} cancelTopupOrder(input: {by: {orderId: 1}}) { order { id } } }`,
      /more than one order/],
    ['with 21 directives', `{ viewer { ${'...@include(if: true){name} '.repeat(21)} } }`,
      /more than 20 directives/],
    ['with 21 directives by its fragments', `{ a: viewer { ...F } b: viewer { ...F } }
      fragment F on Client { ${'...@include(if: true){name} '.repeat(11)} }`,
      /more than 20 directives/],
    ['with 21 directives of its own', `query ${'@x '.repeat(21)} { viewer { name } }`,
      /more than 20 directives/],
    ['with 21 directives at its variables',
      `query (${variables(21)}) { viewer { name } }`, /more than 20 directives/],
    ['with 21 directives at a fragment that it spreads',
      `{ viewer { ...F } } fragment F on Client ${'@x '.repeat(21)} { name }`,
      /more than 20 directives/],
    ['with 21 levels of introspection below a field',
      `{ viewer { ...F } } fragment F on Client { __type(name: "A")
        ${'{ ofType '.repeat(20)}{ name }${' }'.repeat(20)} }`,
      /more than 20 levels of introspection/],
    ['with 21 levels of introspection',
      `{ __type(name: "A") ${'{ ofType '.repeat(20)}{ name }${' }'.repeat(20)} }`,
      /more than 20 levels of introspection/],
    ['with lists of introspection three deep',
      `{ __schema { types ${'{ fields { type '.repeat(3)}{ name }${' } }'.repeat(3)} } }`,
      /Maximum introspection depth exceeded/],
    ['with two orders, one of them skipped',
      `mutation { a: ${CREATE} b: ${CREATE.replace(')', ') @skip(if: true)')} }`,
      /more than one order/],
    ...[
      'subscription ($x: Boolean!) { topupOrderEvents @include(if: $x) { cursor } }',
      'subscription ($x: Boolean = true) { topupOrderEvents @skip(if: $x) { cursor } }',
      'subscription { topupOrderEvents @skip(if: true) { cursor } }',
      'subscription { topupOrderEvents @include(if: $unknown) { cursor } }',
      'subscription { topupOrderEvents @include(if: "a") { cursor } }',
      'subscription { topupOrderEvents @include { cursor } }',
      'subscription { ...F @include(if: true) } fragment F on Subscription { __typename }',
      `subscription { ...F }
        fragment F on Subscription { ... on Subscription { topupOrderEvents @skip { cursor } } }`,
    ].map((source) => [`that may subscribe to nothing: ${source}`, source,
      /@skip or @include at the root of a subscription/] as const),
    ['with a field repeated', `{ viewer { ${'name '.repeat(11)} } }`,
      /repeated more than 10 times/],
    ['with a field repeated by fragments', `{ ${'...{viewer{name}} '.repeat(51)} }`,
      /repeated more than 50 times/],
    ['with a field repeated by named fragments', `{ viewer { ${named(51).spreads} } }
      ${named(51).fragments}`, /repeated more than 50 times/],
    ['with fragments that nobody uses, before what they cost', `{ viewer { name } }
      fragment A on Client { ${named(60).spreads} } ${named(60).fragments}`, /never used/],
    ['with a field repeated by parts of a fragment that nobody uses', `{ viewer { name } }
      fragment F on Client { ${'...{name} '.repeat(51)} }`, /repeated more than 50 times/],
    ['with a field repeated in a fragment that nobody uses', `{ viewer { name } }
      fragment F on Client { ${'name '.repeat(11)} }`, /repeated more than 10 times/],
    ['of too many tokens', `{ ${'a '.repeat(2_000)} }`, /2000 tokens/],
    ['in a circle', '{ viewer { ...F } } fragment F on Client { ...F }', /within itself/],
    ['in a circle of two', `{ viewer { ...F } }
      fragment F on Client { ...G } fragment G on Client { ...F }`, /within itself/],
    ['with an unknown fragment', '{ viewer { ...F } }', /Unknown fragment/],
    ['with a directive twice', '{ viewer @skip(if: true) @skip(if: true) { name } }',
      /can only be used once/],
    ['that is no operation', 'fragment F on Client { name }', /never used/],
    ['that is empty', '', /Unexpected <EOF>/],
    ['that is not GraphQL', 'select 1', /Unexpected Name/],
    ['that defines types', 'type Query { a: Int } query { viewer { name } }', /not executable/],
  ])('%s', (_name, source, message) => {
    const messages = refusalOf(source);
    expect(messages.join('\n')).toMatch(message);
  });

  test('for fragments that nobody uses, before any rule looks for something else', () => {
    const source = '{ nothing } fragment A on Client { nothing } fragment B on Nobody { name }';
    expect(refusalOf(source))
      .toEqual(['Fragment "A" is never used.', 'Fragment "B" is never used.']);
    expect(refusalOf(`{ viewer { name } } ${named(60).fragments}`)).toHaveLength(3);
  });

  test('with both keys of an order, or none', () => {
    for (const by of ['{orderId: 1, clientReference: "a"}', '{}', '{orderId: null}']) {
      expect(refusalOf(`{ topupOrder(by: ${by}) { id } }`)).toHaveLength(1);
    }
  });

  test('and a float literal is no amount', () => {
    const source = `mutation { ${CREATE.replace('"4.99"', '4.99')} }`;
    expect(refusalOf(source)).toEqual([expect.stringMatching(/Decimal must be/)]);
  });

  test('and is cheap to refuse, however it is nested', () => {
    const doubling = Array.from({ length: 60 }, (_, index) =>
      `fragment F${index} on Client { ...F${index + 1} ...F${index + 1} }`).join(' ');
    const source = `{ viewer { ...F0 } } ${doubling} fragment F60 on Client { a: name }`;
    expect(refusalOf(source)).toEqual([expect.stringMatching(/more than 15 aliases/)]);
  });
});

describe('a refusal', () => {
  test('says by its code which step refused', () => {
    const refused = (code: string) => ({ kind: 'REFUSED', errors: [{ extensions: { code } }] });
    expect(guard('{')).toMatchObject(refused('GRAPHQL_PARSE_FAILED'));
    expect(guard('{ nothing }')).toMatchObject(refused('GRAPHQL_VALIDATION_FAILED'));
    expect(guard('query A { viewer { name } } query B { viewer { name } }'))
      .toMatchObject(refused('OPERATION_RESOLUTION_FAILURE'));
  });

  test.each([
    ['productId: 1, amount: 4.99', 23],
    ['productId: 1, amount: "4,99"', 23],
    ['productId: "4218", amount: 1', 12],
  ])('points at the literal, %s', (input, column) => {
    const verdict = guard(`mutation { createTopupOrder(input: {\n${input}}) { order { id } } }`);
    if (verdict.kind === 'ALLOWED') throw new Error('The literal was taken');
    for (const { locations } of verdict.errors) expect(locations).toEqual([{ line: 2, column }]);
  });

  test('suggests nothing of the schema', () => {
    const messages = [
      ...refusalOf('{ viewe { name } }'),
      ...refusalOf('{ viewer { nam } }'),
      ...refusalOf('{ topupOrder(b: {orderId: 1}) { id } }'),
      ...refusalOf('{ topupOrder(by: {orderI: 1}) { id } }'),
      ...refusalOf(`mutation { ${CREATE.replace('}', ', category: AIRTIM}')} }`),
    ];
    expect(messages.length).toBeGreaterThan(4);
    expect(messages.join('\n')).not.toMatch(/did you mean/i);
  });

  test('lists a few errors only', () => {
    const fields = Array.from({ length: 100 }, (_, index) => `x${index}`).join(' ');
    expect(refusalOf(`{ viewer { ${fields} } }`).length).toBeLessThan(15);
  });
});

describe('introspection', () => {
  test('is refused where it is not allowed', () => {
    expect(refusalOf(getIntrospectionQuery()).join('\n')).toMatch(/introspection/i);
    expect(refusalOf('{ __typename viewer { __typename } }')).toEqual([]);
  });

  test('is not counted in depth where it is allowed', () => {
    const open = guardOf({ isIntrospectionAllowed: true });
    expect(open(getIntrospectionQuery()).kind).toBe('ALLOWED');
  });
});

describe('the cache', () => {
  test('gives a hot operation the document it had', () => {
    const source = '{ viewer { name defaultCurrency } }';
    expect(documentOf(guard, source)).not.toBeNull();
    expect(documentOf(guard, source)).toBe(documentOf(guard, source));
  });

  test('forgets what was not asked for again', () => {
    const small = guardOf({ isIntrospectionAllowed: false });
    const hot = '{ viewer { name } }';
    const cold = '{ viewer { id } }';
    const [hotDocument, coldDocument] = [documentOf(small, hot), documentOf(small, cold)];
    for (let index = 0; index < 40; index += 1) {
      documentOf(small, `{ viewer { name } } #${String(index).padStart(10_000, '-')}`);
      expect(documentOf(small, hot)).toBe(hotDocument);
    }
    expect(documentOf(small, cold)).not.toBe(coldDocument);
  });
});
