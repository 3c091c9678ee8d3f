import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compare } from '../../src/domain/money.ts';
import { Discounts, type Discount } from '../../src/domain/discounts.ts';
import type { ClientWallet, PricingClient } from '../../src/domain/pricing-snapshot.ts';
import { chargeFor, discounted, discountPercent, isSoldAtLoss } from '../../src/domain/pricing.ts';
import { client, discount, product, rejectionOf, snapshot, variant } from './builders.ts';

const wallet = (currency: string): ClientWallet => ({ id: 1, currency, isDefault: true });

const RATES = {
  'EUR>USD': '1.17', 'USD>JPY': '150.25', 'INR>USD': '0.0119', 'USD>KES': '10000001',
};

function charge(of: {
  readonly face: readonly [amount: string, currency: string];
  readonly percent: string;
  readonly paidIn: string;
}) {
  const [amount, currency] = of.face;
  return chargeFor({
    snapshot: snapshot({ rates: RATES }),
    faceValue: { amount, currency },
    percent: of.percent,
    wallet: wallet(of.paidIn),
  });
}

const withDiscounts = (rows: readonly Discount[]): PricingClient =>
  client({ discounts: new Discounts(rows) });

describe('chargeFor', () => {
  test.each([
    // The pinned vectors: the documented sample, then the quote with and without forex, then JPY.
    [['4.99', 'USD'], '5', 'USD', '4.7405', null],
    [['250', 'EUR'], '3.5', 'EUR', '241.25', null],
    [['250', 'EUR'], '3.5', 'USD', '282.26', '1.17'],
    [['4.99', 'USD'], '5', 'JPY', '712', '150.25'],
    // Same currency keeps the ledger's four decimals, whatever the currency's own precision.
    [['99.99', 'JPY'], '3.5', 'JPY', '96.4903', null],
    [['0.0001', 'USD'], '0', 'USD', '0.0001', null],
    [['999999999.9999', 'USD'], '0', 'JPY', '150250000000', '150.25'],
    // 0.4202 x 0.0119 is 0.005000…: half goes up to the last digit that the wallet has.
    [['0.4202', 'INR'], '0', 'USD', '0.01', '0.0119'],
  ] as const)('takes for %j less %s %%, paid in %s: %s', (face, percent, paidIn, amount, rate) => {
    const charged = charge({ face, percent, paidIn });
    expect(charged.charge).toEqual({ amount, currency: paidIn });
    expect(charged.discountPercent).toBe(percent);
    expect(charged.forexRate).toBe(rate);
    expect(charged.forexRateId === null).toBe(rate === null);
  });

  test('takes whole units of a currency without decimals', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 99_999_999 }), (cents) => {
      const face = [`${Math.trunc(cents / 100)}.${String(cents % 100).padStart(2, '0')}`, 'USD'];
      const [amount = '', currency = ''] = face;
      const { charge: paid } = charge({ face: [amount, currency], percent: '5', paidIn: 'JPY' });
      expect(paid.amount).toMatch(/^[1-9][0-9]*$/);
    }));
  });

  test.each([
    ['no rate at all', 'USD', 'INR'],
    ['only the opposite rate: nothing is inverted', 'USD', 'EUR'],
    ['rates over a third currency: nothing is chained', 'EUR', 'JPY'],
  ])('refuses with the documented words where there is %s', (_case, from, paidIn) => {
    const rejection = rejectionOf(() => charge({ face: ['10', from], percent: '0', paidIn }));
    expect(rejection.code).toBe('EXCHANGE_RATE_NOT_AVAILABLE');
    expect(rejection.message).toBe('Exchange rate not available for the wallet currency');
  });

  test.each([
    ['forex', ['0.0001', 'INR'], '0', 'USD'],
    ['forex, just below the half', ['0.4201', 'INR'], '0', 'USD'],
    ['the discount', ['0.0001', 'USD'], '50', 'USD'],
    ['the greatest discount', ['0.0001', 'USD'], '99.9999', 'USD'],
  ] as const)('refuses what %s rounds to nothing', (_case, face, percent, paidIn) => {
    const rejection = rejectionOf(() => charge({ face, percent, paidIn }));
    expect(rejection.code).toBe('AMOUNT_NOT_AVAILABLE');
    expect(rejection.problems.map((each) => each.field)).toEqual([['amount']]);
  });

  test('refuses what no wallet could hold, by a rate that somebody mistyped', () => {
    const pay = (amount: string) => charge({ face: [amount, 'USD'], percent: '0', paidIn: 'KES' });
    expect(pay('999999899').charge.amount).toBe('9999999989999899');
    const rejection = rejectionOf(() => pay('999999999'));
    expect([rejection.code, rejection.message])
      .toEqual(['AMOUNT_NOT_AVAILABLE', 'Amount is too large for the wallet currency']);
  });
});

