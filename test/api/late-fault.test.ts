import { getOperationAST, GraphQLError, parse, type GraphQLSchema } from 'graphql';
import { beforeAll, describe, expect, test } from 'vitest';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { maskErrors } from '../../src/graphql/errors.ts';
import { readParameters } from '../../src/graphql/graphql-request.ts';
import { createGuard } from '../../src/graphql/guard.ts';
import { lateFault } from '../../src/graphql/late-fault.ts';
import { buildTopupSchema } from '../../src/graphql/schema.ts';

/** What graphql-js would find behind an order is found before it. */
let schema: GraphQLSchema;
beforeAll(async () => {
  schema = await buildTopupSchema();
});

const INPUT = 'input: {productId: 1, amount: 1}';
const ADDRESS = 'setTopupOrderNotificationEmail';

/** Each with a variable that may be null, in a place that may not. */
const LATE = [
  ['a directive', `mutation ($v: Boolean = true) {
    createTopupOrder(${INPUT}) { order { id } userErrors @include(if: $v) { code } } }`],
  ['an argument', `mutation ($v: Int = 5) {
    createTopupOrder(${INPUT}) { order { events(first: $v) { edges { cursor } } } } }`],
  ['a fragment', `mutation ($v: Boolean = true) { createTopupOrder(${INPUT}) { ...F } }
    fragment F on CreateTopupOrderPayload { order { id @skip(if: $v) } }`],
  ['a second mutation', `mutation ($v: TopupOrderBy = {orderId: 1}) {
    createTopupOrder(${INPUT}) { order { id } }
    ${ADDRESS}(input: {by: $v, email: null}) { order { id } } }`],
] as const;

function faultOf(text: string, variables: Readonly<Record<string, unknown>> | null) {
  const document = parse(text);
  const operation = getOperationAST(document);
  if (operation === null || operation === undefined) throw new Error('One operation');
  return lateFault(schema, { document, operation, variables })?.message ?? null;
}

describe('a null variable in a place that may not be null', () => {
  test.each(LATE)('is found in %s', (_where, text) => {
    expect(faultOf(text, { v: null })).not.toBeNull();
    expect(faultOf(text, {})).toBeNull();
    expect(faultOf(text, null)).toBeNull();
  });

  test('is found in @oneOf, where it is not given either', () => {
    const text = `mutation ($v: SafeInt) {
      createTopupOrder(${INPUT}) { order { id } }
      ${ADDRESS}(input: {by: {orderId: $v}, email: null}) { order { id } } }`;
    expect([faultOf(text, {}), faultOf(text, { v: null })]).not.toContain(null);
    expect(faultOf(text, { v: 7 })).toBeNull();
    const byDefault = text.replace('SafeInt', 'SafeInt = null');
    expect(faultOf(byDefault, {})).not.toBeNull();
    expect(faultOf(byDefault, { v: 7 })).toBeNull();
  });

  test('is none where it may be null, or belongs to another operation', () => {
    expect(faultOf(`mutation ($v: String) {
      createTopupOrder(input: {productId: 1, amount: 1, clientReference: $v}) { order { id } } }`,
    { v: null })).toBeNull();
    const text = `mutation A { createTopupOrder(${INPUT}) { order { id } } }
      mutation B($v: Int = 5) { createTopupOrder(${INPUT}) { order { events(first: $v) {
        edges { cursor } } } } }`;
    const document = parse(text);
    const operation = getOperationAST(document, 'A');
    if (operation === null || operation === undefined) throw new Error('A is there');
    expect(lateFault(schema, { document, operation, variables: { v: null } })).toBeNull();
  });

  test.each([
    `createTopupOrder(${INPUT}) { order { events(first: $v) @include(if: $w) {
      edges { cursor } } } }`,
    `createTopupOrder(${INPUT}) { order { ... @include(if: $w) { events(first: $v) {
      edges { cursor } } } } }`,
    `createTopupOrder(${INPUT}) { order { ...E @include(if: $w) } }`,
  ])('is none in what is not asked for: %s', (fields) => {
    const text = `mutation ($v: Int = 5, $w: Boolean!) { ${fields} }
      fragment E on TopupOrder { events(first: $v) { edges { cursor } } }`;
    expect(faultOf(text, { v: null, w: false })).toBeNull();
    expect(faultOf(text, { v: null, w: true })).not.toBeNull();
  });

  test('is looked for in @skip first, as it is read, in whatever order they are written', () => {
    const skip = '@skip(if: $b)';
    const include = '@include(if: $c)';
    for (const both of [`${skip} ${include}`, `${include} ${skip}`]) {
      const text = `mutation ($c: Boolean = true, $b: Boolean = false) {
        createTopupOrder(${INPUT}) { order { id } userErrors ${both} { code } } }`;
      expect(faultOf(text, { c: false, b: null })).not.toBeNull();
      expect(faultOf(text, { c: null, b: false })).not.toBeNull();
      expect(faultOf(text, { c: null, b: true })).toBeNull();
    }
  });

  test.each(LATE)('is refused before anything begins: %s', (_where, query) => {
    const guard = createGuard(schema, {
      isIntrospectionAllowed: false,
      trustedDocuments: { texts: new Map(), isOnly: false },
      variantCountMax: () => 0,
    });
    expect(guard(readParameters({ query, variables: { v: null } })).kind).toBe('REFUSED');
    expect(guard(readParameters({ query })).kind).toBe('ALLOWED');
  });
});

test('an error behind an order names it, and never says when to send the same again', () => {
  const error = new GraphQLError('x', { originalError: new TemporarilyUnavailable('Away') });
  const log = { error: () => undefined, info: () => undefined };
  const [before] = maskErrors([error], { requestId: 'r', log });
  expect(before).toMatchObject({ message: 'Away', extensions: { retryAfter: 1 } });
  const [behind] = maskErrors([error], { requestId: 'r', log, orderId: 7 });
  expect(behind?.message).toContain('placed or cancelled order 7');
  expect(behind?.extensions)
    .toEqual({ code: 'SERVICE_UNAVAILABLE', orderId: 7, requestId: 'r' });
});
