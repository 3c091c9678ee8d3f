import { beforeAll, describe, expect, it, test } from 'vitest';
import { authorization, parseExact, rest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

const PUBG = {
  product_id: 4218,
  amount: '4.99',
  input_data: { player_id: '5123456000', server: 'asia' },
};
const MOBILE = { product_id: 5101, amount: '10', input_data: { phone_number: '+33612345600' } };

/** Client 1's orders by name, oldest first. */
const ids: Record<string, number> = {};

interface Listed {
  readonly status: number;
  readonly ids: readonly number[];
  readonly items: readonly Record<string, unknown>[];
  readonly headers: Headers;
}

async function list(query = '', clientId = 1): Promise<Listed> {
  const response = await fetch(`${world().gateway.url}/api/v1/topups/orders${query}`, {
    headers: authorization(world(), clientId),
  });
  const body = parseExact(await response.text());
  const items = (Array.isArray(body) ? body : []) as readonly Record<string, unknown>[];
  const listed = items.map((item) => Number(item['id']));
  return { status: response.status, ids: listed, items, headers: response.headers };
}

async function place(name: string, body: object, clientId = 1): Promise<void> {
  const answer = await rest.create(world(), clientId, { client_reference: name, ...body });
  if ('refused' in answer) throw new Error(answer.message);
  ids[name] = answer.order.id;
}

beforeAll(async () => {
  for (const name of ['oldest', 'cancelled', 'failed', 'delivered']) await place(name, PUBG);
  await place('foreign', PUBG, 2);
  // Of two clients one reference.
  await place('mobile', PUBG, 2);
  await place('mobile', MOBILE);
  await place('newest', PUBG);
  const { store } = world().parts.fulfilment;
  await world().parts.store.cancelOrder(1, ids['cancelled'] ?? 0);
  for (const [name, move] of [
    ['failed', { kind: 'FAIL', failureCode: 'RECIPIENT_BARRED' }],
    ['delivered', { kind: 'DELIVER', receipt: null }],
  ] as const) {
    const claimed = await store.claimOrder(1, ids[name] ?? 0);
    if (claimed === null) throw new Error('The order cannot be claimed');
    const { clientId, orderId, route, leaseToken } = claimed;
    await store.recordMove({ clientId, orderId, route, leaseToken, move, callback: null });
  }
  await world().database.query(
    'update topup_order set created_at = $1 where id = $2',
    ['2026-01-02T03:04:05.6Z', ids['oldest']],
  );
}, 60_000);

const named = (...names: string[]) => names.map((name) => ids[name]);
const ALL = ['newest', 'mobile', 'delivered', 'failed', 'cancelled', 'oldest'];

describe('the list of orders', () => {
  it('has the client\'s own, the newest first, as the order endpoint shows them', async () => {
    const listed = await list();
    expect(listed.ids).toEqual(named(...ALL));
    const alone = await fetch(
      `${world().gateway.url}/api/v1/topups/orders/${ids['failed']}`,
      { headers: authorization(world(), 1) },
    );
    expect(listed.items[3]).toEqual(parseExact(await alone.text()));
    const others = (await list('', 2)).ids;
    expect(others).toHaveLength(2);
    expect(others).toContain(ids['foreign']);
  });

  test.each([
    ['', 1, 50, 6, 6, 1, false],
    ['?per_page=4', 1, 4, 6, 4, 2, true],
    ['?page=2&per_page=4', 2, 4, 6, 2, 2, false],
    ['?page=2&limit=4', 2, 4, 6, 2, 2, false],
    ['?per_page=2&limit=4', 1, 2, 6, 2, 3, true],
    ['?page=3&per_page=4', 3, 4, 6, 0, 2, false],
    ['?page=99999999', 99_999_999, 50, 6, 0, 1, false],
    ['?status=PENDING&per_page=2', 1, 2, 3, 2, 2, true],
    ['?status=RECHARGED', 1, 50, 0, 0, 0, false],
  ])('%s tells where it stands', async (query, page, size, count, items, pages, hasMore) => {
    const { status, headers, ids: listed } = await list(query);
    expect(status).toBe(200);
    expect(listed).toHaveLength(items);
    const told = ['page', 'per-page', 'total-count', 'page-size', 'total-pages', 'has-more']
      .map((name) => headers.get(`x-${name}`));
    expect(told).toEqual([page, size, count, items, pages, hasMore].map(String));
  });

  test.each([
    ['status=PENDING', ['newest', 'mobile', 'oldest']],
    ['status=DELIVERED', ['delivered']],
    ['status=FAILED', ['failed']],
    ['status=CANCELLED', ['cancelled']],
    ['status=RECHARGED', []],
    ['product_id=5101', ['mobile']],
    ['product_id=4218', ['newest', 'delivered', 'failed', 'cancelled', 'oldest']],
    ['product_id=4218&status=PENDING', ['newest', 'oldest']],
    ['product_id=4218&status=FAILED', ['failed']],
    ['product_id=2147483648', []],
    ['country=GLO', ['newest', 'delivered', 'failed', 'cancelled', 'oldest']],
    ['country=FRA', ['mobile']],
    ['country=FRA&product_id=4218', []],
    ['client_reference=mobile', ['mobile']],
    ['client_reference=Mobile', []],
    ['client_reference=foreign', []],
    ['client_reference=mobile&status=FAILED', []],
    ['failure_code=RECIPIENT_BARRED', ['failed']],
    ['failure_code=UNKNOWN', []],
    ['failure_code=RECIPIENT_BARRED&status=DELIVERED', []],
    ['created_to=2026-01-02T03:04:05Z', ['oldest']],
    ['created_to=2026-01-02T03:04:04Z', []],
    ['created_from=2026-01-02T03:04:05Z', ALL],
    ['created_from=2026-01-02T03:04:06Z', ALL.slice(0, -1)],
    // A plus that nobody escaped.
    ['created_from=2026-01-02T08:34:06+05:30', ALL.slice(0, -1)],
    ['created_from=2026-01-02T08:34:05%2B05:30&created_to=2026-01-02T03:04:05.5Z', ['oldest']],
    ['created_from=0000-01-01t00:00:00%2B23:59', ALL],
    ['unknown=1', ALL],
  ])('narrowed by %s', async (query, expected) => {
    const { status, ids: listed, headers } = await list(`?${query}`);
    expect([status, listed]).toEqual([200, named(...expected)]);
    expect(headers.get('x-total-count')).toBe(String(expected.length));
  });

  test.each([
    'status=pending', 'status=', 'status=PENDING&status=FAILED', 'product_id=0', 'product_id=-1',
    'product_id=1.5', 'product_id=abc', 'product_id=9223372036854775808', 'country=ind',
    'country=IN', 'country=%00', 'client_reference=', 'client_reference=%00',
    'client_reference=a&client_reference=b', 'failure_code=NOPE', 'failure_code=unknown',
    'created_from=yesterday', 'created_from=2026-13-01T00:00:00Z', 'created_to=2026-01-01',
    'created_from=2026-02-30T00:00:00Z', 'created_to=2026-11-27T24:00:00Z', 'created_to=',
    'page=0', 'page=-1', 'page=x', 'per_page=0', 'per_page=501', 'limit=501', 'status[]=FAILED',
    'status[0]=FAILED',
  ])('refuses %s', async (query) => {
    expect((await list(`?${query}`)).status).toBe(400);
  });
});
