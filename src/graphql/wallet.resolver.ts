import { FieldResolver, Resolver, Root } from 'type-graphql';
import type { Money } from '../domain/money.ts';
import type { Transfer, Wallet } from '../domain/ports.ts';
import { globalId } from './global-id.ts';
import { WalletTransactionType, WalletType } from './wallet.types.ts';

/** A wallet of the domain as the schema shows it. */
@Resolver(() => WalletType)
export class WalletResolver {
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
}
