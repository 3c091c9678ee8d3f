import { createHmac, timingSafeEqual } from 'node:crypto';
import type { FeedPosition } from '../domain/ports.ts';
import { Rejection } from '../domain/rejection.ts';

/** 128 bits: nobody guesses that by asking. */
const MAC_BYTES = 16;
/** Longer than any cursor of ours; a longer one is not even decoded. */
const CURSOR_LENGTH_MAX = 128;

/** One order's feed: the cursors of one are worth nothing in another. */
export interface OrderFeedAddress {
  readonly clientId: number;
  readonly orderId: number;
  /** HMAC key, the same in every process. */
  readonly key: string;
}

/** An opaque cursor that stands right behind `position`: base64url of MAC and payload. */
export function writeCursor(position: FeedPosition, address: OrderFeedAddress): string {
  const { clientId, orderId, key } = address;
  const numbers = [clientId, orderId, position.sequence, position.version];
  const payload = numbers.map((number) => number.toString(36)).join('.');
  return Buffer.concat([macOf(payload, key), Buffer.from(payload)]).toString('base64url');
}

/**
 * The position that one of our cursors names.
 * @throws Rejection VALIDATION_FAILURE (CURSOR_INVALID) where it is not ours, or of another feed
 */
export function parseCursor(cursor: string, address: OrderFeedAddress): FeedPosition {
  if (cursor.length > CURSOR_LENGTH_MAX) throw cursorInvalid();
  const bytes = Buffer.from(cursor, 'base64url');
  // Decoding is lenient; a second spelling of a cursor is not ours.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) throw cursorInvalid();
  const payload = bytes.subarray(MAC_BYTES).toString('latin1');
  const mac = bytes.subarray(0, MAC_BYTES);
  if (!timingSafeEqual(mac, macOf(payload, address.key))) throw cursorInvalid();
  const numbers = payload.split('.').map((digits) => Number.parseInt(digits, 36));
  const [clientId, orderId, sequence, version] = numbers;
  if (clientId !== address.clientId || orderId !== address.orderId
    || sequence === undefined || version === undefined) throw cursorInvalid();
  return { sequence, version };
}

/** The typed error of every cursor that cannot be gone on from; it says what to do instead. */
export function cursorInvalid(): Rejection {
  return new Rejection(
    'VALIDATION_FAILURE',
    'The cursor is not one of this order: subscribe without `after` to begin with a snapshot',
    { field: ['after'], detail: 'CURSOR_INVALID' },
  );
}

function macOf(payload: string, key: string): Buffer {
  // The prefix keeps these cursors apart from anything else that is signed with the same key.
  const mac = createHmac('sha256', key).update(`cursor:order:${payload}`).digest();
  return mac.subarray(0, MAC_BYTES);
}
