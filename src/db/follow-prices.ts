import type pg from 'pg';
import type { PricingSnapshot } from '../domain/pricing-snapshot.ts';
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
  let reading: Promise<PricingSnapshot> | null = null;
  let following: Promise<PricingSnapshot> | null = null;

  const read = (): Promise<PricingSnapshot> => {
    reading = askUntilBack(() => book.refresh())
      .then((fresh) => {
        snapshot = fresh;
        return fresh;
      })
      .finally(() => { reading = null; });
    return reading;
  };
  // Many orders may find their prices stale at once: they share one read, but never one that had
  // begun before they asked, since that one may still see the old figures.
  const refresh = (): Promise<PricingSnapshot> => {
    if (reading === null) return read();
    following ??= reading.catch(() => snapshot).then(() => {
      following = null;
      return reading ?? read();
    });
    return following;
  };
  const fresh = async (): Promise<PricingSnapshot> => {
    const isCurrent = await askUntilBack(() => isPricingCurrent(pool, snapshot));
    return isCurrent ? snapshot : refresh();
  };
  let isStopped = false;
  const follow = (): void => void fresh().catch((error: Error) => {
    // A question that was still waiting for the database has nobody to ask any more.
    if (!isStopped) options.onError(error);
  });

  const stopListening = options.wakeUps.on('catalogue', follow);
  const timer = setInterval(follow, PRICING_POLL_MS);
  return {
    current: () => snapshot,
    refresh,
    fresh,
    stop() {
      isStopped = true;
      stopListening();
      clearInterval(timer);
    },
  };
}
