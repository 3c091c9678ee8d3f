import { expect, it } from 'vitest';

import { ClaimPace } from '../../src/worker/claim-pace.ts';

/** A pace whose clock goes on where it sleeps, and is put forward by hand. */
function paceOf(placing: { count: number }): {
  readonly pace: ClaimPace;
  readonly look: (laterMs: number) => Promise<number>;
} {
  let ms = 0;
  const pace = new ClaimPace({
    clock: {
      now: () => new Date(ms),
      monotonicMs: () => ms,
      sleep: (waitMs) => {
        ms += waitMs;
        return Promise.resolve();
      },
    },
    placingCount: () => placing.count,
  });
  return {
    pace,
    /** How long there is to be no claim beside a full supplier, so much later. */
    async look(laterMs) {
      ms += laterMs;
      await pace.keepOff();
      return pace.restBesideFullMs();
    },
  };
}
const ALONE = { isOneFull: false, isFilled: false };

it('waits for room in a crowd, at most a poll after the last claim', async () => {
  const { pace, look } = paceOf({ count: 32 });
  expect(await look(0)).toBe(0);
  pace.claimed(ALONE);
  expect(await look(100)).toBe(400);
  expect(await look(399)).toBe(1);
  expect(await look(10)).toBe(0);
  pace.claimed({ isOneFull: true, isFilled: false });
  expect(await look(200)).toBe(300);
});

it('claims at once beside a full supplier where there is no crowd', async () => {
  const { pace, look } = paceOf({ count: 31 });
  await look(0);
  pace.claimed(ALONE);
  expect(await look(10)).toBe(0);
});

it('takes a crowd for gone a second after it was seen', async () => {
  const placing = { count: 32 };
  const { pace, look } = paceOf(placing);
  await look(0);
  placing.count = 0;
  await look(900);
  pace.claimed(ALONE);
  expect(await look(99)).toBe(401);
  expect(await look(10)).toBe(0);
});

it('claims on in a crowd where others filled the claim beside a full supplier', async () => {
  const { pace, look } = paceOf({ count: 32 });
  await look(0);
  pace.claimed({ isOneFull: true, isFilled: true });
  expect(await look(10)).toBe(0);
  // One that was filled beside nobody waits: it is the full one's orders that are to come.
  pace.claimed({ isOneFull: false, isFilled: true });
  expect(await look(10)).toBe(490);
});
