import { createHmac, timingSafeEqual } from 'node:crypto';
import { Rejection } from '../domain/rejection.ts';

/** 128 bits: nobody guesses that by asking. */
const MAC_BYTES = 16;
/** Longer than any cursor of ours; a longer one is not even decoded. */
const CURSOR_LENGTH_MAX = 2048;

/** The place of one edge: what its list is sorted by, e.g. [orderId] or [name, productId]. */
export type KeysetPosition = readonly (string | number)[];

/** One list of one client: the cursors of one are worth nothing in another. */
export interface ConnectionAddress {
  readonly clientId: number;
  /** The field, and what it hangs on: 'topupOrders', 'Wallet.transactions:12'. */
  readonly connection: string;
  /** HMAC key, the same in every process. */
  readonly key: string;
}

/** An opaque cursor of the edge at `position`: base64url of MAC and payload. */
export function writeConnectionCursor(
  position: KeysetPosition,
  address: ConnectionAddress,
): string {
  const payload = Buffer.from(JSON.stringify(position));
  return Buffer.concat([macOf(payload, address), payload]).toString('base64url');
}

/**
 * The position that one of our cursors names. It may be sought in the list under any filter: the
 * edge need not be there any more.
 * @throws Rejection VALIDATION_FAILURE (CURSOR_INVALID) where it is not ours, or of another list
 */
export function parseConnectionCursor(cursor: string, address: ConnectionAddress): KeysetPosition {
  if (cursor.length > CURSOR_LENGTH_MAX) throw cursorInvalid();
  const bytes = Buffer.from(cursor, 'base64url');
  // Decoding is lenient; a second spelling of a cursor is not ours.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) throw cursorInvalid();
  const payload = bytes.subarray(MAC_BYTES);
  const mac = bytes.subarray(0, MAC_BYTES);
  if (!timingSafeEqual(mac, macOf(payload, address))) throw cursorInvalid();
  return JSON.parse(payload.toString()) as KeysetPosition;
}

/** The number that a list sorted by id alone goes on behind; null where it is at its start. */
export function parseIdCursor(
  cursor: string | null | undefined,
  address: ConnectionAddress,
): number | null {
  if (typeof cursor !== 'string') return null;
  const [id] = parseConnectionCursor(cursor, address);
  return typeof id === 'number' ? id : null;
}

function cursorInvalid(): Rejection {
  return new Rejection(
    'VALIDATION_FAILURE',
    'The cursor is not one of this list: ask without `after` to begin at its start',
    { field: ['after'], detail: 'CURSOR_INVALID' },
  );
}

function macOf(payload: Buffer, { clientId, connection, key }: ConnectionAddress): Buffer {
  // The prefix keeps these cursors apart from anything else that is signed with the same key; JSON
  // marks where the client ends and the list begins.
  const mac = createHmac('sha256', key)
    .update(`cursor:connection:${JSON.stringify([clientId, connection])}:`)
    .update(payload)
    .digest();
  return mac.subarray(0, MAC_BYTES);
}
