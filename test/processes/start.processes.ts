import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, writeSync,
} from 'node:fs';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readServerFacts } from '../../src/db/server-facts.ts';
import { withSingleConnection } from '../../src/db/single-connection.ts';
import { changed } from '../support/database-url.ts';
import { useEmptyDatabase, useTestDatabase } from '../support/database.ts';
import { freePort } from '../support/free-port.ts';
import { usePrograms } from '../support/program.ts';

const database = useTestDatabase();
const empty = useEmptyDatabase();

/** Programs start beside all that the machine has to do. */
const SOON = { timeout: 60_000 };

const silentServers: Server[] = [];
const start = usePrograms();
afterEach(() => {
  for (const server of silentServers.splice(0)) server.close();
});

/** Takes connections and never says a word. */
async function silentDatabase(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  silentServers.push(server);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, url: `postgresql://topup_app:hush-hush@127.0.0.1:${port}/topup` };
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

  it('that is stopped takes no further step', async () => {
    const folder = start.newFolder();
    const program = await start({ DATA_DIR: folder });
    await vi.waitFor(() => expect(program.output()).toContain('Creating the PostgreSQL'), SOON);
    program.process.kill('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.output()).toMatch(/"Stopping"}\n.*"Stopped"}\n$/);
    // A cluster that is half made is of no use to anybody.
    expect(readdirSync(folder).filter((name) => name.startsWith('postgres'))).toEqual([]);
    expect((await (await start({ DATA_DIR: folder })).ready).clients).not.toEqual([]);
  });

  it('is refused in one line where nothing can be made in DATA_DIR', async () => {
    const program = await start({ DATA_DIR: '/proc/x', LOG_LEVEL: 'silent' });
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.output()).toMatch(/^DATA_DIR=\/proc\/x is no folder .*, e\.g\. DATA_DIR=.*\n$/);
  });
});

describe('a demo', () => {
  it('comes up under node --watch, as npm run dev starts it, in the shell of a psql', async () => {
    const shell = { PGSSLMODE: 'require', PGOPTIONS: '-c default_transaction_read_only=on' };
    const program = await start(shell, [], ['--watch']);
    expect((await program.ready).clients).not.toEqual([]);
    program.process.kill('SIGTERM');
    await program.exited;
  });

  it('that is refused leaves no database running', async () => {
    const folder = start.newFolder();
    mkdirSync(join(folder, 'postgres.port.new'));
    const program = await start({ DATA_DIR: folder });
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.output()).toContain('postgres.port.new');
    expect(existsSync(join(folder, 'postgres', 'PG_VERSION'))).toBe(true);
    expect(existsSync(join(folder, 'postgres', 'postmaster.pid'))).toBe(false);
  });
});

const secrets = {
  TOKEN_SIGNING_KEY: 'a token signing key that only tests use',
  KEY_HASHING_KEY: 'a key hashing key that only tests use',
  SUPPLIER_SIGNING_KEYS: ['sandbox-a', 'sandbox-b']
    .map((code) => `${code}=a signing key that only tests use`).join(','),
};

