import { once } from 'node:events';
import { connect } from 'node:net';
import pg from 'pg';
import { expect, it } from 'vitest';
import { authorization, JSON_TYPE } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

it('an answer that is due is given, though connections without one are ended before', async () => {
  const { gateway, database } = world();
  const owner = new pg.Client(database.ownerDatabaseUrl);
  await owner.connect();
  await owner.query('begin; select from wallet where client_id = 1 and id = 1 for update');
  const answered = fetch(`${gateway.url}/api/v1/topups/orders`, {
    method: 'POST',
    headers: { ...JSON_TYPE, ...authorization(world(), 1) },
    body: '{"product_id":4218,"amount":4.99,'
      + '"input_data":{"player_id":"5123456000","server":"asia"}}',
  }).then(async (response) => [response.status, await response.json()]);
  // In this database: the others of the cluster have waits of their own.
  await expect.poll(() => database.query(`select 1 from pg_locks where not granted and pid in
    (select pid from pg_stat_activity where datname = current_database())`),
  { interval: 20 }).not.toEqual([]);
  const unfinished = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  unfinished.on('error', () => undefined).write('GET /livez HTTP/1.1\r\nHo');
  await expect.poll(() => unfinished.bytesWritten).toBeGreaterThan(0);
  const ended = once(unfinished, 'close');
  const stopping = gateway.stop();
  await ended;
  await owner.query('commit');
  await owner.end();
  expect(await answered).toMatchObject([200, { status: 'PENDING' }]);
  await stopping;
}, 20_000);
