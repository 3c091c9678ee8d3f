import { Field, ID, InputType, ObjectType } from 'type-graphql';
import type { VariantCategory } from '../domain/catalogue.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import { Decimal, SafeInt } from './scalars.ts';
import { VariantCategoryEnum } from './topup-order.enums.ts';
import { TopupOrderType } from './topup-order.types.ts';
import { TopupOrderUserError } from './user-errors.ts';

@InputType('InputFieldValueInput', { description: "The value of one of the product's fields." })
export class InputFieldValueInput {
  @Field(() => String, { description: 'The name of the field.' })
  name!: string;

  @Field(() => String, { description: 'The value; surrounding blanks are dropped.' })
  value!: string;
}

@InputType('CreateTopupOrderInput', { description: 'What to order, for whom, and who pays.' })
export class CreateTopupOrderInput {
  @Field(() => SafeInt, { description: 'The product.' })
  productId!: number;

  @Field(() => Decimal, {
    description: 'The face value in the product currency, at most 4 decimals. It is never rounded '
      + 'to a nearby amount.',
  })
  amount!: string;

  @Field(() => [InputFieldValueInput], {
    defaultValue: [],
    description: 'Values for the input fields of the product; of equal names the last counts.',
  })
  inputData!: InputFieldValueInput[];

  @Field(() => String, {
    nullable: true,
    description: 'Your own key for this order, 1 to 255 printable ASCII characters. The same key '
      + 'never places a second order, so a request can be repeated safely.',
  })
  clientReference?: string | null;

  @Field(() => SafeInt, {
    nullable: true,
    description: 'The wallet that pays. Without it: the one in the product currency, else the '
      + 'default one.',
  })
  walletId?: number | null;

  @Field(() => VariantCategoryEnum, {
    nullable: true,
    description: 'Only variants of this category.',
  })
  category?: VariantCategory | null;

  @Field(() => String, {
    nullable: true,
    description: 'Pay with this voucher, at face value, instead of a wallet.',
  })
  redeemVoucherCode?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'A quote of `topupQuote`: its figures are charged, whatever changed since. '
      + 'Product, amount and, where given, wallet and category must be those of the quote.',
  })
  quoteId?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: true,
    description: 'Whether the default wallet may pay in another currency, where neither a wallet '
      + 'nor a quote is named.',
  })
  allowForexFallback?: boolean | null;
}

@ObjectType('CreateTopupOrderPayload', {
  simpleResolvers: true,
  description: 'The placed order, or why it was refused.',
})
export class CreateTopupOrderPayload {
  @Field(() => TopupOrderType, {
    nullable: true,
    description: 'The order; it is paid, and it may have FAILED already. Null where refused.',
  })
  order!: TopupOrder | null;

  @Field(() => [TopupOrderUserError], { description: 'Empty where the order was placed.' })
  userErrors!: TopupOrderUserError[];

  @Field(() => TopupOrderType, {
    nullable: true,
    description: 'The order that has the clientReference already.',
  })
  duplicateOf!: TopupOrder | null;
}
