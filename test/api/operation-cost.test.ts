import fastify from 'fastify';
import { buildSchema, getIntrospectionQuery } from 'graphql';
import { beforeAll, describe, expect, test } from 'vitest';

import { systemClock } from '../../src/clock.ts';
import { SCOPES } from '../../src/domain/access.ts';
import {
  NOT_LIMITED, type RateLimits, type RateRequest, type RateVerdict,
} from '../../src/domain/rate-limits.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { createAdmission, type Admit, type Transport } from '../../src/graphql/admission.ts';
import { openSchema, type GraphqlDeps } from '../../src/graphql/graphql-door.ts';
import { readParameters } from '../../src/graphql/graphql-request.ts';
import { createGuard, type Guard, type OperationCost } from '../../src/graphql/guard.ts';
import { buildTopupSchema } from '../../src/graphql/schema.ts';
import { rateHeaders } from '../../src/rest/rate-headers.ts';

const TRUSTED = { texts: new Map<string, string>(), isOnly: false };
const ORDER = 'createTopupOrder(input: {productId: 1, amount: 1}) { order { id } }';

/** Lists of every kind, which the public schema has or will have. */
const LISTS = buildSchema(`
  interface Node { id: ID! }
  type Wallet implements Node { id: ID! }
  type Event implements Node { id: ID! order: Order! }
  type EventEdge { node: Event }
  type EventConnection { edges: [EventEdge!]! }
  type Money { amount: String! }
  type Product { id: ID! variants: [Money!]! }
  type Order implements Node {
    id: ID! charge: Money! wallet: Wallet notes: [Money!]! tags: [String!]!
    events(first: Int!): EventConnection!
  }
  type OrderEdge { node: Order }
  type OrderConnection { edges: [OrderEdge!]! nodes: [Order!]! }
  type Query {
    order: Order
    orders(first: Int = 50, after: String): OrderConnection!
    nodes(ids: [ID!]!): [Node]!
    topupQuote: Money lookupMobileNumber: [Money!]! products(first: Int = 50): [Product!]!
  }
`);

let variantCountMax = 0;
const guardOf = (schema = LISTS): Guard => createGuard(schema, {
  isIntrospectionAllowed: true,
  trustedDocuments: TRUSTED,
  variantCountMax: () => variantCountMax,
});
const guard = guardOf();

function costOf(query: string, variables?: object): OperationCost {
  const verdict = guard(readParameters({ query, variables }));
  if (verdict.kind === 'REFUSED') throw verdict.errors[0];
  return verdict.cost;
}

