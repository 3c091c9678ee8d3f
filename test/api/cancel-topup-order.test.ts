import { describe, expect, it } from 'vitest';
import { authorization, graphqlRequest, rest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

const BODY = {
  product_id: 4218,
  amount: '4.99',
  input_data: { player_id: '5123456000', server: 'asia' },
};

async function create(): Promise<number> {
  const answer = await rest.create(world(), 1, BODY);
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order.id;
}

type Cancel = (clientId: number, orderId: number) => Promise<{ status?: string; code?: string }>;

const byRest: Cancel = async (clientId, orderId) => {
  const response = await fetch(`${world().gateway.url}/api/v1/topups/orders/${orderId}/cancel`, {
    method: 'POST',
    headers: authorization(world(), clientId),
  });
  const body = (await response.json()) as { status?: string; error?: { message: string } };
  const codes: Record<string, string> = {
    'Order can no longer be cancelled': 'NOT_CANCELLABLE',
    'Order not found': 'ORDER_NOT_FOUND',
  };
  if (response.status !== 200) return { code: codes[body.error?.message ?? ''] ?? '' };
  return { status: body.status ?? '' };
};

const byGraphql: Cancel = async (clientId, orderId) => {
  const answer = await graphqlRequest(world(), clientId, {
    query: `mutation ($input: CancelTopupOrderInput!) { cancelTopupOrder(input: $input) {
      order { status refund { amount { amount } } } userErrors { code } } }`,
    variables: { input: { by: { orderId } } },
  });
  const payload = answer.data?.['cancelTopupOrder'] as {
    order: { status: string } | null;
    userErrors: { code: string }[];
  };
  return payload.order === null
    ? { code: payload.userErrors[0]?.code ?? '' }
    : { status: payload.order.status };
};

it.each(['application/x-www-form-urlencoded', 'text/plain', 'application/json'])(
  'REST takes a request without a body, though it says that it is of %s', async (type) => {
    const id = await create();
    const url = `${world().gateway.url}/api/v1/topups/orders`;
    const headers = { authorization: `Bearer ${world().token(1)}`, 'content-type': type };
    const ask = (path: string, body: string): Promise<Response> =>
      fetch(`${url}${path}`, { method: 'POST', headers, body });
    expect((await ask(`/${id}/cancel`, '')).status).toBe(200);
    expect((await ask('', '')).status).toBe(400);
    expect((await ask(`/${id}/cancel`, 'a=b')).status).toBe(type.endsWith('json') ? 400 : 415);
  },
);

describe.each([
  ['REST', byRest],
  ['GraphQL', byGraphql],
] as const)('%s', (_name, cancel) => {
  it('cancels an order that no supplier has seen, refunds it, and repeats the answer', async () => {
    const id = await create();
    expect(await cancel(1, id)).toEqual({ status: 'CANCELLED' });
    expect(await cancel(1, id)).toEqual({ status: 'CANCELLED' });
    expect(await rest.find(world(), 1, id)).toMatchObject({
      status: 'CANCELLED',
      statusText: 'Order cancelled',
      refundAmount: '4.7405',
      failureCode: null,
      isCompleted: true,
    });
  });

  it('refuses once an attempt was recorded', async () => {
    const id = await create();
    expect(await world().parts.fulfilment.store.claimOrder(1, id)).not.toBeNull();
    expect(await cancel(1, id)).toEqual({ code: 'NOT_CANCELLABLE' });
  });

  it.each(['RETRY', 'RESEND', 'AWAIT', 'REVIEW'] as const)(
    'refuses after an attempt that ended in %s', async (kind) => {
      const id = await create();
      const { store } = world().parts.fulfilment;
      const claimed = await store.claimOrder(1, id);
      if (claimed === null) throw new Error('The order cannot be claimed');
      const { clientId, orderId, route, leaseToken } = claimed;
      const move = { kind, nextInMs: 3_600_000 };
      await store.recordMove({ clientId, orderId, route, leaseToken, move, callback: null });
      expect(await cancel(1, id)).toEqual({ code: 'NOT_CANCELLABLE' });
    },
  );

  it('does not find the order of another client, or of nobody', async () => {
    const id = await create();
    expect(await cancel(2, id)).toEqual({ code: 'ORDER_NOT_FOUND' });
    expect(await cancel(1, 999_999)).toEqual({ code: 'ORDER_NOT_FOUND' });
  });
});

it('shows the wallet as it is after each mutation of an operation', async () => {
  const id = await create();
  interface Seen {
    readonly order: { readonly wallet: {
      readonly balance: { readonly amount: string };
      readonly transactions: { readonly edges: [{ readonly node: {
        readonly balanceAfter: { readonly amount: string };
      } }] };
    } };
  }
  const wallet = `order { wallet { balance { amount }
    transactions(first: 1) { edges { node { balanceAfter { amount } } } } } }`;
  const { data } = await graphqlRequest(world(), 1, { query: `mutation {
    a: setTopupOrderNotificationEmail(input: { by: { orderId: ${id} }, email: null }) { ${wallet} }
    b: cancelTopupOrder(input: { by: { orderId: ${id} } }) { ${wallet} }
    c: setTopupOrderNotificationEmail(input: { by: { orderId: ${id} }, email: null }) { ${wallet} }
  }` });
  const shown = Object.values(data as Record<string, Seen>).map(({ order }) => [
    Number(order.wallet.balance.amount),
    Number(order.wallet.transactions.edges[0].node.balanceAfter.amount),
  ]);
  const [before = 0] = shown[0] ?? [];
  const after = Number((before + 4.7405).toFixed(4));
  expect(shown).toEqual([[before, before], [after, after], [after, after]]);
});
