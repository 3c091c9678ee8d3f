import { Field, InputType } from 'type-graphql';
import type { TopupOrderFilter } from '../domain/topup-order-filter.ts';
import type { FailureCode, TopupOrderStatus } from '../domain/topup-order.ts';
import { CountryCode, DateTime, SafeInt } from './scalars.ts';
import { TopupFailureCodeEnum, TopupOrderStatusEnum } from './topup-order.enums.ts';

@InputType('TopupOrderFilter', {
  description: 'Which orders of the caller. A field that is left out lets all pass; an order '
    + 'passes where it has one of the values of every field that is given.',
})
export class TopupOrderFilterInput implements TopupOrderFilter {
  @Field(() => [TopupOrderStatusEnum], {
    nullable: true,
    description: 'Where the order stands; on a feed, where the event left it.',
  })
  statuses?: TopupOrderStatus[] | null;

  @Field(() => [SafeInt], { nullable: true, description: 'What was ordered.' })
  productIds?: number[] | null;

  @Field(() => [CountryCode], { nullable: true, description: 'Where the product is used.' })
  countryCodes?: string[] | null;

  @Field(() => [SafeInt], { nullable: true, description: 'Which wallet paid.' })
  walletIds?: number[] | null;

  @Field(() => [TopupFailureCodeEnum], { nullable: true, description: 'Why the order failed.' })
  failureCodes?: FailureCode[] | null;

  @Field(() => DateTime, { nullable: true, description: 'Placed then or later.' })
  createdFrom?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Placed in that second or earlier.' })
  createdTo?: Date | null;
}
