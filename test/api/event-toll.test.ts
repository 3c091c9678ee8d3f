import {
  GraphQLInt, GraphQLObjectType, GraphQLSchema, Kind, OperationTypeNode, parse,
} from 'graphql';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import persisted from '../../schema/operations/persisted.json' with { type: 'json' };
import { NOT_LIMITED, type RateVerdict } from '../../src/domain/rate-limits.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { eventToll, type EventToll } from '../../src/graphql/event-toll.ts';
import { subscribeFreshly, type ResultIterator } from '../../src/graphql/fresh-subscribe.ts';
import { CostEstimate } from '../../src/graphql/operation-cost.ts';
import { buildTopupSchema } from '../../src/graphql/schema.ts';
import { ORDER_FEED, WALLET_FEED } from '../../src/pages/watch/documents.ts';

const REFUSED: RateVerdict = {
  isAdmitted: false, limit: 600, remaining: 0, resetInMs: 60_000, retryAfterMs: 700,
};

/** A toll of a client's points, each told, with the waits for those that are not there. */
function tolled(objectCount: number, verdicts: readonly (RateVerdict | Error)[]) {
  const taken: number[] = [];
  const waitsMs: number[] = [];
  const left = [...verdicts];
  const toll = eventToll(objectCount, {
    clientId: 7,
    rateLimits: {
      take: async (request) => {
        expect(request).toMatchObject({ clientId: 7, class: 'read' });
        taken.push(request.count);
        const verdict = left.shift() ?? NOT_LIMITED;
        if (verdict instanceof Error) throw verdict;
        return verdict;
      },
      giveBack: () => Promise.reject(new Error('Nothing goes back')),
    },
    clock: { sleep: async (ms) => void waitsMs.push(ms) },
  });
  return { toll, taken, waitsMs };
}

const { signal } = new AbortController();

test('an event with its order and wallet is free', () => {
  expect(tolled(40, []).toll).toBeNull();
});

test('a larger one costs a point for each hundred objects beyond, in whole points', async () => {
  const { toll, taken } = tolled(100, []);
  for (let event = 0; event < 5; event += 1) await toll?.(signal);
  expect(taken).toEqual([1, 1, 1]);
  const page = tolled(10_140, []);
  await page.toll?.(signal);
  expect(page.taken).toEqual([101]);
});

test('what cannot be paid waits, as long as it is told to or as the database is away', async () => {
  const { toll, taken, waitsMs } = tolled(140, [
    REFUSED, new TemporarilyUnavailable('away', 1_000), REFUSED, NOT_LIMITED,
  ]);
  await toll?.(signal);
  expect(taken).toEqual([1, 1, 1, 1]);
  expect(waitsMs).toEqual([700, 1_000, 700]);
  await expect(tolled(140, [new Error('a fault')]).toll?.(signal)).rejects.toThrow('a fault');
});

test('a client that has fewer points of a minute pays all of those', async () => {
  const refused = { ...REFUSED, limit: 3 };
  const { toll, taken, waitsMs } = tolled(1_040, [refused, refused]);
  await toll?.(signal);
  expect([taken, waitsMs]).toEqual([[10, 3, 10], [700]]);
});

/** A subscription of endless events, with the toll before each. */
async function subscribed(toll: EventToll, event: object = {}) {
  let executedCount = 0;
  let isFreed = false;
  async function* events(): AsyncGenerator<object> {
    try {
      for (;;) yield event;
    } finally {
      isFreed = true;
    }
  }
  const fields = { n: { type: GraphQLInt, resolve: () => { executedCount += 1; return 1; } } };
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields }),
    subscription: new GraphQLObjectType({
      name: 'Subscription', fields: { n: { ...fields.n, subscribe: events } },
    }),
  });
  const results = await subscribeFreshly(
    { schema, document: parse('subscription { n }') }, () => ({}),
    { clientId: 1, toll, clock: systemClock },
  ) as ResultIterator;
  return { results, executedCount: () => executedCount, isFreed: () => isFreed };
}

test('a subscription that waits for its points ends at once', async () => {
  const waiting = Promise.withResolvers<void>();
  let passedCount = 0;
  const { results, executedCount, isFreed } = await subscribed((aborted) => {
    passedCount += 1;
    if (passedCount === 1) return Promise.resolve();
    waiting.resolve();
    return new Promise((resolve) => { aborted.addEventListener('abort', () => resolve()); });
  });
  expect(await results.next()).toEqual({ done: false, value: { data: { n: 1 } } });
  const second = results.next();
  await waiting.promise;
  await results.return?.();
  expect(await second).toEqual({ done: true, value: undefined });
  expect([executedCount(), isFreed()]).toEqual([1, true]);
});

test('a fault in paying ends a subscription, and frees its source', async () => {
  const { results, executedCount, isFreed } =
    await subscribed(() => Promise.reject(new Error('a fault')));
  await expect(results.next()).rejects.toThrow('Internal server error');
  expect([executedCount(), isFreed()]).toEqual([0, true]);
});

test('an edge without a node is free', async () => {
  const { results } = await subscribed(() => Promise.reject(new Error('paid')), { node: null });
  expect(await results.next()).toEqual({ done: false, value: { data: { n: 1 } } });
  await results.return?.();
});

test('what our own pages and documents subscribe to is free', async () => {
  const schema = await buildTopupSchema();
  const texts = Object.values(persisted as Readonly<Record<string, string>>);
  const subscriptions = [ORDER_FEED.query, WALLET_FEED.query, ...texts]
    .map((text) => parse(text))
    .flatMap((document) => document.definitions
      .filter((each) => each.kind === Kind.OPERATION_DEFINITION)
      .filter(({ operation }) => operation === OperationTypeNode.SUBSCRIPTION)
      .map((operation) => ({ document, operation })));
  expect(subscriptions.length).toBeGreaterThan(4);
  for (const { document, operation } of subscriptions) {
    const { objectCount } = new CostEstimate(schema, document, {
      operation, variables: {}, variantCountMax: () => 0,
    }).measure();
    expect([operation.name?.value, tolled(objectCount, []).toll])
      .toEqual([operation.name?.value, null]);
  }
});
