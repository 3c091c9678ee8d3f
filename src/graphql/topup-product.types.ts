import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import {
  INPUT_FIELD_TYPES, type InputField, type TopupType, type Variant,
} from '../domain/catalogue.ts';
import { connectionType, edgeType } from './connection.types.ts';
import { NodeType } from './node.types.ts';
import { CountryCode, CurrencyCode, SafeInt } from './scalars.ts';
import { enumOf, TopupTypeEnum } from './topup-order.enums.ts';
import { VariantType } from './variant.types.ts';

const TopupInputFieldTypeEnum = enumOf(INPUT_FIELD_TYPES, {
  name: 'TopupInputFieldType',
  description: 'How to ask for a value. In an order every value is text.',
  nameOf: (type) => type.toUpperCase(),
  values: {
    text: 'Any text.',
    number: 'Digits, with a point or without.',
    phone: 'A phone number; it is kept in E.164.',
    email: 'A mail address.',
    select: 'One of `options`.',
  },
});

@ObjectType('TopupInputFieldOption', {
  simpleResolvers: true,
  description: 'One choice of a SELECT field.',
})
export class TopupInputFieldOption {
  @Field(() => String, { description: 'What to send.' })
  value!: string;

  @Field(() => String, { description: 'What to show.' })
  label!: string;
}

@ObjectType('TopupInputField', {
  simpleResolvers: true,
  description: 'One field of the form that names a recipient.',
})
export class TopupInputFieldType implements InputField {
  @Field(() => String, { description: 'The name in `inputData`.' })
  name!: string;

  @Field(() => String, { description: 'What to write beside the field.' })
  label!: string;

  @Field(() => TopupInputFieldTypeEnum, { description: 'How to ask for it.' })
  type!: InputField['type'];

  @Field(() => Boolean, { description: 'Whether an order needs it.' })
  isRequired!: boolean;

  @Field(() => String, {
    nullable: true, description: 'A regular expression for the whole value.',
  })
  pattern!: string | null;

  @Field(() => Int, { nullable: true, description: 'The least length, in characters.' })
  minLength!: number | null;

  @Field(() => Int, { nullable: true, description: 'The greatest length, in characters.' })
  maxLength!: number | null;

  @Field(() => [TopupInputFieldOption], { description: 'The choices; empty but for a SELECT.' })
  options!: TopupInputFieldOption[];

  @Field(() => String, { nullable: true, description: 'An example for the empty field.' })
  placeholder!: string | null;

  @Field(() => String, { nullable: true, description: 'A sentence of help.' })
  helpText!: string | null;

  @Field(() => Boolean, {
    description: 'Whether the value is masked in lists, events and transactions.',
  })
  isSensitive!: boolean;
}

@ObjectType('TopupProduct', {
  implements: NodeType,
  simpleResolvers: true,
  description: 'What can be topped up: a game, or an operator of one country.',
})
export class TopupProductType {
  @Field(() => ID, { description: 'Opaque and globally unique; the same in every answer.' })
  id!: string;

  @Field(() => SafeInt, { description: 'The integer id, as an order names it.' })
  productId!: number;

  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => TopupTypeEnum, { description: 'What is topped up.' })
  topupType!: TopupType;

  @Field(() => CountryCode, { description: 'Where it is used.' })
  countryCode!: string;

  @Field(() => CurrencyCode, { description: 'The currency of its face values.' })
  currency!: string;

  @Field(() => String, { nullable: true, description: 'The mobile network or game platform.' })
  operator!: string | null;

  @Field(() => String, { nullable: true, description: 'The address of a picture.' })
  imageUrl!: string | null;

  @Field(() => [TopupInputFieldType], {
    description: 'The form of the recipient, in display order: what `inputData` must have.',
  })
  inputFields!: TopupInputFieldType[];

  @Field(() => [VariantType], {
    description: 'Its sellable forms, also those that are out of stock just now.',
  })
  variants!: Variant[];
}

const TopupProductEdge = edgeType('TopupProduct', {
  type: () => TopupProductType, description: 'One product',
});

export const TopupProductConnection = connectionType('TopupProduct', {
  edge: TopupProductEdge,
  description: 'Products that the caller may sell, by name.',
  total: 'How many products there are under the filter.',
});

/** Exactly one key is given: the schema marks this input @oneOf. */
@InputType('TopupProductBy', { description: 'Names one product by exactly one key.' })
export class TopupProductBy {
  @Field(() => ID, { nullable: true, description: 'The global id.' })
  id?: string | null;

  @Field(() => SafeInt, { nullable: true, description: 'The integer id of the REST API.' })
  productId?: number | null;
}

@InputType('TopupProductFilter', {
  description: 'Which products; a field that is left out lets all pass.',
})
export class TopupProductFilterInput {
  @Field(() => TopupTypeEnum, { nullable: true, description: 'Only of this type.' })
  topupType?: TopupType | null;

  @Field(() => CountryCode, { nullable: true, description: 'Only those used there.' })
  countryCode?: string | null;

  @Field(() => String, { nullable: true, description: 'Only of this operator, in any case.' })
  operator?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Part of the name, in any case. No character is a wildcard.',
  })
  search?: string | null;
}
