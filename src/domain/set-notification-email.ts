import { ADDRESSES_MAX, type NotificationStore } from './mail.ts';
import type { Store } from './ports.ts';
import { ADDRESS_NOT_KNOWN, readBehind, Rejection } from './rejection.ts';
import type { TopupOrder } from './topup-order.ts';

/** The longest address that SMTP can carry (RFC 5321 4.5.3.1, less the brackets of a path). */
const ADDRESS_LENGTH_MAX = 254;
const LOCAL_PART_LENGTH_MAX = 64;

/**
 * Names the address that hears how an order ends, or none. Atomic: the address, and the mail where
 * the order has ended already, under the order's row lock; so a race with the end sends exactly
 * one. Repeating it sends nothing again.
 * @param email the address, or null to clear it; anything else is refused
 * @throws Rejection VALIDATION_FAILURE; ORDER_NOT_FOUND, also for another client's
 */
export async function setNotificationEmail(
  clientId: number,
  orderId: number,
  email: unknown,
  deps: { readonly store: NotificationStore & Pick<Store, 'findOrder'> },
): Promise<TopupOrder> {
  const address = parseNotificationEmail(email);
  const result = await deps.store.setNotificationEmail({ clientId, orderId, address });
  if (result === 'TOO_MANY') {
    throw new Rejection(
      'VALIDATION_FAILURE',
      `How this order ended was told to ${ADDRESSES_MAX} addresses, and is to no other`,
      { field: ['email'] },
    );
  }
  const order = result === 'SET'
    ? await readBehind(deps.store.findOrder(clientId, orderId), ADDRESS_NOT_KNOWN)
    : null;
  if (order === null) throw new Rejection('ORDER_NOT_FOUND', 'Order not found');
  return order;
}

/**
 * An address, or null; its domain in lower case, so that two spellings of one address do not get
 * two mails (of the local part only its own server knows whether case matters). Only the plain
 * ASCII form: what it refuses of RFC 5322, quotes and comments, serves attacks on headers more than
 * people.
 * @throws Rejection VALIDATION_FAILURE
 */
export function parseNotificationEmail(email: unknown): string | null {
  if (email === null) return null;
  if (typeof email !== 'string' || !isPlausibleAddress(email)) {
    throw new Rejection(
      'VALIDATION_FAILURE',
      `email must be an e-mail address of at most ${ADDRESS_LENGTH_MAX} characters, or null`,
      { field: ['email'] },
    );
  }
  return email.replace(/[^@]+$/, (domain) => domain.toLowerCase());
}

function isPlausibleAddress(text: string): boolean {
  if (text.length > ADDRESS_LENGTH_MAX) return false;
  const [local = '', domain = '', ...others] = text.split('@');
  return others.length === 0
    && local.length <= LOCAL_PART_LENGTH_MAX
    && /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/.test(local)
    && /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/i.test(domain);
}
