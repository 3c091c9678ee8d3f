import { Field, ObjectType } from 'type-graphql';
import type { WalletEvent } from '../domain/follow-wallets.ts';
import type { Money } from '../domain/money.ts';
import type { Transfer, Wallet } from '../domain/ports.ts';
import { MoneyType } from './money.types.ts';
import { DateTime } from './scalars.ts';
import { WalletTransactionType, WalletType } from './wallet.types.ts';

@ObjectType('WalletEvent', {
  simpleResolvers: true,
  description: 'A wallet as it stood, or one movement of money in it.',
})
export class WalletEventType {
  @Field(() => WalletType, {
    description: 'The wallet, read behind the movement: more may have moved already.',
  })
  wallet!: Wallet;

  @Field(() => MoneyType, {
    description: 'What the wallet held right after the movement; in a snapshot, what it holds.',
  })
  balance!: Money;

  @Field(() => WalletTransactionType, {
    nullable: true, description: 'What moved; null in a snapshot.',
  })
  transaction!: Transfer | null;

  @Field(() => DateTime, { description: 'When it moved; of a snapshot when it was read.' })
  occurredAt!: Date;
}

@ObjectType('WalletEventEdge', {
  simpleResolvers: true,
  description: 'A movement of money, or a snapshot, and its place in the feed.',
})
export class WalletEventEdge {
  @Field(() => String, {
    description: 'Opaque; given as `after`, a subscription goes on right behind this edge.',
  })
  cursor!: string;

  @Field(() => WalletEventType, {
    nullable: true, description: 'What happened.',
  })
  node!: WalletEvent | null;
}
