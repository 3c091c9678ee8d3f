import type pg from 'pg';
import type { Outcome, StrayCallbacks, StrayVerdict } from '../domain/fulfilment-ports.ts';
import { askUntilBack } from './pool.ts';
import { parseSupplierReference } from './supplier-reference.ts';

interface Kept {
  readonly id: string;
  readonly supplier_code: string;
  readonly event_id: string;
  readonly supplier_reference: string;
  readonly body_digest: string;
  readonly outcome: Outcome;
}

/** Callbacks of submissions that are not there yet, over the functions in migrations/schema.sql. */
export function createStrayCallbacks(pool: pg.Pool): StrayCallbacks {
  return {
    keep: (callback) => askUntilBack(async () => {
      const { event, outcome } = callback;
      const ours = parseSupplierReference(event.supplierReference);
      const row = {
        client_id: ours?.clientId ?? 0,
        order_id: ours?.orderId ?? null,
        route: ours?.route ?? null,
        supplier_code: event.supplierCode,
        event_id: event.eventId,
        supplier_reference: event.supplierReference,
        body_digest: event.bodyDigest,
      };
      const { rows: [kept] } = await pool.query<{ verdict: StrayVerdict }>({
        name: 'keep_stray_callback',
        text: `select keep_stray_callback(json_populate_record(null::recorded_move, $1::json), $2)
          as verdict`,
        values: [JSON.stringify(row), JSON.stringify(outcome)],
      });
      if (kept === undefined) throw new Error('A callback was not kept');
      return kept.verdict;
    }),
    async find(limit, after) {
      const { rows: [page] } = await pool.query<{ after: string | null; ids: string[] }>({
        name: 'find_stray_callbacks',
        text: 'select after, ids from find_stray_callbacks($1, $2)',
        values: [after ?? '0', limit],
      });
      const ids = page?.ids ?? [];
      const callbacks = ids.length === 0 ? [] : await read(pool, ids);
      return { callbacks, after: page?.after ?? null };
    },
    async forget(ids) {
      await pool.query({
        name: 'forget_stray_callbacks',
        text: 'select forget_stray_callbacks($1, $2)',
        values: [ids, FORGOTTEN_MAX],
      });
    },
  };
}

/** Of those that were kept for long enough, so many go at a time. */
const FORGOTTEN_MAX = 1000;

async function read(pool: pg.Pool, ids: readonly string[]) {
  const { rows } = await pool.query<Kept>({
    name: 'stray_callbacks',
    text: `select c.id, s.code as supplier_code, c.event_id, c.supplier_reference, c.body_digest,
        c.outcome
      from stray_callback c join supplier s on s.id = c.supplier_id
      where c.id = any ($1) order by c.id`,
    values: [ids],
  });
  return rows.map((row) => ({
    id: row.id,
    event: {
      supplierCode: row.supplier_code,
      eventId: row.event_id,
      supplierReference: row.supplier_reference,
      bodyDigest: row.body_digest,
    },
    outcome: row.outcome,
  }));
}
