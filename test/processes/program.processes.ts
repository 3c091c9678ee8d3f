import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { findViolations } from '../../src/db/invariants.ts';
import type { DemoFacts } from '../../src/demo/demo-file.ts';
import { postAuth } from '../support/access.ts';
import { freePort } from '../support/free-port.ts';
import { placeAtDemo } from '../support/place-over-rest.ts';
import { startProgram, usePrograms } from '../support/program.ts';

const start = usePrograms();
const PLAYER = '5123456000';
const SOON = { timeout: 60_000 };

interface Row {
  readonly id: string;
  readonly client_reference: string;
  readonly status: string;
  readonly recipient: string;
}

async function ordersOf(database: pg.Client): Promise<readonly Row[]> {
  const { rows } = await database.query<Row>(
    'select id, client_reference, status, recipient from topup_order order by id',
  );
  return rows;
}

it('reports every wrong variable at once and opens no port', async () => {
  const program = startProgram({ PORT: 'abc', ROLE: 'boss', DATABASE_URL: 'mysql://x' });
  expect(await program.exited).toEqual({ code: 1, signal: null });
  for (const name of [
    'PORT',
    'ROLE',
    'DATABASE_URL',
    'TOKEN_SIGNING_KEY',
    'KEY_HASHING_KEY',
    'SUPPLIER_SIGNING_KEYS',
  ]) {
    expect(program.output()).toMatch(new RegExp(`- ${name} .*e\\.g\\.`));
  }
});

it('survives kill -9 in the middle of 200 orders, and stops in order', async () => {
  const env = { PORT: String(await freePort()), DATA_DIR: start.newFolder(), LOG_LEVEL: 'warn' };
  const first = await start(env);
  const before = await first.ready;
  const endings = ['000', '002', '005', '007', '020', '024', '026', '000'];
  /** Ids of what was acknowledged, by reference. */
  const acknowledged = new Map<string, number>();
  let answeredCount = 0;
  const orders = Array.from({ length: 200 }, async (_, index) => {
    const player = `5123456${endings[index % endings.length]}`;
    const id = await placeAtDemo(before, `K-${index}`, player);
    if (id !== null) acknowledged.set(`K-${index}`, id);
    // With what is refused as too much for a slow machine: it must come to the kill in any case.
    answeredCount += 1;
    if (answeredCount === 120) first.process.kill('SIGKILL');
  });
  await Promise.all(orders);
  expect(acknowledged.size).toBeGreaterThan(20);
  expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });

  const second = await start(env);
  const facts = await second.ready;
  const database = new pg.Client(facts.databaseUrl);
  await database.connect();
  try {
    // Every order is there that was acknowledged, under its reference, and ends by its recipient.
    await expect
      .poll(
        async () => {
          const pending = (await ordersOf(database)).filter((row) => row.status === 'PENDING');
          return pending.length;
        },
        { timeout: 90_000, interval: 100 },
      )
      .toBe(0);
    const rows = await ordersOf(database);
    const byReference = new Map(rows.map((row) => [row.client_reference, row]));
    for (const [reference, id] of acknowledged) {
      expect(byReference.get(reference)?.id).toBe(String(id));
    }
    for (const row of rows) {
      const expected = row.recipient.endsWith('02') ? 'FAILED' : 'DELIVERED';
      expect([row.recipient, row.status]).toEqual([row.recipient, expected]);
    }
    await expectOneEffectEach(facts, rows);
    const violations = await findViolations(
      async (sql) => (await database.query<object>(sql)).rows,
    );
    expect(violations).toEqual([]);
  } finally {
    await database.end();
  }

  expect(existsSync(join(env.DATA_DIR, 'demo.json'))).toBe(true);
  second.process.kill('SIGTERM');
  second.process.kill('SIGINT');
  expect(await second.exited).toEqual({ code: 0, signal: null });
  expect(existsSync(join(env.DATA_DIR, 'demo.json'))).toBe(false);
  expect(existsSync(join(env.DATA_DIR, 'postgres/postmaster.pid'))).toBe(false);
}, 240_000);

it('goes on when the database is killed under it', async () => {
  const folder = start.newFolder();
  const program = await start({ DATA_DIR: folder, LOG_LEVEL: 'silent' });
  const facts = await program.ready;
  expect(await placeAtDemo(facts, 'BEFORE', PLAYER)).not.toBeNull();
  const [pid] = readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n');
  process.kill(Number(pid), 'SIGKILL');
  await expect.poll(() => placeAtDemo(facts, 'AFTER', PLAYER), SOON).not.toBeNull();
  expect(await placeAtDemo(facts, 'BEFORE', PLAYER)).toBeNull();
  program.process.kill('SIGTERM');
  expect(await program.exited).toEqual({ code: 0, signal: null });
});

it('warns of a refresh token that was shown twice, and fails at nothing', async () => {
  const program = await start({ DATA_DIR: start.newFolder(), LOG_LEVEL: 'warn' });
  const { baseUrl, clients: [client] } = await program.ready;
  const credentials = { username: client?.apiKey, password: client?.apiSecret };
  const { body: { data } } = await postAuth(baseUrl, 'login', { body: credentials });
  const refresh = async (): Promise<number> =>
    (await postAuth(baseUrl, 'refresh', { body: data })).status;
  expect([await refresh(), await refresh()]).toEqual([200, 401]);
  await expect.poll(() => program.output(), SOON)
    .toMatch(/"level":40,.*"clientId":1,.*A refresh token was shown twice/);
  expect(program.output()).not.toContain('"level":50');
});

it('runs two copies side by side, and more processes over one database', async () => {
  const quiet = { LOG_LEVEL: 'silent' };
  const [one, other] = await Promise.all([
    start({ ...quiet, ROLE: 'gateway' }), start(quiet),
  ]);
  const copies = await Promise.all([one.ready, other.ready]);
  const ids = await Promise.all(copies.map((facts) => placeAtDemo(facts, 'SIDE', PLAYER)));
  expect(ids).toEqual([1, 1]);
  // The first one has no worker of its own: one that joins its database takes its order on.
  const { databaseUrl } = copies[0];
  const third = await start({ ...quiet, ROLE: 'worker', DEMO: '1', DATABASE_URL: databaseUrl });
  const database = new pg.Client(databaseUrl);
  await database.connect();
  await expect.poll(async () => (await ordersOf(database))[0]?.status, SOON).toBe('DELIVERED');
  await database.end();
  for (const program of [third, other, one]) {
    program.process.kill('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  }
});

/** The supplier's own log: nothing delivered twice, nothing delivered that failed. */
async function expectOneEffectEach(facts: DemoFacts, rows: readonly Row[]): Promise<void> {
  const text = await (await fetch(`${facts.supplierUrl}/log`)).text();
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { supplierReference: string; effective: boolean });
  const effects = Map.groupBy(
    lines.filter((line) => line.effective),
    (line) => line.supplierReference.split('-')[1] ?? '',
  );
  for (const row of rows) {
    expect([row.id, effects.get(row.id)?.length ?? 0]).toEqual([
      row.id,
      row.status === 'DELIVERED' ? 1 : 0,
    ]);
  }
}
