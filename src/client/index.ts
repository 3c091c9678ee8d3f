export { createTopupClient } from './topup-client.ts';
export type { NewOrder } from './create-order.ts';
export type {
  OrderEdge, TopupClient, TopupClientOptions, WatchOptions,
} from './topup-client.ts';
export { TopupInDoubt, TopupRefused, TopupRequestFailed } from './errors.ts';
export type {
  CreateTopupOrderInput, EventPartsFragment, OrderPartsFragment, TopupOrderBy,
  TopupOrderErrorCode, TopupOrderEventType, TopupOrderFilter, TopupOrderStatus,
} from './generated/graphql.ts';