describe('what is wrong with an address', () => {
  /** Another address of the test's server. */
  const otherwise = (change: (url: URL) => void): string => (
    changed(database().databaseUrl, change)
  );

  it('is told in a line that names the variable, and never the password', async () => {
    const noServer = otherwise((url) => { url.port = '9'; });
    const wrongPassword = otherwise((url) => { url.password = 'wr0ng-w0rd'; });
    const programs = [
      await start({ DATABASE_URL: noServer, ...secrets }),
      await start({ DATABASE_URL: wrongPassword, MIGRATION_DATABASE_URL: noServer, ...secrets },
        ['--keys', 'list']),
    ];
    for (const { exited, output } of programs) {
      expect(await exited).toEqual({ code: 1, signal: null });
      expect(output()).toMatch(/^The database of [A-Z_]+ cannot be used: .*\n$/);
      expect(output()).not.toMatch(/wr0ng-w0rd|demo-owner/);
    }
  });

  it('is told in a line where the owner can only read', async () => {
    const standby = new URL(database().ownerDatabaseUrl);
    standby.searchParams.set('options', '-c default_transaction_read_only=on');
    const env = {
      DATABASE_URL: database().databaseUrl, MIGRATION_DATABASE_URL: standby.href,
      LOG_LEVEL: 'silent', ...secrets,
    };
    for (const args of [[], ['--migrate']]) {
      const { exited, output } = await start(env, args);
      expect(await exited).toEqual({ code: 1, signal: null });
      expect(output()).toMatch(/^The database of MIGRATION_DATABASE_URL only reads: .*\n$/);
    }
  });

  it('is told where the other is of another database, before that is migrated', async () => {
    const unmigrated = empty();
    const env = {
      DATABASE_URL: database().databaseUrl, MIGRATION_DATABASE_URL: unmigrated, ...secrets,
    };
    for (const args of [[], ['--migrate']]) {
      const { exited, output } = await start(env, args);
      expect(await exited).toEqual({ code: 1, signal: null });
      expect(output()).toMatch(/^DATABASE_URL and MIGRATION_DATABASE_URL name two data.*\n$/);
    }
    const { isNew } = await withSingleConnection(unmigrated, readServerFacts);
    expect(isNew).toBe(true);
  });

  it('need not answer where it is only migrated for', async () => {
    const { ownerDatabaseUrl: owner } = database();
    const role = otherwise((url) => { url.password = ''; });
    const { exited, output } = await start(
      { DATABASE_URL: role, MIGRATION_DATABASE_URL: owner, ...secrets }, ['--migrate'],
    );
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(output()).toContain('The database is migrated.');
  });

  it('is told where the demo has no tables, or older ones; migrating makes them', async () => {
    const { databaseUrl, ownerDatabaseUrl, query } = database();
    const demo = { DATABASE_URL: databaseUrl, DEMO: '1', LOG_LEVEL: 'silent' };
    const owned = { ...demo, MIGRATION_DATABASE_URL: ownerDatabaseUrl };
    const migrated = async (): Promise<void> => {
      expect(await (await start(owned, ['--migrate'])).exited).toEqual({ code: 0, signal: null });
    };
    await migrated();
    for (const older of [
      'drop schema sandbox cascade', 'alter table sandbox.callback drop column sequel_in_ms',
    ]) {
      await query(older);
      const { exited, output } = await start(demo);
      expect(await exited).toEqual({ code: 1, signal: null });
      expect(output()).toMatch(/^The database lacks the demo, or has an older one: .*\n$/);
      await migrated();
    }
    const begun = await start(demo);
    await begun.ready;
    begun.process.kill('SIGTERM');
    expect(await begun.exited).toEqual({ code: 0, signal: null });
  });

  it('is told where there are tables of the demo, and nothing in them', async () => {
    const bare = {
      DEMO: '1', LOG_LEVEL: 'silent',
      DATABASE_URL: otherwise((url) => { url.pathname = new URL(empty()).pathname; }),
    };
    const owned = { ...bare, MIGRATION_DATABASE_URL: empty() };
    expect(await (await start(owned, ['--migrate'])).exited).toEqual({ code: 0, signal: null });
    const unseeded = await start(bare);
    expect(await unseeded.exited).toEqual({ code: 1, signal: null });
    expect(unseeded.output()).toMatch(/^The database lacks the demo, /);
  });

  it('is told of HOST and of SUPPLIER_PORT too', async () => {
    const { databaseUrl, ownerDatabaseUrl } = database();
    const demo = {
      DATABASE_URL: databaseUrl, MIGRATION_DATABASE_URL: ownerDatabaseUrl, DEMO: '1',
      LOG_LEVEL: 'silent',
    };
    const { url } = await silentDatabase();
    const strange = await start({ ...demo, HOST: '203.0.113.7' });
    const taken = await start({ ...demo, SUPPLIER_PORT: new URL(url).port });
    expect(await strange.exited).toEqual({ code: 1, signal: null });
    expect(strange.output()).toMatch(/^The gateway cannot listen at HOST=203\.0\.113\.7, .*\n$/);
    const folder = start.newFolder();
    const late = await start({ DATA_DIR: folder, PORT: new URL(url).port });
    expect(await late.exited).toEqual({ code: 1, signal: null });
    expect(late.output()).toMatch(/^The gateway cannot listen at .*EADDRINUSE.*PORT=4000.*\n$/);
    expect(readdirSync(folder)).toEqual([]);
    expect(await taken.exited).toEqual({ code: 1, signal: null });
    expect(taken.output()).toMatch(/^SUPPLIER_PORT=[0-9]+ cannot be had: .*\n$/);
  });
});

