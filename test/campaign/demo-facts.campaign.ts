import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { useTestDatabase } from '../support/database.ts';
import { usePrograms } from '../support/program.ts';

/** Several programs that start over one folder, and what scripts read of the demo. */

/** Programs start beside all that the machine has to do. */
const SOON = { timeout: 30_000 };
const database = useTestDatabase();
const start = usePrograms();

describe('the facts of the demo that runs', () => {
  // What `npm start` does before it builds.
  const beforeBuild = async (env: Record<string, string>): Promise<unknown> => {
    const script = new URL('../../src/demo/remove-stale-file.ts', import.meta.url).pathname;
    return promisify(execFile)(process.execPath, [script], { env });
  };

  it('stay through starts that are refused, and through those of others', async () => {
    const env = { DATA_DIR: start.newFolder(), LOG_LEVEL: 'warn' };
    const path = join(env.DATA_DIR, 'demo.json');
    const demo = await start(env);
    const { databaseUrl, ownerDatabaseUrl } = await demo.ready;
    const facts = readFileSync(path, 'utf8');

    const joined = {
      ...env, DEMO: '1', DATABASE_URL: databaseUrl, MIGRATION_DATABASE_URL: ownerDatabaseUrl,
    };
    const other = await start(joined);
    const refused = [await start(env), await start(env, ['--reset'])];
    await Promise.all([beforeBuild(env), beforeBuild({ ...env, PORT: 'abc' })]);
    for (const { exited, output } of refused) {
      expect(await exited).toEqual({ code: 1, signal: null });
      expect(output()).not.toContain('    at ');
    }
    await expect.poll(() => other.output(), SOON).toContain('curl');
    other.process.kill('SIGTERM');
    expect(await other.exited).toEqual({ code: 0, signal: null });
    expect(readFileSync(path, 'utf8')).toBe(facts);

    demo.process.kill('SIGTERM');
    await demo.exited;
    writeFileSync(path, facts);
    await beforeBuild(env);
    expect(existsSync(path)).toBe(false);
  });
});

it('seeds keys of the environment that is set', async () => {
  const { databaseUrl, ownerDatabaseUrl } = database();
  const program = await start({
    DEMO: '1', ENVIRONMENT: 'production', LOG_LEVEL: 'warn',
    DATABASE_URL: databaseUrl, MIGRATION_DATABASE_URL: ownerDatabaseUrl,
  });
  const { baseUrl, clients: [client] } = await program.ready;
  const answer = await fetch(`${baseUrl}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: client?.apiKey, password: client?.apiSecret }),
  });
  expect(answer.status).toBe(200);
});
