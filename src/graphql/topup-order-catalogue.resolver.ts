import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import { soldProduct, soldVariant } from '../domain/catalogue-listing.ts';
import type { Product, Variant } from '../domain/catalogue.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import type { OperationContext } from './context.ts';
import { TopupOrderType } from './topup-order.types.ts';
import { TopupProductType } from './topup-product.types.ts';
import { VariantType } from './variant.types.ts';

/** What an order bought, as it is sold today; from memory, so there is nothing to batch. */
@Resolver(() => TopupOrderType)
export class TopupOrderCatalogueResolver {
  @FieldResolver(() => TopupProductType, {
    nullable: true,
    description: 'The product as it is sold today; null when it is gone.',
  })
  product(
    @Root() { productId }: TopupOrder,
    @Ctx() { clientId, deps }: OperationContext,
  ): Product | null {
    return soldProduct(deps.store.pricing(), { clientId, productId })?.product ?? null;
  }

  @FieldResolver(() => VariantType, {
    nullable: true,
    description: 'The variant as it is sold today; null when it is gone.',
  })
  variant(
    @Root() { variantId }: TopupOrder,
    @Ctx() { clientId, deps }: OperationContext,
  ): Variant | null {
    return soldVariant(deps.store.pricing(), { clientId, variantId })?.variant ?? null;
  }
}
