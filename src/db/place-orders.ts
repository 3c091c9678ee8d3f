import crypto from 'node:crypto';
import type pg from 'pg';
import type { Placement, PlacementRefusal, PricedOrder } from '../domain/ports.ts';
import { TemporarilyUnavailable } from '../domain/rejection.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import { Batcher } from './batcher.ts';
import { readOrder } from './order-reader.ts';
import { isConnectionLost, isKnownNotCommitted, isLockTimeout, isUnable } from './faults.ts';
import { repeatUntilKnown, withConnection } from './pool.ts';

/** Orders of one call: enough to share a commit, few enough to hold a wallet's lock briefly. */
const BATCH_SIZE_MAX = 256;
/**
 * A second call beside the first one pays from so many orders on: each call costs the database as
 * much as nine orders.
 */
const SECOND_CALL_FROM = 16;

/**
 * In the order of time where this Node knows how: an entry then goes beside its client's last one,
 * where random ones each take, and after a checkpoint log, a page of their own.
 */
const newRequestId = crypto.randomUUIDv7 ?? crypto.randomUUID;

interface Placing {
  readonly requestId: string;
  readonly order: PricedOrder;
  /** A call with it lost its connection, and may have committed whatever a later one meets. */
  mayBePlaced: boolean;
}

interface VerdictRow {
  readonly ordinal: number;
  readonly verdict: 'PLACED' | 'REPEATED' | PlacementRefusal;
  readonly order_id: number | null;
  readonly transfer_id: number | null;
  readonly placed_at: Date;
  readonly expected_by: Date | null;
}

export interface PlaceOrdersOptions {
  readonly pool: pg.Pool;
  readonly onPlaced: () => void;
}

export interface PlaceOrder {
  (order: PricedOrder): Promise<Placement>;
  /** Orders whose call has not begun. */
  waitingCount(): number;
  /** Orders without a verdict. */
  openCount(): number;
}

/** Places orders, those that arrive together in one call of `place_orders`. */
export function createPlaceOrder(options: PlaceOrdersOptions): PlaceOrder {
  const batcher = new Batcher<Placing, VerdictRow>({
    sizeMax: BATCH_SIZE_MAX,
    secondCallFrom: SECOND_CALL_FROM,
    laneOf: ({ order }) => order.clientId,
    // "Too much at once" says that nothing was done.
    isRefusable: ({ mayBePlaced }) => !mayBePlaced,
    run: async (placings) => {
      const rows = await callUntilKnown(options.pool, placings);
      if (rows.some((row) => row.verdict === 'PLACED')) options.onPlaced();
      return rows;
    },
  });
  const place = async (order: PricedOrder): Promise<Placement> => {
    const placing = { requestId: newRequestId(), order, mayBePlaced: false };
    const row = await tellUnknown(batcher.add(placing), placing);
    if (row.verdict !== 'PLACED' && row.verdict !== 'REPEATED') {
      // A call whose answer was lost may still be on its way, and find what this one did not. Only
      // the reference of a duplicate is taken for ever.
      if (placing.mayBePlaced && row.verdict !== 'DUPLICATE') throw unknownPlacement(order);
      return { verdict: row.verdict };
    }
    const orderId = row.order_id;
    if (orderId === null) throw new Error('A placed order has no id');
    if (row.verdict === 'PLACED') return { verdict: 'PLACED', order: placedOrder(order, row) };
    const found = await tellUnknown(
      repeatUntilKnown(() => readOrder(options.pool, order.clientId, orderId)),
      { order, mayBePlaced: true },
    );
    if (found === null) throw new Error('A repeated order is not there');
    return { verdict: 'PLACED', order: found };
  };
  return Object.assign(place, {
    waitingCount: () => batcher.waitingCount, openCount: () => batcher.openCount,
  });
}

/**
 * Repeating the call is safe, because each order carries its request id: a call whose connection
 * died during COMMIT finds what it placed, and a rival backend that is still at it is waited for.
 */
