import { expect, test } from 'vitest';
import { cancelTopupOrder } from '../../src/domain/cancel-topup-order.ts';
import type { Store } from '../../src/domain/ports.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { setNotificationEmail } from '../../src/domain/set-notification-email.ts';

/** What is done and cannot be shown is not told as if nothing was done. */
const store = {
  cancelOrder: async () => 'CANCELLED',
  setNotificationEmail: async () => 'SET',
  findOrder: () => Promise.reject(new TemporarilyUnavailable('The service is restarting')),
} as unknown as Store & Parameters<typeof setNotificationEmail>[3]['store'];

test('of a cancelled order that cannot be read it says that it is not known', async () => {
  await expect(cancelTopupOrder(1, 2, { store }))
    .rejects.toThrow('It is not known whether the order was cancelled');
});

test('of an address that was set it says that it is not known', async () => {
  await expect(setNotificationEmail(1, 2, 'reader@example.com', { store }))
    .rejects.toThrow('It is not known whether the address was set');
});
