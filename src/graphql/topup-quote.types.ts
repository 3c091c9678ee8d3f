import { Field, ID, InputType, ObjectType } from 'type-graphql';
import type { Product, Variant, VariantCategory } from '../domain/catalogue.ts';
import type { Money } from '../domain/money.ts';
import type { Wallet } from '../domain/ports.ts';
import type { TopupQuote } from '../domain/quote-topup.ts';
import { MoneyType } from './money.types.ts';
import { DateTime, Decimal, SafeInt } from './scalars.ts';
import { VariantCategoryEnum } from './topup-order.enums.ts';
import { TopupProductType } from './topup-product.types.ts';
import { TopupOrderUserError } from './user-errors.ts';
import { VariantType } from './variant.types.ts';
import { WalletType } from './wallet.types.ts';

@InputType('TopupQuoteInput', { description: 'What to price, and who would pay.' })
export class TopupQuoteInput {
  @Field(() => SafeInt, { description: 'The product.' })
  productId!: number;

  @Field(() => Decimal, { description: 'The face value in the product currency.' })
  amount!: string;

  @Field(() => SafeInt, {
    nullable: true,
    description: 'The wallet that would pay. Without it: the one in the product currency, else '
      + 'the default one.',
  })
  walletId?: number | null;

  @Field(() => VariantCategoryEnum, {
    nullable: true, description: 'Only variants of this category.',
  })
  category?: VariantCategory | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: true,
    description: 'Whether the default wallet may pay in another currency.',
  })
  allowForexFallback?: boolean | null;
}

@ObjectType('TopupQuote', {
  simpleResolvers: true,
  description: 'What an order costs. It locks the price until it expires, and reserves nothing.',
})
export class TopupQuoteType {
  @Field(() => ID, { description: 'What an order names as `quoteId`; opaque.' })
  id!: string;

  @Field(() => TopupProductType, { description: 'The product.' })
  product!: Product;

  @Field(() => VariantType, { description: 'The variant that was picked.' })
  variant!: Variant;

  @Field(() => WalletType, { description: 'The wallet that would pay.' })
  wallet!: Wallet;

  @Field(() => MoneyType, { description: 'The value asked for, in the product currency.' })
  faceValue!: Money;

  @Field(() => Decimal, { description: 'The discount on the face value, in percent.' })
  discountPercent!: string;

  @Field(() => MoneyType, { description: 'The discount, in the product currency.' })
  discount!: Money;

  @Field(() => MoneyType, { description: 'The face value less the discount.' })
  total!: Money;

  @Field(() => Decimal, {
    nullable: true,
    description: 'Product currency to wallet currency; null where they are the same.',
  })
  forexRate!: string | null;

  @Field(() => MoneyType, { description: 'What the wallet would pay. There are no fees.' })
  charge!: Money;

  @Field(() => Boolean, { description: 'Whether the wallet could pay just now.' })
  hasSufficientBalance!: boolean;

  @Field(() => DateTime, { description: 'When the price is no longer locked.' })
  expiresAt!: Date;
}

@ObjectType('TopupQuotePayload', {
  simpleResolvers: true,
  description: 'The quote, or why an order would be refused.',
})
export class TopupQuotePayload {
  @Field(() => TopupQuoteType, { nullable: true, description: 'The quote; null where refused.' })
  quote!: TopupQuote | null;

  @Field(() => [TopupOrderUserError], { description: 'Empty where there is a quote.' })
  userErrors!: TopupOrderUserError[];
}
