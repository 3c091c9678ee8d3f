import type pg from 'pg';
import type {
  ClaimedOrder, FulfilmentStore, MoveResult, OrderAtSupplier, RecordedMove,
} from '../domain/fulfilment-ports.ts';
import { Batcher } from './batcher.ts';
import { toClaimedOrder, toOrderAtSupplier } from './order-rows.ts';
import { isLockTimeout, isUnable } from './faults.ts';
import { repeatUntilKnown, tellAway } from './pool.ts';
import { createStrayCallbacks } from './stray-callbacks.ts';
import { parseSupplierReference, type SubmissionKey } from './supplier-reference.ts';

const BATCH_SIZE_MAX = 256;

/**
 * While no supplier is suspended, what is set aside seldom has to leave its queue, by an import for
 * instance: only one in so many rounds looks for that, in thousands of orders.
 */
const CALM_ROUNDS = 4;

const isNoLockTimeout = (error: unknown): boolean => !isLockTimeout(error);

/** Fulfilment over the functions in migrations/schema.sql. `onMoved` is told after each commit. */
export function createFulfilmentStore(options: {
  readonly pool: pg.Pool;
  readonly onMoved: () => void;
}): FulfilmentStore {
  const { pool, onMoved } = options;
  const moves = new Batcher<RecordedMove, MoveResult>({
    sizeMax: BATCH_SIZE_MAX,
    laneOf: ({ clientId }) => clientId,
    // What a supplier answered would be asked for again, a lease later; a callback comes again.
    isRefusable: ({ callback }) => callback !== null,
    run: async (batch) => {
      const results = await recordMoves(pool, batch);
      onMoved();
      return results;
    },
  });
  const submissions = new Batcher<AskedSubmission, OrderAtSupplier | null>({
    sizeMax: BATCH_SIZE_MAX,
    // A fault as the database tells it: the batcher asks for each apart unless that is away.
    run: (asked) => repeatUntilKnown(() => findSubmissions(pool, asked), isNoLockTimeout),
  });
  return {
    async claimOrders({ limit, rooms }) {
      const values = [limit, JSON.stringify(rooms)];
      const orders = await queryClaims(pool, 'claim_orders', values);
      if (orders.length > 0) onMoved();
      return orders;
    },
    async claimOrder(clientId, orderId) {
      const [order] = await queryClaims(pool, 'claim_order', [clientId, orderId]);
      if (order !== undefined) onMoved();
      return order ?? null;
    },
    leaveSuspendedSuppliers: createRerouting(pool),
    async recallFarOrders(limit) {
      const { rows } = await pool.query<{ recalled: number }>({
        name: 'recall_far_orders',
        text: 'select recall_far_orders($1) as recalled',
        values: [limit],
      });
      return rows[0]?.recalled ?? 0;
    },
    recordMove: (move) => tellAway(async () => moves.add(move)),
    async findSubmission(supplierReference, supplierCode) {
      const ours = parseSupplierReference(supplierReference);
      if (ours === null) return null;
      return tellAway(async () => submissions.add({ ...ours, supplierCode }));
    },
    strays: createStrayCallbacks(pool),
    async nextDueInMs() {
      const { rows } = await pool.query<{ in_ms: number | null }>({
        name: 'next_due',
        text: `select (extract(epoch from min(next_action_at) - clock_timestamp()) * 1000)::float8
          as in_ms from topup_order
          where status = 'PENDING' and set_aside_at is distinct from next_action_at`,
      });
      return rows[0]?.in_ms ?? null;
    },
  };
}

async function queryClaims(
  pool: pg.Pool,
  name: 'claim_orders' | 'claim_order',
  values: readonly unknown[],
): Promise<readonly ClaimedOrder[]> {
  const parameters = values.map((_, index) => `$${index + 1}`).join(', ');
  const askedAtMs = performance.now();
  const { rows } = await pool.query<object>({
    name,
    text: `select * from ${name}(${parameters})`,
    values: [...values],
  });
  return rows.map((row) => toClaimedOrder(row, askedAtMs));
}

