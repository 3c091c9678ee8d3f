import type { KeysetPage, ListPage, OffsetPage } from './list-page.ts';
import type { Transfer, Wallet } from './ports.ts';

/** A page of one wallet's transfers, the newest first. */
export interface TransferPage extends KeysetPage {
  readonly walletId: number;
}

/** What a client reads of its wallets; transfers between accounts of ours are not shown. */
export interface WalletLists {
  listWallets(clientId: number): Promise<readonly Wallet[]>;
  /** The transfers behind `offset` others, the newest first, and how many there are. */
  listTransfers(clientId: number, walletId: number, page: OffsetPage): Promise<ListPage<Transfer>>;
  /** One page each, in one read. */
  findTransferPages(clientId: number, pages: readonly TransferPage[]):
    Promise<readonly (readonly Transfer[])[]>;
}
