import { beforeAll, describe, expect, it, test } from 'vitest';
import { authorization, parseExact, rest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

type Wire = Readonly<Record<string, unknown>>;

async function get(path: string, clientId = 1): Promise<{
  readonly status: number; readonly body: unknown; readonly headers: Headers;
}> {
  const response = await fetch(`${world().gateway.url}/api/v1${path}`, {
    headers: authorization(world(), clientId),
  });
  const { status, headers } = response;
  return { status, body: parseExact(await response.text()), headers };
}

const orders: number[] = [];

async function place(body: object): Promise<void> {
  const answer = await rest.create(world(), 1, body);
  if ('refused' in answer) throw new Error(answer.message);
  orders.push(answer.order.id);
}

beforeAll(async () => {
  const game = { player_id: '5123456000', server: 'asia' };
  await place({ product_id: 4218, amount: '4.99', input_data: game });
  const phone = { phone_number: '+33612345600' };
  await place({ product_id: 5101, amount: '250', input_data: phone, wallet_id: 1 });
  await world().parts.store.cancelOrder(1, orders[1] ?? 0);
}, 60_000);

describe('wallets', () => {
  it('are listed with what is in them', async () => {
    const { status, body } = await get('/wallets');
    expect(status).toBe(200);
    expect(body).toEqual([
      {
        id: '1', currency_id: '840', amount: '9995.2595', type: 'PREPAID', currency: 'USD',
        is_default: true, is_frozen: false, credit_limit: '0', available: '9995.2595',
      },
      expect.objectContaining({ id: '2', currency_id: '978', amount: '5000', currency: 'EUR' }),
      expect.objectContaining({ id: '3', currency_id: '392', amount: '500000', currency: 'JPY' }),
    ]);
  });

  it('are found by id, by their owner', async () => {
    const { body } = await get('/wallets');
    expect((await get('/wallets/2')).body).toEqual((body as Wire[])[1]);
    expect((await get('/wallets/2', 2)).status).toBe(404);
    expect((await get('/wallets/2', 2)).body).toEqual((await get('/wallets/999999')).body);
  });

  test.each(['0', '-1', 'x', '1.5', '%00', '1e3', '9007199254740993'])(
    'have no id %s', async (id) => {
      expect((await get(`/wallets/${id}`)).status).toBe(400);
    },
  );
});

describe('transactions', () => {
  it('are the movements of a wallet, the newest first', async () => {
    const { status, body, headers } = await get('/transactions?wallet_id=1');
    expect(status).toBe(200);
    const [refund, converted, debit, funding, ...others] = body as Wire[];
    expect(others).toEqual([]);
    expect(headers.get('x-total-count')).toBe('4');
    expect(debit).toEqual({
      id: expect.any(String),
      wallet_id: '1',
      currency_id: '840',
      amount: '4.7405',
      transaction_type: 'DEBIT',
      status: 'COMPLETED',
      source_currency: 'USD',
      destination_currency: 'USD',
      forex_rate: null,
      conversion_charges: null,
      remarks: `USD Wallet debited by amount 4.7405 - Order #${orders[0]}`,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      order_id: String(orders[0]),
      balance_after: '9995.2595',
      reason: 'ORDER_DEBIT',
    });
    expect(converted).toMatchObject({
      amount: '282.26', transaction_type: 'DEBIT', source_currency: 'EUR',
      destination_currency: 'USD', forex_rate: '1.17', conversion_charges: '0',
      balance_after: '9712.9995', order_id: String(orders[1]),
    });
    expect(refund).toMatchObject({
      amount: '282.26', transaction_type: 'CREDIT', reason: 'ORDER_REFUND',
      balance_after: '9995.2595', order_id: String(orders[1]),
      remarks: `USD Wallet credited by amount 282.26 - Refund of order #${orders[1]}`,
    });
    expect(funding).toMatchObject({
      amount: '10000', transaction_type: 'CREDIT', reason: 'FUNDING', order_id: null,
      remarks: 'USD Wallet credited by amount 10000.00 - Demo funding',
    });
  });

  it('are paged by number', async () => {
    const all = (await get('/transactions?wallet_id=1')).body as Wire[];
    const second = await get('/transactions?wallet_id=1&page=2&limit=3');
    expect(second.body).toEqual(all.slice(3));
    const told = ['page', 'per-page', 'total-count', 'total-pages', 'page-size', 'has-more']
      .map((name) => second.headers.get(`x-${name}`));
    expect(told).toEqual(['2', '3', '4', '2', '1', 'false']);
    expect((await get('/transactions?wallet_id=1&page=1&limit=3')).headers.get('x-has-more'))
      .toBe('true');
    expect((await get('/transactions?wallet_id=1&page=9')).body).toEqual([]);
    expect((await get('/transactions?wallet_id=1&limit=10000')).status).toBe(200);
  });

  it('are found by id, by their owner, and as the order names them', async () => {
    const [newest] = (await get('/transactions?wallet_id=1')).body as Wire[];
    expect((await get(`/transactions/${newest?.['id']}`)).body).toEqual(newest);
    const order = (await get(`/topups/orders/${orders[0]}`)).body as Wire;
    expect((await get(`/transactions/${order['transaction_id']}`)).body)
      .toMatchObject({ order_id: order['id'], amount: order['amount'] });
    expect((await get(`/transactions/${newest?.['id']}`, 2)).status).toBe(404);
  });

  it('have no sale among them: only what moved in a wallet is the client\'s concern', async () => {
    const { store } = world().parts.fulfilment;
    const claimed = await store.claimOrder(1, orders[0] ?? 0);
    if (claimed === null) throw new Error('The order cannot be claimed');
    const { clientId, orderId, route, leaseToken } = claimed;
    const move = { kind: 'DELIVER', receipt: null } as const;
    await store.recordMove({ clientId, orderId, route, leaseToken, move, callback: null });
    const [sale] = await world().database.query<{ id: string }>(
      "select id from transfer where reason = 'ORDER_SALE' and topup_order_id = $1", [orders[0]]);
    expect((await get(`/transactions/${sale?.id}`)).status).toBe(404);
  });

  test.each([
    ['', 400], ['?wallet_id=', 400], ['?wallet_id=0', 400], ['?wallet_id=-1', 400],
    ['?wallet_id=x', 400], ['?wallet_id=1&wallet_id=2', 400], ['?wallet_id=1&page=0', 400],
    ['?wallet_id=1&limit=10001', 400], ['?wallet_id=999999', 404], ['?wallet_id=4', 404],
    ['/0', 400], ['/x', 400], ['/999999', 404],
  ])('%s is answered %i', async (query, status) => {
    expect((await get(`/transactions${query}`)).status).toBe(status);
  });
});
