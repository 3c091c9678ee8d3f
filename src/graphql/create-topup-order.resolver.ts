import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { NumberText } from '../domain/money.ts';
import type { RawOrderRequest } from '../domain/order-request.ts';
import { Rejection } from '../domain/rejection.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import type { OperationContext } from './context.ts';
import { CreateTopupOrderInput, CreateTopupOrderPayload } from './create-topup-order.types.ts';
import { forgetRead } from './loaders.ts';
import { userErrorsOf } from './user-errors.ts';

@Resolver()
export class CreateTopupOrderResolver {
  @Mutation(() => CreateTopupOrderPayload, {
    description: 'Places and pays an order. Refusals are `userErrors`; an order that FAILED is '
      + 'an order. At most one per operation.',
  })
  async createTopupOrder(
    @Arg('input', () => CreateTopupOrderInput, { description: 'The order.' })
    input: CreateTopupOrderInput,
    @Ctx() context: OperationContext,
  ): Promise<CreateTopupOrderPayload> {
    try {
      const raw = rawOrderRequest(input);
      const order = await context.deps.createTopupOrder(context.clientId, raw);
      context.moved.orderId = order.id;
      return { order, userErrors: [], duplicateOf: null };
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      const duplicateOf = await findDuplicate(error, input, context);
      return { order: null, userErrors: userErrorsOf(error), duplicateOf };
    } finally {
      forgetRead(context.loaders);
    }
  }
}

/** The input as the story takes it: numbers as written, fields as pairs. */
function rawOrderRequest(input: CreateTopupOrderInput): RawOrderRequest {
  const { productId, amount, inputData, walletId } = input;
  return {
    productId: new NumberText(String(productId)),
    amount: new NumberText(amount),
    inputData: inputData.map(({ name, value }) => [name, value]),
    clientReference: input.clientReference,
    walletId: typeof walletId === 'number' ? new NumberText(String(walletId)) : null,
    category: input.category,
    redeemVoucherCode: input.redeemVoucherCode,
    quoteId: input.quoteId,
    allowForexFallback: input.allowForexFallback ?? true,
  };
}

async function findDuplicate(
  rejection: Rejection,
  { clientReference }: CreateTopupOrderInput,
  { clientId, deps }: OperationContext,
): Promise<TopupOrder | null> {
  return rejection.code === 'DUPLICATE_CLIENT_REFERENCE' && typeof clientReference === 'string'
    ? deps.store.findOrderByReference(clientId, clientReference)
    : null;
}
