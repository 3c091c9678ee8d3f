import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { useTestDatabase } from '../support/database.ts';
import {
  freePort, makeDataDir, removeDataDir, startProgram, type Program,
} from '../support/program.ts';

const database = useTestDatabase();

const silentServers: Server[] = [];
const started: Program[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const program of started.splice(0)) {
    program.process.kill('SIGKILL');
    await program.exited;
  }
  for (const server of silentServers.splice(0)) server.close();
  for (const folder of folders.splice(0)) removeDataDir(folder);
});

/** Takes connections and never says a word. */
async function silentDatabase(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  silentServers.push(server);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, url: `postgresql://topup_app:hush-hush@127.0.0.1:${port}/topup` };
}

/** In a folder and at a port of its own, unless `env` names others. */
async function start(
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<Program> {
  const folder = makeDataDir();
  folders.push(folder);
  const program = startProgram({ PORT: String(await freePort()), DATA_DIR: folder, ...env }, args);
  started.push(program);
  return program;
}

describe('a start', () => {
  it('ends where the database says nothing, asked to or not', async () => {
    const [one, other] = [await silentDatabase(), await silentDatabase()];
    const stopped = await start({ DATABASE_URL: one.url, DEMO: '1' });
    const left = await start({ DATABASE_URL: other.url, DEMO: '1' });
    await once(one.server, 'connection');
    const askedAt = performance.now();
    stopped.process.kill('SIGTERM');
    stopped.process.kill('SIGINT');
    expect(await stopped.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - askedAt).toBeLessThan(10_000);
    expect(await left.exited).toEqual({ code: 1, signal: null });
  });

  it('is refused in one line where nothing can be made in DATA_DIR', async () => {
    const program = await start({ DATA_DIR: '/proc/x', LOG_LEVEL: 'silent' });
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.output()).toMatch(/^DATA_DIR=\/proc\/x is no folder .*, e\.g\. DATA_DIR=.*\n$/);
  });
});

describe('the facts of the demo that runs', () => {
  // What `npm start` does before it builds.
  const beforeBuild = async (env: Record<string, string>): Promise<unknown> => {
    const script = new URL('../../src/demo/remove-stale-file.ts', import.meta.url).pathname;
    return promisify(execFile)(process.execPath, [script], { env });
  };

  it('stay through starts that are refused, and through those of others', async () => {
    const env = { DATA_DIR: makeDataDir(), LOG_LEVEL: 'warn' };
    folders.push(env.DATA_DIR);
    const path = join(env.DATA_DIR, 'demo.json');
    const demo = await start(env);
    const { databaseUrl, ownerDatabaseUrl } = await demo.ready;
    const facts = readFileSync(path, 'utf8');

    const joined = {
      ...env, DEMO: '1', DATABASE_URL: databaseUrl, MIGRATION_DATABASE_URL: ownerDatabaseUrl,
    };
    const other = await start(joined);
    const refused = [
      await start(env), await start(env, ['--reset']), await start(joined, ['--reset']),
    ];
    await Promise.all([beforeBuild(env), beforeBuild({ ...env, PORT: 'abc' })]);
    for (const { exited, output } of refused) {
      expect(await exited).toEqual({ code: 1, signal: null });
      expect(output()).not.toContain('    at ');
    }
    await expect.poll(() => other.output()).toContain('curl');
    other.process.kill('SIGTERM');
    expect(await other.exited).toEqual({ code: 0, signal: null });
    expect(readFileSync(path, 'utf8')).toBe(facts);

    demo.process.kill('SIGTERM');
    await demo.exited;
    writeFileSync(path, facts);
    await beforeBuild(env);
    expect(existsSync(path)).toBe(false);
  }, 60_000);
});

describe('a command', () => {
  it("needs the owner's address alone after a restore, and to check the books", async () => {
    const owner = { MIGRATION_DATABASE_URL: database().ownerDatabaseUrl };
    const [restored, invariants] =
      [await start(owner, ['--restored']), await start(owner, ['--invariants'])];
    expect(await restored.exited).toEqual({ code: 0, signal: null });
    expect(restored.output()).toContain('orders will be asked about before anything is sent');
    expect(await invariants.exited).toEqual({ code: 0, signal: null });
    expect(invariants.output()).toBe('All invariants hold.\n');
  });
});
