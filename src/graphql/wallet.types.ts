import { Field, ID, ObjectType } from 'type-graphql';
import type { Money } from '../domain/money.ts';
import {
  TRANSFER_REASONS, type Transfer, type Wallet, WALLET_TYPES,
} from '../domain/ports.ts';
import { connectionType, edgeType } from './connection.types.ts';
import { MoneyType } from './money.types.ts';
import { NodeType } from './node.types.ts';
import { CurrencyCode, DateTime, Decimal, SafeInt } from './scalars.ts';
import { enumOf } from './topup-order.enums.ts';

const WalletTypeEnum = enumOf(WALLET_TYPES, {
  name: 'WalletType',
  description: 'How far a wallet can be debited.',
  values: {
    PREPAID: 'Down to zero.',
    POSTPAID: 'Down to the credit limit below zero.',
  },
});

const TransactionReasonEnum = enumOf(TRANSFER_REASONS, {
  name: 'WalletTransactionReason',
  description: 'Why money moved.',
  values: {
    ORDER_DEBIT: 'An order was paid.',
    ORDER_REFUND: 'A failed or cancelled order was refunded.',
    REVERSAL: 'A delivered order was taken back by its supplier.',
    FUNDING: 'Money was put into the wallet.',
    ADJUSTMENT: 'A correction by our staff.',
  },
});

const TransactionDirectionEnum = enumOf(['DEBIT', 'CREDIT'], {
  name: 'WalletTransactionDirection',
  description: 'Which way money moved.',
  values: { DEBIT: 'Out of the wallet.', CREDIT: 'Into the wallet.' },
});

@ObjectType('Wallet', {
  implements: NodeType,
  simpleResolvers: true,
  description: 'An account of the caller in one currency.',
})
export class WalletType {
  @Field(() => ID, { description: 'Opaque and globally unique; the same in every answer.' })
  id!: string;

  @Field(() => SafeInt, { description: 'The integer id, as the REST API shows it.' })
  walletId!: number;

  @Field(() => CurrencyCode, { description: 'The currency of everything in this wallet.' })
  currency!: string;

  @Field(() => WalletTypeEnum, { description: 'Whether it is prepaid or has a credit limit.' })
  type!: Wallet['type'];

  @Field(() => MoneyType, { description: 'What is in the wallet; always the sum of its moves.' })
  balance!: Money;

  @Field(() => MoneyType, { description: 'How far the balance may fall below zero.' })
  creditLimit!: Money;

  @Field(() => MoneyType, { description: 'What orders may take out of it now.' })
  available!: Money;

  @Field(() => Boolean, { description: 'Pays orders for which no other wallet was chosen.' })
  isDefault!: boolean;

  @Field(() => Boolean, { description: 'A frozen wallet pays nothing.' })
  isFrozen!: boolean;
}

@ObjectType('WalletTransaction', {
  implements: NodeType,
  simpleResolvers: true,
  description: 'One movement of money into or out of a wallet. It is never changed.',
})
export class WalletTransactionType {
  @Field(() => ID, { description: 'Opaque and globally unique; the same in every answer.' })
  id!: string;

  @Field(() => SafeInt, { description: 'The integer id, as the REST API shows it.' })
  transactionId!: number;

  @Field(() => TransactionReasonEnum, { description: 'Why money moved.' })
  reason!: Transfer['reason'];

  @Field(() => TransactionDirectionEnum, { description: 'Which way money moved.' })
  direction!: Transfer['direction'];

  @Field(() => MoneyType, { description: 'How much moved; never negative.' })
  amount!: Money;

  @Field(() => MoneyType, { description: 'What the wallet held right after.' })
  balanceAfter!: Money;

  @Field(() => CurrencyCode, {
    description: "The currency of the product that was paid for; the wallet's own where nothing "
      + 'was converted.',
  })
  sourceCurrency!: string;

  @Field(() => Decimal, {
    nullable: true,
    description: 'From that currency to the currency of the wallet; null where they are the same.',
  })
  forexRate!: string | null;

  @Field(() => String, { description: 'What it was about, for people; its wording may change.' })
  remarks!: string;

  @Field(() => WalletType, {
    nullable: true, description: 'The wallet; null where it could not be read.',
  })
  wallet!: Wallet | null;

  @Field(() => DateTime, { description: 'When money moved.' })
  createdAt!: Date;
}

export const WalletTransactionConnection = connectionType('WalletTransaction', {
  edge: edgeType('WalletTransaction', {
    type: () => WalletTransactionType, description: 'One movement of money',
  }),
  description: 'What moved in a wallet, the newest first.',
});
