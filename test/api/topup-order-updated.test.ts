import { describe, expect, it } from 'vitest';
import { rest, untilTerminal, type CreateRequest } from '../support/doors.ts';
import { useSubscriptions, type Following } from '../support/subscriptions.ts';
import { useWorld, type World } from '../support/world.ts';

const world = useWorld();
const { follow, closeAll } = useSubscriptions();

interface Edge {
  readonly cursor: string;
  readonly node: {
    readonly type: string;
    readonly version: number;
    readonly sequence: number;
    readonly status: string;
    readonly previousStatus: string | null;
    readonly order: { readonly orderId: number; readonly status: string };
  };
}

const UPDATED = `subscription ($by: TopupOrderBy!, $after: String) {
  topupOrderUpdated(by: $by, after: $after) { cursor node { type version sequence status
    previousStatus order { orderId status } } } }`;

type Watching = Following<Edge>;

function watch(options: {
  readonly url: string;
  readonly token: string;
  readonly by: object;
  readonly after?: string;
}): Watching {
  const { url, token, by, after } = options;
  return follow({ url, token, query: UPDATED, variables: { by, after } });
}

async function create(of: World, ending: string): Promise<number> {
  const request: CreateRequest = {
    product_id: 4218,
    amount: '4.99',
    input_data: { player_id: `5123456${ending}`, server: 'asia' },
  };
  const answer = await rest.create(of, 1, request);
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order.id;
}

const types = (watching: Watching): readonly string[] =>
  watching.edges.map((edge) => edge.node.type);

/** Lets a held order go, as soon as the supplier has it. */
const release = (orderId: number): Promise<void> =>
  expect
    .poll(
      async () => {
        const url = `${world().sandboxUrl}/release/1-${orderId}-1`;
        return (await fetch(url, { method: 'POST' })).status;
      },
      { timeout: 10_000 },
    )
    .toBeLessThan(300);

describe('topupOrderUpdated', () => {
  it('tells the snapshot, each transition once, and completes after the terminal one', async () => {
    const id = await create(world(), '022');
    const watching = watch({
      url: world().gateway.url,
      token: world().token(1),
      by: { orderId: id },
    });
    await watching.until(1);
    await release(id);
    expect(await watching.ended).toBe('complete');
    expect(types(watching)[0]).toBe('SNAPSHOT');
    expect(types(watching).at(-1)).toBe('DELIVERED');
    const [snapshot, ...live] = watching.edges;
    live.forEach((edge, index) => {
      expect(edge.node.version).toBe((snapshot?.node.version ?? 0) + index + 1);
    });
    expect(watching.edges.at(-1)?.node).toMatchObject({
      status: 'DELIVERED',
      previousStatus: 'PENDING',
      order: { orderId: id, status: 'DELIVERED' },
    });
  });

  it('tells what happens in other processes', async () => {
    const elsewhere = await world().startProcess('gateway');
    const id = await create(world(), '022');
    const watching = watch({
      url: elsewhere?.url ?? '',
      token: world().token(1),
      by: { orderId: id },
    });
    await watching.until(1);
    await release(id);
    expect(await watching.ended).toBe('complete');
    expect(types(watching).at(-1)).toBe('DELIVERED');
  });

  it('tells the snapshot of a terminal order and completes (vector 17)', async () => {
    const id = await create(world(), '000');
    await untilTerminal(rest, world(), { clientId: 1, orderId: id });
    const watching = watch({
      url: world().gateway.url,
      token: world().token(1),
      by: { orderId: id },
    });
    expect(await watching.ended).toBe('complete');
    expect(watching.edges.map((edge) => [edge.node.type, edge.node.status])).toEqual([
      ['SNAPSHOT', 'DELIVERED'],
    ]);
  });

  it('resumes after a cursor without gap or repeat', async () => {
    const id = await create(world(), '022');
    const first = watch({
      url: world().gateway.url,
      token: world().token(1),
      by: { orderId: id },
    });
    await first.until(1);
    first.stop();
    const seen = first.edges.at(-1);
    await release(id);
    await untilTerminal(rest, world(), { clientId: 1, orderId: id });
    const again = watch({
      url: world().gateway.url,
      token: world().token(1),
      by: { orderId: id },
      after: seen?.cursor ?? '',
    });
    expect(await again.ended).toBe('complete');
    expect(types(again)).not.toContain('SNAPSHOT');
    const versions = again.edges.map((edge) => edge.node.version);
    const from = (seen?.node.version ?? 0) + 1;
    expect(versions).toEqual(versions.map((_, index) => from + index));
    expect(types(again).at(-1)).toBe('DELIVERED');
    const nothing = watch({
      url: world().gateway.url,
      token: world().token(1),
      by: { orderId: id },
      after: again.edges.at(-1)?.cursor ?? '',
    });
    expect(await nothing.ended).toBe('complete');
    expect(nothing.edges).toEqual([]);
  });

  it.each([
    ['of another client', 2, {}],
    ['of nobody', 1, { orderId: 999_999 }],
  ])('answers an order %s with NOT_FOUND', async (_says, clientId, by) => {
    const id = await create(world(), '000');
    const watching = watch({
      url: world().gateway.url,
      token: world().token(clientId),
      by: { orderId: id, ...by },
    });
    expect(JSON.stringify(await watching.ended)).toContain('NOT_FOUND');
    expect(watching.edges).toEqual([]);
  });

  it('leaves no watcher behind', async () => {
    const id = await create(world(), '022');
    const watchings = Array.from({ length: 10 }, () =>
      watch({
        url: world().gateway.url,
        token: world().token(1),
        by: { orderId: id },
      }),
    );
    await Promise.all(watchings.map((watching) => watching.until(1)));
    expect(world().parts.feed.watchCount()).toBeGreaterThanOrEqual(10);
    await closeAll();
    await expect.poll(() => world().parts.feed.watchCount(), { timeout: 30_000 }).toBe(0);
    await release(id);
  });
});
