import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { authorization, JSON_TYPE } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ inlineWaitMs: 60_000 });

it('a request that waits for its supplier is answered when the gateway stops', async () => {
  const { gateway, database } = world();
  // Nothing becomes of this recipient before somebody lets it go.
  const answered = fetch(`${gateway.url}/api/v1/topups/orders`, {
    method: 'POST',
    headers: { ...JSON_TYPE, ...authorization(world(), 1) },
    body: '{"product_id":4219,"amount":1.99,'
      + '"input_data":{"player_id":"5123456022","zone_id":"1234"}}',
  }).then(async (response) => [response.status, await response.json()]);
  await expect.poll(() => database.query(
    "select 1 from topup_order where fulfilment_state = 'AWAITING_SUPPLIER'"), { interval: 20 })
    .toHaveLength(1);
  // Requests that never come whole hold nobody up.
  const unfinished = ['POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
    + 'Content-Length: 9\r\n\r\n{', 'GET /livez HTTP/1.1\r\nHo'].map((text) => {
    const { port } = new URL(gateway.url);
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
    return socket.on('error', () => undefined);
  });
  await expect.poll(() => unfinished.every(({ bytesWritten }) => bytesWritten > 0)).toBe(true);
  const ended = unfinished.map((socket) => once(socket, 'close'));
  await gateway.stop();
  await Promise.all(ended);
  expect(await answered).toMatchObject([200, { status: 'PENDING' }]);
}, 15_000);