async function callUntilKnown(
  pool: pg.Pool,
  placings: readonly Placing[],
): Promise<readonly VerdictRow[]> {
  const values = [JSON.stringify(placings.map(toPlacement))];
  const text = 'select * from place_orders($1::json)';
  // What never got a connection was not sent.
  const call = () => withConnection(pool, (client) => client
    .query<VerdictRow>({ name: 'place_orders', text, values })
    .catch((error: unknown) => {
      if (isConnectionLost(error)) for (const placing of placings) placing.mayBePlaced = true;
      throw error;
    }));
  const { rows } = await repeatUntilKnown(
    call,
    // The batcher waits for locks, and keeps those who need not wait apart.
    (error) => !isLockTimeout(error) && !isUnable(error),
  );
  const byOrdinal = new Map(rows.map((row) => [row.ordinal, row]));
  return placings.map((_, index) => {
    const row = byOrdinal.get(index + 1);
    if (row === undefined) throw new Error('An order has no verdict');
    return row;
  });
}

/** What is told of an order whose verdict did not come. */
type Asked = Readonly<Pick<Placing, 'order' | 'mayBePlaced'>>;

/**
 * What the last of several calls met says nothing of an earlier one whose answer was lost.
 * @throws TemporarilyUnavailable where the database stays away, or the wallet is locked
 */
async function tellUnknown<Result>(
  call: Promise<Result>,
  of: Asked,
): Promise<Result> {
  try {
    return await call;
  } catch (error) {
    const isRefused = isKnownNotCommitted(error);
    // Who has the lock may be an earlier copy, on its way under the same reference.
    const isBehindLock = isLockTimeout(error) && of.order.clientReference !== null;
    if (isRefused && !of.mayBePlaced && !isBehindLock) {
      throw new TemporarilyUnavailable('The order was not placed, please retry');
    }
    if (!isRefused && !isConnectionLost(error)) throw error;
    throw unknownPlacement(of.order);
  }
}

/** A look for it may come before it: only a repeat waits for the copy that is on its way. */
function unknownPlacement({ clientReference }: PricedOrder): Error {
  return new TemporarilyUnavailable(`It is not known whether the order was placed; ${
    clientReference === null
      ? 'look for it before you order again'
      : 'repeat it with its client_reference'}`);
}

function toPlacement({ requestId, order }: Placing, index: number): object {
  const { funding } = order;
  return {
    ordinal: index + 1,
    client_id: order.clientId,
    request_id: requestId,
    client_reference: order.clientReference,
    input_digest: order.inputDigest,
    product_id: order.productId,
    variant_id: order.variantId,
    product_name: order.productName,
    variant_name: order.variantName,
    country_code: order.countryCode,
    face_value: order.faceValue.amount,
    face_currency: order.faceValue.currency,
    discount_percent: order.discountPercent,
    forex_rate: order.forexRate,
    forex_rate_id: order.forexRateId,
    charge: order.charge.amount,
    currency: order.charge.currency,
    wallet_id: funding.kind === 'WALLET' ? funding.walletId : null,
    voucher_hash: funding.kind === 'VOUCHER' ? funding.codeHash : null,
    input_data: order.inputData,
    recipient: order.recipient,
    input_fields_version: order.inputFieldsVersion,
    fulfils_in_request: order.fulfilsInRequest,
    pricing_version: order.pricingVersion,
    price_valid_until: order.priceValidUntil,
  };
}

/** The order as it was just inserted, without reading it again. */
function placedOrder(order: PricedOrder, row: VerdictRow): TopupOrder {
  const isWallet = order.funding.kind === 'WALLET';
  return {
    clientId: order.clientId,
    id: row.order_id ?? 0,
    clientReference: order.clientReference,
    inputDigest: order.inputDigest,
    productId: order.productId,
    variantId: order.variantId,
    productName: order.productName,
    variantName: order.variantName,
    countryCode: order.countryCode,
    faceValue: order.faceValue,
    discountPercent: order.discountPercent,
    forexRate: order.forexRate,
    charge: order.charge,
    fundingSource: order.funding.kind,
    walletId: order.funding.kind === 'WALLET' ? order.funding.walletId : null,
    inputData: order.inputData,
    fulfilsInRequest: order.fulfilsInRequest,
    status: 'PENDING',
    fulfilmentState: 'QUEUED',
    version: 1,
    failureCode: null,
    attemptCount: 0,
    lastAttemptAt: null,
    nextActionAt: row.placed_at,
    debitTransferId: isWallet ? row.transfer_id : null,
    refundTransferId: null,
    reversalTransferId: null,
    reversedAt: null,
    receipt: null,
    createdAt: row.placed_at,
    completedAt: null,
    expectedBy: row.expected_by,
    notificationEmail: null,
  };
}
