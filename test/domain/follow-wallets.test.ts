import { expect, test } from 'vitest';
import { writeCursor } from '../../src/domain/feed-cursor.ts';
import { followWallets, type WalletFeed } from '../../src/domain/follow-wallets.ts';
import type { Wallet } from '../../src/domain/ports.ts';

const CURSOR_KEY = 'key of the test';
const wallet: Wallet = {
  id: 3, currency: 'USD', balance: '7', type: 'PREPAID', creditLimit: '0', isDefault: true,
  isFrozen: false,
};

/** Wallet 3 of client 1, whose transfers 6 to 1000 were lost; the cursor stands elsewhere. */
function follow(position: readonly number[]) {
  const walletFeed: WalletFeed = {
    standings: async () => [{ wallet, lastTransferId: 1005 }],
    hasAll: async (_clientId, positions) =>
      [...positions.values()].every((id) => id <= 5 || id > 1000),
    watchWallets: () => expect.fail('nothing is read in this test'),
  };
  const address = { clientId: 1, kind: 'wallets', id: 0, key: CURSOR_KEY } as const;
  return followWallets(1, { walletId: null, after: writeCursor(position, address) }, {
    walletFeed, clock: { now: () => new Date(0) }, cursorKey: CURSOR_KEY,
  });
}

test.each([
  ['ahead of its wallet', [3, 1006]],
  ['of a transfer that was lost', [3, 6]],
  ['of a wallet that is not there any more', [3, 5, 4, 0]],
])('a cursor %s is from another database, and told so', async (_what, position) => {
  await expect(follow(position)).rejects.toMatchObject({ detail: 'CURSOR_AHEAD' });
});

test('a cursor at the end of its wallet is gone on from', async () => {
  await expect(follow([3, 1005])).resolves.toBeDefined();
  await expect(follow([3, 5])).resolves.toBeDefined();
});
