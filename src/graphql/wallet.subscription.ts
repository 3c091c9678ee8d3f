import { Arg, FieldResolver, ID, Resolver, Root, Subscription } from 'type-graphql';
import type { FeedEdge } from '../domain/feed-edges.ts';
import { followWallets, type WalletEvent } from '../domain/follow-wallets.ts';
import type { Money } from '../domain/money.ts';
import { idOf } from '../domain/order-request.ts';
import type { Transfer } from '../domain/ports.ts';
import type { OperationContext } from './context.ts';
import { parseGlobalId } from './global-id.ts';
import { WalletEventEdge, WalletEventType } from './wallet-event.types.ts';

interface WalletUpdatedArgs {
  readonly walletId?: string | null;
  readonly after?: string | null;
}

@Resolver()
export class WalletSubscription {
  @Subscription(() => WalletEventEdge, {
    description: 'What moves in the wallets of the caller, without gap or repeat and without end. '
      + 'First comes a snapshot of each wallet; with `after`, whatever came behind that cursor. '
      + 'Movements of one wallet come in their order.',
    subscribe: ({ args, context }) => open(args as WalletUpdatedArgs, context as OperationContext),
  })
  walletUpdated(
    @Root() edge: FeedEdge<WalletEvent>,
    @Arg('walletId', () => ID, {
      nullable: true,
      description: 'Which wallet, by its global id or by the integer of the REST API; without it '
        + 'all, and those that are opened later.',
    }) _walletId: string | null,
    @Arg('after', () => String, {
      nullable: true, description: 'The cursor of the last edge that was received.',
    }) _after: string | null,
  ): FeedEdge<WalletEvent> {
    return edge;
  }
}

/** @throws Rejection WALLET_NOT_FOUND, or VALIDATION_FAILURE for a cursor that is not good here */
function open(
  { walletId, after }: WalletUpdatedArgs,
  { clientId, deps }: OperationContext,
): Promise<AsyncIterableIterator<FeedEdge<WalletEvent>>> {
  // No wallet has the id 0: what names none is as absent as another client's.
  const wallet = typeof walletId === 'string'
    ? parseGlobalId('Wallet', walletId) ?? idOf(walletId) ?? 0
    : null;
  return followWallets(clientId, { walletId: wallet, after: after ?? null }, deps);
}

/** An event of the domain as the schema shows it. */
@Resolver(() => WalletEventType)
export class WalletEventResolver {
  @FieldResolver()
  balance(@Root() { balance, wallet }: WalletEvent): Money {
    return { amount: balance, currency: wallet.currency };
  }

  @FieldResolver()
  transaction(@Root() { transfer }: WalletEvent): Transfer | null {
    return transfer;
  }
}
