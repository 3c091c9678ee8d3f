import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';
import { assertAnswers } from '../../src/named-database.ts';
import { withDatabaseName } from '../support/database-url.ts';

/** Migrations of an empty database, while something goes wrong with it. */

let name: string;
let ownerDatabaseUrl: string;
let superuser: pg.Client;

beforeEach(async () => {
  name = `migrate_${randomUUID().replaceAll('-', '')}`;
  ownerDatabaseUrl = withDatabaseName(inject('testServer').ownerDatabaseUrl, name);
  superuser = new pg.Client(inject('testServer').superuserUrl);
  await superuser.connect();
  await superuser.query(`create database ${name} owner topup_owner`);
});
afterEach(async () => {
  await superuser.query(`drop database ${name} with (force)`);
  await superuser.end();
});

const migrateAll = (onWait?: (reason: string) => void): Promise<void> => migrate({
  ownerDatabaseUrl, programRole: 'topup_app', ...(onWait === undefined ? {} : { onWait }),
});

async function asOwner<Result>(work: (owner: pg.Client) => Promise<Result>): Promise<Result> {
  const owner = new pg.Client(ownerDatabaseUrl);
  await owner.connect();
  return work(owner).finally(() => owner.end());
}

const isWhole = (): Promise<boolean> => asOwner(async (owner) => {
  const { rows: [found] } = await owner.query<{ is_whole: boolean }>(`select
    to_regclass('topup_order') is not null and to_regclass('pgboss.job') is not null as is_whole`);
  return found?.is_whole === true;
});

/** Ends the connection of a migration that waits for a lock, in the middle of all that it does. */
const endWhileItWaits = (): Promise<void> => expect.poll(async () => (await superuser.query(`
  select pg_terminate_backend(pid) from pg_stat_activity where datname = $1
    and application_name = 'topup-gateway migrations' and wait_event_type = 'Lock'`, [name],
)).rowCount, { timeout: 20_000, interval: 20 }).toBe(1);

it('leaves to others what they keep in the schema, as extensions do', async () => {
  const other = new pg.Client(withDatabaseName(inject('testServer').superuserUrl, name));
  await other.connect();
  await other.query(`create function public.theirs(int) returns int language sql as 'select 1';
    create view public.their_view as select 1 as one;
    create procedure public.their_procedure() language sql as 'select 1'`);
  await migrateAll();
  await migrateAll();
  expect(await isWhole()).toBe(true);
  const { rows } = await other.query(`select has_function_privilege('topup_app', oid, 'execute') as
      may, proname as name from pg_proc where proname in ('theirs', 'adjust_wallet', 'take_tokens')
    order by proname`);
  expect(rows).toEqual([
    { name: 'adjust_wallet', may: false }, { name: 'take_tokens', may: true },
    { name: 'theirs', may: true },
  ]);
  await other.end();
});

it('takes its time, whatever the database is set to, and one of two at a time', async () => {
  await asOwner(async (owner) => {
    await owner.query("set application_name = 'a third one'; select pg_advisory_lock(6204871)");
    const { rows } = await superuser.query<{ name: string }>(`select name from pg_settings
      where name in ('statement_timeout', 'transaction_timeout', 'lock_timeout',
        'idle_session_timeout', 'idle_in_transaction_session_timeout')`);
    for (const limit of rows) {
      await superuser.query(`alter database ${name} set ${limit.name} = '1s'`);
    }
    // A schema of a role's name is searched before others, and strings meant something else once.
    await superuser.query(`alter database ${name} set search_path = elsewhere`);
    await superuser.query(`alter database ${name} set standard_conforming_strings = off`);
    const waits: string[] = [];
    const all = Promise.all([1, 2].map(() => migrateAll((reason) => waits.push(reason))));
    const told = expect.stringMatching(
      /^Another process \(backend \d+, a third one\) migrates the database$/);
    await expect.poll(() => waits, { timeout: 30_000 }).toEqual([told, told]);
    // For longer than any statement may take here.
    await expect.poll(async () => (await superuser.query(`select from pg_stat_activity
      where datname = $1 and wait_event = 'advisory'
        and query_start < clock_timestamp() - interval '1500 ms'`, [name])).rowCount,
    { timeout: 10_000 }).toBe(2);
    await owner.query('select pg_advisory_unlock(6204871)');
    await all;
  });
  await superuser.query(`alter database ${name} reset all`);
  expect(await isWhole()).toBe(true);
}, 30_000);

