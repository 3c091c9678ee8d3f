import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { rest } from '../support/doors.ts';
import { SocketPeer, type Message } from '../support/socket-peer.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

const UPDATED = `subscription ($id: SafeInt!) {
  topupOrderUpdated(by: {orderId: $id}) { node { type order { orderId } } } }`;
const EVENTS = 'subscription { topupOrderEvents { node { type order { orderId } } } }';
const CANCEL = `mutation ($id: SafeInt!) {
  cancelTopupOrder(input: {by: {orderId: $id}}) { userErrors { code } } }`;
/** As the program has it where nothing else is said. */
const OPERATIONS_MAX = 50;

const peers = new Set<SocketPeer>();
const watchCount = (): number => world().parts.feed.watchCount();

async function openPeer(): Promise<SocketPeer> {
  const peer = new SocketPeer(world().gateway.url);
  peers.add(peer);
  return peer.acknowledgedBy(`Bearer ${world().token(1)}`);
}

afterEach(async () => {
  for (const peer of peers) peer.terminate();
  peers.clear();
  await expect.poll(watchCount).toBe(0);
  // What has no place in the feed yet would be told to who begins to watch.
  await expect.poll(() => world().database.query('select from feed_inbox')).toEqual([]);
});

async function placeOrder(): Promise<number> {
  const answer = await rest.create(world(), 1, {
    product_id: 4218, amount: '4.99', input_data: { player_id: '5123456789', server: 'asia' },
  });
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order.id;
}

/** What a message tells, in short: its id, its type and of which order. */
function told({ id, type, payload }: Message): readonly unknown[] {
  const [edge] = Object.values((payload?.data ?? {}) as Record<string, {
    readonly node: { readonly type: string; readonly order: { readonly orderId: number } } | null;
  }>);
  return edge?.node === undefined ? [id, type] : [id, edge.node?.type, edge.node?.order.orderId];
}

/** The next messages of the operation that is called x. */
async function heardOfX(peer: SocketPeer, count: number): Promise<readonly (readonly unknown[])[]> {
  const heard: (readonly unknown[])[] = [];
  while (heard.length < count) {
    const message = await peer.heard();
    if (message.id === 'x') heard.push(told(message));
  }
  return heard;
}

describe('an operation that is completed while it is being opened', () => {
  it('tells nothing under the id that another one has now', async () => {
    const [first, second] = [await placeOrder(), await placeOrder()];
    const peer = await openPeer();
    peer.subscribe('x', UPDATED, { id: first });
    peer.complete('x');
    peer.subscribe('x', UPDATED, { id: second });
    expect(await heardOfX(peer, 1)).toEqual([['x', 'SNAPSHOT', second]]);
    await expect.poll(watchCount).toBe(1);
    peer.subscribe('c1', CANCEL, { id: first });
    // Its event would be told to whoever watches next, where nobody waited for its answer.
    expect(await peer.heard()).toMatchObject({ id: 'c1', type: 'next' });
    expect(await peer.heard()).toEqual({ id: 'c1', type: 'complete' });
    peer.subscribe('c2', CANCEL, { id: second });
    expect(await heardOfX(peer, 2)).toEqual([['x', 'CANCELLED', second], ['x', 'complete']]);
    expect(watchCount()).toBe(0);
  });

  it('leaves the next one of its id to be completed', async () => {
    const peer = await openPeer();
    for (let count = 1; count < OPERATIONS_MAX; count += 1) {
      peer.subscribe('x', EVENTS);
      peer.complete('x');
    }
    peer.subscribe('x', EVENTS);
    expect(await heardOfX(peer, 1)).toEqual([['x', undefined, undefined]]);
    await expect.poll(watchCount).toBe(1);
    const id = await placeOrder();
    expect(await heardOfX(peer, 1)).toEqual([['x', 'CREATED', id]]);
    peer.complete('x');
    await expect.poll(watchCount).toBe(0);
    await placeOrder();
    expect(await peer.heardUntilPong()).toEqual([]);
  });

  it('counts as long as it takes something', async () => {
    const peer = await openPeer();
    const owner = new pg.Client(world().database.ownerDatabaseUrl);
    await owner.connect();
    try {
      // Nothing that is begun can end meanwhile.
      await owner.query('begin; lock table feed_position, wallet in access exclusive mode');
      for (let count = 1; count <= 2 * OPERATIONS_MAX; count += 1) {
        peer.subscribe('x', count % 2 === 0 ? EVENTS : '{ viewer { wallets { currency } } }');
        peer.complete('x');
      }
      peer.subscribe('y', EVENTS);
      expect(await peer.heard()).toMatchObject({
        id: 'y', type: 'error',
        payload: [{ extensions: { code: 'SERVICE_UNAVAILABLE', retryAfter: 1 } }],
      });
    } finally {
      await owner.end();
    }
    // They are gone before long, and their places with them.
    await expect.poll(async () => {
      peer.subscribe('y', EVENTS);
      return (await peer.heard()).type;
    }).toBe('next');
  });
});

it('whoever has as many as may be completes one and begins the next at once', async () => {
  const peer = await openPeer();
  const idOf = (nth: number): string => `watch ${nth}`;
  for (let nth = 1; nth <= OPERATIONS_MAX; nth += 1) {
    peer.subscribe(idOf(nth), EVENTS);
    expect(await peer.heard()).toMatchObject({ id: idOf(nth), type: 'next' });
  }
  for (let nth = 1; nth <= 20; nth += 1) {
    const next = idOf(OPERATIONS_MAX + nth);
    peer.complete(idOf(nth));
    peer.subscribe(next, EVENTS);
    expect(await peer.heard()).toMatchObject({ id: next, type: 'next' });
  }
  peer.subscribe('one more', EVENTS);
  expect(await peer.heard()).toMatchObject({
    id: 'one more', type: 'error', payload: [{ extensions: { code: 'LIMIT_EXCEEDED' } }],
  });
});

it('an id in use ends the socket, however long the id is', async () => {
  const peer = await openPeer();
  const id = 'x'.repeat(1_000);
  peer.subscribe(id, EVENTS);
  peer.subscribe(id, EVENTS);
  expect(await peer.closed).toEqual([4409, 'Subscriber already exists']);
});

it('an id may be used again as soon as its operation was told to be complete', async () => {
  const peer = await openPeer();
  for (let count = 1; count <= 20; count += 1) {
    peer.subscribe('x', '{ viewer { id } }');
    expect(await heardOfX(peer, 2)).toMatchObject([['x', 'next'], ['x', 'complete']]);
  }
});
