import pg from 'pg';
import { beforeAll, expect, it, vi } from 'vitest';
import { pricedOrder } from '../support/builders.ts';
import { graphqlRequest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });
const ORDER_COUNT = 100;

/** What this process asks the database on its own, whoever asks it something. */
const BACKGROUND =
  /^(pricing|access|feed|number|next_due|listen|notify|wake|begin|commit)|sandbox|pg_notify/;

beforeAll(async () => {
  const { store, fulfilment } = world().parts;
  const pricingVersion = store.pricing().version;
  const placements = await Promise.all(
    Array.from({ length: ORDER_COUNT }, () => store.placeOrder(pricedOrder({ pricingVersion }))),
  );
  // Half of them failed, each with a refund of its own.
  await Promise.all(placements.map(async (placement, nth) => {
    if (placement.verdict !== 'PLACED') throw new Error(placement.verdict);
    const claimed = await fulfilment.store.claimOrder(1, placement.order.id);
    if (claimed === null || nth % 2 === 0) return;
    const { clientId, orderId, route, leaseToken } = claimed;
    const move = { kind: 'FAIL', failureCode: 'UNKNOWN' } as const;
    await fulfilment.store.recordMove({
      clientId, orderId, route, leaseToken, move, callback: null,
    });
  }));
}, 60_000);

const QUERY = `query ($first: Int!) { topupOrders(first: $first) { totalCount edges { node {
  orderId status product { id name } variant { id name }
  wallet { walletId balance { amount } transactions(first: 5) { edges { node { remarks } } } }
  transaction { transactionId order { orderId } wallet { walletId } }
  refund { transaction { transactionId remarks } }
  events(first: 10) { edges { node { type order { orderId } } } }
} } } }`;

/** The statements of one query, by name; what has none is shown by its text. */
async function statementsOf(first: number): Promise<readonly string[]> {
  const spy = vi.spyOn(pg.Client.prototype, 'query');
  try {
    const { data, errors } = await graphqlRequest(world(), 1, {
      query: QUERY, variables: { first },
    });
    expect(errors).toBeUndefined();
    const { edges } = data?.['topupOrders'] as {
      edges: { node: {
        product: object; variant: object; wallet: object; refund: object | null;
        events: { edges: object[] };
      } }[];
    };
    expect(edges).toHaveLength(first);
    expect(edges.every(({ node: { product, variant, wallet, events } }) =>
      ![product, variant, wallet].includes(null as never) && events.edges.length > 0)).toBe(true);
    expect(edges.some(({ node }) => node.refund !== null)).toBe(true);
    return spy.mock.calls
      .map(([query]) => query as unknown as string | { name?: string; text: string })
      .map((query) => (typeof query === 'string' ? query : query.name ?? query.text))
      .filter((name) => !BACKGROUND.test(name) && !name.endsWith(' as ms'))
      .sort();
  } finally {
    spy.mockRestore();
  }
}

it('reads a list with all its relations in as many statements as one order', async () => {
  await expect.poll(async () => {
    const rows = await world().database.query('select from feed_inbox');
    return rows.length;
  }, { timeout: 20_000 }).toBe(0);
  const ofTwo = await statementsOf(2);
  const ofAll = await statementsOf(ORDER_COUNT);
  expect(ofAll).toEqual(ofTwo);
  // The orders, their count, wallets, transactions of the wallets, debits and refunds, events; and
  // what it takes to admit a request.
  expect(ofAll.length).toBeLessThan(10);
});
