import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { findViolations } from '../../src/db/invariants.ts';
import { migrate } from '../../src/db/migrate.ts';
import { importFile } from '../../src/import-command.ts';
import { runKeysCommand } from '../../src/keys-command.ts';
import { runVouchersCommand } from '../../src/vouchers-command.ts';
import { withDatabaseName } from '../support/database-url.ts';
import { freePort } from '../support/free-port.ts';
import { makeDataDir, removeDataDir, startProgram } from '../support/program.ts';

/** A migrated database without a row of ours, and what the README says to do with it. */
const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const name = `own_${randomUUID().replaceAll('-', '')}`;
const secrets = {
  TOKEN_SIGNING_KEY: 'a token signing key that only tests use',
  KEY_HASHING_KEY: 'a key hashing key that only tests use',
  SUPPLIER_SIGNING_KEYS: 'sandbox-a=a signing key that only tests use',
};

let owner: pg.Client;
let ownerDatabaseUrl: string;
const folder = makeDataDir();

/** An address of which each connection has to read the parameters, as those of TLS are. */
function byParameter(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.searchParams.set('host', url.hostname);
  url.hostname = 'nowhere.invalid';
  return url.href;
}

async function asSuperuser(sql: string): Promise<void> {
  const client = new pg.Client(inject('testServer').superuserUrl);
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

beforeAll(async () => {
  await asSuperuser(`create database ${name} owner topup_owner`);
  ownerDatabaseUrl = withDatabaseName(inject('testServer').ownerDatabaseUrl, name);
  await migrate({ ownerDatabaseUrl: byParameter(ownerDatabaseUrl), programRole: 'topup_app' });
  owner = new pg.Client(ownerDatabaseUrl);
  await owner.connect();
});
afterAll(async () => {
  await owner.end();
  await asSuperuser(`drop database ${name} with (force)`);
  removeDataDir(folder);
});

/** The first block of code of a language below a heading, or the nth. */
function blockBelow(heading: string, language: string, nth = 1): string {
  const section = README.split(`\n### ${heading}\n`)[1] ?? '';
  return section.split(`\`\`\`${language}\n`)[nth]?.split('```')[0] ?? '';
}

/** The catalogue of the README, as `npm run import` takes it. */
async function importSample(): Promise<void> {
  const path = join(folder, 'catalogue.jsonl');
  writeFileSync(path, blockBelow('Importing a catalogue', 'json'));
  let told = '';
  const stream = { write: (text: string) => { told += text; }, isTTY: false } as never;
  await importFile(path, ownerDatabaseUrl, { out: stream, err: stream });
  expect(told).toBe('Imported 1 products and 1 variants.\n');
}

async function createKey(): Promise<{ readonly username: string; readonly password: string }> {
  const told = await runKeysCommand({
    args: ['create', '--client', '7'],
    ownerDatabaseUrl,
    environment: 'production',
    hashingKey: secrets.KEY_HASHING_KEY,
    now: systemClock.now(),
  });
  const [, username = '', password = ''] = /key +(\S+)\n.*secret +(\S+)\n/.exec(told) ?? [];
  return { username, password };
}

const createVouchers = (
  value: string, currency: string, count: string, client = '7', more: readonly string[] = [],
) =>
  runVouchersCommand({
    args: ['create', '--client', client, '--value', value, '--currency', currency,
      '--count', count, ...more],
    ownerDatabaseUrl,
    hashingKey: secrets.KEY_HASHING_KEY,
    now: systemClock.now(),
  });

it.each([
  ['1e3', 'USD', '1', '7', '--value'], ['0', 'USD', '1', '7', '--value'],
  ['4.99999', 'USD', '1', '7', '--value'], ['4.99', 'XXX', '1', '7', 'no currency XXX'],
  ['4.99', 'JPY', '1', '7', 'so many decimals'],
  ['4.99', 'USD', '1', '8', 'no client 8'],
  ['4.99', 'USD', '0', '7', '--count'],
  ['4.99', 'USD', '1001', '7', '--count'], ['4.99', 'USD', '1', 'x', 'no client id'],
])('makes no voucher of %s %s, %s times, for client %s', async (...given) => {
  const [value, currency, count, client, why] = given;
  await expect(createVouchers(value, currency, count, client)).rejects.toThrow(why);
  expect((await owner.query('select from voucher')).rowCount).toBe(0);
});

async function post(url: string, body: object, token?: string): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  return await response.json() as Record<string, unknown>;
}

