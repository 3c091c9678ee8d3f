import type { Fulfilment } from '../domain/fulfil-topup-order.ts';
import type { StrayCallback } from '../domain/fulfilment-ports.ts';
import { applyStrayCallback } from '../domain/receive-callback.ts';
import { startLoop, type Loop } from './loop.ts';

/** A supplier that serves others as well tells us of their orders, too: so many are looked at. */
const PAGE_SIZE = 5000;
/** They are recorded together; a stop waits for a round. */
const APPLIED_MAX = 256;
const POLL_MS = 1000;

/** Applies callbacks that came before their submission was there, once it is; forgets old ones. */
export function startStrayCallbacks(options: Fulfilment & {
  readonly onError: (error: unknown) => void;
  readonly onApplied: (callback: StrayCallback) => void;
}): Loop {
  const { strays } = options.store;
  let after: string | null = null;

  /** Answers whether it is over; one that cannot be applied now keeps none of the others. */
  const apply = async (callback: StrayCallback): Promise<boolean> => {
    try {
      const result = await applyStrayCallback(callback, options);
      if (result === 'KEPT' || result === 'TRY_LATER') return false;
      options.onApplied(callback);
      return true;
    } catch (error) {
      options.onError(error);
      return false;
    }
  };

  return startLoop({
    ...options,
    runOnce: async () => {
      const page = await strays.find(PAGE_SIZE, after);
      const callbacks = page.callbacks.slice(0, APPLIED_MAX);
      const isWhole = callbacks.length === page.callbacks.length;
      after = isWhole ? page.after : callbacks.at(-1)?.id ?? null;
      const isOver = await Promise.all(callbacks.map(apply));
      await strays.forget(callbacks.filter((_, index) => isOver[index]).map(({ id }) => id));
      return isWhole ? POLL_MS : 0;
    },
  });
}
