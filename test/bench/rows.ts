/** How much of everything is measured: the full run, or a short one that shows that it works. */
export interface Sizes {
  readonly rounds: number;
  readonly seconds: number;
  /** What is compiled and cached on the way is no part of the measure. */
  readonly warmSeconds: number;
  /** So long idle sockets stay open: what is garbage is gone then. */
  readonly idleSeconds: number;
  readonly sockets: number;
  readonly idleSockets: number;
  readonly createsPerSecond: number;
}

/** One line of the result. `floor` and `ratio` are null where a row has no floor but a target. */
export interface Row {
  readonly name: string;
  readonly ours: number;
  readonly floor: number | null;
  readonly ratio: number | null;
  readonly unit: string;
  /** What performance is asked of the row, in words. */
  readonly target: string;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** A row of rates or times whose floor was measured in the same rounds. */
export function rowAgainstFloor(
  of: { readonly name: string; readonly unit: string; readonly target: string },
  rounds: { readonly ours: readonly number[]; readonly floor: readonly number[] },
): Row {
  const ours = median(rounds.ours);
  const floor = median(rounds.floor);
  return { ...of, ours, floor, ratio: ours / floor };
}

export function rowAlone(
  of: { readonly name: string; readonly unit: string; readonly target: string },
  rounds: readonly number[],
): Row {
  return { ...of, ours: median(rounds), floor: null, ratio: null };
}

/** The rows as a table for people. */
export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name, readable(row.ours), row.floor === null ? '' : readable(row.floor), row.unit,
    row.ratio === null ? '' : `${row.ratio.toFixed(2)} x`, row.target,
  ]);
  const all = [['row', 'ours', 'floor', 'unit', 'ratio', 'target'], ...cells];
  const widths = [0, 1, 2, 3, 4, 5].map((column) =>
    Math.max(...all.map((line) => line[column]?.length ?? 0)));
  const render = (line: readonly string[]): string =>
    `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  const [head = [], ...body] = all;
  return [render(head), rule, ...body.map(render)].join('\n');
}

function readable(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
