import type { Product, Variant } from './catalogue.ts';
import { compare } from './money.ts';

export interface Discount {
  readonly variantId: number | null;
  readonly productId: number | null;
  readonly category: string | null;
  readonly topupType: string | null;
  readonly percent: string;
  /** Whether it may sell for less than what is sold costs. */
  readonly mayLose: boolean;
}

/** What a client has off; a variant's is found without a look at the others, however many. */
export class Discounts {
  readonly rows: readonly Discount[];
  #greatest: Map<string, Discount> | null = null;

  constructor(rows: readonly Discount[]) {
    this.rows = rows;
  }

  /** The most specific row wins, of several the greatest, of equals one that may lose. */
  of(product: Product, variant: Variant): Discount | undefined {
    // Most clients do not order within the life of a snapshot.
    this.#greatest ??= greatestOf(this.rows);
    return this.#greatest.get(`variant ${variant.id}`)
      ?? this.#greatest.get(`product ${product.id}`)
      ?? this.#greatest.get(`category ${variant.category}`)
      ?? this.#greatest.get(`type ${product.topupType}`)
      ?? this.#greatest.get('all');
  }
}

/** By what they are for. */
function greatestOf(rows: readonly Discount[]): Map<string, Discount> {
  const greatest = new Map<string, Discount>();
  for (const row of rows) {
    const key = targetOf(row);
    const other = greatest.get(key);
    const order = other === undefined ? 1 : compare(row.percent, other.percent);
    if (order > 0 || (order === 0 && row.mayLose)) greatest.set(key, row);
  }
  return greatest;
}

/** A row is for one thing, or for all. */
function targetOf({ variantId, productId, category, topupType }: Discount): string {
  if (variantId !== null) return `variant ${variantId}`;
  if (productId !== null) return `product ${productId}`;
  if (category !== null) return `category ${category}`;
  return topupType === null ? 'all' : `type ${topupType}`;
}
