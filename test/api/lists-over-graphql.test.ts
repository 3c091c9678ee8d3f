import pg from 'pg';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { carried, maskErrors } from '../../src/graphql/errors.ts';
import { authorization, graphqlRequest, rest, type GraphqlAnswer } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

const PUBG = {
  product_id: 4218, amount: '4.99', input_data: { player_id: '5123456000', server: 'asia' },
};
const ids: number[] = [];
let foreignId = 0;

async function place(clientId = 1): Promise<number> {
  const answer = await rest.create(world(), clientId, PUBG);
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order.id;
}

beforeAll(async () => {
  for (let nth = 0; nth < 5; nth += 1) ids.unshift(await place());
  foreignId = await place(2);
  await world().parts.store.cancelOrder(1, ids[1] ?? 0);
}, 60_000);

interface Page {
  readonly totalCount?: number;
  readonly edges: readonly { readonly cursor: string; readonly node: Record<string, unknown> }[];
  readonly pageInfo: Record<string, unknown>;
}

const PAGE = 'pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
const ORDERS = `query ($first: Int!, $after: String, $filter: TopupOrderFilter) {
  topupOrders(first: $first, after: $after, filter: $filter) {
    edges { cursor node { orderId } } ${PAGE} } }`;

const ask = (query: string, variables: object = {}, clientId = 1): Promise<GraphqlAnswer> =>
  graphqlRequest(world(), clientId, { query, variables });

async function orders(variables: object, clientId = 1): Promise<Page> {
  const { data, errors } = await ask(ORDERS, variables, clientId);
  if (errors !== undefined) throw new Error(errors[0]?.message);
  return data?.['topupOrders'] as Page;
}

const idsOf = (page: Page) => page.edges.map(({ node }) => node['orderId']);

describe('the connection of orders', () => {
  it('goes through all of them, though others arrive meanwhile', async () => {
    const first = await orders({ first: 2 });
    expect(idsOf(first)).toEqual(ids.slice(0, 2));
    expect(first.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: first.edges[0]?.cursor,
      endCursor: first.edges[1]?.cursor,
    });
    ids.unshift(await place());
    const second = await orders({ first: 2, after: first.pageInfo['endCursor'] });
    expect(idsOf(second)).toEqual(ids.slice(3, 5));
    expect(second.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
    const last = await orders({ first: 2, after: second.pageInfo['endCursor'] });
    expect(idsOf(last)).toEqual(ids.slice(5));
    expect(last.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const behind = await orders({ first: 2, after: last.pageInfo['endCursor'] });
    expect(behind).toEqual({
      edges: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: true, startCursor: null, endCursor: null },
    });
  });

  it('counts where it is asked to, and only then', async () => {
    const { store } = world().parts;
    const count = store.countOrders;
    let counted = 0;
    Object.assign(store, {
      countOrders: (...of: Parameters<typeof count>) => (counted += 1, count(...of)),
    });
    try {
      await orders({ first: 1 });
      expect(counted).toBe(0);
      const { data } = await ask('{ topupOrders(first: 1) { totalCount } }');
      expect(data?.['topupOrders']).toEqual({ totalCount: ids.length });
      expect(counted).toBe(1);
    } finally {
      Object.assign(store, { countOrders: count });
    }
  });

  it('is narrowed by a filter', async () => {
    const open = ids.filter((id) => id !== ids.at(-4));
    const rows: readonly (readonly [object, readonly (number | undefined)[]])[] = [
      [{ statuses: ['CANCELLED'] }, [ids.at(-4)]],
      [{ statuses: ['PENDING'] }, open],
      [{ statuses: ['PENDING', 'CANCELLED'] }, ids],
      [{ statuses: [] }, []],
      [{ productIds: [4218, 1] }, ids],
      [{ productIds: [4218], statuses: ['PENDING'] }, open],
      [{ countryCodes: ['GLO'] }, ids],
      [{ countryCodes: ['FRA'] }, []],
      [{ walletIds: [1] }, ids],
      [{ walletIds: [2] }, []],
      [{ failureCodes: ['UNKNOWN'] }, []],
      [{ createdFrom: '2026-01-01T00:00:00Z' }, ids],
      [{ createdTo: '2026-01-01T00:00:00Z' }, []],
      [{ statuses: null }, ids],
    ];
    for (const [filter, expected] of rows) {
      expect([filter, idsOf(await orders({ first: 100, filter }))]).toEqual([filter, expected]);
    }
    const { data } = await ask(
      '{ topupOrders(first: 1, filter: { statuses: [PENDING] }) { totalCount } }',
    );
    expect(data?.['topupOrders']).toEqual({ totalCount: open.length });
  });

  test.each([0, -1, 101, 1_000_000])('refuses to give the first %i', async (first) => {
    const { data, errors } = await ask(ORDERS, { first });
    expect(data ?? null).toBeNull();
    expect(errors).toEqual([expect.objectContaining({
      message: '`first` must be 1 to 100',
      extensions: expect.objectContaining({ code: 'BAD_USER_INPUT' }),
    })]);
  });

  it('refuses a cursor that is forged, of another client or of another list', async () => {
    const { pageInfo: { startCursor } } = await orders({ first: 1 });
    const { pageInfo: { startCursor: foreign } } = await orders({ first: 1 }, 2);
    const { data } = await ask('{ wallets { transactions(first: 1) { edges { cursor } } } }');
    const [wallet] = data?.['wallets'] as { transactions: Page }[];
    const bytes = Buffer.from(String(startCursor), 'base64url');
    bytes[5] = (bytes[5] ?? 0) ^ 1;
    const forged = bytes.toString('base64url');
    for (const after of ['', 'x', '1', forged, foreign, wallet?.transactions.edges[0]?.cursor]) {
      const { errors } = await ask(ORDERS, { first: 1, after });
      expect([after, errors?.[0]?.extensions]).toEqual([
        after, expect.objectContaining({ code: 'BAD_USER_INPUT', detail: 'CURSOR_INVALID' }),
      ]);
    }
  });
});

