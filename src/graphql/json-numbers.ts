import { NumberText } from '../domain/money.ts';

/** A number that a JavaScript number might change; written back into JSON as a plain number. */
class WrittenNumber extends NumberText {
  toJSON(): number {
    return Number(this.text);
  }
}

/**
 * A reviver for JSON.parse: integers within 2^53 become numbers, every other number keeps its
 * text. So 4.9900000000000001 or 5.0 never reaches a scalar as if it had been 4.99 or 5.
 */
export function keepWrittenNumbers(
  _key: string,
  value: unknown,
  written?: { readonly source?: string },
): unknown {
  if (typeof value !== 'number') return value;
  const source = written?.source ?? '';
  return Number.isSafeInteger(value) && /^-?[0-9]+$/.test(source)
    ? value
    : new WrittenNumber(source);
}
