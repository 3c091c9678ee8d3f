import type { ClientBase, Pool } from 'pg';

import type { Answer, BookedOrder, Change } from './sandbox-steps.ts';

/**
 * The sandbox supplier's statements about orders, prepared by name. Their plans are kept, some from
 * when the tables were empty, and must be good when they are not: keys are looked up under a limit
 * or a lock, rows that are held locked are written by their address, and what is due is compared
 * with a clock that was read once, as a condition of the index.
 */

const CHANGE = `
  change as (
    select "supplierCode" as supplier_code, reference, sku, recipient,
      "submitCount" as submit_count, "stepCount" as step_count, answer, "isHeld" as is_held,
      clock_timestamp() + "dueInMs" * interval '1 ms' as due_at, lines, callbacks
    from json_to_recordset($1) as change("supplierCode" text, reference text, sku text,
      recipient text, "submitCount" int, "stepCount" int, answer json, "isHeld" boolean,
      "dueInMs" float8, lines json, callbacks json)
  )`;
// In the same statement, so that no effect is ever without its line.
const linesAndCallbacks = (changes: string): string => `
  line as (
    insert into sandbox.log (supplier_code, supplier_reference, kind, outcome, effective)
    select supplier_code, reference, line.kind, line.outcome, line.effective
    from ${changes},
      json_to_recordset(lines) as line(kind text, outcome text, effective boolean)
  ),
  callback as (
    insert into sandbox.callback (event_id, supplier_code, body, sends_left, sequel_in_ms)
    select told."eventId", supplier_code, told.body, told."sendsLeft", told."sequelInMs"
    from ${changes}, json_to_recordset(callbacks)
      as told("eventId" text, body text, "sendsLeft" int, "sequelInMs" float8)
  )
  select supplier_code, reference from written`;
const INSERT = `
  with ${CHANGE},
  written as (
    insert into sandbox.supplier_order
      (supplier_code, reference, sku, recipient, submit_count, step_count, answer, is_held, due_at)
    select supplier_code, reference, sku, recipient, submit_count, step_count, answer, is_held,
      due_at
    from change
    on conflict do nothing
    returning supplier_code, reference
  ),
  ${linesAndCallbacks('written join change using (supplier_code, reference)')}`;
const UPDATE = `
  with ${CHANGE},
  written as (
    update sandbox.supplier_order
    set submit_count = change.submit_count, step_count = change.step_count,
      answer = change.answer, is_held = change.is_held, due_at = change.due_at
    from change cross join lateral (
      select known.ctid as address from sandbox.supplier_order known
      where known.supplier_code = change.supplier_code and known.reference = change.reference
      limit 1) at
    where supplier_order.ctid = at.address
    returning supplier_order.supplier_code, supplier_order.reference
  ),
  ${linesAndCallbacks('change')}`;

/**
 * Books new orders in one statement; answers of each whether it was new. Of equal references the
 * first counts.
 */
export async function insertOrders(
  client: ClientBase | Pool,
  changes: readonly Change[],
): Promise<readonly boolean[]> {
  const firsts = new Map<string, Change>();
  for (const change of changes) if (!firsts.has(keyOf(change))) firsts.set(keyOf(change), change);
  // In one order in all processes: calls that have references in common do not block each other.
  const sorted = [...firsts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, change]) => change);
  const written = await write(client, { name: 'sandbox_insert_orders', text: INSERT }, sorted);
  return changes.map((change) => (
    firsts.get(keyOf(change)) === change && written.has(keyOf(change))
  ));
}

/** Writes changes of orders that the transaction holds locked. */
export async function updateOrders(client: ClientBase, changes: readonly Change[]): Promise<void> {
  const { size } = await write(client, { name: 'sandbox_update_orders', text: UPDATE }, changes);
  if (size !== changes.length) throw new Error(`${size} of ${changes.length} orders written`);
}

/** The keys of the orders that were written. */
async function write(
  client: ClientBase | Pool,
  statement: { readonly name: string; readonly text: string },
  changes: readonly Change[],
): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ supplier_code: string; reference: string }>(
    { ...statement, values: [JSON.stringify(changes)] },
  );
  return new Set(rows.map((row) => (
    keyOf({ supplierCode: row.supplier_code, reference: row.reference })
  )));
}

/** One text for both parts. */
export function keyOf({ supplierCode, reference }: OrderKey): string {
  return `${supplierCode} ${reference}`;
}

const COLUMNS = `supplier_code as "supplierCode", reference, sku, recipient,
  submit_count as "submitCount", step_count as "stepCount", answer, is_held as "isHeld",
  coalesce(not is_held and due_at <= clock_timestamp(), false) as "isDue"`;

