import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findViolations } from '../../src/db/invariants.ts';
import { useTestDatabase } from '../support/database.ts';
import { Interleavings, ops, setting } from '../support/interleavings.ts';

const RUNS = 120;

const database = useTestDatabase();
let interleavings: Interleavings;

beforeAll(() => {
  interleavings = new Interleavings(database());
});
afterAll(() => interleavings.close());

it('keeps the promises about money and sends under random interleavings', async () => {
  await fc.assert(
    fc.asyncProperty(setting, ops, (given, todo) => interleavings.run(given, todo)),
    { numRuns: RUNS },
  );
  expect(await findViolations(database().query)).toEqual([]);
}, 120_000);
