import { expect } from 'vitest';
import type { InputField, Product, Variant } from '../../src/domain/catalogue.ts';
import { Discounts, type Discount } from '../../src/domain/discounts.ts';
import { NumberText } from '../../src/domain/money.ts';
import type { OrderRequest, RawOrderRequest } from '../../src/domain/order-request.ts';
import type { ClaimedOrder } from '../../src/domain/fulfilment-ports.ts';
import type { PricingClient, PricingSnapshot } from '../../src/domain/pricing-snapshot.ts';
import { Rejection } from '../../src/domain/rejection.ts';
import type { TopupOrder } from '../../src/domain/topup-order.ts';

/** Plain values for the pure rules; `over` names what the test is about. */

export const HASHING_KEY = 'hashing-key-of-the-tests';

export function number(text: string): NumberText {
  return new NumberText(text);
}

/** The example of the documentation: PUBG Mobile UC, 4.99 USD. */
export function rawRequest(over: Partial<RawOrderRequest> = {}): RawOrderRequest {
  return {
    productId: number('4218'),
    amount: number('4.99'),
    inputData: [['player_id', '5123456789'], ['server', 'asia']],
    clientReference: 'CAMPAIGN_DEC_24',
    walletId: undefined,
    category: undefined,
    redeemVoucherCode: undefined,
    quoteId: undefined,
    allowForexFallback: true,
    ...over,
  };
}

export function request(over: Partial<OrderRequest> = {}): OrderRequest {
  return {
    productId: 4218,
    amount: '4.99',
    inputData: [['player_id', '5123456789'], ['server', 'asia']],
    clientReference: 'CAMPAIGN_DEC_24',
    walletId: null,
    category: null,
    voucherCode: null,
    quoteId: null,
    allowForexFallback: true,
    ...over,
  };
}

export function field(over: Partial<InputField> & { readonly name: string }): InputField {
  return {
    label: over.name,
    type: 'text',
    isRequired: true,
    pattern: null,
    minLength: null,
    maxLength: null,
    options: [],
    placeholder: null,
    helpText: null,
    isSensitive: false,
    ...over,
  };
}

/** A variant without any amount; the test gives it some. */
export function variant(over: Partial<Variant> & { readonly id: number }): Variant {
  return {
    productId: 4218,
    name: `Variant ${over.id}`,
    category: null,
    fixedAmounts: [],
    range: null,
    fields: {},
    priority: 0,
    isActive: true,
    isAvailable: true,
    supplierHealth: 100,
    costPercent: null,
    ...over,
  };
}

export function product(over: Partial<Product> = {}): Product {
  return {
    id: 4218,
    name: 'PUBG Mobile UC',
    topupType: 'GAMING',
    countryCode: 'GLO',
    currency: 'USD',
    operator: null,
    imageUrl: null,
    inputFields: [
      field({ name: 'player_id', pattern: '^[0-9]+$', minLength: 5, maxLength: 20 }),
      field({
        name: 'server',
        type: 'select',
        options: [{ value: 'asia', label: 'Asia' }, { value: 'europe', label: 'Europe' }],
      }),
    ],
    inputFieldsVersion: 1,
    fulfilsInRequest: false,
    isActive: true,
    isRestricted: false,
    variants: [variant({ id: 2, name: '325 UC', fixedAmounts: ['4.99'] })],
    ...over,
  };
}

export function discount(over: Partial<Discount> & { readonly percent: string }): Discount {
  return {
    variantId: null, productId: null, category: null, topupType: null, mayLose: false, ...over,
  };
}

export function client(over: Partial<PricingClient> = {}): PricingClient {
  return {
    id: 1,
    name: 'Demo Games',
    wallets: [
      { id: 1, currency: 'USD', isDefault: true },
      { id: 2, currency: 'EUR', isDefault: false },
      { id: 3, currency: 'JPY', isDefault: false },
    ],
    discounts: new Discounts([discount({ percent: '5' })]),
    enabledProducts: new Set(),
    disabledProducts: new Set(),
    disabledVariants: new Set(),
    ...over,
  };
}

