import { Arg, Ctx, Field, ObjectType, Query, Resolver } from 'type-graphql';
import type { OperationContext } from './context.ts';
import { CurrencyCode, Decimal } from './scalars.ts';

@ObjectType('ForexRate', {
  simpleResolvers: true,
  description: 'What one unit of a currency costs in another, in this direction only.',
})
export class ForexRateType {
  @Field(() => CurrencyCode, { description: 'The currency of a product.' })
  from!: string;

  @Field(() => CurrencyCode, { description: 'The currency of a wallet.' })
  to!: string;

  @Field(() => Decimal, { description: 'Units of `to` for one unit of `from`.' })
  rate!: string;
}

@Resolver()
export class ForexRateResolver {
  @Query(() => ForexRateType, {
    nullable: true,
    description: 'The rate that holds now; null where there is none. Nothing is inverted, and '
      + 'nothing goes over a third currency.',
  })
  forexRate(
    @Arg('from', () => CurrencyCode, { description: 'The currency of a product.' }) from: string,
    @Arg('to', () => CurrencyCode, { description: 'The currency of a wallet.' }) to: string,
    @Ctx() { deps }: OperationContext,
  ): ForexRateType | null {
    const rate = deps.store.pricing().rate(from, to);
    return rate === undefined ? null : { from, to, rate: rate.rate };
  }
}
