import { randomInt } from 'node:crypto';
import process from 'node:process';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findViolations } from '../../src/db/invariants.ts';
import { useTestDatabase } from '../support/database.ts';
import { Interleavings, ops, setting } from '../support/interleavings.ts';

const RUNS = Number(process.env['RUNS'] ?? 5000);
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));

const database = useTestDatabase();
let interleavings: Interleavings;

beforeAll(() => {
  interleavings = new Interleavings(database());
});
afterAll(() => interleavings.close());

it(`keeps the promises in ${RUNS} random interleavings, seed ${SEED}`, async () => {
  await fc.assert(
    fc.asyncProperty(setting, ops, (given, todo) => interleavings.run(given, todo)),
    { numRuns: RUNS, seed: SEED },
  );
  expect(await findViolations(database().query)).toEqual([]);
});
