import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { Rejection } from '../domain/rejection.ts';
import { CancelTopupOrderInput, CancelTopupOrderPayload } from './cancel-topup-order.types.ts';
import type { OperationContext } from './context.ts';
import { forgetRead } from './loaders.ts';
import { getOrderBy } from './topup-order-by.ts';
import { userErrorsOf } from './user-errors.ts';

@Resolver()
export class CancelTopupOrderResolver {
  @Mutation(() => CancelTopupOrderPayload, {
    description: 'Cancels and refunds an order that no supplier has been asked for yet. '
      + 'Cancelling again answers the same order.',
  })
  async cancelTopupOrder(
    @Arg('input', () => CancelTopupOrderInput, { description: 'The order.' })
    input: CancelTopupOrderInput,
    @Ctx() { clientId, deps, loaders, moved }: OperationContext,
  ): Promise<CancelTopupOrderPayload> {
    try {
      const { id } = await getOrderBy(input.by, { clientId, store: deps.store });
      const order = await deps.cancelTopupOrder(clientId, id);
      moved.orderId = id;
      return { order, userErrors: [] };
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      return { order: null, userErrors: userErrorsOf(error) };
    } finally {
      forgetRead(loaders);
    }
  }
}
