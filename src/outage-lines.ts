import { isAway } from './db/faults.ts';
import { TemporarilyUnavailable } from './domain/rejection.ts';

/** How often the log says again that something is away; milliseconds. */
const AGAIN_MS = 30_000;
/** Words of systems and of other languages may have any figures in them: memory is bounded. */
const KINDS_MAX = 1000;

interface Told {
  readonly sinceMs: number;
  leftOut: number;
}

/**
 * A database that is away for a night is no news at every try: of lines with the same words that
 * say nothing but that, for the same reason, one passes in half a minute. Answers how many were
 * left out since the one before it, or null where this one is to be left out. Lines that name an
 * order, or say anything else, pass always.
 */
export function createOutageLines(
  nowMs: () => number = () => performance.now(),
): (fields: unknown, words: unknown) => number | null {
  const told = new Map<string, Told>();
  return (fields, words) => {
    const reason = outageOf(fields);
    if (reason === null) return 0;
    const kind = `${String(words)} ${reason}`;
    const last = told.get(kind);
    if (last !== undefined && nowMs() - last.sinceMs < AGAIN_MS) {
      last.leftOut += 1;
      return null;
    }
    if (told.size >= KINDS_MAX) told.clear();
    told.set(kind, { sinceMs: nowMs(), leftOut: 0 });
    return last?.leftOut ?? 0;
  };
}

/** Why something is away, where that is all a line says. */
function outageOf(fields: unknown): string | null {
  if (typeof fields !== 'object' || fields === null || Object.keys(fields).join() !== 'err') {
    return null;
  }
  const { err } = fields as { readonly err: unknown };
  const fault = err instanceof TemporarilyUnavailable ? err.cause : err;
  return isAway(fault) ? String(fault) : null;
}
