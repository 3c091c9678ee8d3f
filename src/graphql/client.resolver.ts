import { Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import { buyerOf } from '../domain/catalogue-listing.ts';
import type { Discount } from '../domain/discounts.ts';
import type { Wallet } from '../domain/ports.ts';
import type { PricingClient } from '../domain/pricing-snapshot.ts';
import { ClientType, type ClientLimits } from './client.types.ts';
import type { OperationContext } from './context.ts';
import { globalId } from './global-id.ts';
import { FIRST_MAX } from './page-sizes.ts';

/** The caller. */
@Resolver(() => ClientType)
export class ClientResolver {
  @Query(() => ClientType, { description: 'The caller itself.' })
  viewer(@Ctx() { clientId, deps }: OperationContext): PricingClient {
    return buyerOf(deps.store.pricing(), clientId);
  }

  @FieldResolver()
  id(@Root() client: PricingClient): string {
    return globalId('Client', client.id);
  }

  @FieldResolver()
  defaultCurrency(@Root() client: PricingClient): string | null {
    return client.wallets.find((wallet) => wallet.isDefault)?.currency ?? null;
  }

  @FieldResolver()
  async wallets(
    @Root() client: PricingClient,
    @Ctx() { loaders }: OperationContext,
  ): Promise<Wallet[]> {
    const ids = client.wallets.map((wallet) => wallet.id);
    const wallets = await Promise.all(ids.map((id) => loaders.wallets.load(id)));
    return wallets.filter((wallet) => wallet !== null);
  }

  @FieldResolver()
  discounts(@Root() client: PricingClient): readonly Discount[] {
    return client.discounts.rows;
  }

  @FieldResolver()
  limits(@Ctx() { deps }: OperationContext): ClientLimits {
    return {
      socketCountMax: deps.socketsPerClient,
      subscriptionCountMax: deps.subscriptionsPerSocket,
      pageSizeMax: FIRST_MAX,
    };
  }
}
