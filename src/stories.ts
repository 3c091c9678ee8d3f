import { cancelTopupOrder } from './domain/cancel-topup-order.ts';
import { createTopupOrder } from './domain/create-topup-order.ts';
import type { Fulfilment } from './domain/fulfil-topup-order.ts';
import { VoucherGuesses } from './domain/guess-voucher.ts';
import type { NotificationStore } from './domain/mail.ts';
import type { OrderStories } from './domain/order-stories.ts';
import type { OrderFeed, Store } from './domain/ports.ts';
import { quoteTopup } from './domain/quote-topup.ts';
import type { RateLimits } from './domain/rate-limits.ts';
import { createRefreshTopupOrder, type OrderInquiry } from './domain/refresh-topup-order.ts';
import { setNotificationEmail } from './domain/set-notification-email.ts';

interface StoryParts {
  readonly store: Store & NotificationStore & OrderInquiry;
  readonly feed: OrderFeed;
  readonly fulfilment: Fulfilment;
  readonly rateLimits: RateLimits;
  readonly hashingKey: string;
  readonly inlineWaitMs: number;
  readonly stopping: AbortSignal;
  readonly onInquiryError: (error: unknown) => void;
}

/** The stories of the domain with all that they need, as the doors tell them. */
export function openStories(parts: StoryParts): OrderStories {
  const { store, feed, fulfilment, hashingKey, inlineWaitMs, stopping } = parts;
  const guesses = new VoucherGuesses({ rateLimits: parts.rateLimits, clock: fulfilment.clock });
  return {
    createTopupOrder: (clientId, raw) => createTopupOrder(clientId, raw, {
      store, feed, fulfilment, guesses, hashingKey, inlineWaitMs, stopping,
    }),
    quoteTopup: (clientId, raw) =>
      quoteTopup(clientId, raw, { store, clock: fulfilment.clock, hashingKey }),
    cancelTopupOrder: (clientId, orderId) => cancelTopupOrder(clientId, orderId, { store }),
    setNotificationEmail: (clientId, orderId, email) =>
      setNotificationEmail(clientId, orderId, email, { store }),
    refreshTopupOrder: createRefreshTopupOrder({
      store, fulfilment, onError: parts.onInquiryError,
    }),
  };
}
