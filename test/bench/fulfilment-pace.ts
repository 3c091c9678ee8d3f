/**
 * How many orders a second the cellar claims and records, and how long an order waits when they
 * are placed at a steady pace and an instant supplier takes them. Run: npm run build, then
 * node test/bench/fulfilment-pace.ts
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import pg from 'pg';
import { systemClock } from '../../src/clock.ts';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { migrate } from '../../src/db/migrate.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { seedDemo } from '../../src/demo/seed.ts';
import type {
  ClaimedOrder, FulfilmentStore, Move, Supplier,
} from '../../src/domain/fulfilment-ports.ts';
import { createSupplierRegistry } from '../../src/outbound/supplier-registry.ts';
import { startFulfilmentWorker } from '../../src/worker/fulfilment-worker.ts';
import { pricedOrder } from '../support/builders.ts';
import { VOUCHER_KEY } from '../support/voucher-hash.ts';

/** Orders of one measurement. */
const COUNT = 6_000;
/** Moves recorded side by side, as so many orders in hand would. */
const BATCH = 256;
/** Orders a second that are placed while a worker takes them. */
const PACE = 2_000;
const SECONDS = 5;

const tell = (line: string): void => void process.stdout.write(`${line}\n`);
const micro = (ms: number): string => `${Math.round(ms / COUNT * 1000)} µs`;
const perSecond = (count: number, ms: number): string => `${Math.round(count / ms * 1000)}/s`;

interface Bench {
  readonly pool: pg.Pool;
  readonly owner: pg.Client;
  readonly store: FulfilmentStore;
  readonly place: () => Promise<void>;
  readonly placingCount: () => number;
}

async function placeMany(bench: Bench, count: number): Promise<void> {
  for (let done = 0; done < count; done += BATCH) {
    const size = Math.min(BATCH, count - done);
    await Promise.all(Array.from({ length: size }, () => bench.place()));
  }
}

async function claimAll(bench: Bench): Promise<readonly ClaimedOrder[]> {
  const orders: ClaimedOrder[] = [];
  for (;;) {
    const claimed = await bench.store.claimOrders({ limit: BATCH, rooms: {} });
    if (claimed.length === 0) return orders;
    orders.push(...claimed);
  }
}

async function recordAll(
  bench: Bench,
  orders: readonly ClaimedOrder[],
  move: Move,
): Promise<number> {
  const startedMs = performance.now();
  for (let done = 0; done < orders.length; done += BATCH) {
    await Promise.all(orders.slice(done, done + BATCH)
      .map(({ clientId, orderId, route, leaseToken }) =>
        bench.store.recordMove({ clientId, orderId, route, leaseToken, move, callback: null })));
  }
  return performance.now() - startedMs;
}

async function measureCellar(bench: Bench): Promise<void> {
  const moves: readonly Move[] = [
    { kind: 'DELIVER', receipt: null },
    { kind: 'FAIL', failureCode: 'INVALID_RECIPIENT' },
    { kind: 'AWAIT', nextInMs: 3_600_000 },
    { kind: 'RETRY', nextInMs: 3_600_000 },
  ];
  for (const move of moves) {
    const placingMs = performance.now();
    await placeMany(bench, COUNT);
    const claimingMs = performance.now();
    const idleCpuMs = await databaseCpuMs(bench);
    const orders = await claimAll(bench);
    const claimedMs = performance.now();
    const claimCpuMs = await databaseCpuMs(bench);
    const recordMs = await recordAll(bench, orders, move);
    const recordCpuMs = await databaseCpuMs(bench);
    tell(`${move.kind.padEnd(8)} placed ${perSecond(orders.length, claimingMs - placingMs)}`
      + `  claimed ${perSecond(orders.length, claimedMs - claimingMs)}`
      + `  recorded ${perSecond(orders.length, recordMs)}`
      + `  database CPU an order: claim ${micro(claimCpuMs - idleCpuMs)},`
      + ` record ${micro(recordCpuMs - claimCpuMs)}`);
  }
}

/** CPU milliseconds that the server of the pool's one connection has taken so far. */
async function databaseCpuMs(bench: Bench): Promise<number> {
  const { rows } = await bench.pool.query<{ pid: number }>('select pg_backend_pid() as pid');
  const [ranNs] = readFileSync(`/proc/${rows[0]?.pid}/schedstat`, 'utf8').split(' ');
  return Number(ranNs) / 1e6;
}

