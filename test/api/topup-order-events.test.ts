import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { writeCursor } from '../../src/domain/feed-cursor.ts';
import { graphqlRequest, rest, type CreateRequest } from '../support/doors.ts';
import { useSubscriptions, type Following } from '../support/subscriptions.ts';
import { VOUCHER_KEY } from '../support/voucher-hash.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });
const { follow, closeAll } = useSubscriptions();

interface Edge {
  readonly cursor: string;
  readonly node: {
    readonly sequence: number;
    readonly version: number;
    readonly type: string;
    readonly status: string;
    readonly order: { readonly orderId: number; readonly status: string };
  } | null;
}

const EVENTS = `subscription ($filter: TopupOrderFilter, $types: [TopupOrderEventType!],
    $after: String) {
  topupOrderEvents(filter: $filter, types: $types, after: $after) { cursor node {
    sequence version type status order { orderId status } } } }`;

function watch(
  variables: object = {},
  at: { readonly clientId?: number; readonly url?: string } = {},
): Following<Edge> {
  return follow<Edge>({
    url: at.url ?? world().gateway.url,
    token: world().token(at.clientId ?? 1),
    query: EVENTS,
    variables,
  });
}

async function create(
  request: Partial<CreateRequest> = {},
  clientId = 1,
): Promise<number> {
  const answer = await rest.create(world(), clientId, {
    product_id: 4218,
    amount: '4.99',
    input_data: { player_id: '5123456789', server: 'asia' },
    ...request,
  });
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order.id;
}

/** Cancels an order that nobody works on: its second and last event. */
async function cancel(orderId: number, clientId = 1): Promise<void> {
  const url = `${world().gateway.url}/api/v1/topups/orders/${orderId}/cancel`;
  const authorization = `Bearer ${world().token(clientId)}`;
  const answer = await fetch(url, { method: 'POST', headers: { authorization } });
  expect(answer.status).toBe(200);
}

interface Entry {
  readonly sequence: string;
  readonly orderId: string;
  readonly version: number;
  readonly type: string;
}

/** The feed as it stands in the database: what every subscriber has to be told. */
const logged = (clientId = 1, after = 0): Promise<readonly Entry[]> =>
  world().database.query<{ sequence: string } & Entry>(
    `select f.sequence, f.topup_order_id as "orderId", f.version, e.type from feed_entry f
      join topup_order_event e using (client_id, topup_order_id, version)
      where f.client_id = $1 and f.sequence > $2 order by f.sequence`,
    [clientId, after],
  );

/** What a subscriber was told, in the form of the log. */
const told = ({ edges }: Following<Edge>): readonly Entry[] =>
  edges.flatMap(({ node }) => (node === null ? [] : [{
    sequence: String(node.sequence),
    orderId: String(node.order.orderId),
    version: node.version,
    type: node.type,
  }]));

const untilQuiet = (): Promise<void> =>
  expect.poll(() => world().database.query('select 1 from feed_inbox limit 1')).toEqual([]);

const refusal = async (variables: object, clientId = 1): Promise<unknown> =>
  (await watch(variables, { clientId }).ended as { extensions: object }[])[0]?.extensions;

