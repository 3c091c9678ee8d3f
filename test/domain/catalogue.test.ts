import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pickVariant, type PickOptions, type Variant } from '../../src/domain/catalogue.ts';
import { subtract } from '../../src/domain/money.ts';
import { product, rejectionOf, variant } from './builders.ts';

const range = (min: string, max: string, step: string) => ({ min, max, step });

function pick(variants: readonly Variant[], over: Partial<PickOptions> = {}): Variant {
  return pickVariant(product({ variants }), {
    amount: '10',
    category: null,
    isEntitled: () => true,
    payable: () => '10',
    ...over,
  });
}

const refusalOf = (variants: readonly Variant[], over: Partial<PickOptions> = {}) =>
  rejectionOf(() => pick(variants, over));

describe('pickVariant', () => {
  const fixed = variant({ id: 9, fixedAmounts: ['10'] });
  const ranged = variant({ id: 1, range: range('5', '20', '5'), priority: 9 });

  test.each([
    ['the fixed amount before the range', [ranged, fixed], {}, 9],
    ['the fixed amount though the range is cheaper', [ranged, fixed],
      { payable: (each: Variant) => (each.id === 1 ? '8' : '9') }, 9],
    ['the lowest payable, by value and not by text',
      [variant({ ...fixed, id: 2, supplierHealth: 100 }), variant({ ...fixed, id: 3 })],
      { payable: (each: Variant) => (each.id === 2 ? '10.0' : '9') }, 3],
    ['the healthiest supplier at equal cost',
      [variant({ ...fixed, id: 2, supplierHealth: 40, priority: 5 }),
        variant({ ...fixed, id: 3, supplierHealth: 41 })], {}, 3],
    ['the highest priority at equal health',
      [variant({ ...fixed, id: 2 }), variant({ ...fixed, id: 3, priority: 1 })], {}, 3],
    ['the lowest id in the end', [variant({ ...fixed, id: 3 }), variant({ ...fixed, id: 2 })],
      {}, 2],
    ['4.990 where 4.99 is sold', [variant({ id: 2, fixedAmounts: ['4.99'] })],
      { amount: '4.990' }, 2],
    ['what is in stock', [variant({ ...fixed, id: 2, isAvailable: false }), ranged], {}, 1],
    ['what is active', [variant({ ...fixed, id: 2, isActive: false }), ranged], {}, 1],
    ['what the client may buy', [fixed, ranged],
      { isEntitled: (each: Variant) => each.id !== 9 }, 1],
    ['the category that was asked for',
      [fixed, variant({ ...ranged, id: 2, category: 'Data' })], { category: 'Data' as const }, 2],
    ['any category where none was asked for',
      [variant({ ...fixed, id: 2, category: 'Bundle' })], {}, 2],
    ['one list entry of a variant with a range as well',
      [variant({ id: 2, fixedAmounts: ['7.77'], range: range('10', '20', '10') })],
      { amount: '7.77' }, 2],
  ])('takes %s', (_case, variants, over, expected) => {
    expect(pick(variants, over).id).toBe(expected);
    expect(pick(variants.toReversed(), over).id).toBe(expected);
  });

  test.each([
    ['5', true], ['5.01', true], ['17.29', true], ['249.99', true], ['250', true],
    ['5.005', false], ['4.99', false], ['250.01', false], ['0.29', false],
  ])('sells %s in steps of 0.01 from 5 to 250: %s', (amount, isSold) => {
    const orange = [variant({ id: 11, range: range('5', '250', '0.01') })];
    if (isSold) expect(pick(orange, { amount }).id).toBe(11);
    else expect(refusalOf(orange, { amount }).code).toBe('AMOUNT_NOT_AVAILABLE');
  });

  test('does not sell the end of a range that no step reaches', () => {
    const variants = [variant({ id: 1, range: range('5', '12', '5') })];
    expect(refusalOf(variants, { amount: '12' }).message)
      .toBe('Amount 12 is not available. Nearest allowed amounts: 10');
  });

  test('is the same for any order of the variants', () => {
    const some = fc.record({
      health: fc.nat(2), priority: fc.nat(2), payable: fc.nat(2), isFixed: fc.boolean(),
    });
    const options = fc.array(some, { minLength: 1, maxLength: 8 });
    fc.assert(fc.property(options, fc.infiniteStream(fc.nat()), (rows, random) => {
      const payables = new Map(rows.map((row, at) => [at + 1, String(row.payable + 1)]));
      const variants = rows.map((row, at) => variant({
        id: at + 1,
        supplierHealth: row.health,
        priority: row.priority,
        ...(row.isFixed ? { fixedAmounts: ['10'] } : { range: range('1', '20', '1') }),
      }));
      const payable = (each: Variant) => payables.get(each.id) ?? '0';
      const keys = new Map(variants.map((each) => [each.id, Number(random.next().value)]));
      const shuffled = variants
        .toSorted((a, b) => (keys.get(a.id) ?? 0) - (keys.get(b.id) ?? 0));
      expect(pick(shuffled, { payable }).id).toBe(pick(variants, { payable }).id);
    }));
  });
});

