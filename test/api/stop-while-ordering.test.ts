import pg from 'pg';
import { createClient } from 'graphql-ws';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { authorization } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

it('an order over a socket is told before its end, and no request is taken meanwhile', async () => {
  const { gateway, database } = world();
  const owner = new pg.Client(database.ownerDatabaseUrl);
  await owner.connect();
  await owner.query('begin; select from wallet where client_id = 1 and id = 1 for update');
  const closes: number[] = [];
  const client = createClient({
    url: `${gateway.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: authorization(world(), 1),
    retryAttempts: 0,
    on: { closed: (event) => closes.push((event as { code: number }).code) },
  });
  const answered = client.iterate({
    query: `mutation { createTopupOrder(input: {productId: 4218, amount: "4.99", inputData: [
      {name: "player_id", value: "5123456000"}, {name: "server", value: "asia"}]}) {
      order { status } userErrors { code } } }`,
  }).next();
  // In this database: the others of the cluster have waits of their own.
  await expect.poll(() => database.query(`select 1 from pg_locks where not granted and pid in
    (select pid from pg_stat_activity where datname = current_database())`),
  { interval: 20 }).not.toEqual([]);
  const stopping = gateway.stop();
  // A balancer goes by this, while the order still waits for its wallet.
  await expect.poll(() => fetch(`${gateway.url}/readyz`).then(({ status }) => status, () => 503), {
    timeout: 1_000, interval: 20,
  }).toBe(503);
  await owner.query('commit');
  await owner.end();
  expect((await answered).value).toMatchObject({
    data: { createTopupOrder: { order: { status: 'PENDING' }, userErrors: [] } },
  });
  await stopping;
  await expect.poll(() => closes).toEqual([1001]);
}, 20_000);
