import { Field, ID, Int, ObjectType } from 'type-graphql';
import type { Wallet } from '../domain/ports.ts';
import type { Discount } from '../domain/discounts.ts';
import { NodeType } from './node.types.ts';
import { CurrencyCode, Decimal, SafeInt } from './scalars.ts';
import { TopupTypeEnum, VariantCategoryEnum } from './topup-order.enums.ts';
import { WalletType } from './wallet.types.ts';

@ObjectType('Discount', {
  simpleResolvers: true,
  description: 'A discount of the caller on face values. Of several that apply the most specific '
    + 'holds, of equally specific ones the greatest: they do not add up.',
})
export class DiscountType implements Omit<Discount, 'mayLose'> {
  @Field(() => Decimal, { description: 'Percent of the face value.' })
  percent!: string;

  @Field(() => SafeInt, { nullable: true, description: 'Only this variant.' })
  variantId!: number | null;

  @Field(() => SafeInt, { nullable: true, description: 'Only this product.' })
  productId!: number | null;

  @Field(() => VariantCategoryEnum, {
    nullable: true, description: 'Only variants of this category.',
  })
  category!: string | null;

  @Field(() => TopupTypeEnum, { nullable: true, description: 'Only products of this type.' })
  topupType!: string | null;
}

@ObjectType('ClientLimits', {
  simpleResolvers: true,
  description: 'How much the caller may do at one time.',
})
export class ClientLimits {
  @Field(() => Int, { description: 'WebSockets that are open at one time.' })
  socketCountMax!: number;

  @Field(() => Int, { description: 'Operations at one time on one WebSocket.' })
  subscriptionCountMax!: number;

  @Field(() => Int, { description: 'Edges of one page.' })
  pageSizeMax!: number;
}

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

  @Field(() => [DiscountType], { description: 'The discounts that are in force.' })
  discounts!: readonly Discount[];

  @Field(() => ClientLimits, { description: 'How much the caller may do at one time.' })
  limits!: ClientLimits;
}
