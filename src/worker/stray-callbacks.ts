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
  /** Ids of those that failed, perhaps for the sake of another one; who failed last stands last. */
  const failed = new Set<string>();

  /** Applies them, all at once or one after the other up to the first that fails. */
  async function apply(
    callbacks: readonly StrayCallback[],
    noted: { readonly applied: string[]; readonly faults: unknown[] },
  ): Promise<void> {
    const applyOne = async (callback: StrayCallback): Promise<boolean> => {
      const { id } = callback;
      failed.delete(id);
      try {
        const result = await applyStrayCallback(callback, options);
        if (result === 'KEPT' || result === 'TRY_LATER') return true;
        options.onApplied(callback);
        noted.applied.push(id);
        return true;
      } catch (error) {
        failed.add(id);
        noted.faults.push(error);
        return false;
      }
    };
    const alone = [...failed].flatMap((id) => callbacks.filter((each) => each.id === id));
    await Promise.all(callbacks.filter(({ id }) => !failed.has(id)).map(applyOne));
    for (const callback of alone) if (!await applyOne(callback)) break;
  }

  return startLoop({
    ...options,
    runOnce: async () => {
      const page = await strays.find(PAGE_SIZE, after);
      const callbacks = page.callbacks.slice(0, APPLIED_MAX);
      const isWhole = callbacks.length === page.callbacks.length;
      after = isWhole ? page.after : callbacks.at(-1)?.id ?? null;
      const noted = { applied: [], faults: [] };
      await apply(callbacks, noted);
      await strays.forget(noted.applied);
      if (noted.faults.length > 0) options.onError(noted.faults[0]);
      return isWhole ? POLL_MS : 0;
    },
  });
}
