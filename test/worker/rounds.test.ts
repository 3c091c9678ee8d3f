import { expect, it, onTestFinished } from 'vitest';
import type { Clock } from '../../src/domain/ports.ts';
import type { Loop } from '../../src/worker/loop.ts';
import { startRecall } from '../../src/worker/recall.ts';
import { startRerouting } from '../../src/worker/rerouting.ts';
import { startSequencer } from '../../src/worker/sequencer.ts';

const onError = (error: unknown): void => expect.fail(String(error));

/** Rounds that found so much, one after the other; then the pause that the last one led to. */
async function pauseAfter(
  found: readonly number[],
  start: (round: (limit: number) => Promise<number>, clock: Clock) => Loop,
): Promise<number> {
  const left = [...found];
  const paused = Promise.withResolvers<number>();
  const clock: Clock = {
    now: () => new Date(0),
    monotonicMs: () => 0,
    sleep: (ms, signal) => new Promise((resolve) => {
      // A rest within a round has no signal: nothing wakes it.
      if (signal === undefined || ms === 0) return resolve();
      paused.resolve(ms);
      signal.addEventListener('abort', () => resolve());
    }),
  };
  const loop = start(async (limit) => Math.min(limit, left.shift() ?? 0), clock);
  onTestFinished(() => loop.stop());
  const ms = await paused.promise;
  expect(left).toEqual([]);
  return ms;
}

it('orders that lay far ahead are told of, and all taken up before there is a pause', async () => {
  const told: number[] = [];
  expect(await pauseAfter([256, 256, 3], (recallFarOrders, clock) => startRecall({
    store: { recallFarOrders }, clock, onError, onRecalled: (count) => told.push(count),
  }))).toBe(30_000);
  expect(told).toEqual([256, 256, 3]);
});

it('orders that leave a suspended supplier are due at once, and all before a pause', async () => {
  let reroutedCount = 0;
  const start = (leaveSuspendedSuppliers: (limit: number) => Promise<number>, clock: Clock) =>
    startRerouting({
      store: { leaveSuspendedSuppliers }, clock, onError, onRerouted: () => { reroutedCount += 1; },
    });
  expect(await pauseAfter([256, 0], start)).toBe(250);
  expect(reroutedCount).toBe(1);
  expect(await pauseAfter([3], start)).toBe(250);
  expect(reroutedCount).toBe(2);
});

it('events are numbered without a pause for as long as there are many', async () => {
  expect(await pauseAfter([1_000, 1_000, 7], (numberEvents, clock) => startSequencer({
    numberEvents, clock, onError,
  }))).toBe(250);
});
