import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OrderListFilter } from '../../src/domain/order-list.ts';
import { Milestones } from '../../src/db/milestones.ts';
import { createOrderLists } from '../../src/db/order-lists.ts';
import { findSpan } from '../../src/db/order-span.ts';
import { createPool } from '../../src/db/pool.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

// Rows past every function, thousands of them: the books are not what is looked at here.
let database: TestDatabase;
let pool: pg.Pool;

/** Each with a clock of its own kind. */
const STEADY = 901;
const AHEAD = 902;
const BEHIND = 903;
const BETWEEN = 904;
const UNMARKED = 905;
const AT_ONCE = 906;

const START_MS = Date.parse('2026-05-19T08:00:00Z');
const after = (minutes: number): Date => new Date(START_MS + minutes * 60_000);

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({
    databaseUrl: database.databaseUrl, size: 2, applicationName: 'test', onError: () => undefined,
  });
  for (const clientId of [STEADY, AHEAD, BEHIND, BETWEEN, UNMARKED, AT_ONCE]) {
    await database.query(`insert into client (client_id, name) values (${clientId}, 'Of a time')`);
    await database.query(
      `insert into wallet (client_id, id, currency) values (${clientId}, ${clientId}, 'USD')`);
  }
}, 60_000);
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** One order every six seconds of true time; the database's clock is off by so many minutes. */
async function place(clientId: number, [from, to]: readonly [number, number], off = 0) {
  await database.query(`insert into topup_order (client_id, id, request_id, input_digest,
      product_id, variant_id, product_name, variant_name, country_code, face_value, face_currency,
      discount_percent, charge, currency, wallet_id, input_data, recipient, input_fields_version,
      fulfils_in_request, created_at, next_action_at)
    select $1::bigint, n, gen_random_uuid(), '', 1, 1, '', '', 'GLO', 1, 'USD', 0, 1, 'USD',
      $1::bigint, '{}', '1', 1, false,
      $2::timestamptz + n * interval '6 seconds' + $3::int * interval '1 minute', now()
    from generate_series($4::int, $5::int) n`, [clientId, after(0), off, from, to]);
}

async function untilSet(clientId: number, count: number): Promise<void> {
  await expect.poll(async () => {
    await pool.query('select set_order_milestones($1)', [clientId]);
    const rows = await database.query(
      'select from order_milestone where client_id = $1', [clientId]);
    return rows.length;
  }).toBe(count);
}

/** Every span between some edges is what a plain look at all orders says. */
async function expectAllSpans(clientId: number): Promise<void> {
  const milestones = new Milestones({ pool, onError: (error) => { throw error; } });
  const lists = createOrderLists({ pool, milestones });
  const edges = Array.from({ length: 13 }, (_, nth) => after(nth * 47 - 180));
  const spans: OrderListFilter[] = edges.flatMap((edge, nth) => [
    { createdFrom: edge }, { createdTo: edge },
    ...edges.slice(nth).map((end) => ({ createdFrom: edge, createdTo: end })),
  ]);
  for (const span of spans) {
    const listed = await lists.listOrders(clientId, span, { offset: 0, limit: 3 });
    const [plain] = await database.query<{ count: string; newest: string[] | null }>(`select
        count(*) as count, (array_agg(id order by id desc))[1:3] as newest
      from topup_order where client_id = $1 and created_at >= coalesce($2, '-infinity'::timestamptz)
        and created_at < coalesce($3::timestamptz + interval '1 second', 'infinity')`,
    [clientId, span.createdFrom ?? null, span.createdTo ?? null]);
    expect([listed.totalCount, listed.items.map(({ id }) => id)], JSON.stringify(span))
      .toEqual([Number(plain?.count), (plain?.newest ?? []).map(Number)]);
  }
}

const spanOf = (clientId: number, filter: OrderListFilter) =>
  findSpan(async (query) => (await pool.query(query)).rows as never,
    { clientId, filter, onFarBehind: () => undefined });

describe('orders of a span of time', () => {
  it('are looked for between the milestones nearest to it', async () => {
    await place(STEADY, [1, 4500]);
    await untilSet(STEADY, 4);
    const minuteOf = (id: number): number => id / 10;
    expect(await spanOf(STEADY, {
      createdFrom: after(minuteOf(1500)), createdTo: after(minuteOf(2500)),
    })).toEqual({ afterId: 1000, upToId: 3000 });
    expect(await spanOf(STEADY, { createdTo: after(-1) })).toMatchObject({ upToId: 0 });
    expect(await spanOf(STEADY, { createdFrom: after(minuteOf(9000)) }))
      .toMatchObject({ afterId: 4000 });
    // What lies behind the last milestone belongs to it.
    expect(await spanOf(STEADY, { createdTo: after(minuteOf(4200)) }))
      .toEqual({ afterId: 0, upToId: Number.MAX_SAFE_INTEGER });
    await expectAllSpans(STEADY);
  });

  it('begin with what was placed at that very moment, at a milestone too', async () => {
    expect(await spanOf(STEADY, { createdFrom: after(200) })).toMatchObject({ afterId: 1000 });
  });

  it('are all there where the clock was ahead from one milestone to the next', async () => {
    await place(AHEAD, [1, 1000]);
    await place(AHEAD, [1001, 2000], 180);
    await place(AHEAD, [2001, 2100]);
    await untilSet(AHEAD, 2);
    await expectAllSpans(AHEAD);
    await place(AHEAD, [2101, 4500]);
    await untilSet(AHEAD, 4);
    await expectAllSpans(AHEAD);
  });

  it('are all there where the clock was ahead before milestones that are set at once', async () => {
    await place(AT_ONCE, [1, 1000]);
    await place(AT_ONCE, [1001, 2000], 180);
    await place(AT_ONCE, [2001, 4500]);
    await untilSet(AT_ONCE, 4);
    await expectAllSpans(AT_ONCE);
  });

  it('are all there where it was behind at a milestone', async () => {
    await place(BEHIND, [1, 1900]);
    await place(BEHIND, [1901, 2100], -120);
    await place(BEHIND, [2101, 4500]);
    await untilSet(BEHIND, 4);
    await expectAllSpans(BEHIND);
  });

  it('are all there where it was off between two milestones', async () => {
    await place(BETWEEN, [1, 1300]);
    await place(BETWEEN, [1301, 1500], 180);
    await place(BETWEEN, [1501, 1700], -120);
    await place(BETWEEN, [1701, 2100]);
    await untilSet(BETWEEN, 2);
    await expectAllSpans(BETWEEN);
  });

  it('are all there where nobody has set milestones, and they are set by who looks', async () => {
    await place(UNMARKED, [1, 2500], 1440);
    await place(UNMARKED, [2501, 3500]);
    // An older transaction keeps them from being set, for as long as it lasts.
    const older = new pg.Client(database.ownerDatabaseUrl);
    await older.connect();
    await older.query('begin; select pg_current_xact_id()');
    await expectAllSpans(UNMARKED);
    expect(await spanOf(UNMARKED, { createdTo: after(0) }))
      .toEqual({ afterId: 0, upToId: Number.MAX_SAFE_INTEGER });
    await older.query('commit');
    await older.end();
    await expect.poll(async () => {
      await expectAllSpans(UNMARKED);
      return database.query('select from order_milestone where client_id = $1', [UNMARKED]);
    }).toHaveLength(3);
    await expectAllSpans(UNMARKED);
  });
});
