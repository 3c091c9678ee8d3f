import { describe, expect, it } from 'vitest';
import { MATRIX, runMatrixRow } from '../support/crash-matrix.ts';

// The campaign has this one too; next to a callback that was verified it shows little more.
const DAILY = MATRIX.filter((row) => row.at !== 'CALLBACK_RECORDED');

describe.concurrent('an order whose process is killed', () => {
  it.each(DAILY)('ends right: at $at', async (row) => {
    const cells = await runMatrixRow(row, 1);
    expect(cells.filter((cell) => cell.fault !== null)).toEqual([]);
    expect(cells.filter((cell) => cell.wasHeld).length).toBeGreaterThan(cells.length / 2);
  }, 60_000);
});
