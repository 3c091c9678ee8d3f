import type { OrderListFilter } from '../domain/order-list.ts';
import { FAILURE_CODES, TOPUP_ORDER_STATUSES } from '../domain/topup-order.ts';
import type { Query } from './query.ts';

/** The documented values. No order is ever RECHARGED, but clients may ask for it. */
export const STATUSES_ON_WIRE = [...TOPUP_ORDER_STATUSES, 'RECHARGED'] as const;

/** The filters of a list of orders; null where nothing can pass. @throws Rejection */
export function orderFilterIn(query: Query): OrderListFilter | null {
  const status = query.oneOf('status', STATUSES_ON_WIRE);
  const filter: OrderListFilter = {
    productIds: listOf(query.id('product_id')),
    countryCodes: listOf(query.matching('country', /^[A-Z]{3}$/, 'three capital letters')),
    clientReference: query.matching('client_reference', /^[\x20-\x7e]{1,255}$/,
      '1 to 255 printable ASCII characters'),
    createdFrom: query.time('created_from'),
    createdTo: query.time('created_to'),
    failureCodes: listOf(query.oneOf('failure_code', FAILURE_CODES)),
  };
  return status === 'RECHARGED' ? null : { ...filter, statuses: listOf(status) };
}

function listOf<Value>(value: Value | null): readonly Value[] | null {
  return value === null ? null : [value];
}
