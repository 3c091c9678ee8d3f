import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createPool } from '../../src/db/pool.ts';
import type { ClaimedOrder, FulfilmentStore } from '../../src/domain/fulfilment-ports.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

/**
 * Many orders wait for one supplier that takes none, and have nowhere else to go: what is due for
 * others does not wait behind them. Before they were set aside, no claim ended within its time.
 */

const WAITING = 600_000;
const OTHERS = 1_000;
const LOADED_WITHIN_MS = 600_000;
/** The first of the demo's suppliers, and a variant that only it sells here; then the other. */
const A = 1;
const B = 2;
const OF_A = 2;
const OF_B = 3;

let database: TestDatabase;
let pool: pg.Pool;
let store: FulfilmentStore;

const insert = (first: number, count: number, variantId: number, createdAt: string): string => `
  insert into topup_order (client_id, id, client_reference, request_id, input_digest, product_id,
      variant_id, product_name, variant_name, country_code, face_value, face_currency,
      discount_percent, charge, currency, wallet_id, input_data, recipient, input_fields_version,
      fulfils_in_request, status, fulfilment_state, next_action_at, debit_transfer_id, created_at)
    select 3, n, 'r' || n, gen_random_uuid(), '', 4218, ${variantId}, 'PUBG Mobile UC', 'UC', 'GLO',
      4.99, 'USD', 0, 4.99, 'USD', w.id, '{}', '5123456789', 1, false, 'PENDING', 'QUEUED',
      ${createdAt}, n, ${createdAt}
    from generate_series(${first}, ${first + count - 1}) n
    cross join (select min(id) as id from wallet where client_id = 3) w`;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({
    databaseUrl: database.databaseUrl, size: 4, applicationName: 'waiting',
    onError: () => undefined,
  });
  store = createFulfilmentStore({ pool, onMoved: () => undefined });
  await database.query('delete from offer where variant_id in ($1, $2)', [OF_A, OF_B]);
  await database.query(`insert into offer (variant_id, route, supplier_id, supplier_sku) values
    (${OF_A}, 1, ${A}, 'of-a'), (${OF_B}, 1, ${B}, 'of-b')`);
  // As an operator's statement could leave them: all due at one moment.
  await database.query(insert(1, WAITING, OF_A, 'now()'));
  await database.query(insert(WAITING + 1, OTHERS, OF_B, 'clock_timestamp()'));
  await database.query('vacuum analyze topup_order');
}, LOADED_WITHIN_MS);
afterAll(async () => {
  await pool.end();
  await database.drop();
});

function report(what: string, startedMs: number): void {
  process.stdout.write(`  ${what} in ${(performance.now() - startedMs).toFixed(1)} ms\n`);
}

async function suspend(...suppliers: readonly number[]): Promise<void> {
  await database.query('update supplier set is_suspended = (id = any ($1))', [suppliers]);
}

async function claim(rooms: Record<string, number>, limit = 256): Promise<readonly ClaimedOrder[]> {
  const startedMs = performance.now();
  const claims = await store.claimOrders({ limit, rooms });
  report(`${claims.length} claimed`, startedMs);
  return claims;
}

/** Claims until what is not of A is all claimed. */
async function claimOthers(rooms: Record<string, number>): Promise<number> {
  let claimed = 0;
  let rounds = 0;
  while (claimed < OTHERS) {
    const claims = await claim(rooms);
    expect(claims.filter(({ supplierCode }) => supplierCode === 'sandbox-a').length).toBe(0);
    claimed += claims.filter(({ supplierSku }) => supplierSku === 'of-b').length;
    rounds += 1;
  }
  return rounds;
}

const dueAgain = (): Promise<unknown> => database.query(
  `update topup_order set next_action_at = now(), fulfilment_state = 'RETRY_WAIT'
    where status = 'PENDING' and variant_id = ${OF_B}`);

it('claims the orders of other suppliers past those that wait for a suspended one', async () => {
  await suspend(A);
  expect(await claimOthers({})).toBeLessThan(300);
  await dueAgain();
  expect(await claimOthers({})).toBe(4);
});

it('looks for ways past it in all that waits, and takes it up once it is lifted', async () => {
  const look = async (): Promise<number> => {
    const startedMs = performance.now();
    const found = await store.leaveSuspendedSuppliers(256);
    report(`${found} left`, startedMs);
    return found;
  };
  for (let nth = 0; nth < 5; nth += 1) expect(await look()).toBe(0);
  await database.query(`update topup_order set variant_id = ${OF_B}
    where status = 'PENDING' and id = ${WAITING}`);
  await database.query(`insert into offer (variant_id, route, supplier_id, supplier_sku)
    values (${OF_A}, 2, ${B}, 'more-of-b')`);
  expect(await look()).toBe(256);
  await database.query('delete from offer where supplier_sku = $1', ['more-of-b']);
  await suspend();
  for (let nth = 0; nth < 5; nth += 1) expect(await claim({})).toHaveLength(256);
});

it('claims the orders of other suppliers beside a full one', async () => {
  await dueAgain();
  expect(await claimOthers({ 'sandbox-a': 0, 'sandbox-b': 256 })).toBeLessThan(10);
  const claims = await claim({ 'sandbox-a': 3, 'sandbox-b': 256 });
  expect(claims).toHaveLength(3);
});
