import crypto from 'node:crypto';
import type pg from 'pg';
import type { Placement, PlacementRefusal, PricedOrder } from '../domain/ports.ts';
import { TemporarilyUnavailable } from '../domain/rejection.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import { Batcher } from './batcher.ts';
import { readOrder } from './order-reader.ts';
import { isConnectionLost, isKnownNotCommitted, isLockTimeout, isUnable } from './faults.ts';
import { placementText } from './placement-text.ts';
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

type Verdict = 'PLACED' | 'REPEATED' | PlacementRefusal;

/** What became of the orders of a call, in their order. */
interface PlacedTogether {
  readonly placed_at: string;
  readonly verdicts: readonly Verdict[];
  readonly order_ids: readonly (number | null)[];
  readonly transfer_ids: readonly (number | null)[];
  readonly expected_by: readonly (string | null)[];
}

interface Placed {
  readonly verdict: Verdict;
  readonly orderId: number | null;
  readonly transferId: number | null;
  readonly placedAt: Date;
  readonly expectedBy: Date | null;
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
  const batcher = new Batcher<Placing, Placed>({
    sizeMax: BATCH_SIZE_MAX,
    secondCallFrom: SECOND_CALL_FROM,
    laneOf: ({ order }) => order.clientId,
    // "Too much at once" says that nothing was done.
    isRefusable: ({ mayBePlaced }) => !mayBePlaced,
    run: async (placings) => {
      const placed = await callUntilKnown(options.pool, placings);
      if (placed.some(({ verdict }) => verdict === 'PLACED')) options.onPlaced();
      return placed;
    },
  });
  const place = async (order: PricedOrder): Promise<Placement> => {
    const placing = { requestId: newRequestId(), order, mayBePlaced: false };
    const placed = await tellUnknown(batcher.add(placing), placing);
    const { verdict, orderId } = placed;
    if (verdict !== 'PLACED' && verdict !== 'REPEATED') {
      // A call whose answer was lost may still be on its way, and find what this one did not. Only
      // the reference of a duplicate is taken for ever.
      if (placing.mayBePlaced && verdict !== 'DUPLICATE') throw unknownPlacement(order);
      return { verdict };
    }
    if (orderId === null) throw new Error('A placed order has no id');
    if (verdict === 'PLACED') {
      return { verdict, order: placedOrder(order, { ...placed, orderId }) };
    }
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
): Promise<readonly Placed[]> {
  const values = [placings.map(placementText)];
  const text = 'select row_to_json(p) as placed from place_orders($1::placement[]) p';
  // What never got a connection was not sent.
  const call = () => withConnection(pool, (client) => client
    .query<{ placed: PlacedTogether }>({ name: 'place_orders', text, values })
    .catch((error: unknown) => {
      if (isConnectionLost(error)) for (const placing of placings) placing.mayBePlaced = true;
      throw error;
    }));
  const { rows: [row] } = await repeatUntilKnown(
    call,
    // The batcher waits for locks, and keeps those who need not wait apart.
    (error) => !isLockTimeout(error) && !isUnable(error),
  );
  if (row === undefined) throw new Error('A placing call has no answer');
  const placedAt = new Date(row.placed.placed_at);
  return placings.map((_, at) => placedOf(row.placed, at, placedAt));
}

function placedOf(together: PlacedTogether, at: number, placedAt: Date): Placed {
  const verdict = together.verdicts[at];
  if (verdict === undefined) throw new Error('An order has no verdict');
  const expectedBy = together.expected_by[at] ?? null;
  return {
    verdict,
    orderId: together.order_ids[at] ?? null,
    transferId: together.transfer_ids[at] ?? null,
    placedAt,
    expectedBy: expectedBy === null ? null : new Date(expectedBy),
  };
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

/** The order as it was just inserted, without reading it again. */
function placedOrder(order: PricedOrder, placed: Placed & { orderId: number }): TopupOrder {
  const isWallet = order.funding.kind === 'WALLET';
  return {
    clientId: order.clientId,
    id: placed.orderId,
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
    nextActionAt: placed.placedAt,
    debitTransferId: isWallet ? placed.transferId : null,
    refundTransferId: null,
    reversalTransferId: null,
    reversedAt: null,
    receipt: null,
    createdAt: placed.placedAt,
    completedAt: null,
    expectedBy: placed.expectedBy,
    notificationEmail: null,
  };
}
