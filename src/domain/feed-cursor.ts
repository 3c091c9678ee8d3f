import { Rejection } from './rejection.ts';
import { sealed, unsealed } from './sealed-text.ts';

const PURPOSE = 'cursor:feed';
/** A client has a wallet a currency, and its cursor a pair of numbers a wallet: 180 at most. */
const CURSOR_LENGTH_MAX = 8192;

/** One feed of one client: the cursors of one are worth nothing in another. */
export interface FeedAddress {
  readonly clientId: number;
  /** One order's events, those of all orders, or the moves of wallets. */
  readonly kind: 'order' | 'orders' | 'wallets';
  /** The order or wallet that it is about; 0 for all. */
  readonly id: number;
  /** HMAC key, the same in every process. */
  readonly key: string;
}

/** An opaque cursor that stands right behind `position`. */
export function writeCursor(position: readonly number[], address: FeedAddress): string {
  const numbers = [address.clientId, address.id, ...position].map((number) => number.toString(36));
  return sealed([address.kind, ...numbers].join('.'), { purpose: PURPOSE, key: address.key });
}

/**
 * The position that one of our cursors names.
 * @throws Rejection VALIDATION_FAILURE: CURSOR_INVALID where it is not ours, CURSOR_FOREIGN where
 * it belongs to another feed
 */
export function parseCursor(cursor: string, address: FeedAddress): readonly number[] {
  const payload = unsealed(cursor, {
    purpose: PURPOSE, key: address.key, lengthMax: CURSOR_LENGTH_MAX,
  });
  if (payload === null) throw cursorRefused('CURSOR_INVALID');
  const [kind, ...digits] = payload.split('.');
  const [clientId, id, ...position] = digits.map((each) => Number.parseInt(each, 36));
  if (kind !== address.kind || clientId !== address.clientId || id !== address.id) {
    throw cursorRefused('CURSOR_FOREIGN');
  }
  return position;
}

const REFUSALS = {
  CURSOR_INVALID: 'The cursor is not one of ours: leave `after` out to begin anew',
  CURSOR_FOREIGN: 'The cursor belongs to another feed: give the one that was received on this '
    + 'feed, or leave `after` out to begin anew',
  CURSOR_AHEAD: 'The cursor is ahead of the feed, as after a restored backup: leave `after` out to '
    + 'begin anew, and compare your orders with the list of orders',
  CURSOR_EXPIRED: 'The cursor is older than the feed is kept: leave `after` out to begin anew, and '
    + "read what was missed from the list of orders; an order's own events are kept for ever",
} as const;

/** The typed error of every cursor that cannot be gone on from; it says what to do instead. */
export function cursorRefused(detail: keyof typeof REFUSALS): Rejection {
  const message = REFUSALS[detail];
  return new Rejection('VALIDATION_FAILURE', message, {
    problems: [{ field: ['after'], code: detail, message }],
    detail,
  });
}
