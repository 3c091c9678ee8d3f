/** A narrowed list is counted up to here: a longer one has at least so many. */
export const COUNTED_MAX = 10_000;

/** One page of a list by number. */
export interface ListPage<Item> {
  readonly items: readonly Item[];
  readonly totalCount: number;
  readonly hasMore: boolean;
}

/** A page behind `offset` other items of its list. */
export interface OffsetPage {
  readonly offset: number;
  readonly limit: number;
}

/** A page of items with a lower id than `beforeId`; null begins with the newest. */
export interface KeysetPage {
  readonly beforeId: number | null;
  readonly limit: number;
}
