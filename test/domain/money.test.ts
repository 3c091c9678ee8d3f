import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  add, canonical, compare, convert, decimalPlaces, isOnStep, isPositive, percentOf, stepBelow,
  subtract,
} from '../../src/domain/money.ts';

/** `units` of 10^-decimals as canonical text, by BigInt arithmetic alone. */
function textOf(units: bigint, decimals: number): string {
  const digits = units.toString().padStart(decimals + 1, '0');
  const integer = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  return fraction === '' ? integer : `${integer}.${fraction}`;
}

/** Half-up for what is not negative. */
function divideHalfUp(dividend: bigint, divisor: bigint): bigint {
  return (2n * dividend + divisor) / (2n * divisor);
}

/** Ten-thousandths: every amount that the ledger can hold. */
const amounts = fc.bigInt({ min: 1n, max: 9_999_999_999_999n });
/** Ten-thousandths of a percent, below 100 %. */
const percents = fc.bigInt({ min: 0n, max: 999_999n });
/** NUMERIC(20,10): ten decimals. */
const rates = fc.bigInt({ min: 1n, max: 10n ** 20n - 1n });

describe('canonical', () => {
  test.each([
    ['4.99', '4.99'],
    ['4.990', '4.99'],
    ['10.0000', '10'],
    ['499e-2', '4.99'],
    ['4.99E0', '4.99'],
    ['1E+3', '1000'],
    ['-0', '0'],
    ['0.0000', '0'],
    ['0.00010', '0.0001'],
    ['1e-7', '0.0000001'],
    ['999999999.9999', '999999999.9999'],
    ['99999999999999999999.9999999999', '99999999999999999999.9999999999'],
  ])('writes %s as %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test('gives every amount one text, however many zeros it was sent with', () => {
    fc.assert(fc.property(amounts, fc.nat({ max: 6 }), (units, zeros) => {
      const text = textOf(units, 4);
      const padded = `${text.includes('.') ? text : `${text}.`}${'0'.repeat(zeros)}`;
      expect(canonical(padded.replace(/\.$/, ''))).toBe(text);
      expect(canonical(`${units}e-4`)).toBe(text);
    }));
  });
});

describe('add, subtract and compare', () => {
  test.each([
    ['0.1', '0.2', '0.3', '-0.1'],
    ['999999999.9999', '0.0001', '1000000000', '999999999.9998'],
    ['5', '5.0000', '10', '0'],
  ])('calculate with %s and %s', (a, b, sum, difference) => {
    expect([add(a, b), subtract(a, b)]).toEqual([sum, difference]);
  });

  test('agree with whole numbers', () => {
    fc.assert(fc.property(amounts, amounts, (a, b) => {
      const [less, more] = a < b ? [a, b] : [b, a];
      expect(add(textOf(a, 4), textOf(b, 4))).toBe(textOf(a + b, 4));
      expect(subtract(textOf(more, 4), textOf(less, 4))).toBe(textOf(more - less, 4));
      expect(compare(textOf(a, 4), textOf(b, 4))).toBe(Number(a > b) - Number(a < b));
    }));
  });

  test('compare by value and not by text', () => {
    expect(compare('4.990', '4.99')).toBe(0);
    expect(compare('10', '9')).toBe(1);
  });
});

describe('isPositive and decimalPlaces', () => {
  test.each([
    ['0.0001', true, 4], ['0', false, 0], ['-0', false, 0], ['-5', false, 0], ['4.990', true, 2],
  ])('judge %s', (amount, positive, places) => {
    expect([isPositive(amount), decimalPlaces(amount)]).toEqual([positive, places]);
  });
});

describe('percentOf', () => {
  test.each([
    ['4.99', '5', '0.2495'],
    ['250.00', '3.5', '8.75'],
    ['4.99', '0', '0'],
    // Half-up to four decimals: the fifth digit decides, and a five goes up.
    ['0.0001', '50', '0.0001'],
    ['0.0001', '49.9999', '0'],
    ['0.001', '5', '0.0001'],
    ['0.0009', '5', '0'],
  ])('takes of %s %s percent: %s', (amount, percent, expected) => {
    expect(percentOf(amount, percent)).toBe(expected);
  });

  test('agrees with whole numbers, rounded half-up once', () => {
    fc.assert(fc.property(amounts, percents, (amount, percent) => {
      expect(percentOf(textOf(amount, 4), textOf(percent, 4)))
        .toBe(textOf(divideHalfUp(amount * percent, 1_000_000n), 4));
    }), { numRuns: 500 });
  });

  test('never exceeds the amount', () => {
    fc.assert(fc.property(amounts, percents, (amount, percent) => {
      const text = textOf(amount, 4);
      expect(compare(percentOf(text, textOf(percent, 4)), text)).toBeLessThanOrEqual(0);
    }));
  });
});

describe('convert', () => {
  test.each([
    ['241.25', '1.17', 2, '282.26'],
    ['4.7405', '150.25', 0, '712'],
    ['1', '0.005', 2, '0.01'],
    ['1', '0.0049999999', 2, '0'],
    ['1', '0.5', 0, '1'],
    ['10', '1', 2, '10'],
  ])('makes of %s at %s, %d decimals: %s', (amount, rate, decimals, expected) => {
    expect(convert(amount, { rate, decimals })).toBe(expected);
  });

  test('agrees with whole numbers, rounded half-up once', () => {
    fc.assert(fc.property(amounts, rates, fc.nat({ max: 4 }), (amount, rate, decimals) => {
      const exact = amount * rate;
      const expected = divideHalfUp(exact, 10n ** BigInt(14 - decimals));
      expect(convert(textOf(amount, 4), { rate: textOf(rate, 10), decimals }))
        .toBe(textOf(expected, decimals));
    }), { numRuns: 500 });
  });
});

describe('isOnStep and stepBelow', () => {
  test.each([
    ['5', '5', '0.01', true],
    ['5.01', '5', '0.01', true],
    ['249.99', '5', '0.01', true],
    ['5.015', '5', '0.01', false],
    ['12', '10', '1', true],
    ['12.5', '10', '1', false],
    ['0.3', '0.1', '0.1', true],
  ])('say whether %s stands on the grid from %s by %s', (amount, from, step, expected) => {
    expect(isOnStep(amount, { from, step })).toBe(expected);
  });

  test.each([
    ['12.5', '10', '1', '12'],
    ['12', '10', '1', '12'],
    ['5.019', '5', '0.01', '5.01'],
    ['11', '2', '4', '10'],
  ])('find below %s on the grid from %s by %s: %s', (amount, from, step, expected) => {
    expect(stepBelow(amount, { from, step })).toBe(expected);
  });

  test('meet: the step below stands on the grid, less than one step away', () => {
    fc.assert(fc.property(amounts, amounts, amounts, (distance, from, step) => {
      const range = { from: textOf(from, 4), step: textOf(step, 4) };
      const amount = textOf(from + distance, 4);
      const below = stepBelow(amount, range);
      expect(below).toBe(textOf(from + (distance / step) * step, 4));
      expect(isOnStep(below, range)).toBe(true);
      expect(isOnStep(amount, range)).toBe(distance % step === 0n);
    }));
  });
});
