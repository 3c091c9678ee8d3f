import { Decimal } from 'decimal.js';

/** An exact amount as canonical decimal text ("4.7405", "712"): no exponent, no trailing zeros. */
export type Amount = string;

/** An exact amount in an ISO 4217 currency. */
export interface Money {
  readonly amount: Amount;
  readonly currency: string;
}

/** A number exactly as it was written by the caller, before any float could round it. */
export class NumberText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Digits after the point that the ledger keeps. */
export const LEDGER_DECIMALS = 4;

/** An amount as operators write it: "4.99", with at most nine digits before the point. */
export const WRITTEN_AMOUNT =
  new RegExp(`^(0|[1-9][0-9]{0,8})(\\.[0-9]{1,${LEDGER_DECIMALS}})?$`);

// Wide enough for 20 digits of money times 20 digits of rate: products are exact, and the one
// rounding happens where it is named.
const Exact = Decimal.clone({
  precision: 60, rounding: Decimal.ROUND_HALF_UP, toExpPos: 60, toExpNeg: -60,
});

/** Texts kept with their parsed values, at most: figures of the catalogue come again and again. */
const KNOWN_MAX = 10_000;
/** A longer text is not kept: it may be cut out of a whole body, which would stay with it. */
const KNOWN_LENGTH_MAX = 12;
const known = new Map<string, Decimal>();

function exact(text: string): Decimal {
  const found = known.get(text);
  if (found !== undefined) return found;
  const value = new Exact(text);
  if (text.length > KNOWN_LENGTH_MAX) return value;
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(text, value);
  return value;
}

/** "10.0000" -> "10"; `text` must be a decimal number. */
export function canonical(text: string): Amount {
  return exact(text).toFixed();
}

/** The amount with at least so many digits after the point: "50" -> "50.00", "4.7405" as it is. */
export function withDecimals(amount: Amount, decimalsMin: number): string {
  return exact(amount).toFixed(Math.max(decimalsMin, decimalPlaces(amount)));
}

/** Below, at or above 0 as `a` is less than, equal to or more than `b`: "1.0" equals "1". */
export function compare(a: Amount, b: Amount): number {
  return a === b ? 0 : exact(a).comparedTo(exact(b));
}

/** More than 0. */
export function isPositive(amount: Amount): boolean {
  return exact(amount).greaterThan(0);
}

/** Digits behind the point that say something: 2 for "4.990". */
export function decimalPlaces(amount: Amount): number {
  return exact(amount).decimalPlaces();
}

/** Exact, in canonical form; of one currency. */
export function subtract(a: Amount, b: Amount): Amount {
  return exact(a).minus(exact(b)).toFixed();
}

/** Exact, in canonical form; of one currency. */
export function add(a: Amount, b: Amount): Amount {
  return exact(a).plus(exact(b)).toFixed();
}

/** percent % of amount, rounded half-up to the ledger's 4 decimals. */
export function percentOf(amount: Amount, percent: string): Amount {
  const product = exact(amount).times(exact(percent)).dividedBy(100);
  return product.toDecimalPlaces(LEDGER_DECIMALS, Decimal.ROUND_HALF_UP).toFixed();
}

/** amount x rate, rounded half-up once to `decimals`, the paying currency's precision. */
export function convert(amount: Amount, options: { rate: string; decimals: number }): Amount {
  const product = exact(amount).times(exact(options.rate));
  return product.toDecimalPlaces(options.decimals, Decimal.ROUND_HALF_UP).toFixed();
}

/** True where (amount - from) is a whole multiple of step. */
export function isOnStep(amount: Amount, range: { from: Amount; step: Amount }): boolean {
  return exact(amount).minus(exact(range.from)).modulo(exact(range.step)).isZero();
}

/** The allowed amount at or below `amount` on the grid from, from + step, ... */
export function stepBelow(amount: Amount, range: { from: Amount; step: Amount }): Amount {
  const steps = exact(amount).minus(exact(range.from)).dividedToIntegerBy(exact(range.step));
  return steps.times(exact(range.step)).plus(exact(range.from)).toFixed();
}
