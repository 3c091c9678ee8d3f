import { describe, expect, test } from 'vitest';
import { Discounts } from '../../src/domain/discounts.ts';
import {
  priceByVoucher, priceByWallet, type PriceQuestion,
} from '../../src/domain/price-by-funding.ts';
import type { PricingClient } from '../../src/domain/pricing-snapshot.ts';
import { client, discount, product, rejectionOf, request, snapshot, variant } from './builders.ts';

/** The second one is of a supplier that is not so well. */
const VARIANTS = [
  variant({ id: 1, fixedAmounts: ['4.99'], supplierHealth: 100 }),
  variant({ id: 2, fixedAmounts: ['4.99'], supplierHealth: 90 }),
];
const WALLETS: PricingClient['wallets'] = [
  { id: 1, currency: 'USD', isDefault: true }, { id: 3, currency: 'JPY', isDefault: false },
];

function asked(percents: readonly [first: string, second: string], walletId = 1): PriceQuestion {
  const discounts = percents.map((percent, nth) => discount({ variantId: nth + 1, percent }));
  const buyer = client({ wallets: WALLETS, discounts: new Discounts(discounts) });
  const sold = product({ variants: VARIANTS });
  return {
    snapshot: snapshot({ clients: [buyer], products: [sold], rates: { 'USD>JPY': '150.25' } }),
    client: buyer,
    product: sold,
    request: request({ walletId }),
  };
}

describe('of several variants is taken', () => {
  test('the one for which the wallet pays least', () => {
    expect(priceByWallet(asked(['5', '5.01'])))
      .toMatchObject({ variant: { id: 2 }, charge: { amount: '4.74', currency: 'USD' } });
  });

  test('the better supplier where the wallet, in its own currency, pays the same', () => {
    expect(priceByWallet(asked(['5', '5.01'], 3)))
      .toMatchObject({ variant: { id: 1 }, charge: { amount: '712', currency: 'JPY' } });
    expect(priceByWallet(asked(['5', '6'], 3)))
      .toMatchObject({ variant: { id: 2 }, charge: { amount: '705', currency: 'JPY' } });
  });

  test('the better supplier where a voucher pays, whatever the client\'s discount is', () => {
    expect(priceByVoucher(asked(['5', '20']), 'hash'))
      .toMatchObject({ variant: { id: 1 }, charge: { amount: '4.99' }, discountPercent: '0' });
  });

  test('none that the client may not have, nor one that would be sold at a loss', () => {
    const of = asked(['5', '20']);
    expect(priceByWallet(of)).toMatchObject({ variant: { id: 2 } });
    const barred = { ...of, client: { ...of.client, disabledVariants: new Set([2]) } };
    expect(priceByWallet(barred)).toMatchObject({ variant: { id: 1 } });
    const dear = product({ variants: VARIANTS.map((each) => ({ ...each, costPercent: '90' })) });
    expect(priceByWallet({ ...of, product: dear })).toMatchObject({ variant: { id: 1 } });
  });

  test('none where the wallet is not there, or has no rate', () => {
    expect(rejectionOf(() => priceByWallet(asked(['5', '6'], 77))).code).toBe('WALLET_NOT_FOUND');
    const of = asked(['5', '6'], 3);
    const without = { ...of, snapshot: snapshot({ products: [of.product] }) };
    expect(rejectionOf(() => priceByWallet(without)).code).toBe('EXCHANGE_RATE_NOT_AVAILABLE');
  });
});
