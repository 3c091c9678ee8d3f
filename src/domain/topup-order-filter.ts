import type { FeedEvent, TopupOrderStatus } from './topup-order.ts';

/** Which orders a list or a feed shows; a key that is null lets everything pass. */
export interface TopupOrderFilter {
  /** Where the order stands; on a feed, where the event left it. */
  readonly statuses: readonly TopupOrderStatus[] | null;
  readonly productIds: readonly number[] | null;
  readonly countryCodes: readonly string[] | null;
  readonly walletIds: readonly number[] | null;
}

/** One row a key: a new key does not compile before the feed knows what it means. */
const VALUE_OF: Readonly<Record<keyof TopupOrderFilter,
  (event: FeedEvent) => string | number | null>> = {
  statuses: ({ status }) => status,
  productIds: ({ order }) => order.productId,
  countryCodes: ({ order }) => order.countryCode,
  walletIds: ({ order }) => order.walletId,
};

/** Whether a feed that is narrowed by `filter` shows the event. */
export function matchesFilter(event: FeedEvent, filter: TopupOrderFilter): boolean {
  return Object.entries(VALUE_OF).every(([key, valueOf]) => {
    const values: readonly unknown[] | null = filter[key as keyof TopupOrderFilter];
    return values === null || values.includes(valueOf(event));
  });
}
