import type { Product, TopupType, Variant } from './catalogue.ts';
import type { PricingClient, PricingSnapshot } from './pricing-snapshot.ts';
import { Rejection, TemporarilyUnavailable } from './rejection.ts';

/** Which products to list; what is undefined or null is not asked about. */
export interface ProductFilter {
  readonly type?: TopupType | null | undefined;
  readonly countryCode?: string | null | undefined;
  readonly operator?: string | null | undefined;
  /** Part of the name, in any case; no character of it is a wildcard. */
  readonly search?: string | null | undefined;
}

/**
 * The client that may come in already. For some milliseconds after it was made, or is active again,
 * it is not among the prices: it is not told that there is nothing for it.
 * @throws TemporarilyUnavailable until it is
 */
export function buyerOf(snapshot: PricingSnapshot, clientId: number): PricingClient {
  const client = snapshot.client(clientId);
  if (client === undefined) throw new TemporarilyUnavailable('Prices are changing, please retry');
  return client;
}

/** What this client may buy of what is asked for, in order of name, then id. */
export function listProducts(
  snapshot: PricingSnapshot,
  clientId: number,
  filter: ProductFilter = {},
): readonly Product[] {
  const client = buyerOf(snapshot, clientId);
  const isAskedFor = matcherOf(filter);
  return snapshot.products().filter((each) => isAskedFor(each) && isSoldTo(client, each));
}

/** The order of every list of products; ids break ties. */
export function compareProducts(
  a: Pick<Product, 'name' | 'id'>,
  b: Pick<Product, 'name' | 'id'>,
): number {
  if (a.name === b.name) return a.id - b.id;
  return a.name < b.name ? -1 : 1;
}

interface SoldProduct {
  readonly client: PricingClient;
  readonly product: Product;
}

/** The product with its buyer, where it is active and sold to this client; else null. */
export function soldProduct(
  snapshot: PricingSnapshot,
  ids: { readonly clientId: number; readonly productId: number },
): SoldProduct | null {
  const client = buyerOf(snapshot, ids.clientId);
  const product = snapshot.product(ids.productId);
  if (product === undefined) return null;
  return isSoldTo(client, product) ? { client, product } : null;
}

/** @throws Rejection PRODUCT_NOT_FOUND where it is not sold to this client */
export function findProduct(
  snapshot: PricingSnapshot,
  ids: { readonly clientId: number; readonly productId: number },
): SoldProduct {
  const sold = soldProduct(snapshot, ids);
  if (sold !== null) return sold;
  throw new Rejection('PRODUCT_NOT_FOUND', 'Product not found', { field: ['productId'] });
}

/** The variant with its product, where both are sold to this client; else null. */
export function soldVariant(
  snapshot: PricingSnapshot,
  ids: { readonly clientId: number; readonly variantId: number },
): { readonly product: Product; readonly variant: Variant } | null {
  const variant = snapshot.variant(ids.variantId);
  if (variant === undefined) return null;
  const sold = soldProduct(snapshot, { clientId: ids.clientId, productId: variant.productId });
  if (sold === null || !isVariantSoldTo(sold.client, variant)) return null;
  return { product: sold.product, variant };
}

/** @throws Rejection PRODUCT_NOT_FOUND where it is not sold to this client */
export function findVariant(
  snapshot: PricingSnapshot,
  ids: { readonly clientId: number; readonly variantId: number },
): { readonly product: Product; readonly variant: Variant } {
  const sold = soldVariant(snapshot, ids);
  if (sold !== null) return sold;
  throw new Rejection('PRODUCT_NOT_FOUND', 'Variant not found', { field: ['variantId'] });
}

/** The variants that this client may buy, those out of stock included, in order of id. */
export function listVariants(client: PricingClient, product: Product): readonly Variant[] {
  return product.variants.filter((variant) => isVariantSoldTo(client, variant));
}

/** Whether the client may buy it, in stock or not; of its product nothing is asked. */
export function isVariantSoldTo(client: PricingClient, variant: Variant): boolean {
  return variant.isActive && !client.disabledVariants.has(variant.id);
}

function isSoldTo(client: PricingClient, product: Product): boolean {
  return product.isActive && !client.disabledProducts.has(product.id)
    && (!product.isRestricted || client.enabledProducts.has(product.id));
}

/**
 * No name is longer, however it is written. Bounded before it is folded: that takes the square of
 * the accents that stand on one letter.
 */
const FILTER_LENGTH_MAX = 1024;

function matcherOf(filter: ProductFilter): (product: Product) => boolean {
  const { type, countryCode } = filter;
  const texts = [filter.operator ?? '', filter.search ?? ''];
  if (texts.some(({ length }) => length > FILTER_LENGTH_MAX)) return () => false;
  const operator = isGiven(filter.operator) ? foldOf(filter.operator) : undefined;
  const search = isGiven(filter.search) ? foldOf(filter.search) : undefined;
  return (product) =>
    (!isGiven(type) || product.topupType === type)
    && (!isGiven(countryCode) || product.countryCode === countryCode)
    && (operator === undefined
      || (product.operator !== null && foldOf(product.operator) === operator))
    && (search === undefined || foldOf(product.name).includes(search));
}

/**
 * Without case and ways of writing (accents of their own, wide letters, unbreakable spaces): a
 * sigma is the same wherever it stands, an i whether its capital has a dot.
 */
function foldOf(text: string): string {
  // First to lower case: the upper one of a capital ß is itself, of a small one SS.
  return text.normalize('NFKC').toLowerCase().toUpperCase().toLowerCase()
    .replaceAll('ς', 'σ').replaceAll('i\u0307', 'i');
}

function isGiven<Value>(value: Value | null | undefined): value is Value {
  return value !== null && value !== undefined;
}

const variantCounts = new WeakMap<readonly Product[], number>();

/** How many variants the product on sale that has most of them on sale has. */
export function variantCountMax(snapshot: PricingSnapshot): number {
  const products = snapshot.products();
  const known = variantCounts.get(products);
  if (known !== undefined) return known;
  const max = products.filter(({ isActive }) => isActive).reduce((most, { variants }) =>
    Math.max(most, variants.filter(({ isActive }) => isActive).length), 0);
  variantCounts.set(products, max);
  return max;
}