describe('wallets and what moved in them', () => {
  const WALLETS = `{ wallets { id walletId currency balance { amount } available { amount }
    transactions(first: 2) { edges { cursor node { transactionId direction reason remarks
      amount { amount } balanceAfter { amount } sourceCurrency forexRate
      wallet { walletId } order { orderId } } } ${PAGE} } } }`;

  it('are the caller\'s, with the newest movements and the orders that they were about',
    async () => {
      const { data, errors } = await ask(WALLETS);
      expect(errors).toBeUndefined();
      const wallets = data?.['wallets'] as (Record<string, unknown> & { transactions: Page })[];
      expect(wallets.map((wallet) => wallet['walletId'])).toEqual([1, 2, 3]);
      const [usd] = wallets;
      const [newest] = usd?.transactions.edges ?? [];
      expect(newest?.node).toMatchObject({
        direction: 'DEBIT',
        reason: 'ORDER_DEBIT',
        remarks: `USD Wallet debited by amount 4.7405 - Order #${ids[0]}`,
        amount: { amount: '4.7405' },
        balanceAfter: usd?.['balance'],
        sourceCurrency: 'USD',
        forexRate: null,
        wallet: { walletId: 1 },
        order: { orderId: ids[0] },
      });
      expect(usd?.['available']).toEqual(usd?.['balance']);
      expect(usd?.transactions.pageInfo['hasNextPage']).toBe(true);
    });

  it('go on behind a cursor, down to the funding', async () => {
    const query = `query ($id: ID!, $after: String) { node(id: $id) { ... on Wallet {
      transactions(first: 3, after: $after) { edges { node { transactionId remarks } } ${PAGE} }
    } } }`;
    const { data } = await ask('{ wallets { id } }');
    const [{ id } = { id: '' }] = data?.['wallets'] as { id: string }[];
    const seen: Record<string, unknown>[] = [];
    for (let after: unknown = null, isMore = true; isMore;) {
      const answer = await ask(query, { id, after });
      const page = (answer.data?.['node'] as { transactions: Page }).transactions;
      seen.push(...page.edges.map(({ node }) => node));
      after = page.pageInfo['endCursor'];
      isMore = page.pageInfo['hasNextPage'] === true;
    }
    const transactionIds = seen.map((node) => Number(node['transactionId']));
    expect(transactionIds).toEqual([...new Set(transactionIds)].sort((a, b) => b - a));
    expect(seen).toHaveLength(ids.length + 2);
    expect(seen.at(-1)).toMatchObject({
      remarks: 'USD Wallet credited by amount 10000.00 - Demo funding',
    });
    expect(seen.map((node) => node['remarks']))
      .toContain(`USD Wallet credited by amount 4.7405 - Refund of order #${ids.at(-4)}`);
  });
});

describe('the viewer', () => {
  it('has wallets, discounts and limits', async () => {
    const { data } = await ask(`{ viewer { name defaultCurrency wallets { walletId }
      discounts { percent productId variantId category topupType }
      limits { socketCountMax subscriptionCountMax pageSizeMax } } }`);
    expect(data?.['viewer']).toEqual({
      name: 'Demo Games',
      defaultCurrency: 'USD',
      wallets: [{ walletId: 1 }, { walletId: 2 }, { walletId: 3 }],
      discounts: expect.arrayContaining([
        { percent: '5', productId: null, variantId: null, category: null, topupType: null },
        { percent: '3.5', productId: 5101, variantId: null, category: null, topupType: null },
      ]),
      limits: { socketCountMax: 20, subscriptionCountMax: 50, pageSizeMax: 100 },
    });
  });
});

