import { expect, it } from 'vitest';
import { createSandboxSchema } from '../../src/demo/sandbox-schema.ts';
import { seedDemo } from '../../src/demo/seed.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();

it.each([
  "search_path = 'elsewhere'", "statement_timeout = '1ms'", "lock_timeout = '1ms'",
])('the demo is made in a database of its own settings: %s', async (setting) => {
  const { ownerDatabaseUrl } = database();
  const name = new URL(ownerDatabaseUrl).pathname.slice(1);
  await database().query(`alter database ${name} set ${setting}`);
  await database().query('delete from operator_prefix');
  await createSandboxSchema(ownerDatabaseUrl, 'topup_app');
  await seedDemo({ ownerDatabaseUrl, supplierUrl: 'http://127.0.0.1:1', hashingKey: 'any' });
  const [row] = await database().query(
    'select count(*)::int as seeded from public.operator_prefix');
  expect(row).not.toEqual({ seeded: 0 });
  await database().query(`alter database ${name} reset all`);
});
