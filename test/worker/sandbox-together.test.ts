import { expect, it } from 'vitest';
import { together } from '../../src/demo/sandbox-together.ts';

/** Doubles numbers, and refuses any call that has an odd one; keeps what each call had. */
function doubling(sizeMax: number) {
  const calls: (readonly number[])[] = [];
  const double = together<number, number>(sizeMax, (items) => {
    calls.push(items);
    return items.some((item) => item % 2 === 1)
      ? Promise.reject(new Error(`refused ${items.join()}`))
      : Promise.resolve(items.map((item) => 2 * item));
  });
  return { calls, double };
}

it('carries what arrives together in one call, in its order, up to its size', async () => {
  const { calls, double } = doubling(3);
  expect(await Promise.all([2, 4, 6, 8].map(double))).toEqual([4, 8, 12, 16]);
  expect(calls).toEqual([[2, 4, 6], [8]]);
  expect(await double(10)).toBe(20);
  expect(calls).toHaveLength(3);
});

it('lets no item suffer from its neighbours, and goes on', async () => {
  const { double } = doubling(8);
  const results = await Promise.allSettled([2, 3, 4].map(double));
  expect(results).toEqual([
    { status: 'fulfilled', value: 4 },
    { status: 'rejected', reason: new Error('refused 3') },
    { status: 'fulfilled', value: 8 },
  ]);
  await expect(double(5)).rejects.toThrow('refused 5');
  expect(await double(6)).toBe(12);
});
