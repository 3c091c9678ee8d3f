import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { PricingBook } from '../../src/db/pricing-book.ts';
import { isPricingCurrent, readPricing } from '../../src/db/pricing-reader.ts';
import type { PricingSnapshot } from '../../src/domain/pricing-snapshot.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
let pool: pg.Pool;
beforeAll(() => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 4, applicationName: 'test', onError: () => undefined,
  });
});
afterAll(() => pool.end());

const contentOf = (snapshot: PricingSnapshot) => ({
  version: snapshot.version,
  products: snapshot.products(),
  byId: snapshot.products().map(({ id }) => snapshot.product(id)),
  variants: Array.from({ length: 30 }, (_, id) => snapshot.variant(id)),
  currencies: snapshot.currencies(),
  clients: [1, 2, 3, 90, 91, 92].map((id) => snapshot.client(id)),
  rate: snapshot.rate('EUR', 'USD'),
  airtel: snapshot.productIdsByPrefix('+9188'),
});

/** What operators do, one after the other; each is seen by a book that had the one before. */
const CHANGES = [
  "update product set name = 'Zzz India' where id = 5001",
  "update product set is_active = false where id = 4218",
  'update variant set fixed_amounts = array[1.50, 4.99] where id = 2',
  'update variant set product_id = 4219 where id = 4',
  'update offer set is_active = false where variant_id = 3 and route = 1',
  'update offer set is_active = false where variant_id = 3',
  'delete from offer where variant_id = 1',
  "insert into offer values (1, 1, 2, 'again')",
  'update supplier set is_suspended = true where id = 1',
  'update supplier set is_suspended = false, health = 40 where id = 1',
  `insert into product (id, name, topup_type, country_code, currency, input_fields)
    values (7001, 'Aaa', 'GAMING', 'GLO', 'USD', '[]')`,
  `insert into variant (id, product_id, name, fixed_amounts) values (20, 7001, 'One', '{1}')`,
  'delete from variant where id = 20',
  'delete from product where id = 7001',
  "update forex_rate set rate = 1.2 where to_currency = 'USD'",
  'update discount set percent = 7 where client_id = 1',
  'update discount set may_lose = true where client_id = 1',
  'update variant set cost_percent = 93.5 where id in (2, 3)',
  "insert into operator_prefix values ('+9188', 5002)",
  'update client set name = name',
  "insert into client (client_id, name) values (90, 'Ninety')",
  "insert into wallet (client_id, id, currency, is_default) values (90, 1, 'USD', true)",
  "insert into wallet (client_id, id, currency, is_default) values (90, 2, 'EUR', false)",
  'update wallet set is_default = false where client_id = 90 and id = 1',
  'update wallet set is_default = true where client_id = 90 and id = 2',
  `insert into discount (client_id, percent, valid_from, valid_to) values
    (90, 3, default, default), (2, 4, default, default), (2, 5, now() + interval '1 hour', default),
    (2, 6, now() - interval '2 hours', now() - interval '1 hour')`,
  'update discount set client_id = 2 where client_id = 90',
  "update discount set valid_from = now() - interval '1 hour' where client_id = 2 and percent = 5",
  'delete from discount where client_id = 2',
  `insert into entitlement (client_id, product_id, variant_id, is_enabled)
    values (90, 4218, null, false), (90, null, 2, false), (2, 4219, null, true)`,
  'update entitlement set client_id = 3 where client_id = 90 and variant_id = 2',
  'update entitlement set is_enabled = not is_enabled where client_id = 90',
  'delete from entitlement where client_id = 3',
  'update client set is_active = false where client_id in (2, 90)',
  'update wallet set currency = currency where client_id = 90',
  "update client set is_active = true, name = 'Second' where client_id = 2",
  "insert into client (client_id, name) values (91, 'Ninety-one')",
  'update client set client_id = 92 where client_id = 91',
  'delete from client where client_id = 92',
  'truncate discount',
  'truncate entitlement',
];