it("places an order of a client that was entered by the README's words", async () => {
  await owner.query(blockBelow('A client, a wallet, prices', 'sql'));
  await importSample();
  const login = await createKey();
  const port = await freePort();
  const program = startProgram({
    ...secrets,
    DATABASE_URL: byParameter(withDatabaseName(inject('testServer').databaseUrl, name)),
    ROLE: 'gateway', PORT: String(port), DATA_DIR: folder,
  });
  try {
    await expect.poll(() => program.output()).toContain('The gateway listens');
    const url = `http://127.0.0.1:${port}`;
    const { data } = await post(`${url}/auth/login`, login) as { data: { access_token: string } };
    const order = await post(`${url}/api/v1/topups/orders`, {
      product_id: 9001, amount: 100, input_data: { phone_number: '+254733123456' },
    }, data.access_token);
    // 100 KES less 5 %, at 0.0077: 0.7315, in cents.
    expect(order).toMatchObject({ status: 'PENDING', amount: 0.73, currency: 'USD' });
    const [code = '', ...more] = (await createVouchers('100', 'KES', '3')).trim().split('\n');
    expect([code, ...more].every((each) => /^([2-9A-Z]{4}-){3}[2-9A-Z]{4}$/.test(each))).toBe(true);
    expect(new Set([code, ...more]).size).toBe(3);
    expect(await post(`${url}/api/v1/topups/orders`, {
      product_id: 9001, amount: 100, input_data: { phone_number: '+254733123456' },
      redeem_voucher_code: code.toLowerCase(),
    }, data.access_token)).toMatchObject({ funding_source: 'VOUCHER', amount: 100 });
  } finally {
    program.process.kill('SIGTERM');
    await program.exited;
  }
  expect(await findViolations(async (sql) => (await owner.query<object>(sql)).rows)).toEqual([]);
});

/** As the roles of the demo, which the test server has as well. */
async function asOperator(role: 'clerk' | 'approver', sql: string): Promise<void> {
  await asSuperuser(`grant connect on database ${name} to topup_${role}`);
  const url = new URL(ownerDatabaseUrl);
  Object.assign(url, { username: `topup_${role}`, password: `demo-${role}` });
  const client = new pg.Client(url.href);
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

it("ends what only people can, by the README's words", async () => {
  const { rows } = await owner.query<{ id: string; balance: string }>(`update topup_order o
    set fulfilment_state = 'REVIEW' from wallet w where o.status = 'PENDING'
    and o.funding_source = 'WALLET' and w.client_id = 7 and w.id = 1 returning o.id, w.balance`);
  const [{ id, balance } = { id: '', balance: '' }] = rows;
  await owner.query(`insert into reconciliation_case (client_id, topup_order_id, kind, route)
    values (7, $1, 'LATE_SUCCESS', 1)`, [id]);
  const HEADING = 'What only a person decides';
  await asOperator('clerk', blockBelow(HEADING, 'sql', 2)
    .replaceAll(/(?<=order_id => )4[01]/g, id));
  for (const action of [1, 2, 3]) {
    await asOperator('approver', blockBelow(HEADING, 'sql', 3)
      .replaceAll('(7, 1)', `(7, ${action})`));
  }
  const { rows: [after] } = await owner.query(`select o.status, o.failure_code,
      w.balance - $2::numeric - o.charge as added, c.resolved_at is not null as is_resolved,
      array(select t.reason from transfer t where t.client_id = 7 and t.voucher_id is null
        order by t.id) as moved
    from topup_order o join wallet w on w.client_id = 7 and w.id = 1
    join reconciliation_case c on c.topup_order_id = o.id where o.id = $1`, [id, balance]);
  expect(after).toEqual({
    status: 'FAILED', failure_code: 'UNKNOWN', added: '5.0000', is_resolved: true,
    moved: ['FUNDING', 'ORDER_DEBIT', 'ORDER_REFUND', 'LOSS', 'ADJUSTMENT'],
  });
  expect(await findViolations(async (sql) => (await owner.query<object>(sql)).rows)).toEqual([]);
});

it('vouchers end after their days, or never', async () => {
  const end = async (): Promise<unknown> => (await owner.query(`select
    round(extract(epoch from expires_at - now()) / 86400)::int as days
    from voucher order by id desc limit 1`)).rows[0];
  await createVouchers('4.99', 'USD', '1', '7', ['--days', '30']);
  expect(await end()).toEqual({ days: 30 });
  await createVouchers('4.99', 'USD', '1');
  expect(await end()).toEqual({ days: null });
});
