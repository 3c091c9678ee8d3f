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
  await gateway.stop();
  expect(await answered).toMatchObject([200, { status: 'PENDING' }]);
});
