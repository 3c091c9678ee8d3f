import type { Fulfilment } from '../domain/fulfil-topup-order.ts';
import type { StrayCallback } from '../domain/fulfilment-ports.ts';
import { applyStrayCallback } from '../domain/receive-callback.ts';
import { startLoop, type Loop } from './loop.ts';

/** A supplier that serves others as well may tell us of their orders, too. */
const PAGE_SIZE = 500;
const POLL_MS = 1000;

/** Applies callbacks that came before their order was there, once it is, and forgets old ones. */
export function startStrayCallbacks(options: Fulfilment & {
  readonly onError: (error: unknown) => void;
  readonly onApplied: (callback: StrayCallback) => void;
}): Loop {
  const { strays } = options.store;
  let after: string | null = null;
  return startLoop({
    ...options,
    runOnce: async () => {
      const page = await strays.find(PAGE_SIZE, after);
      // Before anything can fail: one that cannot be applied must not keep others from it.
      after = page.after;
      const applied: string[] = [];
      for (const callback of page.callbacks) {
        const result = await applyStrayCallback(callback, options);
        if (result === 'KEPT' || result === 'TRY_LATER') continue;
        options.onApplied(callback);
        applied.push(callback.id);
      }
      await strays.forget(applied);
      return POLL_MS;
    },
  });
}
