import type { Store } from './ports.ts';
import { CANCEL_NOT_KNOWN, readBehind, Rejection } from './rejection.ts';
import type { TopupOrder } from './topup-order.ts';

/**
 * Cancels an order that was never offered to a supplier. Atomic: status, refund and event, under
 * the order's row lock, which also settles the race with whoever is about to submit it. Repeating
 * it answers the same order.
 * @throws Rejection ORDER_NOT_FOUND, also for another client's; NOT_CANCELLABLE afterwards
 */
export async function cancelTopupOrder(
  clientId: number,
  orderId: number,
  deps: { readonly store: Store },
): Promise<TopupOrder> {
  const result = await deps.store.cancelOrder(clientId, orderId);
  if (result === 'NOT_CANCELLABLE') {
    throw new Rejection('NOT_CANCELLABLE', 'Order can no longer be cancelled');
  }
  const order = result === 'CANCELLED'
    ? await readBehind(deps.store.findOrder(clientId, orderId), CANCEL_NOT_KNOWN)
    : null;
  if (order === null) throw new Rejection('ORDER_NOT_FOUND', 'Order not found');
  return order;
}