/** As time does it: without a change that anybody could mark. */
async function withoutMarks(sql: string): Promise<void> {
  await database().query(`begin; alter table discount disable trigger user; ${sql};
    alter table discount enable trigger user; commit`);
}

test.each(['{NULL}', '{1,NULL}', '{0}', '{-1}', '{1,NaN}', '{{1,2},{3,4}}'])(
  'a variant is not sold for %s',
  async (amounts) => {
    await expect(database().query('update variant set fixed_amounts = $1 where id = 2', [amounts]))
      .rejects.toThrow('variant_fixed_amounts_check');
  },
);

describe('a refreshed price book', () => {
  test('is what a new one would be, after every kind of change', async () => {
    const book = new PricingBook(pool);
    let before = await book.refresh();
    for (const sql of CHANGES) {
      const snapshot = contentOf(before);
      await database().query(sql);
      const after = await book.refresh();
      expect(contentOf(after), sql).toEqual(contentOf(await new PricingBook(pool).refresh()));
      expect(after.version, sql).toBe(before.version + 1);
      // Whoever holds the snapshot of before sees nothing of it.
      expect(contentOf(before), sql).toEqual(snapshot);
      before = after;
    }
  });

  test('keeps what did not change', async () => {
    const book = new PricingBook(pool);
    const before = await book.refresh();
    await database().query("update product set operator = 'Other' where id = 5101");
    const after = await book.refresh();
    expect(after.product(5101)).not.toBe(before.product(5101));
    expect(after.product(5002)).toBe(before.product(5002));
    expect(after.variant(11)).toBe(before.variant(11));
  });

  test('reads the clients that changed, and those of discounts that began or ended', async () => {
    const book = new PricingBook(pool);
    const percents = async (): Promise<readonly string[]> =>
      (await book.refresh()).client(3)?.discounts.rows.map(({ percent }) => percent) ?? [];
    const before = await book.refresh();
    await database().query('update client set name = name where client_id = 1');
    const after = await book.refresh();
    expect(after.client(1)).not.toBe(before.client(1));
    expect(after.client(3)).toBe(before.client(3));
    await withoutMarks(`insert into discount (client_id, percent, valid_from)
      values (3, 11, now() - interval '1 hour')`);
    expect(await percents()).toEqual([]);
    await withoutMarks(`insert into discount (client_id, percent, valid_from)
      values (3, 12, clock_timestamp())`);
    expect(new Set(await percents())).toEqual(new Set(['11', '12']));
    await withoutMarks(`update discount set valid_from = now() - interval '1 day',
      valid_to = clock_timestamp() where client_id = 3 and percent = 12`);
    expect(await percents()).toEqual(['11']);
  });

  test('reads all clients where the clock was set back', async () => {
    const { version } = await new PricingBook(pool).refresh();
    const idsSince = (read_at: string): Promise<readonly number[]> => readPricing(pool, {
      since: { version, read_at }, forexRateHoursMax: 0,
    }, async ({ clients }) => {
      const ids: number[] = [];
      for await (const rows of clients()) ids.push(...rows.map(([row]) => row.client_id));
      return ids;
    });
    expect(await idsSince(new Date().toISOString())).toEqual([]);
    const all = await database().query<{ id: string }>('select client_id as id from client');
    expect((await idsSince('2999-01-01T00:00:00Z')).length).toBe(all.length);
  });

  test('is not what it should be where the clock is set back behind it', async () => {
    const snapshot = await new PricingBook(pool).refresh();
    expect(await isPricingCurrent(pool, snapshot)).toBe(true);
    const ahead = { ...snapshot, readAt: '2999-01-01T00:00:00Z' };
    expect(await isPricingCurrent(pool, ahead)).toBe(false);
  });

  test('moves its version once a transaction, and not for one that is taken back', async () => {
    const book = new PricingBook(pool);
    const { version } = await book.refresh();
    await database().query(`begin; update product set name = name where id = 5002;
      update variant set name = name; update discount set percent = percent; commit`);
    expect((await book.refresh()).version).toBe(version + 1);
    // Nor once a row: within a savepoint nobody can tell that it was moved already.
    await database().query(`begin; savepoint s; update wallet set currency = currency;
      release savepoint s; commit`);
    expect((await book.refresh()).version).toBe(version + 2);
    await database().query('begin; update product set name = name; rollback');
    expect((await book.refresh()).version).toBe(version + 2);
  });

  test('misses nothing of writers that overtake each other', async () => {
    const book = new PricingBook(pool);
    await book.refresh();
    let isDone = false;
    const writers = [2, 3, 5, 6].map(async (id) => {
      for (let n = 0; n < 25; n += 1) {
        await database().query('update variant set priority = priority + 1 where id = $1', [id]);
      }
    });
    const reader = (async () => {
      while (!isDone) await book.refresh();
    })();
    await Promise.all(writers);
    isDone = true;
    await reader;
    const whole = await new PricingBook(pool).refresh();
    expect(contentOf(await book.refresh())).toEqual(contentOf(whole));
  });

  test('holds a rate for as many hours as it may be in force', async () => {
    const [{ id } = { id: 0 }] = await database().query<{ id: number }>(
      "select id::int from forex_rate where from_currency = 'EUR' and to_currency = 'USD'",
    );
    const age = (span: string, rest = 'null') => database().query(
      `update forex_rate set valid_from = now() - $1::interval, valid_to = ${rest} where id = $2`,
      [span, id],
    );
    const read = async (forexRateHoursMax: number) => {
      const snapshot = await new PricingBook(pool, { forexRateHoursMax }).refresh();
      const inMs = snapshot.validUntil === null
        ? null : Date.parse(snapshot.validUntil) - Date.now();
      return { id: snapshot.rate('EUR', 'USD')?.id, inHours: inMs && Math.round(inMs / 3_600_000) };
    };
    await database().query("update forex_rate set valid_from = now() - interval '1 hour'");
    await age('70 hours');
    expect(await read(72)).toEqual({ id, inHours: 2 });
    await age('70 hours', "now() + interval '1 hour'");
    expect(await read(72)).toEqual({ id, inHours: 1 });
    await age('73 hours');
    expect(await read(72)).toEqual({ id: undefined, inHours: 71 });
    expect(await read(0)).toEqual({ id, inHours: null });
    for (const never of ["'infinity'", "'294000-01-01'"]) {
      await age('73 hours', never);
      expect(await read(0)).toEqual({ id, inHours: null });
    }
  });

  test('looks rates up by keys, though its plan was made over four of them', async () => {
    const own = createPool({
      databaseUrl: database().databaseUrl, size: 1, applicationName: 'plans', onError() {},
    });
    const rounds = 8;
    const scans = async (): Promise<number> => Number((await database().query<{ n: string }>(
      "select seq_scan as n from pg_stat_user_tables where relname = 'forex_rate'"))[0]?.n);
    await database().query('analyze forex_rate');
    const [before, book] = [await scans(), new PricingBook(own)];
    for (let round = 0; round < rounds; round += 1) {
      await database().query("update client set name = name || '.' where client_id = 2");
      await book.refresh();
    }
    // A connection that ends has told what it did.
    await own.end();
    await expect.poll(async () => (await database().query(
      "select from pg_stat_activity where application_name = 'plans'")).length).toBe(0);
    // Other connections may tell only now of a scan or two before; by no keys it is one a round.
    expect(await scans() - before).toBeLessThan(rounds);
  });

  test.each([0, 72])('finds among rates of years those that hold, %i hours', async (hours) => {
    await database().query(`delete from forex_rate;
      insert into forex_rate (from_currency, to_currency, rate, valid_from, valid_to, updated_by)
      select p.f, p.t, 1 + n, b.at, case n % 4 when 0 then null
          when 1 then b.at + interval '5 days' when 2 then 'infinity'
          else b.at + n % 7 * interval '1 day' + interval '1 hour' end, 'test'
        from generate_series(1, 400) n,
          lateral (select case when n % 50 = 0 then '-infinity' else date_trunc('hour', now())
            + interval '29 minutes' + ((n * 7919) % 600 - 500) * interval '1 hour' end as at) b,
          lateral (select (array['EUR', 'USD', 'INR', 'JPY', 'USD'])[1 + n % 5] as f,
            (array['USD', 'EUR', 'USD', 'USD', 'JPY'])[1 + n % 5] as t) p
        -- Of one pair all have ended.
        where p.f <> 'JPY' or n % 4 = 3 and b.at < now() - interval '20 days'`);
    const naive = await database().query<{ pair: string; id: string }>(`
      select distinct on (from_currency, to_currency) from_currency || to_currency as pair, id
        from forex_rate where valid_from <= now() and (valid_to is null or valid_to > now())
          and ($1 = 0 or valid_from > now() - $1 * interval '1 hour')
        order by from_currency, to_currency, valid_from desc, id desc`, [hours]);
    const [next] = await database().query<{ at: Date }>(`select min(at) as at from (
      select valid_from as at from forex_rate union all select valid_to from forex_rate
      union all select valid_from + $1 * interval '1 hour' from forex_rate where $1 > 0) e
      where at > now() and at < '9999-01-01'`, [hours]);
    const { rate, validUntil } = await new PricingBook(pool, { forexRateHoursMax: hours })
      .refresh();
    const found = ['EURUSD', 'USDEUR', 'INRUSD', 'JPYUSD', 'USDJPY'].map((pair) =>
      [pair, rate(pair.slice(0, 3), pair.slice(3))?.id]);
    const wanted = new Map(naive.map(({ pair, id }) => [pair, Number(id)]));
    expect(found).toEqual(found.map(([pair]) => [pair, wanted.get(String(pair))]));
    expect(wanted.size).toBeGreaterThan(1);
    expect(new Date(validUntil ?? 0)).toEqual(next?.at);
  });

  test('has no rate that is too old, however late its own end', async () => {
    await database().query(`update forex_rate set valid_from = now() - interval '73 hours',
      valid_to = now() + interval '1 hour'
      where from_currency = 'EUR' and to_currency = 'USD'`);
    const { rate } = await new PricingBook(pool, { forexRateHoursMax: 72 }).refresh();
    expect(rate('EUR', 'USD')).toBeUndefined();
  });

  test.each([
    ['in it', "now() - interval '1 day', now() + interval '3 minutes'", 180_000],
    ['to come', "now() + interval '2 minutes', null", 120_000],
  ])('holds no longer than a discount %s', async (_says, term, msMax) => {
    await database().query(`insert into discount (client_id, product_id, percent, valid_from,
      valid_to) values (1, 4218, 9, ${term})`);
    const { validUntil } = await new PricingBook(pool).refresh();
    expect(Date.parse(validUntil ?? '') - Date.now()).toBeLessThanOrEqual(msMax);
  });

  test('takes no variant from a client that may have it', async () => {
    await database().query(
      'insert into entitlement (client_id, variant_id, is_enabled) values (1, 2, true)');
    const book = await new PricingBook(pool).refresh();
    expect([...book.client(1)?.disabledVariants ?? [2]]).not.toContain(2);
  });

  test('has nothing in stock that only suspended suppliers offer', async () => {
    await database().query('update supplier set is_suspended = true');
    const book = await new PricingBook(pool).refresh();
    const variants = book.products().flatMap((each) => each.variants);
    expect(variants.length).toBeGreaterThan(10);
    expect(variants.filter(({ isAvailable }) => isAvailable)).toEqual([]);
  });

  test('is read anew where the database was set back beneath it', async () => {
    const book = new PricingBook(pool);
    const { version } = await book.refresh();
    await database().query(`begin;
      update pricing_version set version = version - 2;
      update product set name = 'As it was' where id = 5002; commit`);
    const after = await book.refresh();
    expect(after.version).toBeLessThan(version);
    expect(after.product(5002)?.name).toBe('As it was');
  });
});