describe('the address of a supplier', () => {
  it('is looked at when a process starts', async () => {
    await database().query("update supplier set base_url = 'http://169.254.169.254' where id = 1");
    const refused = await start({ ...secrets, DATABASE_URL: database().databaseUrl });
    expect(await refused.exited).toEqual({ code: 1, signal: null });
    expect(refused.output()).toContain('base_url of supplier sandbox-a must be the address');
    await database().query("update supplier set base_url = 'http://127.0.0.1:9' where id = 1");
  });
});

it('is said in the log that the program is to own nothing, and that a worker works', async () => {
  const env = { ...secrets, ROLE: 'worker' };
  const { ownerDatabaseUrl: url } = database();
  const owner = await start({ ...env, DATABASE_URL: url });
  const demo = await start({ DEMO: '1', DATABASE_URL: url, MIGRATION_DATABASE_URL: url });
  const program = await start({ ...env, DATABASE_URL: database().databaseUrl });
  await expect.poll(() => program.output(), SOON).toContain('The worker takes orders up');
  expect(program.output()).not.toContain('owns the tables');
  for (const { output } of [owner, demo]) {
    await expect.poll(output, SOON).toContain('The role of DATABASE_URL owns the tables');
  }
});

/** Leads to the database those connections that `passes` says, by their number from 0. */
async function partingProxy(
  passes: (number: number) => boolean,
): Promise<{ readonly url: string; readonly count: () => number }> {
  const { hostname: host, port } = new URL(database().databaseUrl);
  let count = 0;
  const server = createServer((near) => {
    near.on('error', () => undefined);
    if (!passes(count++)) return void near.destroy();
    const far = connect({ host, port: Number(port) });
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy()).pipe(far).on('close', () => near.destroy()).pipe(near);
  }).listen(0, '127.0.0.1');
  silentServers.push(server);
  await once(server, 'listening');
  const url = new URL(database().databaseUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: url.href, count: () => count };
}

describe('a start whose connections are lost', () => {
  it.each([['', false], [', the demo with it', true]])(
    'asks again until they hold%s',
    async (_, isDemo) => {
      // The first look at it, and from then on one in three for a while.
      const { url, count } = await partingProxy((number) => number % 3 === 0 || number > 30);
      const PORT = String(await freePort());
      const owner = database().ownerDatabaseUrl;
      const more = isDemo ? { DEMO: '1', MIGRATION_DATABASE_URL: owner } : {};
      const program = await start({ ...secrets, ...more, DATABASE_URL: url, PORT });
      const ask = () => fetch(`http://127.0.0.1:${PORT}/readyz`).then(({ ok }) => ok, () => false);
      await expect.poll(ask, SOON).toBe(true);
      if (isDemo) expect((await program.ready).clients).not.toEqual([]);
      expect(program.output()).toContain('The database cannot be reached; asking again');
      expect(count()).toBeGreaterThan(3);
    },
  );

  it('ends in a line where it is gone, and at a signal before that', async () => {
    const [gone, left] = [
      await partingProxy((number) => number === 0), await partingProxy((number) => number === 0),
    ];
    const program = await start({ ...secrets, DATABASE_URL: gone.url, LOG_LEVEL: 'silent' });
    const stopped = await start({ ...secrets, DATABASE_URL: left.url });
    await expect.poll(left.count, SOON).toBeGreaterThan(3);
    stopped.process.kill('SIGTERM');
    expect(await stopped.exited).toEqual({ code: 0, signal: null });
    expect(stopped.output()).toMatch(/"Stopped"}\n$/);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.output()).toMatch(/^The database was lost during the start: .*\n$/);
  });
});

describe('a log that nobody takes', () => {
  async function runsAndStops(logPath: string): Promise<void> {
    const env = { ...secrets, DATABASE_URL: database().databaseUrl, LOG_LEVEL: 'debug' };
    const PORT = String(await freePort());
    const program = await start({ ...env, PORT }, [], [], logPath);
    const ask = () => fetch(`http://127.0.0.1:${PORT}/livez`).then(({ status }) => status, () => 0);
    await expect.poll(ask, SOON).toBe(200);
    const askedAt = performance.now();
    program.process.kill('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - askedAt).toBeLessThan(10_000);
  }

  it('for a disk that is full, keeps nobody from being served, nor the end from coming', () =>
    runsAndStops('/dev/full'));

  it('for a reader that does not read, neither', async () => {
    const path = join(start.newFolder(), 'log');
    execFileSync('mkfifo', [path]);
    const filler = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      expect(() => {
        for (;;) writeSync(filler, 'x');
      }).toThrow('EAGAIN');
      await runsAndStops(path);
    } finally {
      closeSync(filler);
    }
  });
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
