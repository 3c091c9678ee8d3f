import type { RawOrderRequest } from './order-request.ts';
import type { RawQuoteRequest, TopupQuote } from './quote-topup.ts';
import type { TopupOrder } from './topup-order.ts';

/** What a client has done about its orders, as every door tells it. */
export interface OrderStories {
  readonly createTopupOrder: (clientId: number, raw: RawOrderRequest) => Promise<TopupOrder>;
  readonly quoteTopup: (clientId: number, raw: RawQuoteRequest) => Promise<TopupQuote>;
  /** @throws Rejection NOT_CANCELLABLE or ORDER_NOT_FOUND */
  readonly cancelTopupOrder: (clientId: number, orderId: number) => Promise<TopupOrder>;
  /** @throws Rejection VALIDATION_FAILURE or ORDER_NOT_FOUND */
  readonly setNotificationEmail:
    (clientId: number, orderId: number, email: unknown) => Promise<TopupOrder>;
  /** Of an order in a supplier's hands the supplier is asked first. */
  readonly refreshTopupOrder: (clientId: number, orderId: number) => Promise<TopupOrder | null>;
}
