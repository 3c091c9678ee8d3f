import type pg from 'pg';
import type { Standings } from '../domain/access.ts';
import {
  NOT_LIMITED, type RateFigures, type RateLimits, type RateRequest, type RateVerdict,
} from '../domain/rate-limits.ts';
import { Batcher } from './batcher.ts';
import { askUntilBack } from './pool.ts';

const BATCH_SIZE_MAX = 256;
/** How long a process repeats a refusal by itself, so that a flood of them costs little. */
const REFUSAL_KEPT_MS_MAX = 1000;
/** Refusals that are kept at a time. */
const REFUSALS_MAX = 10_000;

interface Counted extends Required<Omit<RateRequest, 'mayComeBack'>> {
  readonly max: number;
}

interface VerdictRow {
  readonly ordinal: number;
  readonly is_admitted: boolean;
  readonly remaining: number;
  readonly reset_in_ms: number;
  readonly retry_after_ms: number;
}

/**
 * Counts in the database, for all processes over it: one call for the requests that arrive
 * together. Who is not limited is told so from memory.
 */
export function createRateLimits(options: {
  readonly pool: pg.Pool;
  readonly standings: Pick<Standings, 'of'>;
  readonly figures: RateFigures;
}): RateLimits {
  const { pool } = options;
  const refusals = new Refusals();
  const batcher = new Batcher<Counted, RateVerdict>({
    sizeMax: BATCH_SIZE_MAX, run: (requests) => takeTogether(pool, requests),
  });
  const limitOf = ({ clientId, class: rateClass }: RateRequest): number | null => {
    const standing = clientId === 0 ? undefined : options.standings.of(clientId);
    if (standing === undefined) return options.figures[rateClass];
    return standing.rates === null ? null : standing.rates[rateClass] ?? options.figures[rateClass];
  };
  return {
    async take(request) {
      const max = limitOf(request);
      if (max === null) return NOT_LIMITED;
      const { clientId, subject = '', class: rateClass, count, mayComeBack = false } = request;
      const counted = { clientId, subject, class: rateClass, count, max };
      const known = refusals.find(counted);
      if (known !== null) return known;
      const verdict = await batcher.add(counted);
      if (!verdict.isAdmitted && !mayComeBack) refusals.keep(counted, verdict);
      return verdict;
    },
    async giveBack(request) {
      if (limitOf(request) === null) return;
      const { clientId, subject = '', class: rateClass, count } = request;
      await pool.query({
        name: 'give_tokens_back',
        text: 'select give_tokens_back($1, $2, $3, $4)',
        values: [clientId, rateClass, subject, count],
      });
      // Behind the call: what was refused before it would be refused from memory.
      refusals.forget({ clientId, subject, class: rateClass });
    },
  };
}

async function takeTogether(
  pool: pg.Pool,
  requests: readonly Counted[],
): Promise<readonly RateVerdict[]> {
  const rows = requests.map(({ clientId, class: rateClass, subject, count, max }, ordinal) =>
    ({ ordinal, client_id: clientId, class: rateClass, subject, count, max }));
  // A call whose answer was lost may count twice; better than to let everybody in.
  const answer = await askUntilBack(() => pool.query<VerdictRow>({
    name: 'take_tokens',
    text: 'select * from take_tokens($1)',
    values: [JSON.stringify(rows)],
  }));
  const verdicts = new Map(answer.rows.map((row) => [row.ordinal, row]));
  return requests.map(({ max }, ordinal) => {
    const row = verdicts.get(ordinal);
    if (row === undefined) throw new Error('A request was not counted');
    return {
      isAdmitted: row.is_admitted,
      limit: max,
      remaining: row.remaining,
      resetInMs: row.reset_in_ms,
      retryAfterMs: row.retry_after_ms,
    };
  });
}

type Key = Pick<Counted, 'clientId' | 'class' | 'subject'>;

interface Refusal {
  readonly atMs: number;
  readonly count: number;
  readonly max: number;
  readonly verdict: RateVerdict;
}

/** What was refused a moment ago is refused again, for as many tokens. */
class Refusals {
  readonly #kept = new Map<string, Refusal>();

  find(request: Counted): RateVerdict | null {
    const refusal = this.#kept.get(keyOf(request));
    if (refusal === undefined) return null;
    const passedMs = performance.now() - refusal.atMs;
    const { verdict } = refusal;
    if (passedMs >= Math.min(verdict.retryAfterMs, REFUSAL_KEPT_MS_MAX)) {
      this.#kept.delete(keyOf(request));
      return null;
    }
    if (request.count !== refusal.count || request.max !== refusal.max) return null;
    return {
      ...verdict,
      resetInMs: Math.max(0, Math.ceil(verdict.resetInMs - passedMs)),
      retryAfterMs: Math.ceil(verdict.retryAfterMs - passedMs),
    };
  }

  keep(request: Counted, verdict: RateVerdict): void {
    if (this.#kept.size >= REFUSALS_MAX) this.#kept.clear();
    const { count, max } = request;
    this.#kept.set(keyOf(request), { atMs: performance.now(), count, max, verdict });
  }

  forget(request: Key): void {
    this.#kept.delete(keyOf(request));
  }
}

function keyOf({ clientId, class: rateClass, subject }: Key): string {
  return `${clientId} ${rateClass} ${subject}`;
}
