import type { PricingSnapshot } from './pricing-snapshot.ts';
import type { TopupOrder } from './topup-order.ts';

/** What is left to see of a value, and of nothing shorter than twice that. */
const SHOWN_CHARACTERS = 4;

/** '******6789'. Of a short value nothing is shown: its last four would be most of it. */
export function maskValue(value: string): string {
  const characters = [...value];
  const shown = characters.length < 2 * SHOWN_CHARACTERS ? 0 : SHOWN_CHARACTERS;
  return '*'.repeat(characters.length - shown)
    + characters.slice(characters.length - shown).join('');
}

/**
 * An order as lists and events show it: the values of sensitive input fields are masked. What its
 * product says today holds for old orders too; what no product speaks of any more is masked.
 */
export function maskSensitive(
  order: TopupOrder,
  catalogue: Pick<PricingSnapshot, 'product'>,
): TopupOrder {
  const fields = catalogue.product(order.productId)?.inputFields ?? [];
  const isPlain = (name: string): boolean =>
    fields.some((field) => field.name === name && !field.isSensitive);
  const values = Object.entries(order.inputData);
  if (values.every(([name]) => isPlain(name))) return order;
  const shown = values.map(([name, value]) => [name, isPlain(name) ? value : maskValue(value)]);
  return { ...order, inputData: Object.fromEntries(shown) as Record<string, string> };
}
