import { expect, it } from 'vitest';
import { createTroubleNotes, type Trouble } from '../../src/worker/trouble-notes.ts';

it('tells each trouble at once, and then how often it was there, once a minute', () => {
  let nowMs = 0;
  const told: Trouble[] = [];
  const note = createTroubleNotes({
    clock: { now: () => new Date(0), monotonicMs: () => nowMs, sleep: () => Promise.resolve() },
    tell: (trouble) => told.push(trouble),
  });
  for (let count = 0; count < 5; count += 1) note('sandbox-a', 'HTTP 401');
  note('sandbox-b', 'HTTP 401');
  nowMs = 59_999;
  note('sandbox-a', 'HTTP 401');
  nowMs = 60_000;
  note('sandbox-a', 'HTTP 401');
  expect(told).toEqual([
    { supplier: 'sandbox-a', reason: 'HTTP 401', count: 1 },
    { supplier: 'sandbox-b', reason: 'HTTP 401', count: 1 },
    { supplier: 'sandbox-a', reason: 'HTTP 401', count: 6 },
  ]);
});

it('tells of very many kinds together, for a minute', () => {
  let nowMs = 0;
  const told: Trouble[] = [];
  const note = createTroubleNotes({
    clock: { now: () => new Date(0), monotonicMs: () => nowMs, sleep: () => Promise.resolve() },
    tell: (trouble) => told.push(trouble),
  });
  for (let count = 0; count < 5000; count += 1) note('sandbox-a', `status X${count % 500}`);
  expect(told).toHaveLength(101);
  expect(told.at(-1)).toEqual({ supplier: 'sandbox-a', reason: 'others', count: 1 });
  nowMs = 60_000;
  note('sandbox-a', 'status X499');
  expect(told.at(-1)).toEqual({ supplier: 'sandbox-a', reason: 'status X499', count: 1 });
});
