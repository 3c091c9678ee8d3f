import { Arg, Ctx, FieldResolver, Int, Query, Resolver, Root } from 'type-graphql';
import { maskSensitive } from '../domain/mask.ts';
import type { Money } from '../domain/money.ts';
import type { Transfer, Wallet } from '../domain/ports.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import { availableOf, transactionRemarks } from '../domain/wallet-transaction.ts';
import { parseIdCursor, writeConnectionCursor } from './connection-cursor.ts';
import {
  AFTER_DESCRIPTION, FIRST_DESCRIPTION, pageOf, parseFirst, type Connection,
} from './connection.types.ts';
import type { OperationContext } from './context.ts';
import { globalId } from './global-id.ts';
import { TopupOrderType } from './topup-order.types.ts';
import {
  WalletTransactionConnection, WalletTransactionType, WalletType,
} from './wallet.types.ts';

/** A wallet of the domain as the schema shows it. */
@Resolver(() => WalletType)
export class WalletResolver {
  @Query(() => [WalletType], { description: 'All wallets of the caller, by their ids.' })
  async wallets(@Ctx() { clientId, deps, loaders }: OperationContext): Promise<Wallet[]> {
    const wallets = [...await deps.store.listWallets(clientId)];
    for (const wallet of wallets) loaders.wallets.prime(wallet.id, wallet);
    return wallets;
  }

  @FieldResolver()
  id(@Root() wallet: Wallet): string {
    return globalId('Wallet', wallet.id);
  }

  @FieldResolver()
  walletId(@Root() wallet: Wallet): number {
    return wallet.id;
  }

  @FieldResolver()
  balance(@Root() wallet: Wallet): Money {
    return { amount: wallet.balance, currency: wallet.currency };
  }

  @FieldResolver()
  creditLimit(@Root() wallet: Wallet): Money {
    return { amount: wallet.creditLimit, currency: wallet.currency };
  }

  @FieldResolver()
  available(@Root() wallet: Wallet): Money {
    return { amount: availableOf(wallet), currency: wallet.currency };
  }

  @FieldResolver(() => WalletTransactionConnection, {
    description: 'What moved in it, the newest first.',
  })
  async transactions(
    @Root() { id: walletId }: Wallet,
    @Arg('first', () => Int, { description: FIRST_DESCRIPTION }) first: number,
    @Arg('after', () => String, { nullable: true, description: AFTER_DESCRIPTION })
    after: string | null,
    @Ctx() { clientId, deps, loaders }: OperationContext,
  ): Promise<Connection<Transfer>> {
    const limit = parseFirst(first) + 1;
    const connection = `Wallet.transactions:${walletId}`;
    const address = { clientId, connection, key: deps.cursorKey };
    const beforeId = parseIdCursor(after, address);
    const transfers = await loaders.transferPages.load({ walletId, beforeId, limit });
    return pageOf(transfers, {
      first,
      isAfter: beforeId !== null,
      cursorOf: ({ id }) => writeConnectionCursor([id], address),
    });
  }
}

/** A transfer of the domain as the schema shows it. */
@Resolver(() => WalletTransactionType)
export class WalletTransactionResolver {
  @FieldResolver()
  id(@Root() transfer: Transfer): string {
    return globalId('WalletTransaction', transfer.id);
  }

  @FieldResolver()
  transactionId(@Root() transfer: Transfer): number {
    return transfer.id;
  }

  @FieldResolver()
  amount(@Root() transfer: Transfer): Money {
    return { amount: transfer.amount, currency: transfer.currency };
  }

  @FieldResolver()
  balanceAfter(@Root() transfer: Transfer): Money {
    return { amount: transfer.balanceAfter, currency: transfer.currency };
  }

  @FieldResolver()
  remarks(@Root() transfer: Transfer, @Ctx() { deps }: OperationContext): string {
    return transactionRemarks(transfer, deps.store.pricing().precision(transfer.currency));
  }

  @FieldResolver()
  wallet(
    @Root() transfer: Transfer,
    @Ctx() { loaders }: OperationContext,
  ): Promise<Wallet | null> {
    return loaders.wallets.load(transfer.walletId);
  }

  @FieldResolver(() => TopupOrderType, {
    nullable: true,
    description: 'The order that it was about; null where it was about none, or could not be read.',
  })
  async order(
    @Root() { topupOrderId }: Transfer,
    @Ctx() { deps, loaders }: OperationContext,
  ): Promise<TopupOrder | null> {
    const order = topupOrderId === null ? null : await loaders.orders.load(topupOrderId);
    return order === null ? null : maskSensitive(order, deps.store.pricing());
  }
}
