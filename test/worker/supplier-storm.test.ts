import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { systemClock } from '../../src/clock.ts';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import type { Clock } from '../../src/domain/ports.ts';
import { createSandboxSupplier } from '../../src/outbound/sandbox.supplier.ts';
import { createSupplierRegistry } from '../../src/outbound/supplier-registry.ts';
import { startFulfilmentWorker } from '../../src/worker/fulfilment-worker.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';

/** As many as it takes at a time: so many try after each rest of a second. */
const CALLS_MAX = 8;
const FIRST_COUNT = 17;
const HELD_COUNT = 300;

const database = useTestDatabase();
let server: Server;
let status = 503;
let refusedCount = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    void json(request).then((body) => {
      const { reference } = body as { reference: string };
      if (status !== 200) refusedCount += 1;
      response.writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify({ reference, status: 'DELIVERED' }));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function place(count: number): Promise<void> {
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  const pool = createPool({
    databaseUrl: database().databaseUrl, size: 2, applicationName: 'test', onError: () => undefined,
  });
  const placeOrder = createPlaceOrder({ pool, onPlaced: () => undefined });
  await Promise.all(Array.from({ length: count }, () =>
    placeOrder(pricedOrder({ pricingVersion: Number(row?.version) }))));
  await pool.end();
}

async function countOrders(): Promise<Readonly<Record<string, number>>> {
  const rows = await database().query<{ state: string; count: number }>(`select
      coalesce(fulfilment_state, status) || ' ' || attempt_count as state, count(*)::int
    from topup_order group by 1`);
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

test('a storm burns few attempts, fails no order, and is over for all at once', async () => {
  // Whoever tries within the storm does not come back within this test.
  await database().query("update supplier set backoff_ms = '{3600000}'");
  let aheadMs = 0;
  const clock: Clock = {
    ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs,
  };
  const { port } = server.address() as AddressInfo;
  const suppliers = createSupplierRegistry([createSandboxSupplier({
    code: 'sandbox-a', baseUrl: () => `http://127.0.0.1:${port}/a`, signingKeys: ['key'],
    clock: systemClock,
  })], { clock, concurrencyMax: { 'sandbox-a': CALLS_MAX } });
  const pool = createPool({
    databaseUrl: database().databaseUrl, size: 4, applicationName: 'test', onError: () => undefined,
  });
  await place(FIRST_COUNT - 1);
  const worker = startFulfilmentWorker({
    store: createFulfilmentStore({ pool, onMoved: () => undefined }),
    suppliers, clock: systemClock, random: () => 0.5, placingCount: () => 0,
    onError: (error) => { throw error; },
  });
  try {
    await expect.poll(countOrders).toEqual({ 'RETRY_WAIT 1': FIRST_COUNT - 1 });
    // It opens after this: what is counted from here is no less than its rests.
    const startedMs = performance.now();
    aheadMs = 10_000;
    await place(1);
    worker.wake();
    await expect.poll(countOrders).toEqual({ 'RETRY_WAIT 1': FIRST_COUNT });
    await place(HELD_COUNT);
    worker.wake();
    // Into its second rest at the least.
    await expect.poll(() => refusedCount, { timeout: 30_000 }).toBeGreaterThan(FIRST_COUNT);
    const rests = Math.floor((performance.now() - startedMs) / 1_000);
    expect(refusedCount).toBeLessThanOrEqual(FIRST_COUNT + CALLS_MAX * rests);
    status = 200;
    await expect.poll(countOrders, { timeout: 30_000 }).toEqual({
      'RETRY_WAIT 1': refusedCount,
      'DELIVERED 1': FIRST_COUNT + HELD_COUNT - refusedCount,
    });
  } finally {
    await worker.stop(1000);
    await pool.end();
  }
});
