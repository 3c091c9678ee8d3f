import { Arg, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import type { Transfer, Wallet } from '../domain/ports.ts';
import {
  FAILURES, failureReason, nextAttemptAt, pendingReason, statusText, type TopupOrder,
} from '../domain/topup-order.ts';
import type { OperationContext } from './context.ts';
import { globalId } from './global-id.ts';
import { findOrderBy, TopupOrderBy } from './topup-order-by.ts';
import {
  TopupOrderType, type InputFieldValue, type PendingExplanation, type ReceiptField,
  type RefundType, ReversalType, type TopupFailure,
} from './topup-order.types.ts';

/** An order of the domain as the schema shows it; other fields have the same name there. */
@Resolver(() => TopupOrderType)
export class TopupOrderResolver {
  @Query(() => TopupOrderType, {
    nullable: true,
    description: "One order of the caller; null where there is none, or where it is another's.",
  })
  topupOrder(
    @Arg('by', () => TopupOrderBy, { description: 'Which order.' }) by: TopupOrderBy,
    @Ctx() { clientId, deps }: OperationContext,
  ): Promise<TopupOrder | null> {
    return findOrderBy(by, { clientId, store: deps.store });
  }

  @FieldResolver()
  id(@Root() order: TopupOrder): string {
    return globalId('TopupOrder', order.id);
  }

  @FieldResolver()
  orderId(@Root() order: TopupOrder): number {
    return order.id;
  }

  @FieldResolver()
  wallet(@Root() order: TopupOrder, @Ctx() { loaders }: OperationContext): Promise<Wallet | null> {
    return loadOrNull(loaders.wallets, order.walletId);
  }

  @FieldResolver()
  transaction(
    @Root() order: TopupOrder,
    @Ctx() { loaders }: OperationContext,
  ): Promise<Transfer | null> {
    return loadOrNull(loaders.transfers, order.debitTransferId);
  }

  @FieldResolver()
  statusText(@Root() order: TopupOrder): string {
    return statusText(order.status, order.failureCode);
  }

  @FieldResolver()
  failure(@Root() order: TopupOrder): TopupFailure | null {
    const code = order.failureCode;
    if (code === null) return null;
    const { reason, isUserFixable, recommendedAction } = FAILURES[code];
    return { code, reason: failureReason(order) ?? reason, isUserFixable, recommendedAction };
  }

  @FieldResolver()
  async refund(
    @Root() order: TopupOrder,
    @Ctx() { loaders }: OperationContext,
  ): Promise<RefundType | null> {
    if (order.refundTransferId === null || order.completedAt === null) return null;
    const transaction = await loaders.transfers.load(order.refundTransferId);
    return { transaction, amount: order.charge, at: order.completedAt };
  }

  @FieldResolver()
  async reversal(
    @Root() order: TopupOrder,
    @Ctx() { loaders }: OperationContext,
  ): Promise<ReversalType | null> {
    const { reversalTransferId: id, reversedAt: at, charge: amount } = order;
    if (at === null) return null;
    // What a voucher paid went back without a movement of any wallet.
    return { transaction: id === null ? null : await loaders.transfers.load(id), amount, at };
  }

  @FieldResolver()
  pending(@Root() order: TopupOrder): PendingExplanation | null {
    const reason = pendingReason(order);
    if (reason === null) return null;
    const { attemptCount, lastAttemptAt, expectedBy } = order;
    const nextAt = nextAttemptAt(order);
    return { reason, attemptCount, lastAttemptAt, nextAttemptAt: nextAt, expectedBy };
  }

  @FieldResolver()
  inputData(@Root() order: TopupOrder): InputFieldValue[] {
    return namedValues(order.inputData);
  }

  @FieldResolver()
  receipt(@Root() order: TopupOrder): ReceiptField[] | null {
    return order.receipt === null ? null : namedValues(order.receipt);
  }
}

async function loadOrNull<Row>(
  loader: { load(id: number): Promise<Row | null> },
  id: number | null,
): Promise<Row | null> {
  return id === null ? null : loader.load(id);
}

function namedValues(
  values: Readonly<Record<string, string>>,
): { name: string; value: string }[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}
