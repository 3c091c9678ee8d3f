import type { Clock } from '../domain/ports.ts';

/** How long the same trouble is not told again; milliseconds. */
const QUIET_MS = 60_000;
/** Different ones that are remembered: what suppliers say must not fill the memory. */
const KNOWN_MAX = 100;

/** What a supplier could not be brought to answer, and how often since it was told last. */
export interface Trouble {
  readonly supplier: string;
  readonly reason: string;
  readonly count: number;
}

/** Tells each trouble at once, and then once a minute as long as it lasts. */
export function createTroubleNotes(options: {
  readonly clock: Clock;
  readonly tell: (trouble: Trouble) => void;
}): (supplier: string, reason: string) => void {
  const known = new Map<string, { toldAtMs: number; count: number }>();
  return (supplier, said) => {
    const nowMs = options.clock.monotonicMs();
    for (const [each, { toldAtMs }] of known.size >= KNOWN_MAX ? known : []) {
      if (nowMs - toldAtMs >= QUIET_MS) known.delete(each);
    }
    const isNew = !known.has(`${supplier}: ${said}`);
    const reason = isNew && known.size >= KNOWN_MAX ? 'others' : said;
    const key = `${supplier}: ${reason}`;
    const note = known.get(key) ?? { toldAtMs: -Infinity, count: 0 };
    note.count += 1;
    if (nowMs - note.toldAtMs >= QUIET_MS) {
      options.tell({ supplier, reason, count: note.count });
      Object.assign(note, { toldAtMs: nowMs, count: 0 });
    }
    known.set(key, note);
  };
}
