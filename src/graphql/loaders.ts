import DataLoader from 'dataloader';
import type { Store, Transfer, Wallet } from '../domain/ports.ts';
import type { TopupOrder } from '../domain/topup-order.ts';

/** Batched reads of one client's things, by id; null where there is none. */
export interface Loaders {
  readonly wallets: DataLoader<number, Wallet | null>;
  readonly transfers: DataLoader<number, Transfer | null>;
  readonly orders: DataLoader<number, TopupOrder | null>;
}

/** Loaders for one operation or one event: they remember what they read. */
export function createLoaders(store: Store, clientId: number): Loaders {
  return {
    wallets: loaderById((ids) => store.findWalletsByIds(clientId, ids)),
    transfers: loaderById((ids) => store.findTransfersByIds(clientId, ids)),
    orders: loaderById((ids) => store.findOrdersByIds(clientId, ids)),
  };
}

function loaderById<Row extends { readonly id: number }>(
  findByIds: (ids: readonly number[]) => Promise<readonly Row[]>,
): DataLoader<number, Row | null> {
  return new DataLoader(async (ids) => {
    const rows = new Map((await findByIds(ids)).map((row) => [row.id, row]));
    return ids.map((id) => rows.get(id) ?? null);
  });
}
