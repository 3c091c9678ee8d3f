import { Field, InputType, ObjectType } from 'type-graphql';
import type { TopupOrder } from '../domain/topup-order.ts';
import { TopupOrderBy } from './topup-order-by.ts';
import { TopupOrderType } from './topup-order.types.ts';
import { TopupOrderUserError } from './user-errors.ts';

@InputType('SetTopupOrderNotificationEmailInput', {
  description: 'Which order, and who is told how it ends.',
})
export class SetTopupOrderNotificationEmailInput {
  @Field(() => TopupOrderBy, { description: 'The order.' })
  by!: TopupOrderBy;

  @Field(() => String, {
    nullable: true,
    description: 'The address, at most 254 characters; null, which has to be said, clears it.',
  })
  email?: string | null;
}

@ObjectType('SetTopupOrderNotificationEmailPayload', {
  simpleResolvers: true,
  description: 'The order with its address, or why it was refused.',
})
export class SetTopupOrderNotificationEmailPayload {
  @Field(() => TopupOrderType, { nullable: true, description: 'The order. Null where refused.' })
  order!: TopupOrder | null;

  @Field(() => [TopupOrderUserError], { description: 'Empty where the address is set.' })
  userErrors!: TopupOrderUserError[];
}