it('fails where its connection is lost in the middle, and starts anew', async () => {
  await asOwner(async (owner) => {
    // Whoever makes a table of the same name waits for what becomes of this one.
    await owner.query('begin; create table operator_action ()');
    const failed = expect(migrateAll()).rejects.toThrow(/terminat/);
    await endWhileItWaits();
    await failed;
  });
  await migrateAll();
  expect(await isWhole()).toBe(true);
}, 30_000);

it('lets everybody pass while a table is in use', async () => {
  await migrateAll();
  await asOwner(async (owner) => {
    await owner.query(`alter table reconciliation_case drop column receipt;
      drop function add_receipt;
      drop function open_case(topup_order, text, smallint, json);
      create function open_case(topup_order, text, smallint) returns boolean
        language sql as 'select true';
      delete from schema_migration where name = '0080-keep-receipts'`);
    await owner.query('begin; lock table reconciliation_case in access share mode');
    const waits: string[] = [];
    const migrated = migrateAll((reason) => waits.push(reason));
    await expect.poll(() => waits, { timeout: 30_000 })
      .toEqual(['A table is in use for long, by a backup for instance']);
    const { rowCount } = await superuser.query(`select from pg_locks l join pg_database d
      on d.oid = l.database where d.datname = $1 and l.relation is not null
      and (not l.granted or l.mode like '%Exclusive%') and l.pid <> $2`,
    [name, (owner as unknown as { processID: number }).processID]);
    expect(rowCount).toBe(0);
    await owner.query('rollback');
    await migrated;
    expect((await owner.query('select receipt from reconciliation_case')).rows).toEqual([]);
  });
}, 30_000);

it('is not begun in an encoding that lacks letters', async () => {
  await superuser.query(`drop database ${name}`);
  await superuser.query(`create database ${name} owner topup_owner
    encoding 'LATIN1' locale 'C' template template0`);
  await expect(assertAnswers({ name: 'A_URL', url: ownerDatabaseUrl }))
    .rejects.toThrow('its encoding is LATIN1, which lacks most letters: make it with UTF8');
  // Whoever began in it must not be kept from the orders that it has.
  await migrateAll();
  await expect(assertAnswers({ name: 'A_URL', url: ownerDatabaseUrl })).resolves.toBeUndefined();
});

it('takes out of variants what is no amount, and does not sell what had nothing else', async () => {
  await migrateAll();
  const sql = readFileSync(
    new URL('../../migrations/0085-amounts-of-variants.sql', import.meta.url), 'utf8');
  expect(await asOwner(async (owner) => {
    await owner.query(`alter table variant drop constraint variant_fixed_amounts_check;
      insert into product (id, name, topup_type, country_code, currency, input_fields)
        values (1, 'A', 'GAMING', 'GLO', 'USD', '[]');
      insert into variant (id, product_id, name, fixed_amounts) values (1, 1, 'whole', '{1,2}'),
        (2, 1, 'a part', '{NULL,1,0,NaN,-1}'), (3, 1, 'nothing', '{NULL}'),
        (4, 1, 'two', '{{1},{2}}');
      insert into variant (id, product_id, name, fixed_amounts, min_amount, max_amount, amount_step)
        values (5, 1, 'a range', '{NULL}', 1, 2, 1)`);
    await owner.query(sql);
    const { rows } = await owner.query({
      text: 'select id::int, fixed_amounts::text, is_active from variant order by id',
      rowMode: 'array',
    });
    return rows;
  })).toEqual([
    [1, '{1.0000,2.0000}', true], [2, '{1.0000}', true], [3, '{NULL}', false],
    [4, '{1.0000,2.0000}', true], [5, '{}', true],
  ]);
});
