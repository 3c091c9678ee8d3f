import type pg from 'pg';
import type { OrderInquiry } from '../domain/refresh-topup-order.ts';
import { toOrderAtSupplier } from './order-rows.ts';

/** The question about an order, over `ask_about_order` in migrations/schema.sql. */
export function createOrderInquiry(pool: pg.Pool): OrderInquiry {
  return {
    async askAboutOrder(clientId, orderId) {
      const askedAtMs = performance.now();
      const { rows: [row] } = await pool.query<object>({
        name: 'ask_about_order',
        text: 'select * from ask_about_order($1, $2)',
        values: [clientId, orderId],
      });
      return row === undefined ? null : toOrderAtSupplier(row, askedAtMs);
    },
  };
}
