import { cursorRefused, parseCursor, writeCursor, type FeedAddress } from './feed-cursor.ts';
import { FeedEdges, type FeedEdge } from './feed-edges.ts';
import type { Amount } from './money.ts';
import type { Clock, Transfer, Wallet } from './ports.ts';
import { Rejection } from './rejection.ts';

/** A wallet as it stood, or one movement of money in it. */
export interface WalletEvent {
  readonly wallet: Wallet;
  /** Null in a snapshot. */
  readonly transfer: Transfer | null;
  /** What the wallet held right after the transfer; in a snapshot, what it holds. */
  readonly balance: Amount;
  readonly occurredAt: Date;
}

/**
 * How far each wallet was told, by wallet id: the id of its last transfer. A wallet's transfers are
 * numbered under its lock, so those of one wallet are committed in the order of their ids; those
 * of two wallets are not, which is why one number for all would lose some.
 */
export type WalletPositions = ReadonlyMap<number, number>;

/** Of a wallet in a cursor: its snapshot comes behind. */
const NOT_TOLD = -1;

/** A wallet and the id of its last transfer, 0 without one. */
export interface WalletStanding {
  readonly wallet: Wallet;
  readonly lastTransferId: number;
}

/** What moves in the wallets of a client, as it is committed by any process. */
export interface WalletFeed {
  /** All wallets of a client, by id, read in one database snapshot. */
  standings(clientId: number): Promise<readonly WalletStanding[]>;
  /** Whether each of these is the last transfer that a wallet had at some time. */
  hasAll(clientId: number, positions: WalletPositions): Promise<boolean>;
  /**
   * Transfers of one wallet, or of all that the client has or will have, behind the positions;
   * each once, those of a wallet in order. Without end; `return()` frees everything at once.
   */
  watchWallets(clientId: number, from: {
    readonly walletId: number | null; readonly positions: WalletPositions;
  }): AsyncIterableIterator<WalletEvent>;
}

/**
 * What moves in one wallet of a client, or in all of them: a snapshot of each first, or whatever
 * came behind `after`, without gap or repeat and without end.
 * @throws Rejection WALLET_NOT_FOUND, or VALIDATION_FAILURE for a cursor that is not good here
 */
export async function followWallets(
  clientId: number,
  from: { readonly walletId: number | null; readonly after: string | null },
  ports: {
    readonly walletFeed: WalletFeed;
    readonly clock: Pick<Clock, 'now'>;
    readonly cursorKey: string;
  },
): Promise<AsyncIterableIterator<FeedEdge<WalletEvent>>> {
  const { walletId, after } = from;
  const all = await ports.walletFeed.standings(clientId);
  const standings = all.filter(({ wallet }) => walletId === null || wallet.id === walletId);
  if (walletId !== null && standings.length === 0) {
    throw new Rejection('WALLET_NOT_FOUND', 'Wallet not found', { field: ['walletId'] });
  }
  const address: FeedAddress =
    { clientId, kind: 'wallets', id: walletId ?? 0, key: ports.cursorKey };
  const positions = after === null
    ? new Map(standings.map(({ wallet }) => [wallet.id, NOT_TOLD]))
    : await positionsIn(after, address, { standings, walletFeed: ports.walletFeed });
  const cursor = (): string => writeCursor([...positions].flat(), address);
  // Whoever is cut off between two snapshots goes on with the second one.
  const first = standings.filter(({ wallet }) => positions.get(wallet.id) === NOT_TOLD)
    .map(({ wallet, lastTransferId }) => {
      positions.set(wallet.id, lastTransferId);
      return snapshotEdge(wallet, cursor(), ports.clock.now());
    });
  return new FeedEdges<WalletEvent, WalletEvent>({
    first,
    watch: () => ports.walletFeed.watchWallets(clientId, {
      walletId, positions: new Map(positions),
    }),
    edgeOf: (event) => {
      if (event.transfer !== null) positions.set(event.wallet.id, event.transfer.id);
      return { cursor: cursor(), node: event };
    },
  });
}

function snapshotEdge(wallet: Wallet, cursor: string, now: Date): FeedEdge<WalletEvent> {
  return { cursor, node: { wallet, transfer: null, balance: wallet.balance, occurredAt: now } };
}

/** Pairs of wallet and position. A wallet that is not among them is younger than the cursor. */
async function positionsIn(
  after: string,
  address: FeedAddress,
  { standings, walletFeed }: {
    readonly standings: readonly WalletStanding[];
    readonly walletFeed: Pick<WalletFeed, 'hasAll'>;
  },
): Promise<Map<number, number>> {
  const numbers = parseCursor(after, address);
  const positions = new Map<number, number>();
  for (let at = 0; at + 1 < numbers.length; at += 2) {
    positions.set(numbers[at] ?? 0, numbers[at + 1] ?? 0);
  }
  const last = new Map(standings.map((each) => [each.wallet.id, each.lastTransferId]));
  for (const [walletId, position] of positions) {
    // A cursor from the future: the database is not the one that it was made over.
    if (position > (last.get(walletId) ?? -1)) throw cursorRefused('CURSOR_AHEAD');
  }
  // Or of the time that a restored backup lacks: the ids of then are never given again.
  const told = new Map([...positions].filter(([, position]) => position > 0));
  if (!await walletFeed.hasAll(address.clientId, told)) throw cursorRefused('CURSOR_AHEAD');
  return positions;
}
