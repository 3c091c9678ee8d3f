import { Field, ID, Int, ObjectType } from 'type-graphql';
import type { VariantCategory } from '../domain/catalogue.ts';
import { NodeType } from './node.types.ts';
import { CountryCode, CurrencyCode, Decimal, SafeInt } from './scalars.ts';
import { VariantCategoryEnum } from './topup-order.enums.ts';

@ObjectType('VariantRange', {
  simpleResolvers: true,
  description: 'Face values from `min` to `max`, each a whole number of steps from `min`.',
})
export class VariantRange {
  @Field(() => Decimal, { description: 'The least face value.' })
  min!: string;

  @Field(() => Decimal, { description: 'The greatest face value.' })
  max!: string;

  @Field(() => Decimal, { description: 'From one face value to the next.' })
  step!: string;
}

@ObjectType('VariantField', {
  simpleResolvers: true,
  description: 'One named value that is told of a variant.',
})
export class VariantField {
  @Field(() => String, { description: 'What the value is, e.g. "validity_days".' })
  name!: string;

  @Field(() => String, { description: 'The value.' })
  value!: string;
}

@ObjectType('Variant', {
  implements: NodeType,
  simpleResolvers: true,
  description: 'A sellable form of a product: listed face values, a range, or both.',
})
export class VariantType {
  @Field(() => ID, { description: 'Opaque and globally unique; the same in every answer.' })
  id!: string;

  @Field(() => SafeInt, { description: 'The integer id, as the REST API shows it.' })
  variantId!: number;

  @Field(() => SafeInt, { description: 'The product that it is a form of.' })
  productId!: number;

  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => VariantCategoryEnum, {
    nullable: true, description: 'The kind of a mobile variant; null for all others.',
  })
  category!: VariantCategory | null;

  @Field(() => CurrencyCode, {
    nullable: true,
    description: 'The currency of its face values; null when its product is gone.',
  })
  currency!: string | null;

  @Field(() => CountryCode, {
    nullable: true, description: 'Where it is used; null when its product is gone.',
  })
  countryCode!: string | null;

  @Field(() => [Decimal], { description: 'The single face values.' })
  fixedAmounts!: string[];

  @Field(() => VariantRange, { nullable: true, description: 'The range, where it has one.' })
  range!: VariantRange | null;

  @Field(() => [VariantField], { description: 'What else is told of it.' })
  fields!: VariantField[];

  @Field(() => Int, {
    nullable: true,
    description: 'For how many days it lasts once delivered: -1 is for ever, null is not known.',
  })
  validityDays!: number | null;

  @Field(() => Boolean, { description: 'Whether an order can be placed just now.' })
  isAvailable!: boolean;
}
