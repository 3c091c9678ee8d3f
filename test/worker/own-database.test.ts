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
import { withDatabaseName } from '../support/database-url.ts';
import { freePort, makeDataDir, removeDataDir, startProgram } from '../support/program.ts';

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

async function asSuperuser(sql: string): Promise<void> {
  const client = new pg.Client(inject('testServer').superuserUrl);
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

beforeAll(async () => {
  await asSuperuser(`create database ${name} owner topup_owner`);
  ownerDatabaseUrl = withDatabaseName(inject('testServer').ownerDatabaseUrl, name);
  await migrate({ ownerDatabaseUrl, programRole: 'topup_app' });
  owner = new pg.Client(ownerDatabaseUrl);
  await owner.connect();
});
afterAll(async () => {
  await owner.end();
  await asSuperuser(`drop database ${name} with (force)`);
  removeDataDir(folder);
});

/** The first block of code of a language below a heading. */
function blockBelow(heading: string, language: string): string {
  const section = README.split(`\n### ${heading}\n`)[1] ?? '';
  return section.split(`\`\`\`${language}\n`)[1]?.split('```')[0] ?? '';
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
    DATABASE_URL: withDatabaseName(inject('testServer').databaseUrl, name),
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
  } finally {
    program.process.kill('SIGTERM');
    await program.exited;
  }
  expect(await findViolations(async (sql) => (await owner.query<object>(sql)).rows)).toEqual([]);
});
