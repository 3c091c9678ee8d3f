import type pg from 'pg';
import { EntryReader } from './entry-reader.ts';
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
  const entries = new EntryReader(options);
  const feed = new PostgresOrderFeed(options.pool, entries);
  const walletFeed = new PostgresWalletFeed(options.pool, entries, options.onError);
  return {
    feed,
    walletFeed,
    removeFeedPositions: (limit) =>
      removeFeedPositions(options.pool, options.retentionDays, limit),
    async close() {
      feed.close();
      await walletFeed.close();
      await entries.close();
    },
  };
}
