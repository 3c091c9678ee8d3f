import { Field, InputType, ObjectType } from 'type-graphql';
import type { TopupOrder } from '../domain/topup-order.ts';
import { TopupOrderBy } from './topup-order-by.ts';
import { TopupOrderType } from './topup-order.types.ts';
import { TopupOrderUserError } from './user-errors.ts';

@InputType('CancelTopupOrderInput', { description: 'Which order to cancel.' })
export class CancelTopupOrderInput {
  @Field(() => TopupOrderBy, { description: 'The order.' })
  by!: TopupOrderBy;
}

@ObjectType('CancelTopupOrderPayload', {
  simpleResolvers: true,
  description: 'The cancelled order, or why it stands.',
})
export class CancelTopupOrderPayload {
  @Field(() => TopupOrderType, {
    nullable: true,
    description: 'The order, cancelled and refunded. Null where refused.',
  })
  order!: TopupOrder | null;

  @Field(() => [TopupOrderUserError], { description: 'Empty where the order is cancelled.' })
  userErrors!: TopupOrderUserError[];
}
