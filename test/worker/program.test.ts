import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { findViolations } from '../../src/db/invariants.ts';
import type { DemoFacts } from '../../src/demo/demo-file.ts';
import { freePort } from '../support/free-port.ts';
import {
  makeDataDir,
  removeDataDir,
  startProgram,
  type Program,
} from '../support/program.ts';

const started: Program[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const program of started.splice(0)) {
    program.process.kill('SIGTERM');
    await program.exited;
  }
  for (const folder of folders.splice(0)) removeDataDir(folder);
});

function newFolder(): string {
  const folder = makeDataDir();
  folders.push(folder);
  return folder;
}

async function start(
  env: Readonly<Record<string, string>>,
): Promise<Program & { facts: DemoFacts }> {
  const program = startProgram(env);
  started.push(program);
  return { ...program, facts: await program.ready };
}

interface Placed {
  readonly id: number;
  readonly client_reference: string;
}

async function place(facts: DemoFacts, reference: string, player: string): Promise<Placed | null> {
  const response = await fetch(`${facts.baseUrl}/api/v1/topups/orders`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${facts.clients[0]?.token}`,
    },
    body: JSON.stringify({
      product_id: 4218,
      amount: 4.99,
      input_data: { player_id: player, server: 'asia' },
      client_reference: reference,
    }),
  });
  return response.status === 200 ? (response.json() as Promise<Placed>) : null;
}

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

describe('the program', () => {
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
    const env = { PORT: String(await freePort()), DATA_DIR: newFolder(), LOG_LEVEL: 'warn' };
    const first = await start(env);
    const endings = ['000', '002', '005', '007', '020', '024', '026', '000'];
    const acknowledged: Placed[] = [];
    let answeredCount = 0;
    const orders = Array.from({ length: 200 }, async (_, index) => {
      const player = `5123456${endings[index % endings.length]}`;
      const placed = await place(first.facts, `K-${index}`, player).catch(() => null);
      if (placed !== null) acknowledged.push(placed);
      // With what is refused as too much for a slow machine: it must come to the kill in any case.
      answeredCount += 1;
      if (answeredCount === 120) first.process.kill('SIGKILL');
    });
    await Promise.all(orders);
    expect(acknowledged.length).toBeGreaterThan(20);
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });

    const second = await start(env);
    const database = new pg.Client(second.facts.databaseUrl);
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
      for (const placed of acknowledged) {
        expect(byReference.get(placed.client_reference)?.id).toBe(String(placed.id));
      }
      for (const row of rows) {
        const expected = row.recipient.endsWith('02') ? 'FAILED' : 'DELIVERED';
        expect([row.recipient, row.status]).toEqual([row.recipient, expected]);
      }
      await expectOneEffectEach(second.facts, rows);
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
    const env = { PORT: String(await freePort()), DATA_DIR: newFolder(), LOG_LEVEL: 'silent' };
    const { facts } = await start(env);
    expect(await place(facts, 'BEFORE', '5123456000')).not.toBeNull();
    const [pid] = readFileSync(join(env.DATA_DIR, 'postgres/postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(pid), 'SIGKILL');
    await expect
      .poll(() => place(facts, 'AFTER', '5123456000').catch(() => null), { timeout: 30_000 })
      .not.toBeNull();
    expect(await place(facts, 'BEFORE', '5123456000')).toBeNull();
  }, 120_000);

  it('runs two copies side by side, and more processes over one database', async () => {
    const [portA, portB, portC] = [await freePort(), await freePort(), await freePort()];
    const quiet = { LOG_LEVEL: 'silent' };
    const [copyA, copyB] = await Promise.all([
      start({ ...quiet, PORT: String(portA), DATA_DIR: newFolder(), ROLE: 'gateway' }),
      start({ ...quiet, PORT: String(portB), DATA_DIR: newFolder() }),
    ]);
    const idA = (await place(copyA.facts, 'SIDE', '5123456000'))?.id;
    const idB = (await place(copyB.facts, 'SIDE', '5123456000'))?.id;
    expect([idA, idB]).toEqual([1, 1]);
    // Copy A has no worker of its own: one that joins its database takes its order on.
    await start({
      ...quiet,
      PORT: String(portC),
      DATA_DIR: newFolder(),
      ROLE: 'worker',
      DEMO: '1',
      DATABASE_URL: copyA.facts.databaseUrl,
    }).catch(() => undefined);
    const database = new pg.Client(copyA.facts.databaseUrl);
    await database.connect();
    await expect
      .poll(async () => (await ordersOf(database))[0]?.status, { timeout: 30_000 })
      .toBe('DELIVERED');
    await database.end();
  }, 120_000);
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
