import { describe, expect, test } from 'vitest';
import { Discounts } from '../../src/domain/discounts.ts';
import type { Store, Wallet } from '../../src/domain/ports.ts';
import { priceByWallet } from '../../src/domain/price-by-funding.ts';
import type { PricingSnapshot } from '../../src/domain/pricing-snapshot.ts';
import { isOfQuote, priceByQuote, QUOTE_VALID_MS } from '../../src/domain/quote.ts';
import { quoteTopup } from '../../src/domain/quote-topup.ts';
import { Rejection } from '../../src/domain/rejection.ts';
import {
  client, discount, HASHING_KEY, number, product, rawRequest, rejectionOf, request, snapshot,
  variant,
} from './builders.ts';

const NOW = new Date('2026-11-26T10:00:00.700Z');
const RATES = { 'USD>JPY': '150.25' };
const sold = product({
  variants: [
    variant({ id: 2, name: '325 UC', fixedAmounts: ['4.99'], category: 'Data' }),
    variant({ id: 3, name: '325 UC again', fixedAmounts: ['4.99'], priority: -1 }),
  ],
});
const figures = snapshot({ products: [sold], rates: RATES });

const wallet = (id: number, currency: string, balance: string): Wallet => ({
  id, currency, balance, type: 'PREPAID', creditLimit: '0', isDefault: false, isFrozen: false,
});
const WALLETS = [wallet(1, 'USD', '4.7405'), wallet(3, 'JPY', '711')];

function quote(raw: { walletId?: string } = {}, clientId = 1) {
  const store: Partial<Store> = {
    freshPricing: async () => figures,
    findWalletsByIds: async (_clientId, ids) => WALLETS.filter(({ id }) => ids.includes(id)),
  };
  const walletId = raw.walletId === undefined ? undefined : number(raw.walletId);
  return quoteTopup(clientId, { ...rawRequest(), walletId }, {
    store: store as Store, clock: { now: () => NOW }, hashingKey: HASHING_KEY,
  });
}

function priced(quoteId: string, of: {
  readonly over?: Parameters<typeof request>[0];
  readonly now?: Date;
  readonly in?: PricingSnapshot;
  readonly clientId?: number;
  readonly key?: string;
} = {}) {
  const { over = {}, now = NOW, in: seen = figures, clientId = 1, key = HASHING_KEY } = of;
  const asked = request(over);
  return priceByQuote({
    snapshot: seen,
    client: seen.client(clientId) ?? client({ id: clientId }),
    product: seen.product(asked.productId) ?? product({ id: asked.productId }),
    request: asked,
  }, { quoteId, key, now });
}

describe('quoteTopup', () => {
  test('tells every figure of the price', async () => {
    expect(await quote()).toMatchObject({
      faceValue: { amount: '4.99', currency: 'USD' },
      discountPercent: '5',
      discount: { amount: '0.2495', currency: 'USD' },
      total: { amount: '4.7405', currency: 'USD' },
      forexRate: null,
      charge: { amount: '4.7405', currency: 'USD' },
      hasSufficientBalance: true,
      expiresAt: new Date('2026-11-26T10:05:00Z'),
    });
  });

  test('tells a lack of funds, and does not refuse it', async () => {
    const { charge, hasSufficientBalance } = await quote({ walletId: '3' });
    expect([charge.amount, hasSufficientBalance]).toEqual(['712', false]);
  });

  test('is not given for the wallet of another client', async () => {
    const error = await quote({ walletId: '77' }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Rejection);
    expect(error).toMatchObject({ code: 'WALLET_NOT_FOUND' });
  });
});

