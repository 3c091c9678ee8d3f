import { once } from 'node:events';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { numberEvents } from '../../src/db/feed-numbers.ts';
import { migrate } from '../../src/db/migrate.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { notify } from '../../src/db/wake-ups.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { seedDemo } from '../../src/demo/seed.ts';
import { pricedOrder } from '../support/builders.ts';
import { makeDataDir, removeDataDir } from '../support/program.ts';
import { VOUCHER_KEY } from '../support/voucher-hash.ts';

/** A server whose queue of notifications is as small as can be, behind a listener that sleeps. */

const folder = makeDataDir();
let postgres: EmbeddedPostgres;
let pool: pg.Pool;

beforeAll(async () => {
  postgres = await startEmbeddedPostgres({
    dataDir: folder, settings: { max_notify_queue_pages: '64' }, log: () => undefined,
  });
  const { ownerDatabaseUrl, databaseUrl } = postgres;
  await migrate({ ownerDatabaseUrl, programRole: 'topup_app' });
  await seedDemo({
    ownerDatabaseUrl, supplierUrl: 'http://127.0.0.1:9', hashingKey: VOUCHER_KEY,
  });
  pool = createPool({ databaseUrl, size: 2, applicationName: 'test', onError: () => undefined });
}, 60_000);
afterAll(async () => {
  await pool.end();
  await postgres.stop();
  removeDataDir(folder);
});

async function connected(): Promise<pg.Client> {
  const client = new pg.Client(postgres.databaseUrl);
  await client.connect();
  return client;
}

it('keeps nothing from its place in the feed, and works again once it is read', async () => {
  const asleep = await connected();
  await asleep.query('listen anything');
  await asleep.query('begin');
  await asleep.query('select 1');
  const fill = (async () => {
    for (let count = 0; count < 1000; count += 1) {
      await pool.query(`select pg_notify('anything', repeat('.', 7000) || $1)`, [`${count}`]);
    }
  })();
  await expect(fill).rejects.toMatchObject({ code: '54000' });

  const { rows: [price] } = await pool.query<{ version: number }>(
    'select version from pricing_version');
  const place = createPlaceOrder({ pool, onPlaced: () => undefined });
  const order = pricedOrder({ pricingVersion: price?.version ?? 0 });
  expect((await place(order)).verdict).toBe('PLACED');
  expect(await numberEvents(pool, 100)).toBe(1);
  expect((await pool.query('select from feed_entry')).rowCount).toBe(1);
  await expect(notify(pool, 'feed')).resolves.toBeUndefined();

  await asleep.end();
  const listener = await connected();
  await listener.query('listen feed');
  const heard = once(listener, 'notification');
  // The first one that is refused tidies up.
  for (const _ of [1, 2]) await notify(pool, 'feed');
  expect((await heard)[0]).toMatchObject({ channel: 'feed' });
  await listener.end();
});