describe('an operation costs', () => {
  const page = (selection: string) => `{ orders(first: 100) { nodes { ${selection} } } }`;
  test.each<readonly [what: string, query: string, points: number]>([
    ['one point at least', '{ __typename }', 1],
    ['one point for each read', '{ order { id } }', 1],
    ['nothing for what is read with it', '{ order { id charge { amount } tags } }', 1],
    ['one more for each relation', '{ order { id wallet { id } } }', 2],
    ['no more for an alias than for a field', '{ a: order { id } b: order { id } }', 2],
    ['one more for each hundred objects', page('id'), 1 + 1],
    ['each object of a page', page('charge { amount } wallet { id }'), 2 + 3],
    ['the same by edges', '{ orders(first: 100) { edges { node { id } } } }', 1 + 2],
    ['the default page where none is said', '{ orders { nodes { charge { amount } } } }', 1 + 1],
    ['ten for a list without a length', page('notes { amount }'), 1 + 11],
    ['pages of pages', page('events(first: 10) { edges { node { id } } }'), 2 + 22],
    ['as many as there are ids',
      `{ nodes(ids: ${JSON.stringify(Array.from({ length: 100 }, String))}) {
        ... on Wallet { id } ... on Order { charge { amount } } } }`, 1 + 2],
    ['ten for introspection', getIntrospectionQuery(), 10],
  ])('%s', (_what, query, points) => {
    expect(costOf(query).points).toBe(points);
  });

  test('what its variables ask for, or their defaults', () => {
    const query = `query ($n: Int = 10) {
      orders(first: $n) { nodes { events(first: $n) { edges { node { id } } } } } }`;
    expect(costOf(query, { n: 30 }).points).toBe(2 + Math.floor(30 * (1 + 1 + 60) / 100));
    expect(costOf(query).points).toBe(2 + Math.floor(10 * (1 + 1 + 20) / 100));
    expect(costOf(query, { n: -7 }).points).toBe(2);
  });

  test('no less with a page of less than nothing', () => {
    const query = `query ($n: Int) { none: orders(first: $n) { nodes { id } }
      orders(first: 100) { nodes { charge { amount } } } }`;
    expect(costOf(query, { n: -200 }).points).toBe(costOf(query, { n: 0 }).points);
  });

  test('with one id in place of a list as with the longest list', () => {
    const more = 'orders(first: 100) { nodes { charge { amount } } }';
    const cost = costOf(`{ nodes(ids: "abc") { id } ${more} }`);
    expect(cost.points).toBeGreaterThan(0);
    expect(cost.charges).toEqual([{ class: 'read', count: cost.points }]);
  });

  test('with ids in variables as many as there are', () => {
    const query = `query ($ids: [ID!]!) {
      nodes(ids: $ids) { id ... on Order { notes { amount } } } }`;
    expect(costOf(query, { ids: Array.from({ length: 100 }, String) }).points).toBe(12);
    expect(costOf(query, { ids: ['1'] }).points).toBe(1);
  });

  test('for variants of a product what the product with most of them takes', () => {
    const query = '{ products(first: 100) { id variants { amount } } }';
    const one = '{ products(first: 1) { variants { amount } } }';
    expect([costOf(query).points, costOf(one).points]).toEqual([1 + 11, 1]);
    variantCountMax = 240;
    expect([costOf(query).points, costOf(one).points]).toEqual([1 + 241, 1 + 2]);
    variantCountMax = 500;
    expect(() => costOf(query)).toThrow('may cost 502 points; at most 250 are allowed');
    variantCountMax = 0;
    expect(costOf(one)).toMatchObject({ points: 1, isSized: true });
  });

  test('is told at once, however fragments multiply it', () => {
    const events = 'events(first: 100) { edges { node { order { ...A } } } } ';
    const wide = `{ order { ${events.repeat(10)} ...A } }
      fragment A on Order { ${'wallet { id } '.repeat(10)} ${'notes { amount } '.repeat(10)} }`;
    expect(() => costOf(wide)).toThrow(/may cost \d+ points; at most 250/);
  });

  test('too much in one operation is refused with its figure', () => {
    const query = '{ orders(first: 100) { nodes { events(first: 100) { edges { node { order { id '
      + 'charge { amount } } } } } } } }';
    expect(() => costOf(query)).toThrow('may cost 405 points; at most 250 are allowed');
  });

  test('as much as is allowed is allowed, and one point more is not', () => {
    const query = (count: number, more: string) => `{ orders(first: 100) { nodes { ${more}
      events(first: ${count}) { edges { node { order { id } } } } } } }`;
    expect(costOf(query(81, 'wallet { id }')).points).toBe(250);
    expect(() => costOf(query(82, ''))).toThrow('may cost 251 points; at most 250 are allowed');
  });
});

describe('an operation is charged', () => {
  let real: Guard;
  beforeAll(async () => {
    real = guardOf(await buildTopupSchema());
  });

  const chargesOf = (by: Guard, query: string) => {
    const verdict = by(readParameters({ query }));
    return verdict.kind === 'REFUSED' ? verdict.errors : verdict.cost.charges;
  };

  test('one orders.create token for an order, whatever relations are asked for', () => {
    const whole = ORDER.replace('id }', 'id wallet { id } transaction { id } }');
    for (const order of [ORDER, whole]) {
      expect(chargesOf(real, `mutation { ${order} }`))
        .toEqual([{ class: 'orders.create', count: 1 }]);
    }
  });

  test('read points for pages that are asked for with an order', () => {
    const events = 'events(first: 100) { edges { node { sequence } } }';
    expect(chargesOf(real, `mutation { ${ORDER.replace('id }', `id ${events} }`)} }`)).toEqual([
      { class: 'orders.create', count: 1 }, { class: 'read', count: 2 },
    ]);
  });

  test('nothing for an order about which too much is asked: it is refused', () => {
    const events = (selection: string) => `events(first: 100) { edges { node { ${selection} } } }`;
    const inside = events('sequence');
    const order = ORDER.replace('id }', `${events(`order { ${inside} b: ${inside} }`)} }`);
    expect(chargesOf(real, `mutation { ${order} }`)).toMatchObject([{
      message: expect.stringContaining('at most 250 are allowed'),
      extensions: { code: 'LIMIT_EXCEEDED' },
    }]);
  });

  test('read points for other mutations and for subscriptions', () => {
    const cancel = 'mutation { cancelTopupOrder(input: {by: {orderId: 1}}) { order { id } } }';
    expect(chargesOf(real, cancel))
      .toEqual([{ class: 'read', count: 1 }]);
    expect(chargesOf(real, 'subscription { topupOrderUpdated(by: {orderId: 1}) { cursor } }'))
      .toEqual([{ class: 'read', count: 1 }]);
  });

  test('each class by its own fields, and each alias again', () => {
    expect(chargesOf(guard, `{ a: topupQuote { amount } b: topupQuote { amount }
      lookupMobileNumber { amount } order { id wallet { id } } }`)).toEqual([
      { class: 'charges', count: 2 }, { class: 'lookup', count: 1 }, { class: 'read', count: 2 },
    ]);
  });
});

