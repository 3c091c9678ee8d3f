import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { Rejection } from '../domain/rejection.ts';
import { parseNotificationEmail } from '../domain/set-notification-email.ts';
import type { OperationContext } from './context.ts';
import { forgetRead } from './loaders.ts';
import {
  SetTopupOrderNotificationEmailInput, SetTopupOrderNotificationEmailPayload,
} from './set-notification-email.types.ts';
import { getOrderBy } from './topup-order-by.ts';
import { userErrorsOf } from './user-errors.ts';

@Resolver()
export class SetNotificationEmailResolver {
  @Mutation(() => SetTopupOrderNotificationEmailPayload, {
    description: 'Names the address that hears how an order ends, or none. For an order that has '
      + 'ended the mail is sent now, once per address.',
  })
  async setTopupOrderNotificationEmail(
    @Arg('input', () => SetTopupOrderNotificationEmailInput, { description: 'Order, address.' })
    input: SetTopupOrderNotificationEmailInput,
    @Ctx() { clientId, deps, loaders }: OperationContext,
  ): Promise<SetTopupOrderNotificationEmailPayload> {
    try {
      // First, as through REST: a wrong address is told before an order that is not there.
      const address = parseNotificationEmail(input.email);
      const { id } = await getOrderBy(input.by, { clientId, store: deps.store });
      const order = await deps.setNotificationEmail(clientId, id, address);
      return { order, userErrors: [] };
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      return { order: null, userErrors: userErrorsOf(error) };
    } finally {
      forgetRead(loaders);
    }
  }
}
