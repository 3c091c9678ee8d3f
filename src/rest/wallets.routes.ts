import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Store } from '../domain/ports.ts';
import type { Currency } from '../domain/pricing-snapshot.ts';
import type { RateLimits } from '../domain/rate-limits.ts';
import { Rejection } from '../domain/rejection.ts';
import type { WalletLists } from '../domain/wallet-list.ts';
import { HttpRefusal } from './errors.ts';
import { readCharged, tokensFor } from './page-charge.ts';
import { pageIn, pagingHeaders } from './paging.ts';
import { idIn, invalidParameter, Query } from './query.ts';
import {
  getTransactionSchema, getWalletSchema, listTransactionsSchema, listWalletsSchema,
  TRANSACTIONS_PAGE_SIZE_MAX,
} from './wallets.schemas.ts';
import { transactionOut, walletOut } from './wire-wallets.ts';

const WALLETS = '/api/v1/wallets';
const TRANSACTIONS = '/api/v1/transactions';

interface ById { Params: { id: string } }

type WalletStore =
  WalletLists & Pick<Store, 'findWalletsByIds' | 'findTransfersByIds' | 'pricing'>;

export interface WalletStories {
  readonly store: WalletStore;
  readonly rateLimits: RateLimits;
}

/** What clients read of their wallets, and of the money that moved in them. */
export function walletRoutes(app: FastifyInstance, { store, rateLimits }: WalletStories): void {
  app.get(WALLETS, { schema: listWalletsSchema }, async ({ clientId }) => {
    const wallets = await store.listWallets(clientId);
    return wallets.map((wallet) => walletOut(wallet, currencyOf(store, wallet)));
  });

  app.get<ById>(`${WALLETS}/:id`, { schema: getWalletSchema }, async ({ clientId, params }) => {
    const id = idIn(params, 'Wallet');
    const [wallet] = await store.findWalletsByIds(clientId, [id]);
    if (wallet === undefined) throw new Rejection('WALLET_NOT_FOUND', 'Wallet not found');
    return walletOut(wallet, currencyOf(store, wallet));
  });

  const rateCount = (request: FastifyRequest): number => tokensFor(longestPage(request));
  const listing = { schema: listTransactionsSchema, config: { rateCount } };
  app.get(TRANSACTIONS, listing, async (request, reply) => {
    const asked = { request, reply };
    const { currency, page, ...found } = await readCharged(asked, rateLimits, async () => {
      const query = new Query(request);
      const walletId = query.id('wallet_id');
      if (walletId === null) throw invalidParameter('wallet_id', 'wallet_id is required');
      const page = pageIn(query, TRANSACTIONS_PAGE_SIZE_MAX);
      const { clientId } = request;
      const [[wallet], found] = await Promise.all([
        store.findWalletsByIds(clientId, [walletId]), store.listTransfers(clientId, walletId, page),
      ]);
      if (wallet === undefined) throw new Rejection('WALLET_NOT_FOUND', 'Wallet not found');
      return { ...found, currency: currencyOf(store, wallet), page };
    });
    reply.headers(pagingHeaders(page, found));
    return found.items.map((transfer) => transactionOut(transfer, currency));
  });

  app.get<ById>(
    `${TRANSACTIONS}/:id`,
    { schema: getTransactionSchema },
    async ({ clientId, params }) => {
      const id = idIn(params, 'Transaction');
      const [transfer] = await store.findTransfersByIds(clientId, [id]);
      if (transfer === undefined) throw new HttpRefusal(404, { message: 'Transaction not found' });
      return transactionOut(transfer, currencyOf(store, transfer));
    },
  );
}

/** Items that the page of a request may have; of one that is refused for it, none. */
function longestPage(request: FastifyRequest): number {
  try {
    return pageIn(new Query(request), TRANSACTIONS_PAGE_SIZE_MAX).limit;
  } catch {
    return 0;
  }
}

function currencyOf(store: WalletStore, of: { readonly currency: string }): Currency {
  const currency = store.pricing().currencies().find(({ code }) => code === of.currency);
  if (currency === undefined) throw new Error(`No currency ${of.currency}`);
  return currency;
}
