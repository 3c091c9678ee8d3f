import type { FulfilmentStore } from '../domain/fulfilment-ports.ts';
import type { Clock } from '../domain/ports.ts';
import { startLoop, type Loop } from './loop.ts';

const ROUND_SIZE = 256;
/** A clock that ran ahead is rare, and orders lay for long before anybody set it back. */
const POLL_MS = 30_000;

/** Takes up again what lies far ahead because the database's clock did. */
export function startRecall(options: {
  readonly store: Pick<FulfilmentStore, 'recallFarOrders'>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  readonly onRecalled: (count: number) => void;
}): Loop {
  return startLoop({
    ...options,
    runOnce: async () => {
      const count = await options.store.recallFarOrders(ROUND_SIZE);
      if (count > 0) options.onRecalled(count);
      return count >= ROUND_SIZE ? 0 : POLL_MS;
    },
  });
}