/** Places at a steady pace and tells how long the orders took from placing to their end. */
async function measureWorker(bench: Bench): Promise<void> {
  const supplier = (code: string): Supplier => ({
    code,
    submit: () => Promise.resolve({ kind: 'DELIVERED', receipt: null }),
    query: () => Promise.resolve({ kind: 'NOT_FOUND' }),
    verifyCallback: () => null,
  });
  const suppliers = createSupplierRegistry(
    ['sandbox-a', 'sandbox-b'].map(supplier), { clock: systemClock });
  const worker = startFulfilmentWorker({
    store: bench.store, suppliers, clock: systemClock, random: Math.random,
    placingCount: bench.placingCount,
    onError: (error) => tell(String(error)),
  });
  await bench.owner.query('create table bench_start as select clock_timestamp() as at');
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  let placed = 0;
  let refused = 0;
  const placing: Promise<void>[] = [];
  while (performance.now() - startedMs < SECONDS * 1000) {
    const wanted = Math.floor((performance.now() - startedMs) / 1000 * PACE);
    // A machine that cannot place at this pace refuses some, as a gateway would.
    const batch = Array.from({ length: wanted - placed }, () =>
      bench.place().catch(() => { refused += 1; }));
    placing.push(...batch);
    placed = wanted;
    void Promise.all(batch).then(() => worker.wake());
    await systemClock.sleep(5);
  }
  await Promise.all(placing);
  const placedMs = performance.now() - startedMs;
  for (;;) {
    const { rows } = await bench.owner.query<{ left: string }>(`select count(*) as left
      from topup_order where status = 'PENDING' and created_at > (select at from bench_start)`);
    if (rows[0]?.left === '0') break;
    await systemClock.sleep(50);
  }
  const doneMs = performance.now() - startedMs;
  const cpu = process.cpuUsage(startedCpu);
  await worker.stop(5000);
  const { rows } = await bench.owner.query<Record<string, string>>(`select
      percentile_disc(array[0.5, 0.99, 1]) within group (order by
        round(extract(epoch from completed_at - created_at) * 1000))::text as ms
    from topup_order where created_at > (select at from bench_start)`);
  placed -= refused;
  tell(`worker   refused ${refused}, placed ${placed} in ${Math.round(placedMs)} ms, `
    + `all ended after ${Math.round(doneMs)} ms: ${perSecond(placed, doneMs)}; `
    + `placing to end p50, p99, max ${rows[0]?.['ms']} ms; `
    + `this process ${Math.round((cpu.user + cpu.system) / placed)} µs CPU an order`);
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'topup-bench-'));
  chmodSync(directory, 0o755);
  const postgres = await startEmbeddedPostgres({ dataDir: directory, log: () => undefined });
  const { ownerDatabaseUrl, databaseUrl } = postgres;
  await migrate({ ownerDatabaseUrl, programRole: 'topup_app' });
  await seedDemo({
    ownerDatabaseUrl, supplierUrl: 'http://127.0.0.1:9', hashingKey: VOUCHER_KEY,
  });
  const owner = new pg.Client({ connectionString: ownerDatabaseUrl });
  await owner.connect();
  await owner.query(`insert into transfer (client_id, reason, debit_account, credit_account,
      wallet_id, amount, currency, balance_after)
    values (1, 'FUNDING', 'EXTERNAL', 'WALLET', 1, 9000000, 'USD', 9010000)`);
  await owner.query('update wallet set balance = 9010000 where id = 1');
  const { rows: [row] } = await owner.query<{ version: string }>(
    'select version from pricing_version');
  const pricingVersion = Number(row?.version);
  const measure = async (size: number, run: (bench: Bench) => Promise<void>): Promise<void> => {
    const pool = createPool({
      databaseUrl, size, applicationName: 'bench', onError: (error) => tell(String(error)),
    });
    const placeOrder = createPlaceOrder({
      pool, onPlaced: () => undefined,
    });
    const place = async (): Promise<void> => {
      const { verdict } = await placeOrder(pricedOrder({ pricingVersion }));
      if (verdict !== 'PLACED') throw new Error(verdict);
    };
    const store = createFulfilmentStore({ pool, onMoved: () => undefined });
    const { openCount: placingCount } = placeOrder;
    await run({ pool, owner, store, place, placingCount }).finally(() => pool.end());
  };
  try {
    await measure(1, measureCellar);
    await measure(12, measureWorker);
  } finally {
    await owner.end();
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
