import type { KeysetPage, ListPage, OffsetPage } from './list-page.ts';
import type { FailureCode, TopupOrder, TopupOrderStatus } from './topup-order.ts';

/** Which orders to list: those that have one of the values of every key that is given. */
export interface OrderListFilter {
  readonly statuses?: readonly TopupOrderStatus[] | null;
  readonly productIds?: readonly number[] | null;
  readonly countryCodes?: readonly string[] | null;
  readonly walletIds?: readonly number[] | null;
  readonly failureCodes?: readonly FailureCode[] | null;
  readonly clientReference?: string | null;
  /** Placed at this moment or later. */
  readonly createdFrom?: Date | null;
  /** Placed in this second or earlier. */
  readonly createdTo?: Date | null;
}

/** A client's orders, newest first. The whole list is counted exactly. */
export interface OrderLists {
  listOrders(clientId: number, filter: OrderListFilter, page: OffsetPage):
    Promise<ListPage<TopupOrder>>;
  listOrdersBefore(clientId: number, filter: OrderListFilter, page: KeysetPage):
    Promise<readonly TopupOrder[]>;
  countOrders(clientId: number, filter: OrderListFilter): Promise<number>;
}
