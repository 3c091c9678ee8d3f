import {
  bulkhead, circuitBreaker, type CircuitBreakerPolicy, CircuitState, ConsecutiveBreaker, Event,
  handleWhenResult,
} from 'cockatiel';

import type { Outcome, Supplier, SupplierRegistry } from '../domain/fulfilment-ports.ts';
import type { Clock } from '../domain/ports.ts';
import { NO_ANSWER_IN_TIME, NO_CONNECTION } from './supplier-http.ts';

/** So many calls in a row that did not reach a supplier open its breaker. */
const UNREACHED_COUNT_MAX = 8;
/** An open breaker rests this long before some calls may try again. */
const REST_MS = 1_000;
/**
 * So many at once: where only some orders hang, as those of one operator, the others are soon among
 * those that try, and one answer closes the breaker.
 */
const PROBES_MAX = 8;
const CONCURRENCY_MAX = 64;
/** However many a supplier is said to take, the others' calls need room beside its own. */
export const CONCURRENCY_LIMIT = 256;
/** A busy supplier's orders are claimed together, or each call that ends would cost a claim. */
const CLAIMED_SHARE_MIN = 1 / 8;

export interface SupplierRegistryOptions {
  readonly clock: Clock;
  /** Calls at one time, by supplier code. */
  readonly concurrencyMax?: Readonly<Record<string, number>>;
  readonly unreachedCountMax?: number;
  readonly restMs?: number;
  readonly probesMax?: number;
}

/**
 * The suppliers, each behind a cap of concurrent calls and a circuit breaker. A call that finds
 * no room waits within its signal; one that was never made is TRANSIENT, nothing was sent.
 */
export function createSupplierRegistry(
  suppliers: readonly Supplier[],
  options: SupplierRegistryOptions,
): SupplierRegistry {
  const guards = new Map(suppliers.map((supplier) => [supplier.code, guard(supplier, options)]));
  return {
    find: (code) => guards.get(code)?.supplier,
    rooms: () => Object.fromEntries([...guards].map(([code, { room }]) => [code, room()])),
  };
}

interface Guard {
  readonly supplier: Supplier;
  /** Calls that could begin now; 0 while it rests and until some can begin together. */
  room(): number;
}

function guard(supplier: Supplier, options: SupplierRegistryOptions): Guard {
  const { clock, restMs = REST_MS, probesMax = PROBES_MAX } = options;
  const callsMax = Math.min(
    options.concurrencyMax?.[supplier.code] ?? CONCURRENCY_MAX, CONCURRENCY_LIMIT,
  );
  const places = bulkhead(callsMax, Infinity);
  const breaker = circuitBreaker(handleWhenResult(isUnreached), {
    breaker: new ConsecutiveBreaker(options.unreachedCountMax ?? UNREACHED_COUNT_MAX),
    // The rest is measured below: here it would be by the wall clock, which may step back.
    halfOpenAfter: -Infinity,
  });
  let restsUntilMs = -Infinity;
  breaker.onBreak(() => {
    restsUntilMs = clock.monotonicMs() + restMs;
  });
  const isClosed = () => breaker.state === CircuitState.Closed;
  const isResting = () => !isClosed() && clock.monotonicMs() < restsUntilMs;
  const probes = new Probes(breaker);

  const call = async (
    send: () => Promise<Outcome>,
    signal: AbortSignal,
  ): Promise<Outcome> => {
    let isCalled = false;
    const calling = places.execute(async () => {
      const sendNow = () => {
        isCalled = true;
        return send();
      };
      while (!isClosed()) {
        if (isResting()) return notSent('supplier rests after failures');
        if (probes.count < probesMax) return probes.send(sendNow);
        // Those after the rest decide for all that wait here.
        await Event.toPromise(breaker.onStateChange, signal);
      }
      return breaker.execute(sendNow, signal);
    }, signal);
    // Where the deadline ends the wait for room, the policies reject; nothing was sent then.
    const ended = calling.catch((error: unknown) => {
      if (isCalled) throw error;
      return notSent('not called');
    });
    const waited = untilAborted(signal);
    try {
      const first = await Promise.race([ended, waited.promise]);
      return first ?? (isCalled ? await ended : notSent('no room before the deadline'));
    } finally {
      waited.stop();
    }
  };
  return {
    supplier: {
      code: supplier.code,
      submit: (order, signal) => call(() => supplier.submit(order, signal), signal),
      query: (order, signal) => call(() => supplier.query(order, signal), signal),
      verifyCallback: (raw) => supplier.verifyCallback(raw),
    },
    room() {
      if (isResting()) return 0;
      // While those after the rest are under way, the others stay away too.
      const probesLeft = Math.max(probesMax - probes.count, 0);
      if (!isClosed()) return Math.min(places.executionSlots, probesLeft);
      const isWorthAClaim = places.executionSlots >= callsMax * CLAIMED_SHARE_MIN;
      return isWorthAClaim ? places.executionSlots : 0;
    },
  };
}

/** Calls that try whether the supplier is back. */
class Probes {
  count = 0;
  readonly #breaker: CircuitBreakerPolicy;

  constructor(breaker: CircuitBreakerPolicy) {
    this.#breaker = breaker;
  }

  async send(send: () => Promise<Outcome>): Promise<Outcome> {
    this.count += 1;
    try {
      const outcome = await send();
      // Told, not asked: of several that end together the breaker refuses all but one.
      await this.#breaker.execute(() => outcome).catch(() => undefined);
      return outcome;
    } finally {
      this.count -= 1;
    }
  }
}

/** An answer, whatever it says, is no failure of the connection; nor is a reset after sending. */
function isUnreached(outcome: unknown): boolean {
  const { kind, reason } = outcome as Outcome & { readonly reason?: string };
  return (kind === 'TRANSIENT' && reason === NO_CONNECTION)
    || (kind === 'UNKNOWN' && reason === NO_ANSWER_IN_TIME);
}

function notSent(reason: string): Outcome {
  return { kind: 'TRANSIENT', reason, retryAfterMs: null };
}

function untilAborted(signal: AbortSignal): { promise: Promise<null>; stop: () => void } {
  let stop = () => {};
  const promise = new Promise<null>((resolve) => {
    const onAbort = () => resolve(null);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    stop = () => signal.removeEventListener('abort', onAbort);
  });
  return { promise, stop };
}
