import { Field, ObjectType } from 'type-graphql';
import type { Money } from '../domain/money.ts';
import { CurrencyCode, Decimal } from './scalars.ts';

@ObjectType('Money', {
  simpleResolvers: true,
  description: 'An exact amount in one currency.',
})
export class MoneyType implements Money {
  @Field(() => Decimal, { description: 'The amount, in units of the currency.' })
  amount!: string;

  @Field(() => CurrencyCode, { description: 'The currency of the amount.' })
  currency!: string;
}