/** Limits in memory: `left` tokens of each class. */
class HandLimits implements RateLimits {
  readonly requests: RateRequest[] = [];
  readonly returned: RateRequest[] = [];
  readonly #left: Record<string, number>;
  readonly #limit: number;

  constructor(left: Record<string, number>, limit = 120) {
    this.#left = left;
    this.#limit = limit;
  }

  async take(request: RateRequest): Promise<RateVerdict> {
    this.requests.push(request);
    const left = this.#left[request.class] ?? 0;
    const isAdmitted = left >= request.count;
    if (isAdmitted) this.#left[request.class] = left - request.count;
    const remaining = this.#left[request.class] ?? 0;
    return {
      isAdmitted, limit: this.#limit, remaining, resetInMs: 60_000,
      retryAfterMs: isAdmitted ? 0 : 1_500,
    };
  }

  async giveBack(request: RateRequest): Promise<void> {
    this.returned.push(request);
    this.#left[request.class] = (this.#left[request.class] ?? 0) + request.count;
  }
}

test('an answer tells in its headers how a limit stands, and when to come again', async () => {
  const rateLimits = new HandLimits({ read: 1 });
  const app = fastify();
  await openSchema(app, LISTS, {
    rateLimits,
    rateHeaders,
    clock: systemClock,
    isIntrospectionAllowed: true,
    httpText: 'draft',
    trustedDocuments: TRUSTED,
    log: { error: () => {}, info: () => {} },
    authenticate: async () => ({ clientId: 7, scopes: ['read'], expiresAtMs: Infinity }),
    addressOf: () => '127.0.0.1',
    isStillAdmitted: () => true,
    onAccessChange: () => () => {},
    catchUp: async () => {},
  } as unknown as GraphqlDeps);
  const ask = () => app.inject({
    method: 'POST', url: '/graphql', headers: { authorization: 'x' },
    payload: { query: '{ order { id } }' },
  });
  const admitted = await ask();
  expect(admitted.headers).toMatchObject({
    'ratelimit-policy': '"read";q=120;w=60', ratelimit: '"read";r=0;t=60',
    'x-ratelimit-limit': '120', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '60',
  });
  expect(admitted.json()).toMatchObject({
    data: { order: null }, extensions: { cost: { requestedQueryCost: 1 } },
  });
  const refused = await ask();
  expect(refused.statusCode).toBe(429);
  expect(refused.headers).toMatchObject({ 'retry-after': '2', ratelimit: '"read";r=0;t=2' });
  expect(refused.json()).toMatchObject({
    errors: [{ extensions: { code: 'RATE_LIMITED', retryAfter: 2, requestId: 'req-2' } }],
    extensions: { cost: { actualQueryCost: null } },
  });
  await app.close();
});

