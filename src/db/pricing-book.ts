import { setImmediate } from 'node:timers/promises';
import type pg from 'pg';
import { compareProducts } from '../domain/catalogue-listing.ts';
import type { Product } from '../domain/catalogue.ts';
import { canonical } from '../domain/money.ts';
import type { PricingClient, PricingSnapshot } from '../domain/pricing-snapshot.ts';
import {
  readPricing, type KnownPricing, type PricingChanges, type PricingHead,
} from './pricing-reader.ts';
import {
  suppliedBy, toClient, toProduct, toVariant, type OfferedVariant, type SupplierRow,
} from './pricing-rows.ts';

/** Things that are handled in one turn of the event loop: some milliseconds of work. */
const SLICE_LENGTH = 2000;

/** The catalogue at one version; a later one is another object, made of what did not change. */
interface Catalogue {
  readonly products: ReadonlyMap<number, Product>;
  readonly variants: ReadonlyMap<number, OfferedVariant>;
  /** In order of name, then id. */
  readonly listed: readonly Product[];
}

/** The active ones. */
type Clients = ReadonlyMap<number, PricingClient>;

const EMPTY: Catalogue = { products: new Map(), variants: new Map(), listed: [] };

/**
 * The price snapshot of a process. It reads what changed since the version that it has, and works
 * in slices: requests go on meanwhile, by the figures of the version before.
 */
export class PricingBook {
  readonly #pool: pg.Pool;
  readonly #forexRateHoursMax: number;
  #known: KnownPricing | null = null;
  #catalogue = EMPTY;
  #clients: Clients = new Map();
  #suppliers: readonly SupplierRow[] = [];

  /** Without `forexRateHoursMax`, or with 0, a rate is never too old. */
  constructor(pool: pg.Pool, { forexRateHoursMax = 0 } = {}) {
    this.#pool = pool;
    this.#forexRateHoursMax = forexRateHoursMax;
  }

  /** The figures as they stand. One call at a time. */
  refresh(): Promise<PricingSnapshot> {
    const from = { since: this.#known, forexRateHoursMax: this.#forexRateHoursMax };
    return readPricing(this.#pool, from, async (changes) => {
      const suppliers = changes.head.suppliers ?? [];
      const isSupplied = JSON.stringify(suppliers) === JSON.stringify(this.#suppliers);
      const before = changes.isWhole ? EMPTY : this.#catalogue;
      const catalogue = await changed(before, changes, { suppliers, isSupplied });
      const clients = await changedClients(this.#clients, changes);
      this.#known = changes.head;
      this.#suppliers = suppliers;
      this.#catalogue = catalogue;
      this.#clients = clients;
      return toSnapshot(changes.head, catalogue, clients);
    });
  }
}

async function changedClients(before: Clients, changes: PricingChanges): Promise<Clients> {
  const clients = new Map(changes.areClientsWhole ? [] : before);
  let changedCount = 0;
  for await (const rows of changes.clients()) {
    for (const [row] of rows) {
      if (row.is_active) clients.set(row.client_id, toClient(row));
      else clients.delete(row.client_id);
    }
    changedCount += rows.length;
  }
  return changes.areClientsWhole || changedCount > 0 ? clients : before;
}

async function changed(
  before: Catalogue,
  changes: PricingChanges,
  { suppliers, isSupplied }: { suppliers: readonly SupplierRow[]; isSupplied: boolean },
): Promise<Catalogue> {
  const supplyOf = suppliedBy(suppliers);
  const products = new Map(before.products);
  const fresh = new Map<number, OfferedVariant>();
  let productCount = 0;
  for await (const rows of changes.products()) {
    for (const [row] of rows) products.set(row.id, toProduct(row, products.get(row.id)?.variants));
    productCount += rows.length;
  }
  for await (const rows of changes.variants()) {
    for (const [row] of rows) {
      const variant = toVariant(row, supplyOf);
      fresh.set(variant.id, variant);
    }
  }
  if (!isSupplied) {
    // The greatest change that a single row can bring: all that its supplier offers.
    await inSlices([...before.variants.values()], (variant) => {
      if (!fresh.has(variant.id)) fresh.set(variant.id, { ...variant, ...supplyOf(variant) });
    });
  }
  if (!changes.isWhole && productCount === 0 && fresh.size === 0) return before;
  await setImmediate();
  const variants = new Map(before.variants);
  await inSlices([...fresh.values()], (variant) => variants.set(variant.id, variant));
  await putVariants(products, fresh, before.variants);
  await setImmediate();
  // Nearly in order already, as it was read or kept: the sort is one walk over it.
  const listed = [...products.values()].sort(compareProducts);
  await setImmediate();
  return { products: new Map(listed.map((each) => [each.id, each])), variants, listed };
}

/** Gives products the variants that changed, and takes from them those that moved away. */
async function putVariants(
  products: Map<number, Product>,
  fresh: ReadonlyMap<number, OfferedVariant>,
  before: ReadonlyMap<number, OfferedVariant>,
): Promise<void> {
  const touched = new Map<number, OfferedVariant[]>();
  const of = (productId: number): OfferedVariant[] => {
    const list = touched.get(productId) ?? [];
    touched.set(productId, list);
    return list;
  };
  await inSlices([...fresh.values()], (variant) => {
    of(variant.productId).push(variant);
    const old = before.get(variant.id);
    if (old !== undefined && old.productId !== variant.productId) of(old.productId);
  });
  await inSlices([...touched], ([productId, added]) => {
    const product = products.get(productId);
    if (product === undefined) return;
    const kept = product.variants.filter(({ id }) => !fresh.has(id));
    const variants = [...kept, ...added].sort((a, b) => a.id - b.id);
    products.set(productId, { ...product, variants });
  });
}

async function inSlices<Item>(
  items: readonly Item[],
  use: (item: Item) => void,
): Promise<void> {
  for (let start = 0; start < items.length; start += SLICE_LENGTH) {
    if (start > 0) await setImmediate();
    for (const item of items.slice(start, start + SLICE_LENGTH)) use(item);
  }
}

function toSnapshot(
  head: PricingHead,
  catalogue: Catalogue,
  clients: Clients,
): PricingSnapshot {
  const { products, variants, listed } = catalogue;
  const rates = new Map((head.rates ?? []).map(([from, to, id, rate]) =>
    [`${from}>${to}`, { id, rate: canonical(rate) }]));
  const currencies = head.currencies ?? [];
  const precisions = new Map(currencies.map(({ code, precision }) => [code, precision]));
  const prefixes = Map.groupBy(head.prefixes ?? [], ([prefix]) => prefix);
  return {
    version: head.version,
    readAt: head.read_at,
    validUntil: head.valid_until?.toISOString() ?? null,
    product: (id) => products.get(id),
    products: () => listed,
    productIdsByPrefix: (prefix) => (prefixes.get(prefix) ?? []).map(([, id]) => id),
    variant: (id) => variants.get(id),
    client: (id) => clients.get(id),
    rate: (from, to) => rates.get(`${from}>${to}`),
    currencies: () => currencies,
    precision(currency) {
      const digits = precisions.get(currency);
      if (digits === undefined) throw new Error(`No precision for currency ${currency}`);
      return digits;
    },
  };
}
