import type pg from 'pg';
import type { PricingSnapshot } from '../domain/pricing-snapshot.ts';
import { followChannel, oneAtATime } from './following.ts';
import { askUntilBack } from './pool.ts';
import { PricingBook } from './pricing-book.ts';
import { isPricingCurrent } from './pricing-reader.ts';
import type { WakeUps } from './wake-ups.ts';

/** A lost wake-up leaves prices old for at most this; the placing call refuses them meanwhile. */
const PRICING_POLL_MS = 500;

/** The prices of this process, kept as the database has them. */
export interface Prices {
  readonly current: () => PricingSnapshot;
  /** Reads again, in any case. */
  readonly refresh: () => Promise<PricingSnapshot>;
  /** Reads again where something changed. */
  readonly fresh: () => Promise<PricingSnapshot>;
  readonly stop: () => void;
}

/** Reads the prices, and follows them from then on. */
export async function followPrices(options: {
  readonly pool: pg.Pool;
  readonly wakeUps: WakeUps;
  readonly forexRateHoursMax: number;
  readonly onError: (error: Error) => void;
}): Promise<Prices> {
  const { pool, forexRateHoursMax } = options;
  const book = new PricingBook(pool, { forexRateHoursMax });
  let snapshot = await book.refresh();
  // Many orders may find their prices stale at once.
  const refresh = oneAtATime(async () => {
    snapshot = await askUntilBack(() => book.refresh());
    return snapshot;
  });
  const fresh = async (): Promise<PricingSnapshot> => {
    const isCurrent = await askUntilBack(() => isPricingCurrent(pool, snapshot));
    return isCurrent ? snapshot : refresh();
  };
  const stop = followChannel({
    ...options, channel: 'catalogue', pollMs: PRICING_POLL_MS, look: fresh,
  });
  return { current: () => snapshot, refresh, fresh, stop };
}
