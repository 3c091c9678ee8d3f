import type { MikroORM } from '@mikro-orm/postgresql';
import type pg from 'pg';
import type { NotificationStore } from '../domain/mail.ts';
import type { OrderEvents } from '../domain/order-events.ts';
import type { OrderLists } from '../domain/order-list.ts';
import type { Store } from '../domain/ports.ts';
import type { OrderInquiry } from '../domain/refresh-topup-order.ts';
import type { WalletLists } from '../domain/wallet-list.ts';
import { ADDRESS_NOT_KNOWN, CANCEL_NOT_KNOWN } from '../domain/rejection.ts';
import { Milestones } from './milestones.ts';
import { createOrderEvents } from './order-events.ts';
import { createOrderInquiry } from './order-inquiry.ts';
import { createOrderLists } from './order-lists.ts';
import { ORDER_COLUMNS, toOrder } from './order-rows.ts';
import { createOrderReader } from './order-reader.ts';
import { createPlaceOrder } from './place-orders.ts';
import { followPrices } from './follow-prices.ts';
import { isLimitOfFunction } from './faults.ts';
import { askUntilBack } from './pool.ts';
import { createWalletReads } from './wallet-reads.ts';
import type { WakeUps } from './wake-ups.ts';

export interface StoreOptions {
  readonly pool: pg.Pool;
  /** Reads along indexes only. */
  readonly listPool: pg.Pool;
  readonly orm: MikroORM;
  readonly wakeUps: WakeUps;
  readonly forexRateHoursMax: number;
  readonly onPlaced: () => void;
  readonly onMoved: () => void;
  readonly onError: (doing: string) => (error: Error) => void;
}

/** Everything that is kept, for all who read or place it. */
export type WholeStore =
  Store & NotificationStore & OrderLists & OrderEvents & OrderInquiry & WalletLists;

export interface PlacingGauges {
  /** Orders whose placing call has not begun. */
  waitingOrderCount(): number;
  /** Orders that are being placed: waiting, or in a call. */
  openOrderCount(): number;
}

/** Store over PostgreSQL; it holds the pricing snapshot in memory and keeps it fresh. */
export async function openStore(
  options: StoreOptions,
): Promise<WholeStore & PlacingGauges & { close(): void }> {
  const { pool, listPool, orm, onError } = options;
  const prices = await followPrices({ ...options, onError: onError('the prices') });
  const findOrder = createOrderReader(pool);
  const placeOrder = createPlaceOrder({ pool, onPlaced: options.onPlaced });
  const milestones = new Milestones({ pool: listPool, onError: onError('the milestones') });
  return {
    ...createOrderLists({ pool: listPool, milestones }),
    ...createOrderInquiry(pool),
    ...createOrderEvents(listPool),
    ...createWalletReads({ pool: listPool, orm, milestones }),
    pricing: prices.current,
    refreshPricing: prices.refresh,
    freshPricing: prices.fresh,
    placeOrder,
    waitingOrderCount: () => placeOrder.waitingCount(),
    openOrderCount: () => placeOrder.openCount(),
    findOrder,
    async findOrderByReference(clientId, clientReference) {
      const { rows: [row] } = await askUntilBack(() => pool.query<object>({
        name: 'order_by_reference',
        text: `select ${ORDER_COLUMNS} from topup_order o
          where o.client_id = $1 and o.client_reference = $2`,
        values: [clientId, clientReference],
      }));
      return row === undefined ? null : toOrder(row);
    },
    async findOrdersByIds(clientId, orderIds) {
      const { rows } = await askUntilBack(() => pool.query<object>({
        name: 'orders_by_ids',
        text: `select ${ORDER_COLUMNS} from topup_order o
          where o.client_id = $1 and o.id = any ($2)`,
        values: [clientId, [...orderIds]],
      }));
      return rows.map(toOrder);
    },
    async cancelOrder(clientId, orderId) {
      const { rows } = await askUntilBack(() => pool.query<{
        result: 'CANCELLED' | 'NOT_CANCELLABLE' | 'UNKNOWN_ORDER';
      }>({
        name: 'cancel_order',
        text: 'select cancel_order($1, $2) as result',
        values: [clientId, orderId],
      }), CANCEL_NOT_KNOWN);
      const [{ result } = { result: 'UNKNOWN_ORDER' as const }] = rows;
      if (result === 'CANCELLED') options.onMoved();
      return result === 'UNKNOWN_ORDER' ? 'NOT_FOUND' : result;
    },
    async setNotificationEmail({ clientId, orderId, address }) {
      try {
        const { rows } = await askUntilBack(() => pool.query<{ is_found: boolean }>({
          name: 'set_notification_email',
          text: 'select set_notification_email($1, $2, $3) as is_found',
          values: [clientId, orderId, address],
        }), ADDRESS_NOT_KNOWN);
        return rows[0]?.is_found === true ? 'SET' : 'NOT_FOUND';
      } catch (error) {
        if (isLimitOfFunction(error)) return 'TOO_MANY';
        throw error;
      }
    },
    close: prices.stop,
  };
}