describe('topupOrderEvents', () => {
  it('opens with a cursor and no node, then tells each event of every order once', async () => {
    await cancel(await create());
    await untilQuiet();
    const before = (await logged()).length;
    const watching = watch();
    const [opening] = await watching.until(1);
    expect(opening).toEqual({ cursor: expect.any(String), node: null });
    const ids = await Promise.all([create(), create(), create()]);
    await Promise.all(ids.map((id) => cancel(id)));
    await watching.until(7);
    expect(told(watching)).toEqual(await logged(1, before));
    expect(watching.edges.at(-1)?.node).toMatchObject({
      type: 'CANCELLED', status: 'CANCELLED', order: { status: 'CANCELLED' },
    });
    await create({ client_reference: 'of client 2', amount: '0.99' }, 2);
    await untilQuiet();
    expect(watching.edges).toHaveLength(7);
  });

  it('goes on behind any of its cursors, in another process too', async () => {
    const elsewhere = await world().startProcess('gateway');
    const first = watch();
    await first.until(1);
    for (const id of [await create(), await create()]) await cancel(id);
    await first.until(5);
    const start = (await logged()).length - 4;
    for (const [index, { cursor }] of first.edges.entries()) {
      const again = watch({ after: cursor }, { url: elsewhere?.url ?? '' });
      if (index < 4) await again.until(4 - index);
      expect(told(again)).toEqual(await logged(1, start + index));
    }
  });

  it('leaves no gap and no double where replay meets what is live', async () => {
    const opening = watch();
    const [{ cursor } = { cursor: '' }] = await opening.until(1);
    const start = (await logged()).length;
    let isPlacing = true;
    let placedCount = 0;
    const placing = (async () => {
      for (; isPlacing; placedCount += 1) await cancel(await create());
    })();
    const joined: Following<Edge>[] = [];
    try {
      for (let count = 0; count < 15; count += 1) {
        const each = watch({ after: cursor });
        joined.push(each);
        await each.until(1);
      }
      await expect.poll(() => placedCount).toBeGreaterThan(5);
    } finally {
      isPlacing = false;
      await placing;
    }
    await untilQuiet();
    const all = await logged(1, start);
    await Promise.all([opening, ...joined].map((each) =>
      each.untilEdge(({ node }) => node?.sequence === start + all.length)));
    expect(all.length).toBeGreaterThan(10);
    for (const each of [opening, ...joined]) expect(told(each)).toEqual(all);
  });

  it.each([
    ['a status', { statuses: ['CANCELLED'] }, ['CANCELLED', 'CANCELLED']],
    ['a product', { productIds: [5101] }, ['CREATED', 'CANCELLED']],
    ['a country', { countryCodes: ['FRA'] }, ['CREATED', 'CANCELLED']],
    ['a wallet', { walletIds: [2] }, ['CREATED', 'CANCELLED']],
    ['all of them at once', {
      statuses: ['CANCELLED', 'FAILED'], productIds: [5101, 4218], countryCodes: ['FRA'],
      walletIds: [1, 2],
    }, ['CANCELLED']],
    ['a failure', { failureCodes: ['INVALID_RECIPIENT'] }, []],
    ['a time that is over', { createdTo: '2026-01-01T00:00:00Z' }, []],
    ['a time that has begun', { createdFrom: '2026-01-01T00:00:00Z', statuses: ['PENDING'] },
      ['CREATED', 'CREATED']],
    ['nothing in particular', {}, ['CREATED', 'CREATED', 'CANCELLED', 'CANCELLED']],
  ])('shows, under a filter by %s, what passes it', async (_name, filter, types) => {
    const watching = watch({ filter });
    await watching.until(1);
    const ids = [await create(), await create({
      product_id: 5101, amount: '10.00', input_data: { phone_number: '+33612345678' },
    })];
    for (const id of ids) await cancel(id);
    await watching.until(1 + types.length);
    await untilQuiet();
    expect(told(watching).map(({ type }) => type)).toEqual(types);
  });

  it('shows only the types that are asked for, and moves the cursor past the rest', async () => {
    const watching = watch({ types: ['CANCELLED'] });
    await watching.until(1);
    const start = (await logged()).length;
    const ids = await Promise.all(Array.from({ length: 100 }, () => create()));
    // 100 events that are not shown are told of by an edge that only moves the cursor.
    await watching.until(2);
    expect(watching.edges[1]?.node).toBeNull();
    await cancel(ids[0] ?? 0);
    await watching.until(3);
    expect(told(watching).map(({ type }) => type)).toEqual(['CANCELLED']);
    const again = watch({ after: watching.edges[1]?.cursor ?? '' });
    await again.until(1);
    expect(told(again)).toEqual(await logged(1, start + 100));
  });

  it('refuses a cursor that it cannot go on from, and says what to do', async () => {
    const mine = watch();
    const [opening] = await mine.until(1);
    const after = opening?.cursor ?? '';
    expect(await refusal({ after }, 2)).toMatchObject({ detail: 'CURSOR_FOREIGN' });
    expect(await refusal({ after: 'nonsense' })).toMatchObject({
      code: 'BAD_USER_INPUT', detail: 'CURSOR_INVALID',
    });
    const orderId = await create();
    const one = follow<Edge>({
      url: world().gateway.url,
      token: world().token(1),
      query: `subscription ($id: SafeInt!) { topupOrderUpdated(by: { orderId: $id }) {
        cursor node { version } } }`,
      variables: { id: orderId },
    });
    const [snapshot] = await one.until(1);
    expect(await refusal({ after: snapshot?.cursor })).toMatchObject({ detail: 'CURSOR_FOREIGN' });
    // As after a backup was restored: the feed is shorter than the cursor.
    await untilQuiet();
    const end = watch();
    const [ahead] = await end.until(1);
    const last = (await logged()).length;
    await world().database.query(
      'update feed_position set last_sequence = last_sequence - 1 where client_id = 1',
    );
    expect(await refusal({ after: ahead?.cursor })).toMatchObject({ detail: 'CURSOR_AHEAD' });
    await world().database.query(
      'update feed_position set last_sequence = $1 where client_id = 1', [last],
    );
  });

  it('leaves no watcher and no socket behind', async () => {
    const watchings = Array.from({ length: 5 }, () => watch());
    await Promise.all(watchings.map((each) => each.until(1)));
    await expect.poll(() => world().parts.feed.watchCount()).toBe(5);
    await closeAll();
    await expect.poll(() => world().parts.feed.watchCount()).toBe(0);
  });
});

