import { Field, ID, ObjectType } from 'type-graphql';
import type { Wallet } from '../domain/ports.ts';
import { NodeType } from './node.types.ts';
import { CurrencyCode } from './scalars.ts';
import { WalletType } from './wallet.types.ts';

@ObjectType('Client', {
  implements: NodeType,
  simpleResolvers: true,
  description: 'The business that calls this API.',
})
export class ClientType {
  @Field(() => ID, { description: 'Opaque and globally unique; the same in every answer.' })
  id!: string;

  @Field(() => String, { description: 'The name of the business.' })
  name!: string;

  @Field(() => CurrencyCode, {
    nullable: true,
    description: 'The currency of the default wallet; null where there is none.',
  })
  defaultCurrency!: string | null;

  @Field(() => [WalletType], { description: 'All wallets of the caller.' })
  wallets!: Wallet[];
}
