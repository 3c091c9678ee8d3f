import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Command } from '../src/command-line.ts';
import { runCommand } from '../src/commands.ts';
import { readConfig } from '../src/config.ts';
import { writeDemoFile } from '../src/demo/demo-file.ts';
import { untilWaiting, useEmptyDatabase, useTestDatabase } from './support/database.ts';

/** Which database a command is done over, where the environment and a demo name several. */
const database = useTestDatabase();
const other = useEmptyDatabase();
const newSecret = () => randomBytes(32).toString('base64');
const dataDir = mkdtempSync(join(tmpdir(), 'topup-commands-'));
const file = join(dataDir, 'catalogue.jsonl');

beforeAll(async () => {
  const { databaseUrl, ownerDatabaseUrl } = database();
  await writeDemoFile(dataDir, {
    baseUrl: '', graphqlUrl: '', wsUrl: '', explorerUrl: '', watchUrl: '', docsUrl: '',
    supplierUrl: '', mailUrl: '', databaseUrl, ownerDatabaseUrl, clients: [], adminToken: '',
  });
  writeFileSync(file, '{"kind":"product","id":1}\n');
});
afterAll(() => rmSync(dataDir, { recursive: true }));

const run = (command: Command, words: readonly string[], env: Record<string, string>) =>
  runCommand(command, readConfig({
    DATA_DIR: dataDir,
    TOKEN_SIGNING_KEY: newSecret(),
    KEY_HASHING_KEY: newSecret(),
    SUPPLIER_SIGNING_KEYS: `sandbox-a=${newSecret()}`,
    ...env,
  }, true), words);

const COMMANDS: readonly (readonly [Command, readonly string[]])[] = [
  ['--keys', ['create', '--client', '1']],
  ['--vouchers', ['create', '--client', '1', '--value', '5', '--currency', 'USD']],
  ['--import', [file]],
  ['--restored', []],
];

it.each(COMMANDS)('%s is not done over the demo where DATABASE_URL names another', async (
  command, words,
) => {
  await expect(run(command, words, { DATABASE_URL: other() }))
    .rejects.toThrow(/MIGRATION_DATABASE_URL/);
});

it.each(COMMANDS)('%s is not done where the two addresses name two databases', async (
  command, words,
) => {
  const { databaseUrl } = database();
  await expect(run(command, words, { DATABASE_URL: databaseUrl, MIGRATION_DATABASE_URL: other() }))
    .rejects.toThrow('name two databases');
});

it('a command whose database ends in the middle says that nobody knows', async () => {
  const { databaseUrl, ownerDatabaseUrl: owner } = database();
  const held = new pg.Client(owner);
  held.on('error', () => undefined);
  await held.connect();
  await held.query('begin; lock table api_key');
  const told = run('--keys', ['create', '--client', '1'],
    { DATABASE_URL: databaseUrl, MIGRATION_DATABASE_URL: owner }).catch(String);
  await untilWaiting(database());
  await database().query(`select pg_terminate_backend(pid) from pg_stat_activity
    where wait_event_type = 'Lock' and datname = current_database()`);
  expect(await told)
    .toMatch(/The connection to the database was lost: .*\nIt is not known whether/);
  await held.end();
});
