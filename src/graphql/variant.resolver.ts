import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import { validityDays, type Variant } from '../domain/catalogue.ts';
import type { OperationContext } from './context.ts';
import { globalId } from './global-id.ts';
import { VariantType, type VariantField } from './variant.types.ts';

/** A variant of the domain as the schema shows it. */
@Resolver(() => VariantType)
export class VariantResolver {
  @FieldResolver()
  id(@Root() variant: Variant): string {
    return globalId('Variant', variant.id);
  }

  @FieldResolver()
  variantId(@Root() variant: Variant): number {
    return variant.id;
  }

  @FieldResolver()
  currency(@Root() { productId }: Variant, @Ctx() { deps }: OperationContext): string | null {
    return deps.store.pricing().product(productId)?.currency ?? null;
  }

  @FieldResolver()
  countryCode(@Root() { productId }: Variant, @Ctx() { deps }: OperationContext): string | null {
    return deps.store.pricing().product(productId)?.countryCode ?? null;
  }

  @FieldResolver()
  fields(@Root() { fields }: Variant): VariantField[] {
    return Object.entries(fields).map(([name, value]) => ({ name, value }));
  }

  @FieldResolver()
  validityDays(@Root() variant: Variant): number | null {
    return validityDays(variant);
  }
}
