import { Rejection } from '../domain/rejection.ts';
import { sealed, unsealed, type Seal } from '../domain/sealed-text.ts';

/** Longer than any cursor of ours. */
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

/** An opaque cursor of the edge at `position`. */
export function writeConnectionCursor(
  position: KeysetPosition,
  address: ConnectionAddress,
): string {
  return sealed(JSON.stringify(position), sealOf(address));
}

/**
 * The position that one of our cursors names. It may be sought in the list under any filter: the
 * edge need not be there any more.
 * @throws Rejection VALIDATION_FAILURE (CURSOR_INVALID) where it is not ours, or of another list
 */
export function parseConnectionCursor(cursor: string, address: ConnectionAddress): KeysetPosition {
  const payload = unsealed(cursor, { ...sealOf(address), lengthMax: CURSOR_LENGTH_MAX });
  if (payload === null) throw cursorInvalid();
  return JSON.parse(payload) as KeysetPosition;
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

/** JSON marks where the client ends and the list begins. */
function sealOf({ clientId, connection, key }: ConnectionAddress): Seal {
  return { purpose: `cursor:connection:${JSON.stringify([clientId, connection])}`, key };
}
