import DataLoader from 'dataloader';
import { assertScope, type Caller } from '../domain/access.ts';
import type { EventPage, FoundEvents, OrderEvents } from '../domain/order-events.ts';
import type { Store, Transfer, Wallet } from '../domain/ports.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import type { TransferPage, WalletLists } from '../domain/wallet-list.ts';

/** Batched reads of one client's things, by id; null where there is none. */
export interface Loaders {
  readonly wallets: DataLoader<number, Wallet | null>;
  readonly transfers: DataLoader<number, Transfer | null>;
  readonly orders: DataLoader<number, TopupOrder | null>;
  readonly eventPages: DataLoader<EventPage, FoundEvents, string>;
  readonly transferPages: DataLoader<TransferPage, readonly Transfer[], string>;
}

/**
 * Loaders for one operation or one event: they remember what they read. Whoever may only order is
 * told of orders in the answers of mutations, not of balances and movements behind them.
 */
export function createLoaders(
  store: Store & OrderEvents & WalletLists,
  { clientId, scopes }: Pick<Caller, 'clientId' | 'scopes'>,
): Loaders {
  const reading = async <Rows>(read: () => Promise<Rows>): Promise<Rows> => {
    assertScope({ scopes }, 'read');
    return read();
  };
  return {
    wallets: loaderById((ids) => reading(() => store.findWalletsByIds(clientId, ids))),
    transfers: loaderById((ids) => reading(() => store.findTransfersByIds(clientId, ids))),
    orders: loaderById((ids) => store.findOrdersByIds(clientId, ids)),
    eventPages: loaderByValue((pages) => store.findEventPages(clientId, pages)),
    transferPages: loaderByValue((pages) => store.findTransferPages(clientId, pages)),
  };
}

/** What was read before a mutation is not what stands after it. */
export function forgetRead(loaders: Loaders): void {
  for (const loader of Object.values(loaders) as DataLoader<unknown, unknown>[]) loader.clearAll();
}

/** Of a page that is asked for twice, the two requests are two objects. */
function loaderByValue<Page extends object, Row>(
  findPages: (pages: readonly Page[]) => Promise<readonly Row[]>,
): DataLoader<Page, Row, string> {
  return new DataLoader(findPages, { cacheKeyFn: (page) => JSON.stringify(page) });
}

function loaderById<Row extends { readonly id: number }>(
  findByIds: (ids: readonly number[]) => Promise<readonly Row[]>,
): DataLoader<number, Row | null> {
  return new DataLoader(async (ids) => {
    const rows = new Map((await findByIds(ids)).map((row) => [row.id, row]));
    return ids.map((id) => rows.get(id) ?? null);
  });
}
