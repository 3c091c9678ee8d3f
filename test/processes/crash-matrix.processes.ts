import { describe, expect, it } from 'vitest';
import { MATRIX, runMatrixRow } from '../support/crash-matrix.ts';

// The campaign has all of them; what these leave out lies next to one of them.
const LEFT_OUT = new Set(['RECORDED', 'CALLBACK_RECORDED']);
const DAILY = MATRIX.filter((row) => !LEFT_OUT.has(row.at));

describe.concurrent('an order whose process is killed', () => {
  it.each(DAILY)('ends right: at $at', async (row) => {
    const cells = await runMatrixRow(row, 1);
    expect(cells.filter((cell) => cell.fault !== null)).toEqual([]);
    expect(cells.filter((cell) => cell.wasHeld).length).toBeGreaterThan(cells.length / 2);
  });
});