interface Page {
  readonly edges: readonly Edge[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

const PAGE = `edges { cursor node { sequence version type status order { orderId status } } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor }`;

async function readLog(variables: object, clientId = 1): Promise<Page> {
  const { data, errors } = await graphqlRequest(world(), clientId, {
    query: `query ($first: Int!, $after: String, $filter: TopupOrderFilter,
        $types: [TopupOrderEventType!]) {
      topupOrderEventLog(first: $first, after: $after, filter: $filter, types: $types) { ${PAGE} }
    }`,
    variables: { ...variables },
  });
  if (errors !== undefined) throw new Error(JSON.stringify(errors[0]?.extensions));
  return data?.['topupOrderEventLog'] as Page;
}

async function readEvents(orderId: number, variables: object, clientId = 1): Promise<Page | null> {
  const { data, errors } = await graphqlRequest(world(), clientId, {
    query: `query ($id: SafeInt!, $first: Int!, $after: String) {
      topupOrder(by: { orderId: $id }) { events(first: $first, after: $after) { ${PAGE} } } }`,
    variables: { id: orderId, ...variables },
  });
  if (errors !== undefined) throw new Error(JSON.stringify(errors[0]?.extensions));
  return (data?.['topupOrder'] as { events: Page } | null)?.events ?? null;
}

/** All edges of a list, page by page. */
async function readAll(read: (after: string | null) => Promise<Page | null>): Promise<Edge[]> {
  const edges: Edge[] = [];
  for (let after: string | null = null; ;) {
    const page: Page | null = await read(after);
    edges.push(...page?.edges ?? []);
    if (page?.pageInfo.hasNextPage !== true) return edges;
    after = page.pageInfo.endCursor;
  }
}

const entriesOf = (edges: readonly Edge[]): readonly Entry[] =>
  told({ edges } as Following<Edge>);

describe('topupOrderEventLog', () => {
  it('is the feed, page by page, and its cursors are those of the subscription', async () => {
    await cancel(await create());
    await untilQuiet();
    const all = await logged();
    const edges = await readAll((after) => readLog({ first: 100, after }));
    expect(entriesOf(edges)).toEqual(all);
    const seventh = edges.at(-7)?.cursor;
    const live = watch({ after: seventh });
    await live.until(6);
    expect(told(live)).toEqual(all.slice(-6));
    expect(entriesOf((await readLog({ first: 4, after: live.edges[0]?.cursor })).edges))
      .toEqual(all.slice(-5, -1));
  });

  it('goes on behind what was looked at, however little passes a filter', async () => {
    const id = await create({
      product_id: 5101, amount: '10.00', input_data: { phone_number: '+33612345678' },
    });
    await cancel(id);
    await untilQuiet();
    const all = await logged();
    const edges = await readAll((after) => readLog({
      first: 1, after, filter: { productIds: [5101] }, types: ['CANCELLED'],
    }));
    const french = await world().database.query<{ id: string }>(
      'select id from topup_order where client_id = 1 and product_id = 5101',
    );
    const expected = all.filter(({ orderId, type }) =>
      type === 'CANCELLED' && french.some((order) => order.id === orderId));
    expect(expected.length).toBeGreaterThan(0);
    expect(entriesOf(edges)).toEqual(expected);
    // Nothing passes, and still the page says how far it looked: nothing is looked at twice.
    const none = await readLog({ first: 5, filter: { productIds: [1] } });
    expect(none).toMatchObject({ edges: [], pageInfo: { hasNextPage: false } });
    await cancel(await create());
    await untilQuiet();
    const next = await readLog({ first: 5, after: none.pageInfo.endCursor });
    expect(entriesOf(next.edges)).toEqual(await logged(1, all.length));
  });

  it.each([[{ first: 0 }], [{ first: 101 }], [{ first: -1 }], [{ first: 5, after: 'x' }]])(
    'refuses %o', async (variables) => {
      await expect(readLog(variables)).rejects.toThrow(/BAD_USER_INPUT/);
    },
  );

  it("refuses another client's cursor", async () => {
    const { pageInfo } = await readLog({ first: 1 });
    await expect(readLog({ first: 1, after: pageInfo.endCursor }, 2)).rejects
      .toThrow(/CURSOR_FOREIGN/);
  });
});

describe('TopupOrder.events', () => {
  it("is the order's own feed, and its cursors are those of topupOrderUpdated", async () => {
    const id = await create();
    await cancel(id);
    await untilQuiet();
    const page = await readEvents(id, { first: 1 });
    expect(page).toMatchObject({
      edges: [{ node: { type: 'CREATED', version: 1, order: { orderId: id } } }],
      pageInfo: { hasNextPage: true },
    });
    const edges = await readAll((after) => readEvents(id, { first: 1, after }));
    expect(entriesOf(edges).map(({ type }) => type)).toEqual(['CREATED', 'CANCELLED']);
    const live = follow<Edge>({
      url: world().gateway.url,
      token: world().token(1),
      query: `subscription ($id: SafeInt!, $after: String) {
        topupOrderUpdated(by: { orderId: $id }, after: $after) {
          cursor node { sequence version type order { orderId } } } }`,
      variables: { id, after: page?.pageInfo.endCursor },
    });
    expect(await live.ended).toBe('complete');
    expect(live.edges.map(({ cursor }) => cursor)).toEqual([edges[1]?.cursor]);
  });

  it('waits for what has just happened, and says that it is still missing', async () => {
    const order = async (): Promise<{ orderId: number; events: Page }> => {
      const answer = await graphqlRequest(world(), 1, {
        query: `mutation { createTopupOrder(input: { productId: 4218, amount: "4.99", inputData: [
          { name: "player_id", value: "5123456789" }, { name: "server", value: "asia" }] }) {
          order { orderId events(first: 1) {
            edges { node { type } } pageInfo { hasNextPage endCursor } } } } }`,
      });
      return (answer.data as { createTopupOrder: { order: Awaited<ReturnType<typeof order>> } })
        .createTopupOrder.order;
    };
    const whole = {
      edges: [{ node: { type: 'CREATED' } }],
      pageInfo: { hasNextPage: false, endCursor: expect.any(String) as unknown },
    };
    for (let count = 0; count < 5; count += 1) expect((await order()).events).toEqual(whole);
    // As if numbering had much to do.
    const holder = new pg.Client(world().database.ownerDatabaseUrl);
    await holder.connect();
    await holder.query("select pg_advisory_lock(hashtext('feed sequencer'))");
    const { orderId, events } = await order();
    expect(events).toEqual({ edges: [], pageInfo: { hasNextPage: true, endCursor: null } });
    await holder.end();
    await untilQuiet();
    // Whoever goes on from an empty page stays where it was.
    const [[first]] = [(await readEvents(orderId, { first: 1 }))?.edges ?? []];
    const again = new pg.Client(world().database.ownerDatabaseUrl);
    await again.connect();
    await again.query("select pg_advisory_lock(hashtext('feed sequencer'))");
    await cancel(orderId);
    expect(await readEvents(orderId, { first: 1 })).toMatchObject(
      { edges: [{ cursor: first?.cursor }], pageInfo: { hasNextPage: true } });
    expect(await readEvents(orderId, { first: 1, after: first?.cursor })).toMatchObject(
      { edges: [], pageInfo: { hasNextPage: true, endCursor: first?.cursor } });
    await again.end();
    await untilQuiet();
    expect(await readEvents(orderId, { first: 1, after: first?.cursor })).toMatchObject(
      { edges: [{ node: { type: 'CANCELLED' } }], pageInfo: { hasNextPage: false } });
  });

  it('tells what came after the end, which the subscription does not', async () => {
    const id = await create();
    await cancel(id);
    await world().database.query(
      `with moved as (update topup_order set version = 3 where client_id = 1 and id = $1
        returning *), told as (insert into topup_order_event (client_id, topup_order_id, version,
        type, previous_status, status) select 1, id, 3, 'LATE_NEWS', status, status from moved)
        insert into feed_inbox (client_id, topup_order_id, version) select 1, id, 3 from moved`,
      [id],
    );
    await untilQuiet();
    const types = async (after: string | null): Promise<readonly (string | undefined)[]> =>
      (await readEvents(id, { first: 9, after }))?.edges.map(({ node }) => node?.type) ?? [];
    expect(await types(null)).toEqual(['CREATED', 'CANCELLED', 'LATE_NEWS']);
    const cursors = (await readEvents(id, { first: 9 }))?.edges.map(({ cursor }) => cursor) ?? [];
    const behind = (after: string | undefined): Following<Edge> => follow<Edge>({
      url: world().gateway.url,
      token: world().token(1),
      query: `subscription ($id: SafeInt!, $after: String) {
        topupOrderUpdated(by: { orderId: $id }, after: $after) { cursor node { type } } }`,
      variables: { id, after },
    });
    for (const [index, cursor] of cursors.entries()) {
      const live = behind(cursor);
      expect(await live.ended).toBe('complete');
      expect(live.edges.map(({ node }) => node?.type)).toEqual(index === 0 ? ['CANCELLED'] : []);
    }
  });

  it('refuses a cursor of the time that a restored backup lacks', async () => {
    const id = await create();
    await cancel(id);
    await untilQuiet();
    const [[, last]] = [(await readEvents(id, { first: 9 }))?.edges ?? []];
    const { sequence = 0, version = 0 } = last?.node ?? {};
    // As it would be told in that time: the order had come as far by another event.
    const after = writeCursor([sequence + 5, version], {
      clientId: 1, kind: 'order', id, key: VOUCHER_KEY,
    });
    await world().database.query(
      `with moved as (update feed_position set last_sequence = last_sequence + 100
        where client_id = 1 returning client_id, last_sequence - 100 as since, last_sequence)
        insert into feed_skip select * from moved`,
    );
    const live = follow<Edge>({
      url: world().gateway.url,
      token: world().token(1),
      query: `subscription ($id: SafeInt!, $after: String) {
        topupOrderUpdated(by: { orderId: $id }, after: $after) { cursor } }`,
      variables: { id, after },
    });
    await expect(live.ended).resolves.not.toBe('complete');
    await expect(readEvents(id, { first: 9, after })).rejects.toThrow(/CURSOR_AHEAD/);
    expect((await readEvents(id, { first: 9, after: last?.cursor }))?.edges).toEqual([]);
  });

  it("refuses another order's cursor, and is null with an order of another client", async () => {
    const [one, other] = [await create(), await create()];
    await untilQuiet();
    const after = (await readEvents(one, { first: 1 }))?.pageInfo.endCursor;
    await expect(readEvents(other, { first: 1, after })).rejects.toThrow(/CURSOR_FOREIGN/);
    expect(await readEvents(one, { first: 1 }, 2)).toBeNull();
  });
});
