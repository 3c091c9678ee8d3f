import { Arg, Ctx, Query, Resolver } from 'type-graphql';
import { NumberText } from '../domain/money.ts';
import type { RawQuoteRequest } from '../domain/quote-topup.ts';
import { Rejection } from '../domain/rejection.ts';
import type { OperationContext } from './context.ts';
import { TopupQuoteInput, TopupQuotePayload } from './topup-quote.types.ts';
import { userErrorsOf } from './user-errors.ts';

@Resolver()
export class TopupQuoteResolver {
  @Query(() => TopupQuotePayload, {
    description: 'Prices a top-up exactly as `createTopupOrder` would; nothing is debited. A lack '
      + 'of funds is told, not refused.',
  })
  async topupQuote(
    @Arg('input', () => TopupQuoteInput, { description: 'What to price.' }) input: TopupQuoteInput,
    @Ctx() { clientId, deps }: OperationContext,
  ): Promise<TopupQuotePayload> {
    try {
      const quote = await deps.quoteTopup(clientId, rawQuoteRequest(input));
      return { quote, userErrors: [] };
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      return { quote: null, userErrors: userErrorsOf(error) };
    }
  }
}

function rawQuoteRequest(input: TopupQuoteInput): RawQuoteRequest {
  const { productId, amount, walletId, category } = input;
  return {
    productId: new NumberText(String(productId)),
    amount: new NumberText(amount),
    walletId: typeof walletId === 'number' ? new NumberText(String(walletId)) : null,
    category,
    allowForexFallback: input.allowForexFallback ?? true,
  };
}
