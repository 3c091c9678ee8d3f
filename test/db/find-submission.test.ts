import pg from 'pg';
import { expect, it } from 'vitest';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { freePort } from '../support/free-port.ts';

it('gives all of its callers up together where the database is away', async () => {
  const pool = new pg.Pool({ host: '127.0.0.1', port: await freePort() });
  const store = createFulfilmentStore({ pool, onMoved: () => undefined });
  const endedMs = await Promise.all(Array.from({ length: 8 }, async (_, nth) => {
    await expect(store.findSubmission(`1-${nth + 1}-1`, 'sandbox-a'))
      .rejects.toThrow(TemporarilyUnavailable);
    return performance.now();
  }));
  // Asked for one after the other they would end five seconds apart.
  expect(Math.max(...endedMs) - Math.min(...endedMs)).toBeLessThan(4000);
  await pool.end();
});
