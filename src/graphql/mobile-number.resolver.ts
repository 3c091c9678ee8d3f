import { Arg, Ctx, Field, FieldResolver, ObjectType, Query, Resolver, Root } from 'type-graphql';
import { buyerOf, listVariants } from '../domain/catalogue-listing.ts';
import type { Product, Variant } from '../domain/catalogue.ts';
import { lookupMobileNumber, type MobileNumberMatch } from '../domain/lookup-mobile-number.ts';
import type { OperationContext } from './context.ts';
import { TopupProductType } from './topup-product.types.ts';
import { VariantType } from './variant.types.ts';

@ObjectType('MobileNumberMatch', {
  simpleResolvers: true,
  description: 'A product that may top up a mobile number.',
})
export class MobileNumberMatchType {
  @Field(() => TopupProductType, { description: 'The product.' })
  product!: Product;

  @Field(() => [VariantType], { description: 'The sellable forms of the product.' })
  variants!: Variant[];

  @Field(() => Boolean, {
    description: 'The number was first given to this operator; it may have been ported since. '
      + 'True for one match at most.',
  })
  isIdentified!: boolean;
}

@Resolver(() => MobileNumberMatchType)
export class MobileNumberResolver {
  @Query(() => [MobileNumberMatchType], {
    description: 'The products for a mobile number: best guess first, then the other operators of '
      + 'its country. The number is not kept.',
  })
  lookupMobileNumber(
    @Arg('mobileNumber', () => String, { description: 'The number in E.164.' })
    mobileNumber: string,
    @Ctx() { clientId, deps }: OperationContext,
  ): readonly MobileNumberMatch[] {
    return lookupMobileNumber(deps.store.pricing(), clientId, mobileNumber);
  }

  @FieldResolver()
  variants(
    @Root() { product }: MobileNumberMatch,
    @Ctx() { clientId, deps }: OperationContext,
  ): readonly Variant[] {
    return listVariants(buyerOf(deps.store.pricing(), clientId), product);
  }
}