interface AskedSubmission extends SubmissionKey {
  readonly supplierCode: string;
}

async function findSubmissions(
  pool: pg.Pool,
  asked: readonly AskedSubmission[],
): Promise<readonly (OrderAtSupplier | null)[]> {
  const askedAtMs = performance.now();
  const { rows } = await pool.query<{ readonly place: number }>({
    name: 'find_submissions',
    text: 'select place, (found).* from find_submissions($1, $2, $3, $4)',
    values: [
      asked.map(({ clientId }) => clientId), asked.map(({ orderId }) => orderId),
      asked.map(({ route }) => route), asked.map(({ supplierCode }) => supplierCode),
    ],
  });
  const found = new Map(rows.map((row) => [row.place, toOrderAtSupplier(row, askedAtMs)]));
  return asked.map((_, index) => found.get(index + 1) ?? null);
}

async function recordMoves(
  pool: pg.Pool,
  batch: readonly RecordedMove[],
): Promise<readonly MoveResult[]> {
  const values = [JSON.stringify(batch.map(toMoveRow))];
  // A repeat changes nothing: a terminal order stays as it is, and a step's lease is given up.
  const { rows } = await repeatUntilKnown(() =>
    pool.query<{ ordinal: number; result: MoveResult }>({
      name: 'record_moves',
      text: 'select * from record_moves($1::json)',
      values,
    }), (error) => !isLockTimeout(error) && !isUnable(error));
  const byOrdinal = new Map(rows.map((row) => [row.ordinal, row.result]));
  return batch.map((_, index) => {
    const result = byOrdinal.get(index + 1);
    if (result === undefined) throw new Error('A move has no result');
    return result;
  });
}

function toMoveRow(recorded: RecordedMove, index: number): object {
  const { move, callback } = recorded;
  return {
    ordinal: index + 1,
    client_id: recorded.clientId,
    order_id: recorded.orderId,
    route: recorded.route,
    lease_token: recorded.leaseToken,
    kind: move.kind,
    failure_code: move.kind === 'FAIL' ? move.failureCode : null,
    next_in_ms: 'nextInMs' in move ? Math.ceil(move.nextInMs) : null,
    receipt: move.kind === 'DELIVER' ? move.receipt : null,
    supplier_code: callback?.supplierCode ?? null,
    event_id: callback?.eventId ?? null,
    supplier_reference: callback?.supplierReference ?? null,
    body_digest: callback?.bodyDigest ?? null,
  };
}

/** Both looks are in pages, and go on behind the last one. */
function createRerouting(pool: pg.Pool): FulfilmentStore['leaveSuspendedSuppliers'] {
  /** Where the last look at what waits for its next try ended; null: it came to the end. */
  let recalledUntil: string | null = null;
  /** The same, of what is set aside. */
  let lookedUntil: string | null = null;
  /** Calm rounds until the next look. */
  let restCount = 0;
  return async (limit) => {
    const { rows: [recalled] } = await pool.query<{ after: string | null; is_calm: boolean }>({
      name: 'recall_from_suspended_suppliers',
      text: `select recall_from_suspended_suppliers($1)::text as after,
        not exists (select from supplier where is_suspended) as is_calm`,
      values: [recalledUntil],
    });
    recalledUntil = recalled?.after ?? null;
    restCount -= 1;
    if (recalled?.is_calm === true && restCount > 0) return 0;
    const { rows: [looked] } = await pool.query<{ found: number; after: string | null }>({
      name: 'leave_suspended_suppliers',
      text: 'select found_count as found, after from leave_suspended_suppliers($1, $2)',
      values: [limit, lookedUntil],
    });
    lookedUntil = looked?.after ?? null;
    const foundCount = looked?.found ?? 0;
    // What left its supplier is looked after at once, until none of it is left.
    restCount = foundCount > 0 ? 0 : CALM_ROUNDS;
    return foundCount;
  };
}