describe('discounted', () => {
  test.each([
    ['4.99', '5', '4.7405'],
    ['250', '3.5', '241.25'],
    ['4.99', '0', '4.99'],
    ['1', '99.9999', '0'],
    ['100', '99.9999', '0.0001'],
  ])('makes of %s less %s %%: %s', (face, percent, expected) => {
    expect(discounted(face, percent)).toBe(expected);
  });

  test('is never negative and never more than the face value', () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 2_000_000_000 }),
      fc.integer({ min: 0, max: 999_999 }),
      (units, percentUnits) => {
        const face = `${units}e-4`;
        const result = discounted(face, `${percentUnits}e-4`);
        expect(compare(result, '0')).toBeGreaterThanOrEqual(0);
        expect(compare(result, face)).toBeLessThanOrEqual(0);
      },
    ));
  });
});

describe('discountPercent', () => {
  const airtime = variant({ id: 7, productId: 5001, category: 'Airtime' });
  const airtel = product({ id: 5001, topupType: 'MOBILE', variants: [airtime] });
  const ofVariant = discount({ variantId: 7, percent: '1' });
  const ofProduct = discount({ productId: 5001, percent: '2' });
  const ofCategory = discount({ category: 'Airtime', percent: '3' });
  const ofType = discount({ topupType: 'MOBILE', percent: '4' });
  const ofClient = discount({ percent: '5' });
  const ofOthers = [
    discount({ variantId: 8, percent: '90' }),
    discount({ productId: 5002, percent: '90' }),
    discount({ category: 'Data', percent: '90' }),
    discount({ topupType: 'GAMING', percent: '90' }),
  ];

  test.each([
    ['the variant\'s', [ofClient, ofType, ofCategory, ofProduct, ofVariant], '1'],
    ['the product\'s', [ofProduct, ofClient, ofType, ofCategory], '2'],
    ['the category\'s', [ofClient, ofCategory, ofType], '3'],
    ['the type\'s', [ofType, ofClient], '4'],
    ['the client\'s own', [ofClient], '5'],
    ['none', [], '0'],
    ['the specific one even where it is nothing', [ofClient, { ...ofVariant, percent: '0' }], '0'],
    ['the greatest of equals, by value and not by text',
      [ofProduct, { ...ofProduct, percent: '10' }, { ...ofProduct, percent: '9' }], '10'],
  ])('takes %s', (_case, discounts, expected) => {
    for (const rows of [discounts, [...ofOthers, ...discounts], discounts.toReversed()]) {
      expect(discountPercent(withDiscounts(rows), airtel, airtime)).toBe(expected);
    }
  });

  test('gives a variant without a category no category\'s discount', () => {
    const plain = variant({ id: 9, productId: 5001 });
    const discounts = [ofCategory, ofClient];
    expect(discountPercent(withDiscounts(discounts), airtel, plain)).toBe('5');
    // The client's own row names no category either: that is not the category's.
    const withType = [...discounts, ofType];
    expect(discountPercent(withDiscounts(withType), airtel, plain)).toBe('4');
  });
});

describe('isSoldAtLoss', () => {
  const isAtLoss = (
    costPercent: string | null,
    discounts: readonly Discount[],
    by: 'WALLET' | 'VOUCHER' = 'WALLET',
  ) => {
    const sold = variant({ id: 7, costPercent });
    const of = { client: withDiscounts(discounts), product: product({ variants: [sold] }) };
    return isSoldAtLoss(of, sold, by);
  };
  const five = discount({ percent: '5' });

  test.each([
    ['what nobody knows the cost of', null, [discount({ percent: '99.9999' })], false],
    ['what pays its cost to the last digit', '95', [five], false],
    ['what pays a ten-thousandth less', '95.0001', [five], true],
    ['what costs more than its face value', '100.5', [], true],
    ['a discount that may lose', '99', [{ ...five, mayLose: true }], false],
    ['of equal discounts the one that may lose, above', '99',
      [{ ...five, mayLose: true }, five], false],
    ['of equal discounts the one that may lose, below', '99',
      [five, { ...five, mayLose: true }], false],
    ['the specific discount, which may not', '99',
      [{ ...five, mayLose: true }, { ...five, variantId: 7 }], true],
    ['the specific discount, which is small enough', '99',
      [five, { ...five, variantId: 7, percent: '1' }], false],
  ] as const)('judges %s', (_case, cost, discounts, expected) => {
    expect(isAtLoss(cost, discounts)).toBe(expected);
  });

  test('judges a voucher by its face value', () => {
    expect(isAtLoss('100', [five], 'VOUCHER')).toBe(false);
    expect(isAtLoss('100.0001', [], 'VOUCHER')).toBe(true);
    expect(isAtLoss('100.0001', [{ ...five, mayLose: true }], 'VOUCHER')).toBe(false);
    expect(isAtLoss(null, [five], 'VOUCHER')).toBe(false);
  });
});
