import { Field, InputType } from 'type-graphql';
import type { TopupOrderFilter } from '../domain/topup-order-filter.ts';
import type { TopupOrderStatus } from '../domain/topup-order.ts';
import { CountryCode, SafeInt } from './scalars.ts';
import { TopupOrderStatusEnum } from './topup-order.enums.ts';

@InputType('TopupOrderFilter', {
  description: 'Which orders of the caller. A field that is left out lets all pass; an order '
    + 'passes where it has one of the values of every field that is given.',
})
export class TopupOrderFilterInput {
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
}

/** The filter in the words of the domain; null where there is none. */
export function toFilter(
  input: TopupOrderFilterInput | null | undefined,
): TopupOrderFilter | null {
  if (input === null || input === undefined) return null;
  return {
    statuses: input.statuses ?? null,
    productIds: input.productIds ?? null,
    countryCodes: input.countryCodes ?? null,
    walletIds: input.walletIds ?? null,
  };
}