describe('pickVariant refuses', () => {
  const airtime = variant({ id: 7, category: 'Airtime', range: range('10', '5000', '1') });
  const bundle = variant({ id: 9, category: 'Bundle', fixedAmounts: ['299', '499'] });

  test.each([
    ['a category that the product lacks', [airtime, bundle], 'Data'],
    ['a category whose variants are all inactive',
      [airtime, variant({ ...bundle, category: 'Data', isActive: false })], 'Data'],
  ] as const)('%s', (_case, variants, category) => {
    const { code, message, problems } = refusalOf(variants, { category });
    expect(code).toBe('CATEGORY_NOT_AVAILABLE');
    expect(message).toBe('No variant of this product in category Data');
    expect(problems.map((each) => each.field)).toEqual([['category']]);
  });

  test('what is out of stock, in words of its own', () => {
    const { code, message } = refusalOf([
      variant({ id: 1, fixedAmounts: ['10'], isAvailable: false }),
      variant({ id: 2, fixedAmounts: ['20'] }),
    ]);
    expect(code).toBe('OUT_OF_STOCK');
    expect(message).toBe('This amount is temporarily out of stock');
  });

  test.each([
    ['between two fixed amounts', [bundle], '300', '299, 499'],
    ['below all', [bundle], '1', '299'],
    ['above all', [bundle], '500', '499'],
    ['by less than a unit', [bundle], '299.0001', '299, 499'],
    ['between two steps', [airtime], '10.5', '10, 11'],
    ['below the range', [airtime], '9.99', '10'],
    ['above the range', [airtime], '5000.01', '5000'],
    ['between the last two steps', [airtime], '4999.5', '4999, 5000'],
    ['above the last step', [variant({ id: 1, range: range('5', '12', '5') })], '11', '10'],
    ['between two variants', [airtime, variant({ id: 3, fixedAmounts: ['6000'] })], '5500',
      '5000, 6000'],
    ['nearer to a fixed amount than to a step',
      [airtime, variant({ id: 3, fixedAmounts: ['10.75'] })], '10.5', '10, 10.75'],
    ['by value and not by text',
      [variant({ id: 1, fixedAmounts: ['1000', '9', '200', '10'] })], '50', '10, 200'],
    ['in a range of one amount', [variant({ id: 1, range: range('5', '5', '1') })], '6', '5'],
    ['that can be had',
      [variant({ id: 1, fixedAmounts: ['10'], isAvailable: false }),
        variant({ id: 2, fixedAmounts: ['20'] })], '11', '20'],
    ['where none can be had', [variant({ id: 1, fixedAmounts: ['10'], isAvailable: false })],
      '11', '10'],
  ])('an amount %s and names the nearest', (_case, variants, amount, nearest) => {
    const { code, message, problems } = refusalOf(variants, { amount });
    expect(code).toBe('AMOUNT_NOT_AVAILABLE');
    expect(message).toBe(
      `Amount ${amount} is not available. Nearest allowed amounts: ${nearest}`);
    expect(problems.map((each) => each.field)).toEqual([['amount']]);
  });

  test('an amount of another category, naming this category\'s amounts only', () => {
    expect(refusalOf([airtime, bundle], { amount: '300', category: 'Bundle' }).message)
      .toBe('Amount 300 is not available. Nearest allowed amounts: 299, 499');
  });

  test.each([
    ['that sells nothing', [], {}],
    ['of which the client may buy nothing', [airtime], { isEntitled: () => false }],
  ])('any amount of a product %s', (_case, variants, over) => {
    const { code, message } = refusalOf(variants, over);
    expect(code).toBe('AMOUNT_NOT_AVAILABLE');
    expect(message).toBe('Amount 10 is not available');
  });

  test('what it does not sell, to the last digit; what it names it sells', () => {
    const units = fc.integer({ min: 1, max: 400 });
    const text = (value: number) => `${Math.trunc(value / 100)}.${String(value % 100)
      .padStart(2, '0')}`;
    fc.assert(fc.property(units, units, units, units, units, (amount, min, span, step, fix) => {
      const variants = [
        variant({ id: 1, fixedAmounts: [text(fix)] }),
        variant({ id: 2, range: range(text(min), text(min + span), text(step)) }),
      ];
      const isOnGrid = amount >= min && amount <= min + span && (amount - min) % step === 0;
      if (isOnGrid || amount === fix) {
        expect(pick(variants, { amount: text(amount) }).id).toBe(amount === fix ? 1 : 2);
        return;
      }
      const { message } = refusalOf(variants, { amount: text(amount) });
      const [, nearest = ''] = message.split(': ');
      const named = nearest.split(', ');
      expect(named.length).toBeGreaterThan(0);
      for (const each of named) expect(() => pick(variants, { amount: each })).not.toThrow();
      const sides = named.map((each) => subtract(each, text(amount)).startsWith('-'));
      expect(new Set(sides).size).toBe(named.length);
    }), { numRuns: 300 });
  });
});
