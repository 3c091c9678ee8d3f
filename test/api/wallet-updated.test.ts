import { describe, expect, it } from 'vitest';
import { rest } from '../support/doors.ts';
import { useSubscriptions, type Following } from '../support/subscriptions.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });
const { follow, closeAll } = useSubscriptions();

interface Edge {
  readonly cursor: string;
  readonly node: {
    readonly balance: { readonly amount: string; readonly currency: string };
    readonly wallet: { readonly walletId: number };
    readonly transaction: { readonly transactionId: number; readonly reason: string } | null;
  };
}

const WALLETS = `subscription ($walletId: ID, $after: String) {
  walletUpdated(walletId: $walletId, after: $after) { cursor node {
    balance { amount currency } wallet { walletId balance { amount } }
    transaction { transactionId reason amount { amount } balanceAfter { amount } } } } }`;

const watch = (
  variables: object = {},
  at: { readonly clientId?: number; readonly url?: string } = {},
): Following<Edge> => follow<Edge>({
  url: at.url ?? world().gateway.url,
  token: world().token(at.clientId ?? 1),
  query: WALLETS,
  variables,
});

async function create(walletId: number): Promise<number> {
  const answer = await rest.create(world(), 1, {
    product_id: 4218,
    amount: '0.99',
    input_data: { player_id: '5123456789', server: 'asia' },
    wallet_id: walletId,
  });
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order.id;
}

async function cancel(orderId: number): Promise<void> {
  const answer = await fetch(`${world().gateway.url}/api/v1/topups/orders/${orderId}/cancel`, {
    method: 'POST', headers: { authorization: `Bearer ${world().token(1)}` },
  });
  expect(answer.status).toBe(200);
}

/** What moved in a wallet behind a transfer, as the database has it. */
const booked = async (walletId: number, after = 0): Promise<readonly (string | number)[][]> =>
  (await world().database.query<{ id: string; balance: string }>(
    `select id, trim_scale(balance_after)::text as balance from transfer
      where client_id = 1 and wallet_id = $1 and id > $2 order by id`, [walletId, after],
  )).map(({ id, balance }) => [Number(id), balance]);

/** What a subscriber was told of a wallet, in the same form. */
const told = ({ edges }: Following<Edge>, walletId: number): readonly (string | number)[][] =>
  edges.map(({ node }) => node)
    .filter(({ wallet, transaction }) => wallet.walletId === walletId && transaction !== null)
    .map(({ transaction, balance }) => [transaction?.transactionId ?? 0, balance.amount]);

const lastOf = async (walletId: number): Promise<number> =>
  Number((await booked(walletId)).at(-1)?.[0] ?? 0);

const detail = async ({ ended }: Following<Edge>): Promise<unknown> =>
  (await ended as { extensions: { code: string; detail?: string } }[])[0]?.extensions;