describe('the events of an order', () => {
  const EVENTS = `query ($id: SafeInt!, $first: Int!, $after: String) {
    topupOrder(by: { orderId: $id }) { events(first: $first, after: $after) {
      edges { cursor node { id version sequence type status order { orderId } } } ${PAGE} } } }`;

  it('are a connection, the oldest first', async () => {
    const id = ids.at(-4);
    const eventsOf = async (variables: object): Promise<Page> => {
      const { data, errors } = await ask(EVENTS, { id, ...variables });
      expect(errors).toBeUndefined();
      return (data?.['topupOrder'] as { events: Page }).events;
    };
    await expect.poll(async () => (await eventsOf({ first: 10 })).edges.length).toBe(2);
    const first = await eventsOf({ first: 1 });
    expect(first.edges.map(({ node }) => node)).toEqual([expect.objectContaining({
      version: 1, type: 'CREATED', status: 'PENDING', order: { orderId: id },
    })]);
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const second = await eventsOf({ first: 5, after: first.pageInfo['endCursor'] });
    expect(second.edges.map(({ node }) => node['type'])).toEqual(['CANCELLED']);
    expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const { errors } = await ask(EVENTS, {
      id: ids[0], first: 1, after: first.pageInfo['endCursor'],
    });
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT' });
  });
});

test('two pages of one list are two, in one operation as well', async () => {
  const id = await place();
  await world().parts.store.cancelOrder(1, id);
  const { data } = await ask(`query ($id: SafeInt!) { topupOrder(by: { orderId: $id }) {
    one: events(first: 1) { edges { cursor } } two: events(first: 2) { edges { cursor } } } }`,
  { id });
  const { one, two } = data?.['topupOrder'] as { readonly one: Page; readonly two: Page };
  expect([one.edges.length, two.edges.length]).toEqual([1, 2]);
});

