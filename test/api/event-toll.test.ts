import { GraphQLInt, GraphQLObjectType, GraphQLSchema, parse } from 'graphql';
import { expect, test } from 'vitest';
import { NOT_LIMITED, type RateVerdict } from '../../src/domain/rate-limits.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { eventToll } from '../../src/graphql/event-toll.ts';
import { subscribeFreshly, type ResultIterator } from '../../src/graphql/fresh-subscribe.ts';

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
  expect(tolled(30, []).toll).toBeNull();
});

test('a larger one costs a point for each hundred objects beyond, in whole points', async () => {
  const { toll, taken } = tolled(90, []);
  for (let event = 0; event < 5; event += 1) await toll?.(signal);
  expect(taken).toEqual([1, 1, 1]);
  const page = tolled(10_130, []);
  await page.toll?.(signal);
  expect(page.taken).toEqual([101]);
});

test('what cannot be paid waits, as long as it is told to or as the database is away', async () => {
  const { toll, taken, waitsMs } = tolled(130, [
    REFUSED, new TemporarilyUnavailable('away', 1_000), REFUSED, NOT_LIMITED,
  ]);
  await toll?.(signal);
  expect(taken).toEqual([1, 1, 1, 1]);
  expect(waitsMs).toEqual([700, 1_000, 700]);
  await expect(tolled(130, [new Error('a fault')]).toll?.(signal)).rejects.toThrow('a fault');
});

test('a subscription that waits for its points ends at once', async () => {
  let executedCount = 0;
  async function* events(): AsyncGenerator<object> {
    for (;;) yield {};
  }
  const fields = { n: { type: GraphQLInt, resolve: () => { executedCount += 1; return 1; } } };
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields }),
    subscription: new GraphQLObjectType({
      name: 'Subscription', fields: { n: { ...fields.n, subscribe: events } },
    }),
  });
  const waiting = Promise.withResolvers<void>();
  let passedCount = 0;
  const results = await subscribeFreshly(
    { schema, document: parse('subscription { n }') },
    () => ({}),
    (aborted) => {
      passedCount += 1;
      if (passedCount === 1) return Promise.resolve();
      waiting.resolve();
      return new Promise((resolve) => { aborted.addEventListener('abort', () => resolve()); });
    },
  ) as ResultIterator;
  expect(await results.next()).toEqual({ done: false, value: { data: { n: 1 } } });
  const second = results.next();
  await waiting.promise;
  await results.return?.();
  expect(await second).toEqual({ done: true, value: undefined });
  expect(executedCount).toBe(1);
});
