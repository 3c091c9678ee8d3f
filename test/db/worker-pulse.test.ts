import { expect, it } from 'vitest';
import { openWorkerPulse } from '../../src/db/worker-pulse.ts';
import { systemClock } from '../../src/clock.ts';

it('is told to others once in five seconds, however often a worker goes round', () => {
  let nowMs = 0;
  let toldCount = 0;
  const pulse = openWorkerPulse({
    clock: { ...systemClock, monotonicMs: () => nowMs },
    wakeUps: { on: () => () => undefined, send: () => { toldCount += 1; } },
  });
  for (const [atMs, count] of [[0, 1], [4_999, 1], [5_000, 2], [9_999, 2]] as const) {
    nowMs = atMs;
    pulse.beat();
    expect(toldCount).toBe(count);
  }
});

it('tells for how long no worker was heard, at the longest since it listens', () => {
  let nowMs = 7_000;
  let hear = (): void => expect.fail('nobody listens');
  const pulse = openWorkerPulse({
    clock: { ...systemClock, monotonicMs: () => nowMs },
    wakeUps: {
      on: (_channel, listener) => {
        hear = listener;
        return () => undefined;
      },
      send: () => undefined,
    },
  });
  const told = (): readonly number[] => [pulse.silentMs(), pulse.unheardMs()];
  expect(told()).toEqual([Infinity, 0]);
  nowMs += 16_000;
  expect(told()).toEqual([Infinity, 16_000]);
  hear();
  nowMs += 300;
  expect(told()).toEqual([300, 300]);
});
