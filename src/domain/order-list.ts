import type { KeysetPage, ListPage, OffsetPage } from './list-page.ts';
import type { TopupOrderFilter } from './topup-order-filter.ts';
import type { TopupOrder } from './topup-order.ts';

/** Which orders to list: those that have one of the values of every key that is given. */
export interface OrderListFilter extends TopupOrderFilter {
  readonly clientReference?: string | null;
}

/** A client's orders, newest first. The whole list is counted, whatever its length. */
export interface OrderLists {
  listOrders(clientId: number, filter: OrderListFilter, page: OffsetPage):
    Promise<ListPage<TopupOrder>>;
  listOrdersBefore(clientId: number, filter: OrderListFilter, page: KeysetPage):
    Promise<readonly TopupOrder[]>;
  countOrders(clientId: number, filter: OrderListFilter): Promise<number>;
}
