export { createTopupClient } from './topup-client.ts';
export type {
  NewOrder, OrderEdge, TopupClient, TopupClientOptions, WatchOptions,
} from './topup-client.ts';
export { TopupRefused, TopupRequestFailed } from './errors.ts';
export type {
  CreateTopupOrderInput, EventPartsFragment, OrderPartsFragment, TopupOrderBy,
  TopupOrderErrorCode, TopupOrderEventType, TopupOrderFilter, TopupOrderStatus,
} from './generated/graphql.ts';
