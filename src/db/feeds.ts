import type pg from 'pg';
import { removeFeedPositions } from './feed-numbers.ts';
import { PostgresOrderFeed } from './order-feed.ts';
import { PostgresWalletFeed } from './wallet-feed.ts';
import type { WakeUps } from './wake-ups.ts';

export interface Feeds {
  readonly feed: PostgresOrderFeed;
  readonly walletFeed: PostgresWalletFeed;
  /** Removes up to `limit` positions that are too old; answers how many. */
  readonly removeFeedPositions: (limit: number) => Promise<number>;
  readonly close: () => Promise<void>;
}

/** What the subscriptions of one process follow. */
export function openFeeds(options: {
  readonly pool: pg.Pool;
  readonly wakeUps: WakeUps;
  readonly retentionDays: number;
  readonly onError: (error: Error) => void;
}): Feeds {
  const feed = new PostgresOrderFeed(options);
  const walletFeed = new PostgresWalletFeed(options);
  return {
    feed,
    walletFeed,
    removeFeedPositions: (limit) =>
      removeFeedPositions(options.pool, options.retentionDays, limit),
    async close() {
      await Promise.all([feed.close(), walletFeed.close()]);
    },
  };
}