/** Locks orders, in one order in all processes; answers those that are known. */
export async function lockOrders(
  client: ClientBase,
  keys: readonly OrderKey[],
): Promise<readonly BookedOrder[]> {
  const { rows } = await client.query<BookedOrder>({
    name: 'sandbox_lock_orders',
    text: `select found.* from (
        select distinct * from unnest($1::text[], $2::text[]) order by 1, 2
      ) key(supplier_code, reference)
      cross join lateral (select ${COLUMNS} from sandbox.supplier_order known
        where known.supplier_code = key.supplier_code and known.reference = key.reference
        for update) found`,
    values: [
      keys.map(({ supplierCode }) => supplierCode), keys.map(({ reference }) => reference),
    ],
  });
  return rows;
}

/** Locks orders whose next step is due, without waiting for those in other hands. */
export async function lockDueOrders(client: ClientBase, limit: number): Promise<BookedOrder[]> {
  const { rows } = await client.query<BookedOrder>({
    name: 'sandbox_lock_due_orders',
    text: `select ${COLUMNS} from sandbox.supplier_order
      where due_at <= (select clock_timestamp()) and not is_held
      order by due_at limit $1 for update skip locked`,
    values: [limit],
  });
  return rows;
}

/** Lets held orders of this reference go; answers whose they are, the not held included. */
export async function releaseOrders(client: ClientBase, reference: string): Promise<string[]> {
  // One statement: an order that is being taken right now is either not there or let go.
  const { rows } = await client.query<{ supplier_code: string }>(
    `update sandbox.supplier_order set is_held = false
     where reference = $1 and step_count is not null returning supplier_code`,
    [reference],
  );
  return rows.map((row) => row.supplier_code);
}

/** Milliseconds until the next step of any order; null where none is to come. */
export async function untilNextStepMs(client: ClientBase): Promise<number | null> {
  const { rows } = await client.query<{ ms: number | null }>({
    name: 'sandbox_until_next_step',
    text: `select (extract(epoch from min(due_at) - clock_timestamp()) * 1000)::float8 as ms
      from sandbox.supplier_order where due_at is not null and not is_held`,
  });
  return rows[0]?.ms ?? null;
}

export type OrderKey = Pick<BookedOrder, 'supplierCode' | 'reference'>;

export interface FoundAnswer {
  /** Null where the order is not known. */
  readonly answer: Answer | null;
  readonly isDue: boolean;
}

/**
 * Answers queries and logs them, in one statement, but not those of orders with a step that is due
 * and has to be taken first.
 */
export async function readAnswers(
  pool: Pool,
  asked: readonly OrderKey[],
): Promise<readonly FoundAnswer[]> {
  const { rows } = await pool.query<FoundAnswer>({
    name: 'sandbox_read_answers',
    text: `with asked as (
       select ordinal, "supplierCode" as supplier_code, reference
       from rows from (json_to_recordset($1) as ("supplierCode" text, reference text))
         with ordinality as keys("supplierCode", reference, ordinal)
     ), found as materialized (
       select ordinal, asked.supplier_code, asked.reference, answer,
         coalesce(not is_held and due_at <= clock_timestamp(), false) as is_due
       from asked left join lateral (select * from sandbox.supplier_order known
         where known.supplier_code = asked.supplier_code and known.reference = asked.reference
           and step_count is not null limit 1) known on true
     ), line as (
       insert into sandbox.log (supplier_code, supplier_reference, kind, outcome, effective)
       select supplier_code, reference, 'STATUS', coalesce(answer ->> 'status', 'NOT_FOUND'), false
       from found where not is_due
     )
     select answer, is_due as "isDue" from found order by ordinal`,
    values: [JSON.stringify(asked)],
  });
  return rows;
}

/** Lines for calls that changed nothing. */
export async function logAnswers(
  client: ClientBase,
  orders: readonly BookedOrder[],
  kind: 'SUBMIT' | 'STATUS',
): Promise<void> {
  await client.query({
    name: 'sandbox_log_answers',
    text: `insert into sandbox.log (supplier_code, supplier_reference, outcome, kind, effective)
      select *, $1::text, false from unnest($2::text[], $3::text[], $4::text[])`,
    values: [
      kind, orders.map(({ supplierCode }) => supplierCode),
      orders.map(({ reference }) => reference),
      orders.map(({ answer }) => answer?.status ?? 'NOT_FOUND'),
    ],
  });
}

export interface LogLine {
  readonly id: string;
  readonly line: string;
}

/** The log in order, as JSON texts, from behind `afterId`; of one reference if one is given. */
export async function readLogPage(
  pool: Pool,
  options: { readonly afterId: string; readonly reference: string | null; readonly limit: number },
): Promise<LogLine[]> {
  const { rows } = await pool.query<{ id: string; effective: boolean } & Record<string, string>>(
    `select id, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, kind,
       supplier_reference, outcome, effective
     from sandbox.log
     where id > $1 and ($2::text is null or supplier_reference = $2)
     order by id limit $3`,
    [options.afterId, options.reference, options.limit],
  );
  return rows.map(({ id, supplier_reference: supplierReference, ...row }) => {
    const { at, kind, outcome, effective } = row;
    return { id, line: JSON.stringify({ at, kind, supplierReference, outcome, effective }) };
  });
}
