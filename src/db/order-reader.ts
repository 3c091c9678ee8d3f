import type pg from 'pg';
import type { TopupOrder } from '../domain/topup-order.ts';
import { Batcher } from './batcher.ts';
import { ORDER_COLUMNS, toOrder } from './order-rows.ts';
import { isLockTimeout } from './faults.ts';
import { repeatUntilKnown, tellAway } from './pool.ts';

/** Orders of one read: a look-up each, so that nobody waits long for the others'. */
const BATCH_SIZE_MAX = 100;
/** Below so many a second read beside the one under way would cost more than it saves. */
const SECOND_CALL_FROM = 8;

interface Wanted {
  readonly clientId: number;
  readonly orderId: number;
}

/**
 * Finds orders by id; those that are asked for together are read together. A read begins after it
 * was asked for, so whoever placed or moved an order finds it so.
 */
export function createOrderReader(
  pool: pg.Pool,
): (clientId: number, orderId: number) => Promise<TopupOrder | null> {
  const batcher = new Batcher<Wanted, TopupOrder | null>({
    sizeMax: BATCH_SIZE_MAX,
    secondCallFrom: SECOND_CALL_FROM,
    laneOf: ({ clientId }) => clientId,
    // The batcher waits for locks: by both of us everybody would wait twice as long.
    run: (wanted) => repeatUntilKnown(() => readOrders(pool, wanted),
      (error) => !isLockTimeout(error)),
  });
  return (clientId, orderId) => tellAway(async () => batcher.add({ clientId, orderId }));
}

/** One order, by a read of its own that nothing is refused to. */
export async function readOrder(
  pool: pg.Pool,
  clientId: number,
  orderId: number,
): Promise<TopupOrder | null> {
  const [order] = await readOrders(pool, [{ clientId, orderId }]);
  return order ?? null;
}

async function readOrders(
  pool: pg.Pool,
  wanted: readonly Wanted[],
): Promise<readonly (TopupOrder | null)[]> {
  const { rows } = await pool.query<{ readonly nth: number }>({
    name: 'orders_by_id',
    // The limit keeps it a look-up by key, whatever plan was made while the table was small.
    text: `select k.nth, o.* from unnest($1::bigint[], $2::bigint[]) with ordinality
        k(client_id, id, nth)
      cross join lateral (select ${ORDER_COLUMNS} from topup_order o
        where o.client_id = k.client_id and o.id = k.id limit 1) o`,
    values: [wanted.map(({ clientId }) => clientId), wanted.map(({ orderId }) => orderId)],
  });
  const orders = new Map(rows.map((row) => [row.nth, toOrder(row)]));
  return wanted.map((_, index) => orders.get(index + 1) ?? null);
}
