import type { FulfilmentStore } from '../domain/fulfilment-ports.ts';
import type { Clock } from '../domain/ports.ts';
import { startLoop, type Loop } from './loop.ts';

/** Orders of one round: each is locked and moved by itself. */
const ROUND_SIZE = 256;
/** How long an order may wait beside a supplier that could have it; milliseconds. */
const POLL_MS = 250;
/**
 * A round looks at thousands of orders that wait, and the next one goes on behind them: so it rests
 * this many times of what it took.
 */
const REST_FACTOR = 9;

/** Takes orders that wait for a suspended supplier to the next one that sells the same. */
export function startRerouting(options: {
  readonly store: Pick<FulfilmentStore, 'leaveSuspendedSuppliers'>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  /** Orders became due anew. */
  readonly onRerouted: () => void;
}): Loop {
  const { store, clock } = options;
  return startLoop({
    ...options,
    runOnce: async () => {
      const startedMs = clock.monotonicMs();
      const count = await store.leaveSuspendedSuppliers(ROUND_SIZE);
      if (count > 0) options.onRerouted();
      if (count >= ROUND_SIZE) return 0;
      return Math.max(POLL_MS, REST_FACTOR * (clock.monotonicMs() - startedMs));
    },
  });
}
