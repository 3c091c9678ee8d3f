import type { TopupOrderEvent } from './topup-order.ts';

/** A page of one order's events, the oldest first. */
export interface EventPage {
  readonly orderId: number;
  readonly afterVersion: number;
  /** The version that the order was read at: what came later belongs to a later reading. */
  readonly throughVersion: number;
  readonly first: number;
}

export interface FoundEvents {
  readonly events: readonly TopupOrderEvent[];
  /** More follow: behind a full page, or what has just happened and has no place in the feed. */
  readonly hasMore: boolean;
}

export interface OrderEvents {
  /**
   * One page each, read together. What has just happened is waited for, for some tenths of a
   * second. Events are kept for ever.
   */
  findEventPages(clientId: number, pages: readonly EventPage[]): Promise<readonly FoundEvents[]>;
}