/** Rates by directed pair, as in `{ 'EUR>USD': '1.17' }`. */
export function snapshot(of: {
  readonly clients?: readonly PricingClient[];
  readonly products?: readonly Product[];
  readonly rates?: Readonly<Record<string, string>>;
  readonly prefixes?: Readonly<Record<string, readonly number[]>>;
} = {}): PricingSnapshot {
  const { clients = [client()], products = [product()], rates = {}, prefixes = {} } = of;
  const precisions: Readonly<Record<string, number>> = { USD: 2, EUR: 2, JPY: 0, INR: 2 };
  const pairs = Object.keys(rates);
  return {
    version: 1,
    readAt: '2026-01-01T00:00:00.000000Z',
    validUntil: null,
    product: (id) => products.find((each) => each.id === id),
    products: () => products,
    productIdsByPrefix: (prefix) => prefixes[prefix] ?? [],
    variant: (id) => products.flatMap((each) => each.variants).find((each) => each.id === id),
    client: (id) => clients.find((each) => each.id === id),
    rate(from, to) {
      const rate = rates[`${from}>${to}`];
      return rate === undefined ? undefined : { id: pairs.indexOf(`${from}>${to}`) + 1, rate };
    },
    currencies: () => [],
    precision: (currency) => precisions[currency] ?? 2,
  };
}

export const LADDER = [5000, 15_000, 30_000, 3_600_000] as const;
export const HOUR_MS = 3_600_000;

/** First try, the window open, "not found" proof already, and a supplier that can do it all. */
export function claimedOrder(over: Partial<ClaimedOrder> = {}): ClaimedOrder {
  return {
    clientId: 1,
    orderId: 9123456,
    leaseToken: '6f1d1b1e-6c0e-4f55-8f0e-0a3b0f6f9a10',
    action: 'SUBMIT',
    supplierCode: 'sandbox-a',
    supplierReference: '1-9123456-1',
    supplierSku: 'pubg-uc-325',
    route: 1,
    hasNextRoute: false,
    faceValue: { amount: '4.99', currency: 'USD' },
    countryCode: 'GLO',
    recipient: '5123456789',
    inputData: { player_id: '5123456789', server: 'asia' },
    attemptCount: 1,
    backoffStep: 0,
    backoffMs: LADDER,
    callDeadlineMs: 30_000,
    windowLeftMs: 24 * HOUR_MS,
    resendInMs: 0,
    canBeQueried: true,
    dedupesByReference: true,
    wasAccepted: false,
    isTriedAfterWindow: false,
    isResent: false,
    askedAtMs: 0,
    ...over,
  };
}

export function topupOrder(over: Partial<TopupOrder> = {}): TopupOrder {
  return {
    clientId: 1,
    id: 9123456,
    clientReference: 'CAMPAIGN_DEC_24',
    inputDigest: 'digest',
    productId: 4218,
    variantId: 2,
    productName: 'PUBG Mobile UC',
    variantName: '325 UC',
    countryCode: 'GLO',
    faceValue: { amount: '4.99', currency: 'USD' },
    discountPercent: '5',
    forexRate: null,
    charge: { amount: '4.7405', currency: 'USD' },
    fundingSource: 'WALLET',
    walletId: 1,
    inputData: { player_id: '5123456789', server: 'asia' },
    fulfilsInRequest: false,
    status: 'PENDING',
    fulfilmentState: 'QUEUED',
    version: 1,
    failureCode: null,
    attemptCount: 0,
    lastAttemptAt: null,
    nextActionAt: null,
    debitTransferId: 1,
    refundTransferId: null,
    reversalTransferId: null,
    reversedAt: null,
    receipt: null,
    createdAt: new Date('2026-05-19T14:30:00Z'),
    completedAt: null,
    expectedBy: null,
    notificationEmail: null,
    ...over,
  };
}

/** The rejection that `attempt` ends in; anything else fails the test. */
export function rejectionOf(attempt: () => unknown): Rejection {
  try {
    attempt();
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
  return expect.fail('nothing was refused');
}
