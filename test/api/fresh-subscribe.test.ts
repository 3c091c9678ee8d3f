import { GraphQLInt, GraphQLObjectType, GraphQLSchema, parse } from 'graphql';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { subscribeFreshly, type ResultIterator } from '../../src/graphql/fresh-subscribe.ts';

/** A subscription of numbers from 1 on, a field of which is read as `read` says. */
async function subscribed(
  read: (n: number) => number,
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>,
): Promise<ResultIterator> {
  async function* numbers(): AsyncGenerator<{ n: number }> {
    for (let n = 1; ; n += 1) yield { n };
  }
  const n = { type: GraphQLInt, resolve: (edge: { n: number }) => read(edge.n) };
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { n } }),
    subscription: new GraphQLObjectType({
      name: 'Subscription', fields: { n: { ...n, subscribe: numbers } },
    }),
  });
  return await subscribeFreshly({ schema, document: parse('subscription { n }') }, () => ({}), {
    clientId: 1, toll: null, clock: { sleep },
  }) as ResultIterator;
}

test('an event of which something cannot be read at the moment waits until it can', async () => {
  const waits: number[] = [];
  let readCount = 0;
  const results = await subscribed((n) => {
    readCount += 1;
    if (readCount === 2 || readCount === 3) throw new TemporarilyUnavailable('away', readCount);
    return n;
  }, async (ms) => void waits.push(ms));
  for (const n of [1, 2, 3]) expect(await results.next()).toMatchObject({ value: { data: { n } } });
  expect([waits, readCount]).toEqual([[2, 3], 5]);
  await results.return?.();
});

test('of one client four events are read at once, and others wait for none of them', async () => {
  const begun: number[] = [];
  const held = Promise.withResolvers<number>();
  async function* one(): AsyncGenerator<object> { yield {}; }
  const n = { type: GraphQLInt, resolve: (_edge: object, _args: object, clientId: number) => {
    begun.push(clientId);
    return held.promise;
  } };
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { n } }),
    subscription: new GraphQLObjectType({
      name: 'Subscription', fields: { n: { ...n, subscribe: one } },
    }),
  });
  const read = async (clientId: number): Promise<unknown> => {
    const results = await subscribeFreshly(
      { schema, document: parse('subscription { n }') }, () => clientId,
      { clientId, toll: null, clock: systemClock },
    ) as ResultIterator;
    return (await results.next()).value;
  };
  const all = Array.from({ length: 10 }, () => read(1));
  all.push(read(2));
  await expect.poll(() => begun).toEqual([1, 1, 1, 1, 2]);
  held.resolve(7);
  expect(await Promise.all(all)).toEqual(all.map(() => ({ data: { n: 7 } })));
});

test('what fails for good is told once', async () => {
  const results = await subscribed(() => { throw new Error('a fault'); }, () => expect.fail());
  expect(await results.next()).toMatchObject({ value: { data: { n: null }, errors: [{}] } });
  await results.return?.();
});

test('a subscription whose event waits ends at once', async () => {
  const waiting = Promise.withResolvers<undefined>();
  const results = await subscribed(() => { throw new TemporarilyUnavailable('away'); },
    (_ms, signal) => new Promise((resolve) => {
      waiting.resolve(undefined);
      signal?.addEventListener('abort', () => resolve());
    }));
  const next = results.next();
  await waiting.promise;
  await results.return?.();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(await results.next()).toEqual({ done: true, value: undefined });
});

test('a subscription that ended while its event was read waits for nothing', async () => {
  const results = await subscribed(() => {
    void results.return?.();
    throw new TemporarilyUnavailable('away');
  }, (_ms, signal) => signal?.aborted === true
    ? Promise.resolve() : expect.fail('A wait that nobody ends'));
  expect(await results.next()).toEqual({ done: true, value: undefined });
});
