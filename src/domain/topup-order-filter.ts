import type { FailureCode, FeedEvent, TopupOrderStatus } from './topup-order.ts';

/** Which orders a list or a feed shows; a key that is undefined or null lets everything pass. */
export interface TopupOrderFilter {
  /** Where the order stands; on a feed, where the event left it. */
  readonly statuses?: readonly TopupOrderStatus[] | null;
  readonly productIds?: readonly number[] | null;
  readonly countryCodes?: readonly string[] | null;
  readonly walletIds?: readonly number[] | null;
  readonly failureCodes?: readonly FailureCode[] | null;
  /** The first and the last second in which the order was placed. */
  readonly createdFrom?: Date | null;
  readonly createdTo?: Date | null;
}

/** One row a key: a new key does not compile before the feed knows what it means. */
const VALUE_OF: Readonly<Record<Exclude<keyof TopupOrderFilter, 'createdFrom' | 'createdTo'>,
  (event: FeedEvent) => string | number | null>> = {
  statuses: ({ status }) => status,
  productIds: ({ order }) => order.productId,
  countryCodes: ({ order }) => order.countryCode,
  walletIds: ({ order }) => order.walletId,
  failureCodes: ({ failureCode }) => failureCode,
};

/** Whether a feed that is narrowed by `filter` shows the event. */
export function matchesFilter(event: FeedEvent, filter: TopupOrderFilter): boolean {
  return isPlacedWithin(event, filter) && Object.entries(VALUE_OF).every(([key, valueOf]) => {
    const values: readonly unknown[] | null = filter[key as keyof typeof VALUE_OF] ?? null;
    return values === null || values.includes(valueOf(event));
  });
}

/** Times are shown in whole seconds, and a span has all of its last one. */
function isPlacedWithin(
  { order }: FeedEvent,
  { createdFrom, createdTo }: TopupOrderFilter,
): boolean {
  const secondOf = (time: Date): number => Math.floor(time.getTime() / 1000);
  if (createdFrom && order.createdAt < createdFrom) return false;
  return !createdTo || secondOf(order.createdAt) <= secondOf(createdTo);
}
