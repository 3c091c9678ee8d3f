import type { RateClass } from '../domain/rate-limits.ts';
import { OBJECTS_PER_POINT, pointsOf, type Estimate } from './operation-cost.ts';

/** Tokens of one limit. */
export interface Charge {
  readonly class: RateClass;
  readonly count: number;
}

/** Root fields that are counted by themselves, as behind the REST door; others are read points. */
const CLASSES: Readonly<Record<string, RateClass>> = {
  createTopupOrder: 'orders.create',
  topupQuote: 'charges',
  lookupMobileNumber: 'lookup',
};

/**
 * What an operation is charged, by its root fields. A field under several aliases counts each
 * time; an order is paid for with its one token, whatever is asked about it in the answer, but for
 * pages of more.
 */
export function chargesOf(
  rootFields: readonly string[],
  estimate: Estimate,
): readonly Charge[] {
  const counts = new Map<RateClass, number>();
  for (const name of rootFields) {
    const rateClass = CLASSES[name];
    if (rateClass !== undefined) counts.set(rateClass, (counts.get(rateClass) ?? 0) + 1);
  }
  const classed = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const reads = counts.has('orders.create')
    ? rootFields.length - classed + Math.floor(estimate.objectCount / OBJECTS_PER_POINT)
    : pointsOf(estimate) - classed;
  if (reads > 0) counts.set('read', reads);
  return [...counts].map(([rateClass, count]) => ({ class: rateClass, count }));
}