describe('a price by quote', () => {
  test('is the price of the quote to the last digit, whatever changed since', async () => {
    for (const walletId of ['1', '3']) {
      const { id, expiresAt } = await quote({ walletId });
      const then = priceByWallet({
        snapshot: figures, client: client(), product: sold,
        request: request({ walletId: Number(walletId) }),
      });
      const changed = snapshot({
        clients: [client({ discounts: new Discounts([discount({ percent: '1' })]) })],
        products: [sold],
        rates: { 'USD>JPY': '1' },
      });
      expect(priced(id, { in: changed }))
        .toEqual({ ...then, validUntil: expiresAt.toISOString() });
    }
  });

  test('ends with its time, and not before', async () => {
    const { id, expiresAt } = await quote();
    expect(expiresAt.getTime() - NOW.getTime()).toBeLessThanOrEqual(QUOTE_VALID_MS);
    expect(priced(id, { now: new Date(expiresAt.getTime() - 1) }).charge.amount).toBe('4.7405');
    const { code, message } = rejectionOf(() => priced(id, { now: expiresAt }));
    expect([code, message]).toEqual(['QUOTE_INVALID', 'Quote expired']);
  });

  test.each<[string, Parameters<typeof request>[0]]>([
    ['product', { productId: 4219 }],
    ['amount', { amount: '4.98' }],
    ['wallet', { walletId: 3 }],
    ['category', { category: 'Airtime' }],
  ])('is refused for another %s', async (what, over) => {
    const { id } = await quote();
    const { code, message } = rejectionOf(() => priced(id, { over }));
    expect([code, message]).toEqual(['QUOTE_INVALID', `Quote is for another ${what}`]);
  });

  test('is told as the quote\'s own fault where the catalogue has moved under it', async () => {
    const { id } = await quote();
    const moved = snapshot({
      clients: [client()],
      products: [{ ...sold, variants: sold.variants.map((each) =>
        ({ ...each, category: 'Bundle' as const })) }],
    });
    const asked = { over: { category: 'Data' as const }, in: moved };
    expect(rejectionOf(() => priced(id, asked))).toMatchObject({
      message: 'Quote is for another category', problems: [{ field: ['quoteId'] }],
    });
    expect(rejectionOf(() => priced(id, { ...asked, over: { category: 'Airtime' } })))
      .toMatchObject({ problems: [{ field: ['category'] }] });
    const pounds = snapshot({
      clients: [client({ wallets: client().wallets.map((each) =>
        ({ ...each, currency: 'GBP' })) })],
      products: [sold],
    });
    expect(rejectionOf(() => priced(id, { over: { walletId: 1 }, in: pounds }))).toMatchObject({
      message: 'Quote is for another wallet', problems: [{ field: ['quoteId'] }],
    });
  });

  test('takes the amount however it is written, and what agrees with the quote', async () => {
    const { id } = await quote();
    const over = { amount: '4.990', walletId: 1, category: 'Data' as const };
    expect(priced(id, { over }).charge.amount).toBe('4.7405');
  });

  test('is refused to another client, under another key and when altered, all alike', async () => {
    const { id } = await quote();
    const bytes = Buffer.from(id, 'base64url');
    const at = (index: number) => {
      const altered = Buffer.from(bytes);
      altered[index] = (altered[index] ?? 0) ^ 1;
      return altered.toString('base64url');
    };
    const attempts = [
      () => priced(id, { clientId: 2 }),
      () => priced(id, { key: 'another key' }),
      ...[0, 15, 16, bytes.length - 1].map((index) => () => priced(at(index))),
      ...['', 'x', `${id}=`, `${id}\n`, id.slice(0, -1), 'A'.repeat(5000), '💥'].map(
        (text) => () => priced(text),
      ),
    ];
    for (const attempt of attempts) {
      const { code, message } = rejectionOf(attempt);
      expect([code, message]).toEqual(['QUOTE_INVALID', 'Quote not found']);
    }
  });

  test.each([
    ['out of stock', 'OUT_OF_STOCK', 'is temporarily out of stock',
      { id: 2, fixedAmounts: ['4.99'], isAvailable: false }],
    ['not sold at this amount any more', 'QUOTE_INVALID', 'is not sold any more',
      { id: 2, fixedAmounts: ['5'] }],
    ['gone', 'QUOTE_INVALID', 'is not sold any more', { id: 8, fixedAmounts: ['4.99'] }],
    ['inactive', 'QUOTE_INVALID', 'is not sold any more',
      { id: 2, fixedAmounts: ['4.99'], isActive: false }],
  ] as const)('is refused where the variant is %s, whoever else sells the amount', async (
    ...[, code, words, moved]
  ) => {
    const { id } = await quote();
    const variants = [variant(moved), variant({ id: 9, fixedAmounts: ['4.99'] })];
    const now = snapshot({ products: [product({ variants })] });
    const refusal = rejectionOf(() => priced(id, { in: now }));
    expect([refusal.code, refusal.message, refusal.problems[0]?.field])
      .toEqual([code, `What this quote is for ${words}`, ['quoteId']]);
  });

  test('is refused where the wallet is gone, or the product has another currency', async () => {
    const { id } = await quote();
    const poor = snapshot({ products: [sold], clients: [client({ wallets: [] })] });
    expect(rejectionOf(() => priced(id, { in: poor })).code).toBe('WALLET_NOT_FOUND');
    const foreign = snapshot({ products: [{ ...sold, currency: 'EUR' }] });
    const { code, message, problems } = rejectionOf(() => priced(id, { in: foreign }));
    expect([code, message, problems[0]?.field])
      .toEqual(['QUOTE_INVALID', 'Quote is for another currency', ['quoteId']]);
  });

  test('is refused where the variant is not sold to the client any more', async () => {
    const { id } = await quote();
    const barred = client({ disabledVariants: new Set([2]) });
    const now = snapshot({ products: [sold], clients: [barred] });
    expect(rejectionOf(() => priced(id, { in: now })).code).toBe('QUOTE_INVALID');
  });

  test('is refused where the wallet has another currency', async () => {
    const { id } = await quote();
    const exchanged = client({ wallets: [{ id: 1, currency: 'EUR', isDefault: true }] });
    const now = snapshot({ products: [sold], clients: [exchanged] });
    const { code, message } = rejectionOf(() => priced(id, { in: now }));
    expect([code, message]).toEqual(['QUOTE_INVALID', 'Quote is for another wallet']);
  });
});

describe('an order that was placed before', () => {
  const placed = {
    clientId: 1, variantId: 2, walletId: 1, faceValue: { amount: '4.99', currency: 'USD' },
  };

  test('is of a quote for the same, however its amount is written', async () => {
    const { id } = await quote();
    expect(isOfQuote(placed, id, HASHING_KEY)).toBe(true);
    const faceValue = { amount: '4.9900', currency: 'USD' };
    expect(isOfQuote({ ...placed, faceValue }, id, HASHING_KEY)).toBe(true);
  });

  test.each([
    ['client', { clientId: 2 }],
    ['variant', { variantId: 3 }],
    ['wallet', { walletId: 3 }],
    ['amount', { faceValue: { amount: '4.98', currency: 'USD' } }],
  ])('is not of a quote for another %s', async (_what, over) => {
    const { id } = await quote();
    expect(isOfQuote({ ...placed, ...over }, id, HASHING_KEY)).toBe(false);
  });
});
