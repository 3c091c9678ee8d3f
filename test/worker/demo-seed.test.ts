import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { createSandboxSchema } from '../../src/demo/sandbox-schema.ts';
import { seedDemo } from '../../src/demo/seed.ts';
import { changed } from '../support/database-url.ts';
import { untilWaiting, useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();

it.each([
  'search_path=elsewhere', 'statement_timeout=300ms', 'lock_timeout=300ms',
])('the demo is made in a database of its own settings: %s', async (setting) => {
  // As if the database were set so, for those connections only that make the demo.
  const ownerDatabaseUrl = changed(database().ownerDatabaseUrl, (url) => {
    url.searchParams.set('options', `-c ${setting}`);
  });
  await database().query('delete from operator_prefix');
  await createSandboxSchema(ownerDatabaseUrl, 'topup_app');
  const rival = new pg.Client(database().ownerDatabaseUrl);
  await rival.connect();
  onTestFinished(() => rival.end());
  await rival.query('begin; lock table operator_prefix');
  const supplierUrl = 'http://127.0.0.1:1';
  const seeding = seedDemo({ ownerDatabaseUrl, supplierUrl, hashingKey: 'any' });
  await Promise.race([untilWaiting(database()), seeding]);
  // Longer than any of the settings would bear.
  await rival.query('select pg_sleep(0.5)');
  await rival.query('commit');
  await seeding;
  const [row] = await database().query('select count(*)::int as seeded from operator_prefix');
  expect(row).not.toEqual({ seeded: 0 });
});