describe('limits', () => {
  const log = { error: () => {}, info: () => {} };
  const ask = (admit: Admit, query: string, transport: Transport = 'POST') =>
    admit(readParameters({ query }), { clientId: 7, scopes: SCOPES, transport });
  const page = '{ orders(first: 100) { nodes { charge { amount } } } }';
  const brought = (data: object | null) =>
    ({ dataJson: () => JSON.stringify(data), hasErrors: false });

  test('are taken before anything is executed, and told', async () => {
    const rateLimits = new HandLimits({ read: 10 });
    const admission = await ask(createAdmission(guard, { rateLimits, log }), '{ order { id } }');
    if (admission.kind === 'REFUSED') throw admission.errors[0];
    expect(rateLimits.requests).toEqual([{ clientId: 7, class: 'read', count: 1 }]);
    expect(admission.settle(brought({ order: null }))).toEqual({
      requestedQueryCost: 1,
      actualQueryCost: 1,
      throttleStatus: {
        limitClass: 'read', maximumAvailable: 120, currentlyAvailable: 9, restoreRate: 2,
      },
    });
    expect(rateLimits.returned).toEqual([]);
  });

  test('get back what a page did not bring', async () => {
    const rateLimits = new HandLimits({ read: 10 });
    const told: number[] = [];
    const admission = await createAdmission(guard, { rateLimits, log })(
      readParameters({ query: page }),
      {
        clientId: 7, scopes: SCOPES, transport: 'POST',
        onTaken: (_class, { remaining }) => told.push(remaining),
      },
    );
    if (admission.kind === 'REFUSED') throw admission.errors[0];
    const nodes = [{ charge: { amount: '1' } }];
    expect(admission.settle(brought({ orders: { nodes } }))).toMatchObject({
      requestedQueryCost: 3, actualQueryCost: 1, throttleStatus: { currentlyAvailable: 9 },
    });
    expect(told).toEqual([7, 9]);
    expect(rateLimits.returned).toEqual([{ clientId: 7, class: 'read', count: 2 }]);
  });

  test('keep what was taken for a page beside a field that fails', async () => {
    const rateLimits = new HandLimits({ read: 10 });
    const admission = await ask(createAdmission(guard, { rateLimits, log }), page);
    if (admission.kind === 'REFUSED') throw admission.errors[0];
    expect(admission.settle({ ...brought(null), hasErrors: true }))
      .toMatchObject({ requestedQueryCost: 3, actualQueryCost: 3 });
    expect(rateLimits.returned).toEqual([]);
  });

  test('refuse with the time to wait, and nothing is taken', async () => {
    const rateLimits = new HandLimits({ charges: 5, read: 1 });
    const admit = createAdmission(guard, { rateLimits, log });
    const mixed = '{ topupQuote { amount } order { wallet { id } } }';
    expect(await ask(admit, mixed)).toMatchObject({
      kind: 'REFUSED',
      errors: [{ message: 'Rate limit exceeded. Retry after 2 seconds.' }],
      cost: { requestedQueryCost: 3, actualQueryCost: null, throttleStatus: {
        limitClass: 'read', currentlyAvailable: 1,
      } },
    });
    expect(rateLimits.returned).toEqual([{ clientId: 7, class: 'charges', count: 1 }]);
  });

  test('refuse though what was taken before cannot be put back', async () => {
    const rateLimits = new HandLimits({ charges: 5, read: 0 });
    rateLimits.giveBack = () => Promise.reject(new Error('Connection terminated unexpectedly'));
    const told: string[] = [];
    const admit = createAdmission(guard, {
      rateLimits, log: { ...log, error: (_fields: unknown, text: string) => told.push(text) },
    });
    const mixed = '{ topupQuote { amount } order { wallet { id } } }';
    expect(await ask(admit, mixed)).toMatchObject({
      kind: 'REFUSED', errors: [{ message: 'Rate limit exceeded. Retry after 2 seconds.' }],
    });
    expect(told).toEqual(['Points were not given back']);
  });

  test('tell how the limit stands behind a refusal that counts itself', async () => {
    const rateLimits = new HandLimits({ read: 2 }, 2);
    expect(await ask(createAdmission(guard, { rateLimits, log }), page)).toMatchObject({
      kind: 'REFUSED',
      errors: [{ extensions: { code: 'LIMIT_EXCEEDED' } }],
      cost: { requestedQueryCost: 3, throttleStatus: {
        limitClass: 'read', currentlyAvailable: 1,
      } },
    });
  });

  test('count what is refused for what it is as a read, then refuse it as too much', async () => {
    const rateLimits = new HandLimits({ read: 5 });
    const admit = createAdmission(guardOf(await buildTopupSchema()), { rateLimits, log });
    const extensions = { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } };
    // A hash that is asked by first is no fault.
    expect(await admit(readParameters({ extensions }),
      { clientId: 7, scopes: SCOPES, transport: 'POST' })).toMatchObject({ kind: 'REFUSED' });
    await ask(admit, '{');
    await ask(admit, '{ nothing }');
    await ask(admit, `mutation { a: ${ORDER} b: ${ORDER} }`);
    await ask(admit, `mutation { ${ORDER} }`, 'GET');
    await ask(admit, 'subscription { topupOrderUpdated(by: {orderId: 1}) { cursor } }');
    expect(rateLimits.requests)
      .toEqual(Array.from({ length: 5 }, () => ({ clientId: 7, class: 'read', count: 1 })));
    expect(await ask(admit, '{ nothing }')).toMatchObject({
      kind: 'REFUSED', errors: [{ message: 'Rate limit exceeded. Retry after 2 seconds.' }],
    });
  });

  test('that nobody can ask hide nothing of what is wrong', async () => {
    const giveBack = (): Promise<void> => Promise.reject(new Error('Nothing was taken'));
    const askOver = (fault: Error) => ask(
      createAdmission(guard, { rateLimits: { take: () => Promise.reject(fault), giveBack }, log }),
      '{ nothing }');
    expect(await askOver(new TemporarilyUnavailable('away', 1000))).toMatchObject({
      kind: 'REFUSED', errors: [{ message: expect.stringContaining('nothing') }],
    });
    await expect(askOver(new Error('a fault of ours'))).rejects.toThrow('a fault of ours');
  });

  test('of a client without any are not told, its cost is', async () => {
    const giveBack = (): Promise<void> => Promise.reject(new Error('Nothing was taken'));
    const rateLimits = { take: async () => NOT_LIMITED, giveBack };
    const admission = await ask(createAdmission(guard, { rateLimits, log }), page);
    if (admission.kind === 'REFUSED') throw admission.errors[0];
    expect(admission.settle(brought({ orders: { nodes: [] } })))
      .toEqual({ requestedQueryCost: 3, actualQueryCost: 1, throttleStatus: null });
  });
});
