import { bulkhead } from 'cockatiel';

import type { Outcome, Supplier, SupplierRegistry } from '../domain/fulfilment-ports.ts';
import { type BreakerOptions, SupplierBreaker } from './supplier-breaker.ts';

const CONCURRENCY_MAX = 64;
/** However many a supplier is said to take, the others' calls need room beside its own. */
export const CONCURRENCY_LIMIT = 256;
/** A busy supplier's orders are claimed together, or each call that ends would cost a claim. */
const CLAIMED_SHARE_MIN = 1 / 8;

export interface SupplierRegistryOptions extends Omit<BreakerOptions, 'callsMax'> {
  /** Calls at one time, by supplier code. */
  readonly concurrencyMax?: Readonly<Record<string, number>>;
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
  const callsMax = Math.min(
    options.concurrencyMax?.[supplier.code] ?? CONCURRENCY_MAX, CONCURRENCY_LIMIT,
  );
  const places = bulkhead(callsMax, Infinity);
  const breaker = new SupplierBreaker({ ...options, callsMax });

  const call = async (
    send: () => Promise<Outcome>,
    isSubmit: boolean,
    signal: AbortSignal,
  ): Promise<Outcome> => {
    let isCalled = false;
    const sendNow = (): Promise<Outcome> => {
      isCalled = true;
      return send();
    };
    const calling = places.execute(
      async () => await breaker.run({ send: sendNow, isSubmit }, signal)
        ?? notSent('supplier rests after failures'),
      signal,
    );
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
      submit: (order, signal) => call(() => supplier.submit(order, signal), true, signal),
      query: (order, signal) => call(() => supplier.query(order, signal), false, signal),
      verifyCallback: (raw) => supplier.verifyCallback(raw),
    },
    room() {
      if (breaker.isResting) return 0;
      // While those after the rest are under way, the others stay away too.
      if (!breaker.isClosed) return Math.min(places.executionSlots, breaker.probesLeft);
      const isWorthAClaim = places.executionSlots >= callsMax * CLAIMED_SHARE_MIN;
      return isWorthAClaim ? places.executionSlots : 0;
    },
  };
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
