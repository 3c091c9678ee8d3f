import { isAway } from './db/faults.ts';

/** How often the log says again that something is away; milliseconds. */
const AGAIN_MS = 30_000;

/** What a line of the log holds beside its words. */
type Fields = Readonly<Record<string, unknown>>;

interface Told {
  readonly sinceMs: number;
  leftOut: number;
}

/**
 * A database that is away for a night is no news at every try: of lines with the same words that
 * say nothing but that, for the same reason, one passes in half a minute, with how many were left
 * out since the one before it. Those that name an order or a request pass always.
 */
export function createOutageLines(
  nowMs: () => number = () => performance.now(),
): (fields: unknown, words: unknown) => Fields | null {
  // By words, which are constants of the program, and the code of the fault.
  const told = new Map<string, Told>();
  return (fields, words) => {
    const named = fields as Fields;
    if (!isOnlyOutage(fields)) return named;
    const key = `${words} ${(named['err'] as { code?: unknown }).code}`;
    const last = told.get(key);
    if (last !== undefined && nowMs() - last.sinceMs < AGAIN_MS) {
      last.leftOut += 1;
      return null;
    }
    told.set(key, { sinceMs: nowMs(), leftOut: 0 });
    return last === undefined || last.leftOut === 0 ? named : { ...named, left_out: last.leftOut };
  };
}

function isOnlyOutage(fields: unknown): boolean {
  if (typeof fields !== 'object' || fields === null) return false;
  return Object.keys(fields).join() === 'err' && isAway((fields as Fields)['err']);
}
