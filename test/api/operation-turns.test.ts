import { expect, test } from 'vitest';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { OperationTurns } from '../../src/graphql/operation-turns.ts';

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

/** Beginnings that keep the process busy for so long; milliseconds. */
function busyFor(ms: number, waitingMax = 100) {
  let nowMs = 0;
  const turns = new OperationTurns(waitingMax, () => nowMs);
  const begun: string[] = [];
  const begin = (clientId: number, name: string): Promise<string> =>
    turns.run(clientId, async () => {
      begun.push(name);
      nowMs += ms;
      return name;
    });
  return { begun, begin };
}

test('what takes long begins one in a turn, clients by turns, each in its order', async () => {
  const { begun, begin } = busyFor(5);
  const all = ['a1', 'a2', 'a3', 'a4'].map((name) => begin(1, name));
  expect(begun).toEqual(['a1']);
  all.push(begin(2, 'b1'), begin(2, 'b2'));
  expect(begun).toEqual(['a1']);
  for (const name of ['a2', 'b1', 'a3', 'b2', 'a4']) {
    await turn();
    expect(begun.at(-1)).toBe(name);
  }
  expect(begun.length).toBe(6);
  expect(await Promise.all(all)).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'b2']);
});

test('what takes little begins at once', () => {
  const { begun, begin } = busyFor(0.05);
  for (let number = 0; number < 50; number += 1) void begin(1, `${number}`);
  expect(begun.length).toBe(50);
});

test('of one client so many wait, and no more', async () => {
  const { begun, begin } = busyFor(5, 2);
  const all = ['a1', 'a2', 'a3'].map((name) => begin(1, name));
  await expect(begin(1, 'a4')).rejects.toThrow(TemporarilyUnavailable);
  all.push(begin(2, 'b1'));
  expect(await Promise.all(all)).toEqual(['a1', 'a2', 'a3', 'b1']);
  expect(await begin(1, 'a5')).toBe('a5');
  expect(begun).not.toContain('a4');
});

test('one that fails is told to who asked for it, and the next ones begin', async () => {
  let nowMs = 0;
  const turns = new OperationTurns(100, () => nowMs);
  const fail = (ms: number) => turns.run(1, async () => {
    nowMs += ms;
    throw new Error(`after ${ms} ms`);
  });
  const failed = [fail(5), fail(5), fail(0)];
  expect(await Promise.allSettled(failed)).toMatchObject([5, 5, 0].map((ms) => ({
    status: 'rejected', reason: { message: `after ${ms} ms` },
  })));
});
