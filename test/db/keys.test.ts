import { beforeAll, describe, expect, it } from 'vitest';
import { useTestDatabase } from '../support/database.ts';
import { placeOrders } from '../support/feed-writers.ts';

const database = useTestDatabase();

/** Tables that hold a client's data: those with a client_id. */
async function clientTables(): Promise<readonly string[]> {
  const rows = await database().query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attname = 'client_id'
      order by 1`,
  );
  return rows.map((row) => row.name);
}

describe('every table that holds data of a client', () => {
  it('is known', async () => {
    expect(await clientTables()).toEqual(
      expect.arrayContaining(['topup_order', 'transfer', 'wallet', 'voucher', 'submission']),
    );
  });

  it('has client_id first in its primary and unique keys', async () => {
    const rows = await database().query(
      `select i.indexrelid::regclass::text as key from pg_index i
        join pg_class c on c.oid = i.indrelid
        join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
        where i.indisunique and c.relname = any ($1) and c.relnamespace = 'public'::regnamespace
          and a.attname <> 'client_id'`,
      [await clientTables()],
    );
    expect(rows).toEqual([]);
  });

  it('refers to another one together with client_id', async () => {
    const rows = await database().query(
      `select conname from pg_constraint k
        where k.contype = 'f' and k.conrelid::regclass::text = any ($1)
          and k.confrelid::regclass::text = any ($1)
          and not exists (select from unnest(k.conkey, k.confkey) p(own, other)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = p.own
            join pg_attribute b on b.attrelid = k.confrelid and b.attnum = p.other
            where a.attname = 'client_id' and b.attname = 'client_id')`,
      [await clientTables()],
    );
    expect(rows).toEqual([]);
  });

  it('keeps its orders and wallets, which transfers and events refer to', async () => {
    await placeOrders(database(), 1, 1);
    for (const statement of [
      'delete from topup_order', 'delete from wallet', 'update topup_order set id = id + 1000',
      'update wallet set client_id = 2 where client_id = 1',
    ]) {
      await expect(database().query(statement), statement).rejects.toMatchObject({ code: '23503' });
    }
  });

  it('is read by its whole key, also through plans made while it was empty', async () => {
    const keys = await database().query<{ name: string; key: string; columns: string[] }>(
      `select c.relname as name, i.indexrelid::regclass::text as key,
          array_agg(a.attname::text) as columns
        from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
        where i.indisprimary and c.relname = any ($1) and c.relname <> 'client' group by 1, 2`,
      [await clientTables()],
    );
    expect(keys.length).toBeGreaterThan(5);
    for (const { name, key, columns } of keys) {
      const where = columns.map((column, index) => `${column} = $${index + 1}`).join(' and ');
      const plan = await database().query(
        `explain (generic_plan) select 1 from ${name} where ${where}`);
      const told = JSON.stringify(plan);
      expect([name, told]).toEqual([name, expect.stringMatching(`(using|on) ${key} `)]);
      expect([name, told]).toEqual([name, expect.not.stringContaining('Filter')]);
    }
  });

  it('keeps money as numeric(20,4) that cannot be NaN, and rates as numeric(20,10)', async () => {
    const columns = await database().query<{ col: string; type: string }>(
      `select c.relname || '.' || a.attname as col, format_type(a.atttypid, a.atttypmod) as type
        from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0
          and a.atttypid = 'numeric'::regtype and c.relname not in ('client')`,
    );
    expect(columns.length).toBeGreaterThan(8);
    for (const { col, type } of columns) {
      const expected = /percent$/.test(col) ? 'numeric(9,4)' : 'numeric(20,4)';
      expect([col, type]).toEqual([col, /rate$/.test(col) ? 'numeric(20,10)' : expected]);
      const [table = '', column = ''] = col.split('.');
      const checks = await database().query<{ says: string }>(
        `select pg_get_constraintdef(oid) as says from pg_constraint
          where contype = 'c' and conrelid = $1::regclass`,
        [table],
      );
      const isNotNan = checks.some(({ says }) => says.includes(column) && says.includes("'NaN'"));
      expect([col, isNotNan]).toEqual([col, true]);
    }
  });
});

describe('whoever writes, as an import does or somebody by hand,', () => {
  beforeAll(() => placeOrders(database(), 1, 1));
  const CHECK = '23514';
  const UNIQUE = '23505';
  const transfer = (reason: string, credited: string): string => `insert into transfer (client_id,
    reason, debit_account, credit_account, amount, currency)
    values (1, '${reason}', 'EXTERNAL', '${credited}', 1, 'USD')`;
  const discount = (columns: string, values: string): string =>
    `insert into discount (client_id, percent, ${columns}) values (1, ${values})`;

  it.each([
    ['a second default wallet', UNIQUE, 'update wallet set is_default = true where client_id = 1'],
    ['a second wallet of a currency', UNIQUE,
      "insert into wallet (client_id, id, currency) values (1, 99, 'USD')"],
    ['money into no wallet', CHECK, transfer('FUNDING', 'WALLET')],
    ['money by no voucher', CHECK, transfer('FUNDING', 'VOUCHER')],
    ['a sale of no order', CHECK, transfer('ORDER_SALE', 'SALES')],
    ['money for no reason', CHECK, transfer('GIFT', 'LOSS')],
    ['money to where there is none', CHECK, transfer('FUNDING', 'POCKET')],
    ['a charge of nothing', CHECK, 'update topup_order set charge = 0'],
    ['an empty reference', CHECK, "update topup_order set client_reference = ''"],
    ['a voucher in no state', CHECK, "update voucher set state = 'REDEEMED'"],
    ['a voucher redeemed by nothing', CHECK, 'update voucher set redeemed_at = now()'],
    ['an event twice in the feed', UNIQUE, `insert into feed_entry (client_id, sequence,
      topup_order_id, version) select 1, n, 1, 1 from generate_series(1, 2) n`],
    ['a lease that ends with the call', CHECK, 'update supplier set lease_ms = call_deadline_ms'],
    ['no time to the next try', CHECK, "update supplier set backoff_ms = '{}'"],
    ['a tenth route', CHECK, 'update offer set route = 10 where route = 1'],
    ['two routes to one supplier', UNIQUE,
      "insert into offer select variant_id, 9, supplier_id, 'again' from offer where route = 1"],
    ['a discount of everything', CHECK, discount('topup_type', "100, 'GAMING'")],
    ['a discount of less than nothing', CHECK, discount('topup_type', "-1, 'GAMING'")],
    ['a discount by two scopes', CHECK, discount('topup_type, product_id', "1, 'GAMING', 4218")],
    ['a discount that ends first', CHECK, discount('valid_from, valid_to', "1, now(), now()")],
    ['a rate of a currency to itself', CHECK, 'update forex_rate set to_currency = from_currency'],
    ['a rate that ends first', CHECK, 'update forex_rate set valid_to = valid_from'],
    ['access to nothing', CHECK,
      'insert into entitlement (client_id, is_enabled) values (1, true)'],
    ['access to something twice', UNIQUE, `insert into entitlement (client_id, product_id,
      is_enabled) select 1, 4218, n = 1 from generate_series(1, 2) n`],
    ['a key that may do nothing', CHECK, "update api_key set scopes = '{}'"],
    ['a key that may do what there is not', CHECK, "update api_key set scopes = '{admin}'"],
    ['a limit of what there is not', CHECK, "insert into client_rate values (1, 'orders', 1)"],
    ['a limit below none', CHECK, "insert into client_rate values (1, 'read', -1)"],
    ['a prefix that no number has', CHECK, "insert into operator_prefix values ('0091', 4218)"],
    ['a variant without an amount', CHECK,
      "update variant set fixed_amounts = '{}', min_amount = null, max_amount = null,"
        + ' amount_step = null'],
    ['a least amount above the most', CHECK,
      'update variant set min_amount = 2, max_amount = 1, amount_step = 1'],
  ])('is refused %s', async (_what, code, statement) => {
    await expect(database().query(statement)).rejects.toMatchObject({ code });
  });
});

describe("the program's role", () => {
  it('owns nothing', async () => {
    const rows = await database().query(
      `select relname from pg_class where relowner = 'topup_app'::regrole
        union all select proname from pg_proc where proowner = 'topup_app'::regrole`,
    );
    expect(rows).toEqual([]);
  });
});
