import { expect, test } from 'vitest';
import { parseExact, rest, authorization, graphqlRequest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

const BODY = {
  product_id: 4218, amount: '4.99', input_data: { player_id: '5123456000', server: 'asia' },
};
const REVERSAL = `query ($id: SafeInt!) { topupOrder(by: {orderId: $id}) {
  status reversal { at amount { amount } transaction { transactionId } } } }`;

/** Delivered, and taken back by its supplier. */
async function createReversed(body: object): Promise<number> {
  const answer = await rest.create(world(), 1, { ...BODY, ...body });
  if ('refused' in answer) throw new Error(answer.message);
  const { store } = world().parts.fulfilment;
  const claimed = await store.claimOrder(1, answer.order.id);
  if (claimed === null) throw new Error('The order cannot be claimed');
  const { clientId, orderId, route, leaseToken } = claimed;
  const moved = { clientId, orderId, route, leaseToken, callback: null };
  await store.recordMove({ ...moved, move: { kind: 'DELIVER', receipt: null } });
  await store.recordMove({ ...moved, leaseToken: null, move: { kind: 'REVERSE' } });
  return orderId;
}

test.each([
  ['a wallet', {}, true],
  ['a voucher', { redeem_voucher_code: 'DEMO-0499-AAAA' }, false],
])('both doors tell that what %s paid was taken back', async (_, body, hasTransaction) => {
  const id = await createReversed(body);
  const url = `${world().gateway.url}/api/v1/topups/orders/${id}`;
  const response = await fetch(url, { headers: authorization(world(), 1) });
  const { reversal } = parseExact(await response.text()) as {
    reversal: { at: string; transaction_id?: string };
  };
  const { data } = await graphqlRequest(world(), 1, { query: REVERSAL, variables: { id } });
  const shown = data?.['topupOrder'] as {
    reversal: { at: string; transaction: { transactionId: number } | null };
  };
  expect(shown.reversal.at.slice(0, 19)).toBe(reversal.at.slice(0, 19));
  expect(shown.reversal.transaction !== null).toBe(hasTransaction);
  expect(Number(reversal.transaction_id ?? 0)).toBe(shown.reversal.transaction?.transactionId ?? 0);
});
