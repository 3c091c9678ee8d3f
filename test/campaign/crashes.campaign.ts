import { randomInt } from 'node:crypto';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { MATRIX, runMatrixRow } from '../support/crash-matrix.ts';
import { runRandomCrashes } from '../support/random-crashes.ts';

const REPETITIONS = Number(process.env['REPETITIONS'] ?? 3);
const RANDOM_RUNS = Number(process.env['RANDOM_RUNS'] ?? 40);
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));

const repetitions = Array.from({ length: REPETITIONS }, (_, index) => index + 1);
// An order comes to a callback once; to the other points again with each attempt and question.
const rows = MATRIX.flatMap((row) => {
  const isOnce = row.at === 'PLACED' || row.at.startsWith('CALLBACK');
  return (isOnce ? [1] : [1, 2, 3]).flatMap((count) =>
    repetitions.map((repetition) => ({ ...row, count, repetition })));
});

describe.concurrent('an order whose process is killed', () => {
  it.each(rows)('ends right: at $at for the time $count, repetition $repetition', async (row) => {
    const cells = await runMatrixRow(row, row.count);
    expect(cells.filter((cell) => cell.fault !== null)).toEqual([]);
  });
});

describe.concurrent('processes that are killed at random points', () => {
  const seeds = Array.from({ length: RANDOM_RUNS }, (_, index) => SEED + index);
  it.each(seeds)('lose and repeat nothing, seed %i', async (seed) => {
    expect(await runRandomCrashes(seed)).toEqual([]);
  });
});