describe('walletUpdated', () => {
  it('tells a wallet as it stands, then each movement with the balance behind it', async () => {
    const start = await lastOf(1);
    const watching = watch({ walletId: 1 });
    const [snapshot] = await watching.until(1);
    expect(snapshot?.node).toMatchObject({
      balance: { amount: '10000', currency: 'USD' }, wallet: { walletId: 1 }, transaction: null,
    });
    await cancel(await create(1));
    await create(2);
    await create(1);
    await watching.until(4);
    expect(watching.edges.slice(1).map(({ node }) => node.transaction?.reason))
      .toEqual(['ORDER_DEBIT', 'ORDER_REFUND', 'ORDER_DEBIT']);
    expect(told(watching, 1)).toEqual(await booked(1, start));
    expect(told(watching, 2)).toEqual([]);
  });

  it("knows a wallet by its global id and by REST's integer, and no other", async () => {
    const globalId = Buffer.from('Wallet:1').toString('base64url');
    for (const walletId of [globalId, '1']) {
      const [snapshot] = await watch({ walletId }).until(1);
      expect(snapshot?.node.wallet).toMatchObject({ walletId: 1 });
    }
    for (const walletId of ['4', '0', '1.0', 'x', Buffer.from('Wallet:4').toString('base64url')]) {
      expect(await detail(watch({ walletId }))).toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  it('tells of all wallets, those that are opened later as well', async () => {
    const watching = watch({}, { clientId: 2 });
    const [snapshot] = await watching.until(1);
    expect(snapshot?.node.wallet.walletId).toBe(4);
    await world().database.query(
      `with opened as (insert into wallet (client_id, id, currency, balance)
          values (2, 99, 'EUR', 7) returning *)
        insert into transfer (client_id, reason, debit_account, credit_account, wallet_id, amount,
            currency, balance_after)
          select client_id, 'FUNDING', 'EXTERNAL', 'WALLET', id, 7, currency, 7 from opened`,
    );
    // Nobody numbers an event for it: it is found without a wake-up.
    const [, funded] = await watching.until(2);
    expect(funded?.node).toMatchObject({
      balance: { amount: '7', currency: 'EUR' }, transaction: { reason: 'FUNDING' },
    });
    const again = watch({ after: snapshot?.cursor }, { clientId: 2 });
    expect((await again.until(1))[0]?.node).toEqual(funded?.node);
  });

  it('loses and repeats nothing of wallets that are debited at once', async () => {
    const elsewhere = await world().startProcess('gateway');
    const opening = watch();
    const [, , last] = await opening.until(3);
    const starts = new Map([[1, await lastOf(1)], [2, await lastOf(2)], [3, await lastOf(3)]]);
    const placing = Promise.all([1, 2, 3, 1, 2, 3].map(async (walletId) => {
      for (let count = 0; count < 8; count += 1) await cancel(await create(walletId));
    }));
    // One that is cut again and again, and goes on from wherever it stood, in either process.
    const seen: Edge[] = [];
    for (let count = 0; seen.length < 96; count += 1) {
      const part = watch({ after: seen.at(-1)?.cursor ?? last?.cursor }, {
        url: count % 2 === 0 ? elsewhere?.url ?? '' : world().gateway.url,
      });
      await part.until(Math.min(5, 96 - seen.length));
      part.stop();
      seen.push(...part.edges);
    }
    await placing;
    await opening.until(3 + 96);
    for (const [walletId, start] of starts) {
      const expected = await booked(walletId, start);
      expect(told(opening, walletId)).toEqual(expected);
      expect(told({ edges: seen } as unknown as Following<Edge>, walletId)).toEqual(expected);
    }
  });

  it('goes on behind every cursor of several wallets', async () => {
    const first = watch();
    await first.until(3);
    for (const walletId of [2, 1, 3, 1]) await create(walletId);
    const edges = await first.until(7);
    for (const index of [2, 3, 4, 5]) {
      const again = watch({ after: edges[index]?.cursor });
      await again.until(6 - index);
      expect(again.edges.map(({ node }) => node.transaction?.transactionId))
        .toEqual(edges.slice(index + 1).map(({ node }) => node.transaction?.transactionId));
    }
  });

  it('goes on with the wallets that were not told yet', async () => {
    const first = watch();
    const [edge] = await first.until(3);
    const again = watch({ after: edge?.cursor });
    const [second, third] = await again.until(2);
    expect([second, third]).toMatchObject([
      { node: { wallet: { walletId: 2 }, transaction: null } },
      { node: { wallet: { walletId: 3 }, transaction: null } },
    ]);
    const rest = watch({ after: second?.cursor });
    expect(await rest.until(1)).toMatchObject([
      { node: { wallet: { walletId: 3 }, transaction: null } },
    ]);
    for (const walletId of [3, 2, 1]) await create(walletId);
    for (const { edges } of [{ edges: await again.until(5) }, { edges: await rest.until(4) }]) {
      const moved = edges.filter(({ node }) => node.transaction !== null);
      expect(moved.map(({ node }) => node.wallet.walletId).sort()).toEqual([1, 2, 3]);
    }
  });

  it('refuses wallets and cursors that are not its own', async () => {
    expect(await detail(watch({ walletId: 4 }))).toMatchObject({ code: 'NOT_FOUND' });
    expect(await detail(watch({ walletId: 0 }))).toMatchObject({ code: 'NOT_FOUND' });
    const mine = watch({ walletId: 1 });
    const [{ cursor: after } = { cursor: '' }] = await mine.until(1);
    for (const [variables, clientId, expected] of [
      [{ walletId: 2, after }, 1, 'CURSOR_FOREIGN'],
      [{ after }, 1, 'CURSOR_FOREIGN'],
      [{ after }, 2, 'CURSOR_FOREIGN'],
      [{ walletId: 1, after: `${after}x` }, 1, 'CURSOR_INVALID'],
    ] as const) {
      const refused = await detail(watch(variables, { clientId }));
      expect(refused).toMatchObject({ code: 'BAD_USER_INPUT', detail: expected });
    }
  });

  it('leaves no watcher behind', async () => {
    const watchings = [watch(), watch({ walletId: 1 }), watch({ walletId: 2 })];
    await Promise.all(watchings.map((each) => each.until(1)));
    await expect.poll(() => world().parts.walletFeed.watchCount()).toBe(3);
    await closeAll();
    await expect.poll(() => world().parts.walletFeed.watchCount()).toBe(0);
  });
});
