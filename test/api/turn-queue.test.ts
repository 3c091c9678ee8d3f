import {
  GraphQLInt, GraphQLObjectType, GraphQLSchema, parse, type ExecutionResult,
} from 'graphql';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { subscribeFreshly, type ResultIterator } from '../../src/graphql/fresh-subscribe.ts';
import { TurnQueue } from '../../src/graphql/turn-queue.ts';

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

test('so many begin in a turn, the others in the next ones, in their order', async () => {
  const queue = new TurnQueue(3);
  const begun: number[] = [];
  const add = (number: number): unknown => queue.pass().then(() => begun.push(number));
  for (let number = 0; number < 7; number += 1) add(number);
  await Promise.resolve();
  expect(begun).toEqual([0, 1, 2]);
  await turn();
  expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
  // There is room for two more in a turn that has begun the last.
  await turn();
  for (const number of [7, 8, 9]) add(number);
  await Promise.resolve();
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  await turn();
  expect(begun).toHaveLength(10);
});

test('what is at hand of many subscriptions leaves turns to everybody else', async () => {
  const eventCount = 200;
  async function* counted(): AsyncGenerator<{ n: number }> {
    for (let n = 0; n < eventCount; n += 1) yield { n };
  }
  const fields = { n: { type: GraphQLInt } };
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields }),
    subscription: new GraphQLObjectType({
      name: 'Subscription', fields: { n: { type: GraphQLInt, subscribe: counted } },
    }),
  });
  let isReading = true;
  let turnCount = 0;
  const count = (): void => {
    turnCount += 1;
    if (isReading) setImmediate(count);
  };
  const readAll = async (): Promise<readonly ExecutionResult[]> => {
    const results: ExecutionResult[] = [];
    const document = parse('subscription { n }');
    const iterator = await subscribeFreshly(
      { schema, document }, () => ({}), { clientId: 1, toll: null, clock: systemClock },
    ) as ResultIterator;
    for await (const result of iterator) results.push(result);
    return results;
  };
  setImmediate(count);
  const all = await Promise.all(Array.from({ length: 10 }, readAll));
  isReading = false;
  const whole = Array.from({ length: eventCount }, (_, n) => ({ data: { n } }));
  expect(all).toEqual(Array.from({ length: 10 }, () => whole));
  // 2,000 events, 128 in each.
  expect(turnCount).toBeGreaterThan(14);
});
