import type { TopupOrderEvent } from './topup-order.ts';

/** A page of one order's events, the oldest first. */
export interface EventPage {
  readonly orderId: number;
  readonly afterVersion: number;
  /** The version that the order was read at: what came later belongs to a later reading. */
  readonly throughVersion: number;
  readonly limit: number;
}

export interface OrderEvents {
  /** One page each, in one read. Events are kept for ever. */
  findEventPages(clientId: number, pages: readonly EventPage[]):
    Promise<readonly (readonly TopupOrderEvent[])[]>;
}