describe('a node', () => {
  it('is found again by its id, whatever it is, and by nobody else', async () => {
    const { data } = await ask(`query ($id: SafeInt!) {
      viewer { id wallets { id } }
      topupOrder(by: { orderId: $id }) { id transaction { id }
        events(first: 1) { edges { node { id } } } } }`, { id: ids.at(-4) });
    const { viewer, topupOrder } = data as unknown as {
      viewer: { id: string; wallets: { id: string }[] };
      topupOrder: { id: string; transaction: { id: string }; events: Page };
    };
    const known = {
      Client: viewer.id,
      Wallet: viewer.wallets[0]?.id ?? '',
      TopupOrder: topupOrder.id,
      WalletTransaction: topupOrder.transaction.id,
      TopupOrderEvent: String(topupOrder.events.edges[0]?.node['id']),
    };
    const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }';
    const variables = { ids: Object.values(known) };
    expect((await ask(query, variables)).data?.['nodes'])
      .toEqual(Object.entries(known).map(([__typename, id]) => ({ __typename, id })));
    expect((await ask(query, variables, 2)).data?.['nodes'])
      .toEqual(Object.keys(known).map(() => null));
  });

  it('is null for what is no id of ours, and keeps its place', async () => {
    const id = Buffer.from(`TopupOrder:${ids[0]}`).toString('base64url');
    const encoded = (text: string): string => Buffer.from(text).toString('base64url');
    const wrong = ['', 'x', `${id}=`, encoded('TopupOrder:0'), encoded('TopupOrder:01'),
      encoded(`TopupOrder:${foreignId}`), encoded('TopupOrder:1:1'), encoded('Nothing:1'),
      encoded('__proto__:1'), encoded('TopupOrderEvent:1'), encoded(`TopupOrderEvent:${ids[0]}:99`),
      encoded('TopupOrder:99999999999999999'), 'A'.repeat(10_000), '\u0000'];
    const { data, errors } = await ask('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      { ids: [...wrong, id] });
    expect(errors).toBeUndefined();
    expect(data?.['nodes']).toEqual([...wrong.map(() => null), { id }]);
    const one = await ask('query ($id: ID!) { node(id: $id) { ... on TopupOrder { orderId } } }',
      { id });
    expect(one.data).toEqual({ node: { orderId: ids[0] } });
  });

  it('is given a hundred at a time', async () => {
    const { errors } = await ask('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      { ids: Array.from({ length: 101 }, () => 'x') });
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT' });
  });
});

it('shows the same orders in the same order at both doors', async () => {
  const response = await fetch(`${world().gateway.url}/api/v1/topups/orders`, {
    headers: authorization(world(), 1),
  });
  const listed = await response.json() as { id: number }[];
  expect(idsOf(await orders({ first: 100 }))).toEqual(listed.map(({ id }) => id));
});

it('a node that cannot be read now leaves the others in the answer', async () => {
  const { data: known } = await ask('{ viewer { id wallets { id } } }');
  const { viewer } = known as unknown as { viewer: { id: string; wallets: { id: string }[] } };
  const order = Buffer.from(`TopupOrder:${ids[0]}`).toString('base64url');
  const rival = new pg.Client(world().database.ownerDatabaseUrl);
  await rival.connect();
  try {
    await rival.query('begin; lock table wallet in access exclusive mode');
    const { data, errors } = await ask('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      { ids: [viewer.id, viewer.wallets[0]?.id, order] });
    expect(data?.['nodes']).toEqual([{ id: viewer.id }, null, { id: order }]);
    expect(errors?.map(({ path, extensions }) => [path, extensions?.['code']]))
      .toEqual([[['nodes', 1], 'SERVICE_UNAVAILABLE']]);
  } finally {
    await rival.end();
  }
});

it('one fault that fails many nodes is one line of the log', () => {
  const fault = new Error('permission denied');
  const lines: object[] = [];
  const log = { error: (line: object) => void lines.push(line), info: () => undefined };
  const errors = [fault, fault, new Error('another')].map(carried);
  const told = maskErrors(errors, { requestId: 'r', log });
  expect(told.map(({ message }) => message)).toEqual(Array(3).fill('Internal server error'));
  expect(lines).toMatchObject([{ err: fault }, { err: { message: 'another' } }]);
});

it.each(['first: 0', 'first: 101', 'first: 2, after: "nonsense"'])(
  'events(%s) leave the order in the answer of a mutation, and are refused to a query',
  async (asked) => {
    const order = `order { orderId events(${asked}) { edges { cursor }
      pageInfo { hasNextPage } } }`;
    const by = `by: {orderId: ${ids[1]}}`;
    const behind = await ask(
      `mutation { setTopupOrderNotificationEmail(input: {${by}, email: null}) { ${order} } }`);
    expect(behind.errors).toBeUndefined();
    expect(behind.data).toEqual({ setTopupOrderNotificationEmail: { order: {
      orderId: ids[1], events: { edges: [], pageInfo: { hasNextPage: true } },
    } } });
    expect(await ask(`{ topupOrder(${by}) { orderId events(${asked}) { edges { cursor } } } }`))
      .toMatchObject({ data: { topupOrder: null } });
  });

it('events that cannot be read now leave the order in the answer of a mutation', async () => {
  const rival = new pg.Client(world().database.ownerDatabaseUrl);
  await rival.connect();
  try {
    await rival.query('begin; lock table topup_order_event in access exclusive mode');
    const order = `order { orderId events(first: 2, after: null) { edges { cursor }
      pageInfo { hasNextPage endCursor } } }`;
    const by = `by: {orderId: ${ids[1]}}`;
    const [behind, asked] = await Promise.all([
      // A mutation that writes no event.
      ask(`mutation { setTopupOrderNotificationEmail(input: {${by}, email: null}) { ${order} } }`),
      ask(`{ topupOrder(${by}) { orderId events(first: 2) { edges { cursor } } } }`),
    ]);
    expect(behind.data).toEqual({ setTopupOrderNotificationEmail: { order: {
      orderId: ids[1],
      events: { edges: [], pageInfo: { hasNextPage: true, endCursor: null } },
    } } });
    expect(behind.errors).toBeUndefined();
    expect(asked).toMatchObject({
      data: { topupOrder: null }, errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE' } }],
    });
  } finally {
    await rival.end();
  }
});

it('a mail address that cannot be set hides no order placed before it', async () => {
  const rival = new pg.Client(world().database.ownerDatabaseUrl);
  await rival.connect();
  try {
    const [id] = ids;
    // Its own order is locked, the one that is placed is not.
    await rival.query('begin');
    await rival.query('select from topup_order where client_id = 1 and id = $1 for update', [id]);
    const { data, errors } = await ask(`mutation ($id: SafeInt!) {
      createTopupOrder(input: {productId: 4218, amount: "4.99", inputData: [
        {name: "player_id", value: "5123456000"}, {name: "server", value: "asia"}
      ]}) { order { status } }
      setTopupOrderNotificationEmail(input: {by: {orderId: $id}, email: "a@example.com"}) {
        order { status } } }`, { id });
    // The released schema has no null there: all of the answer goes, but for what is said of it.
    expect(data).toBeNull();
    const [youngest] = idsOf(await orders({ first: 1 }));
    expect(errors).toEqual([expect.objectContaining({
      message: expect.stringContaining(`placed or cancelled order ${String(youngest)}, `) as string,
      extensions: {
        code: 'SERVICE_UNAVAILABLE', orderId: youngest, requestId: expect.any(String) as string,
      },
    })]);
  } finally {
    await rival.end();
  }
});
