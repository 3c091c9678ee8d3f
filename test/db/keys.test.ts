import { describe, expect, it } from 'vitest';
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

describe("the program's role", () => {
  it('owns nothing', async () => {
    const rows = await database().query(
      `select relname from pg_class where relowner = 'topup_app'::regrole
        union all select proname from pg_proc where proowner = 'topup_app'::regrole`,
    );
    expect(rows).toEqual([]);
  });
});
