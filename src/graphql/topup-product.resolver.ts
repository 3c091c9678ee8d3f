import { Arg, Ctx, FieldResolver, Int, Query, Resolver, Root } from 'type-graphql';
import {
  buyerOf, compareProducts, listProducts, listVariants, soldProduct,
} from '../domain/catalogue-listing.ts';
import type { Product, Variant } from '../domain/catalogue.ts';
import {
  parseConnectionCursor, writeConnectionCursor, type ConnectionAddress,
} from './connection-cursor.ts';
import {
  AFTER_DESCRIPTION, FIRST_DESCRIPTION, pageOf, parseFirst, type Connection,
} from './connection.types.ts';
import type { OperationContext } from './context.ts';
import { globalId, parseGlobalId } from './global-id.ts';
import {
  TopupProductBy, TopupProductConnection, TopupProductFilterInput, TopupProductType,
} from './topup-product.types.ts';

/** Products, all from the price snapshot in memory. */
@Resolver(() => TopupProductType)
export class TopupProductResolver {
  @Query(() => TopupProductType, {
    nullable: true,
    description: 'One product; null where there is none, or where it is not sold to the caller.',
  })
  topupProduct(
    @Arg('by', () => TopupProductBy, { description: 'Which product.' }) by: TopupProductBy,
    @Ctx() { clientId, deps }: OperationContext,
  ): Product | null {
    const productId = by.productId ?? parseGlobalId('TopupProduct', by.id ?? '') ?? 0;
    return soldProduct(deps.store.pricing(), { clientId, productId })?.product ?? null;
  }

  @Query(() => TopupProductConnection, {
    description: 'Products that the caller may sell, by name.',
  })
  topupProducts(
    @Arg('filter', () => TopupProductFilterInput, {
      nullable: true, description: 'Which products; all without it.',
    }) filter: TopupProductFilterInput | null,
    @Arg('first', () => Int, { description: FIRST_DESCRIPTION }) first: number,
    @Arg('after', () => String, { nullable: true, description: AFTER_DESCRIPTION })
    after: string | null,
    @Ctx() { clientId, deps }: OperationContext,
  ): Connection<Product> {
    const limit = parseFirst(first) + 1;
    const address = { clientId, connection: 'topupProducts', key: deps.cursorKey };
    const last = typeof after === 'string' ? lastSeen(after, address) : null;
    const { topupType: type, ...rest } = filter ?? {};
    const products = listProducts(deps.store.pricing(), clientId, { ...rest, type });
    const start = last === null
      ? 0
      : products.findIndex((each) => compareProducts(each, last) > 0);
    return pageOf(start === -1 ? [] : products.slice(start, start + limit), {
      first,
      isAfter: last !== null,
      cursorOf: ({ name, id }) => writeConnectionCursor([name, id], address),
      totalCount: () => products.length,
    });
  }

  @FieldResolver()
  id(@Root() product: Product): string {
    return globalId('TopupProduct', product.id);
  }

  @FieldResolver()
  productId(@Root() product: Product): number {
    return product.id;
  }

  @FieldResolver()
  variants(
    @Root() product: Product,
    @Ctx() { clientId, deps }: OperationContext,
  ): readonly Variant[] {
    return listVariants(buyerOf(deps.store.pricing(), clientId), product);
  }
}

/** @throws Rejection VALIDATION_FAILURE (CURSOR_INVALID) */
function lastSeen(cursor: string, address: ConnectionAddress): Pick<Product, 'name' | 'id'> {
  const [name, id] = parseConnectionCursor(cursor, address);
  return { name: String(name), id: Number(id) };
}
