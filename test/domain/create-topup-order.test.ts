import { describe, expect, test } from 'vitest';
import { cancelTopupOrder } from '../../src/domain/cancel-topup-order.ts';
import {
  createTopupOrder, type CreateTopupOrderDeps,
} from '../../src/domain/create-topup-order.ts';
import { Discounts } from '../../src/domain/discounts.ts';
import { VoucherGuesses } from '../../src/domain/guess-voucher.ts';
import type { RawOrderRequest } from '../../src/domain/order-request.ts';
import type {
  Cancellation, OrderFeed, Placement, PricedOrder, Store,
} from '../../src/domain/ports.ts';
import type { PricingSnapshot } from '../../src/domain/pricing-snapshot.ts';
import { sealQuote } from '../../src/domain/quote.ts';
import { NOT_LIMITED, RateLimited, type RateLimits } from '../../src/domain/rate-limits.ts';
import { Rejection, TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import type { TopupOrder } from '../../src/domain/topup-order.ts';
import { hashVoucherCode } from '../../src/domain/voucher.ts';
import { noRateLimits } from '../support/no-rate-limits.ts';
import {
  claimedOrder, client, field, HASHING_KEY, number, product, rawRequest, snapshot, topupOrder,
  variant,
} from './builders.ts';

const never = () => new Promise<never>(() => {});

function unused(): never {
  throw new Error('not part of this test');
}

/** The story over a store whose verdicts are given in advance. */
function story(of: {
  readonly verdicts?: readonly Placement['verdict'][];
  readonly placed?: TopupOrder;
  readonly existing?: TopupOrder | null;
  readonly pricing?: PricingSnapshot;
  /** What is read where the other figures are stale; the same by default. */
  readonly fresh?: PricingSnapshot;
  readonly submit?: () => Promise<never>;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly rateLimits?: RateLimits;
  readonly stopping?: AbortSignal;
  readonly now?: () => Date;
  /** What becomes of every placing call instead of a verdict. */
  readonly placing?: Error;
}) {
  const { placed = topupOrder(), existing = null, pricing = snapshot(), sleep = never } = of;
  const verdicts = [...of.verdicts ?? ['PLACED' as const]];
  const orders: PricedOrder[] = [];
  const store: Partial<Store> = {
    pricing: () => pricing,
    refreshPricing: async () => of.fresh ?? pricing,
    async placeOrder(order) {
      orders.push(order);
      if (of.placing !== undefined) throw of.placing;
      const verdict = verdicts.shift() ?? unused();
      return verdict === 'PLACED' ? { verdict, order: placed } : { verdict };
    },
    findOrderByReference: async () => existing,
  };
  const feed: Pick<OrderFeed, 'untilTerminal'> = {
    untilTerminal: async () => ({ ...placed, status: 'DELIVERED' }),
  };
  const deps: CreateTopupOrderDeps = {
    store: store as Store,
    feed,
    guesses: new VoucherGuesses({
      rateLimits: of.rateLimits ?? noRateLimits, clock: { monotonicMs: () => 0, sleep },
    }),
    hashingKey: HASHING_KEY,
    inlineWaitMs: 5000,
    stopping: of.stopping ?? new AbortController().signal,
    fulfilment: {
      random: () => 0.5,
      clock: { now: of.now ?? unused, monotonicMs: () => 0, sleep },
      suppliers: {
        rooms: () => ({}),
        find: () => ({
          code: 'sandbox-a', submit: of.submit ?? unused, query: unused, verifyCallback: unused,
        }),
      },
      store: {
        claimOrder: async () => claimedOrder(), recordMove: async () => 'APPLIED',
        claimOrders: unused, findSubmission: unused,
        strays: { keep: unused, find: unused, forget: unused },
        nextDueInMs: unused, leaveSuspendedSuppliers: unused,
        recallFarOrders: unused,
      },
    },
  };
  const create = (raw = rawRequest()) => createTopupOrder(1, raw, deps);
  return { orders, create };
}

async function refusalOf(attempt: Promise<unknown>): Promise<Rejection> {
  const error = await attempt.then(() => null, (reason: unknown) => reason);
  return error instanceof Rejection ? error : expect.fail(`no rejection but ${String(error)}`);
}

describe('createTopupOrder', () => {
  test('prices the documented example', async () => {
    const { create, orders } = story({});
    await expect(create()).resolves.toEqual(topupOrder());
    expect(orders).toHaveLength(1);
    expect(orders[0]).toMatchObject({
      clientId: 1,
      clientReference: 'CAMPAIGN_DEC_24',
      variantName: '325 UC',
      faceValue: { amount: '4.99', currency: 'USD' },
      discountPercent: '5',
      charge: { amount: '4.7405', currency: 'USD' },
      forexRate: null,
      funding: { kind: 'WALLET', walletId: 1 },
      recipient: '5123456789',
    });
  });

  test('holds for as long as the figures do, and with a quote until that ends', async () => {
    const validUntil = '2026-11-26T10:00:00.000000Z';
    const nowMs = Date.UTC(2026, 10, 26, 9, 59);
    const { create, orders } = story({
      verdicts: ['PLACED', 'PLACED', 'PLACED'],
      pricing: { ...snapshot(), validUntil },
      now: () => new Date(nowMs),
    });
    const quoteId = sealQuote({
      clientId: 1, productId: 4218, variantId: 2, walletId: 1,
      faceValue: { amount: '4.99', currency: 'USD' },
      discountPercent: '5', forexRate: null, forexRateId: null,
      charge: { amount: '4.7405', currency: 'USD' },
      expiresAtMs: nowMs + 1,
    }, HASHING_KEY);
    await create();
    await create(rawRequest({ redeemVoucherCode: 'DEMO-0499-AAAA' }));
    await create(rawRequest({ quoteId }));
    expect(orders.map(({ priceValidUntil }) => priceValidUntil))
      .toEqual([validUntil, validUntil, new Date(nowMs + 1).toISOString()]);
  });

  test('lets a voucher pay the face value, by the hash of its code', async () => {
    const { create, orders } = story({});
    await create(rawRequest({ redeemVoucherCode: 'demo-0499 aaaa' }));
    const codeHash = hashVoucherCode('DEMO0499AAAA', HASHING_KEY);
    expect(orders[0]).toMatchObject({
      discountPercent: '0', forexRate: null, charge: { amount: '4.99', currency: 'USD' },
      funding: { kind: 'VOUCHER', codeHash },
    });
    expect(JSON.stringify(orders)).not.toMatch(/DEMO/i);
  });

  test.each([
    ['INSUFFICIENT_FUNDS', 'Insufficient wallet balance'],
    ['WALLET_FROZEN', 'Wallet is frozen'],
    ['VOUCHER_INVALID', 'Voucher code is invalid or already redeemed'],
    ['VOUCHER_VALUE_MISMATCH', 'Voucher value does not match the order amount'],
  ] as const)('refuses %s in the documented words', async (verdict, message) => {
    const { code, message: told } = await refusalOf(story({ verdicts: [verdict] }).create());
    expect([code, told]).toEqual([verdict, message]);
  });

  test('prices once more what went stale, and gives up politely after that', async () => {
    const dearer = snapshot({ clients: [client({ discounts: new Discounts([]) })] });
    const twice = story({ verdicts: ['STALE', 'PLACED'], fresh: dearer });
    await expect(twice.create()).resolves.toEqual(topupOrder());
    expect(twice.orders.map(({ charge }) => charge.amount)).toEqual(['4.7405', '4.99']);
    await expect(story({ verdicts: ['STALE', 'STALE'] }).create())
      .rejects.toBeInstanceOf(TemporarilyUnavailable);
  });
});

describe('a duplicate reference', () => {
  const airtel = product({
    id: 4218,
    countryCode: 'IND',
    inputFields: [field({ name: 'phone_number', type: 'phone' })],
  });
  const asked = rawRequest({ inputData: [['phone_number', '+91 88796-85100']] });

  /** The digest under which the first request was placed. */
  async function placedDigest(): Promise<string> {
    const { create, orders } = story({ pricing: snapshot({ products: [airtel] }) });
    await create(asked);
    return orders[0]?.inputDigest ?? '';
  }

  test.each([
    ['by the placing call', airtel],
    ['before what is out of stock by now',
      { ...airtel, variants: [variant({ id: 2, fixedAmounts: ['4.99'], isAvailable: false })] }],
    ['before an amount that is not sold any more', { ...airtel, variants: [] }],
    ['before a product that is not sold any more', { ...airtel, isActive: false }],
    ['before a field that is asked for by now', { ...airtel, inputFields: [
      field({ name: 'server', isRequired: true }), ...airtel.inputFields,
    ] }],
  ])('is told %s, and a retry is known as one', async (_case, now) => {
    const existing = topupOrder({ inputDigest: await placedDigest() });
    const pricing = snapshot({ products: [now] });
    const tell = (raw: RawOrderRequest) =>
      refusalOf(story({ verdicts: ['DUPLICATE'], existing, pricing }).create(raw));
    const same = await tell(asked);
    expect([same.code, same.message, same.detail])
      .toEqual(['DUPLICATE_CLIENT_REFERENCE', 'Duplicate client_reference', undefined]);
    const respelt = await tell({ ...asked, inputData: [['phone_number', '08879685100']] });
    expect([respelt.code, respelt.detail]).toEqual([same.code, undefined]);
    const other = await tell({ ...asked, inputData: [['phone_number', '+918879685101']] });
    expect([other.code, other.detail]).toEqual([same.code, 'INPUT_MISMATCH']);
  });

  test('is told before what is wrong with the input', async () => {
    const broken = rawRequest({ inputData: [['player_id', 'x']] });
    const { code, detail } = await refusalOf(story({ existing: topupOrder() }).create(broken));
    expect([code, detail]).toEqual(['DUPLICATE_CLIENT_REFERENCE', 'INPUT_MISMATCH']);
  });

  test('is told of a product that nobody knows, and of input that is no pairs', async () => {
    const bare = product({ inputFields: [] });
    const { create, orders } = story({ pricing: snapshot({ products: [bare] }) });
    await create(rawRequest({ inputData: undefined }));
    const existing = topupOrder({ inputDigest: orders[0]?.inputDigest ?? '' });
    const tell = async (over: Partial<RawOrderRequest>, products = [bare]) => {
      const again = story({ verdicts: ['DUPLICATE'], existing, pricing: snapshot({ products }) });
      const { code, detail } = await refusalOf(again.create(rawRequest(over)));
      return [code, detail];
    };
    expect(await tell({ inputData: undefined })).toEqual(['DUPLICATE_CLIENT_REFERENCE', undefined]);
    for (const told of [
      await tell({ inputData: 'x' }), await tell({ inputData: undefined, productId: number('1') }),
      await tell({ inputData: 'x' }, []),
    ]) expect(told).toEqual(['DUPLICATE_CLIENT_REFERENCE', 'INPUT_MISMATCH']);
  });

  test.each([
    ['the category', { category: 'NONE' }],
    ['the wallet', { walletId: number('0') }],
    ['a voucher beside a wallet', { walletId: number('1'), redeemVoucherCode: 'DEMO-0499-AAAA' }],
    ['a voucher beside a quote', { quoteId: 'q', redeemVoucherCode: 'DEMO-0499-AAAA' }],
  ])('and a product are told before %s', async (_case, over) => {
    const again = await refusalOf(story({ existing: topupOrder() }).create(rawRequest(over)));
    expect([again.code, again.detail]).toEqual(['DUPLICATE_CLIENT_REFERENCE', 'INPUT_MISMATCH']);
    const unknown = rawRequest({ ...over, productId: number('1') });
    expect((await refusalOf(story({}).create(unknown))).code).toBe('PRODUCT_NOT_FOUND');
    expect((await refusalOf(story({}).create(rawRequest(over)))).code).toBe('VALIDATION_FAILURE');
  });

  test('is told also where no more voucher codes may be tried', async () => {
    const rateLimits: RateLimits = {
      ...noRateLimits, take: async () => ({ ...NOT_LIMITED, isAdmitted: false }),
    };
    const guess = rawRequest({ redeemVoucherCode: 'DEMO-0499-AAAA' });
    const retry = story({ rateLimits, existing: topupOrder() });
    expect((await refusalOf(retry.create(guess))).code).toBe('DUPLICATE_CLIENT_REFERENCE');
    const fresh = story({ rateLimits });
    await expect(fresh.create(guess)).rejects.toBeInstanceOf(RateLimited);
    const nameless = story({ rateLimits, existing: topupOrder() });
    await expect(nameless.create({ ...guess, clientReference: null }))
      .rejects.toBeInstanceOf(RateLimited);
    expect([...retry.orders, ...fresh.orders, ...nameless.orders]).toEqual([]);
  });

  test('is not told of a request whose form is wrong, or that has no reference', async () => {
    const existing = topupOrder();
    const formless = await refusalOf(story({ existing }).create(rawRequest({ amount: null })));
    expect(formless.code).toBe('VALIDATION_FAILURE');
    const nameless = rawRequest({ clientReference: null, productId: number('1') });
    expect((await refusalOf(story({ existing }).create(nameless))).code).toBe('PRODUCT_NOT_FOUND');
  });
});

describe('a duplicate reference with a quote', () => {
  const NOW_MS = Date.UTC(2026, 10, 26, 9, 59);
  const quoteOf = (over: object = {}) => sealQuote({
    clientId: 1, productId: 4218, variantId: 2, walletId: 1,
    faceValue: { amount: '4.99', currency: 'USD' },
    discountPercent: '5', forexRate: null, forexRateId: null,
    charge: { amount: '4.7405', currency: 'USD' }, expiresAtMs: NOW_MS + 1,
    ...over,
  }, HASHING_KEY);
  const told = async (existing: TopupOrder, quoteId: string | null) => {
    const again = story({ verdicts: ['DUPLICATE'], existing, now: () => new Date(NOW_MS) });
    const { code, detail } = await refusalOf(again.create(rawRequest({ quoteId })));
    return [code, detail];
  };
  const placed = async (): Promise<TopupOrder> => {
    const { create, orders } = story({ now: () => new Date(NOW_MS) });
    await create(rawRequest({ quoteId: quoteOf() }));
    return topupOrder({ inputDigest: orders[0]?.inputDigest ?? '' });
  };

  test.each([
    ['the same quote', quoteOf()],
    ['a new one for the same', quoteOf({ charge: { amount: '4.8', currency: 'USD' } })],
    ['one that has expired', quoteOf({ expiresAtMs: NOW_MS })],
    ['none', null],
  ])('is known as a retry with %s', async (_case, quoteId) => {
    expect(await told(await placed(), quoteId)).toEqual(['DUPLICATE_CLIENT_REFERENCE', undefined]);
  });

  test.each([
    ['for another variant', quoteOf({ variantId: 3 })],
    ['for another variant, expired', quoteOf({ variantId: 3, expiresAtMs: NOW_MS })],
    ['to be paid from another wallet', quoteOf({ walletId: 3 })],
    ['for another amount', quoteOf({ faceValue: { amount: '9.99', currency: 'USD' } })],
    ['of another client', quoteOf({ clientId: 2 })],
    ['that is none', 'garbage'],
  ])('is another request with a quote %s', async (_case, quoteId) => {
    expect(await told(await placed(), quoteId))
      .toEqual(['DUPLICATE_CLIENT_REFERENCE', 'INPUT_MISMATCH']);
  });
});

describe('a quote that has ended', () => {
  const NOW = new Date('2026-11-26T09:59:00Z');
  const quoteId = sealQuote({
    clientId: 1, productId: 4218, variantId: 2, walletId: 1,
    faceValue: { amount: '4.99', currency: 'USD' },
    discountPercent: '5', forexRate: null, forexRateId: null,
    charge: { amount: '4.7405', currency: 'USD' }, expiresAtMs: NOW.getTime(),
  }, HASHING_KEY);
  const told = async (verdicts: readonly Placement['verdict'][], over: object = {}) => {
    const { create, orders } = story({ verdicts, now: () => NOW });
    const { code } = await refusalOf(create(rawRequest({ quoteId, ...over })));
    return [code, orders.map(({ priceValidUntil }) => priceValidUntil)];
  };
  const NEVER = '1970-01-01T00:00:00.000Z';

  test('is refused behind the first copy of its request, which may be under way', async () => {
    expect(await told(['DUPLICATE'])).toEqual(['DUPLICATE_CLIENT_REFERENCE', [NEVER]]);
    expect(await told(['STALE'])).toEqual(['QUOTE_INVALID', [NEVER]]);
  });

  test('is refused at once where no copy can be known, or none was placed', async () => {
    expect(await told([], { clientReference: null })).toEqual(['QUOTE_INVALID', []]);
    expect(await told([], { amount: number('9.99') })).toEqual(['QUOTE_INVALID', []]);
  });
});

describe('a guess at a voucher', () => {
  const guess = rawRequest({ redeemVoucherCode: 'DEMO-0499-AAAA' });
  const counting = (giveBack: RateLimits['giveBack']) => {
    const given: string[] = [];
    const rateLimits: RateLimits = {
      ...noRateLimits,
      giveBack: (request) => {
        given.push(request.class);
        return giveBack(request);
      },
    };
    return { rateLimits, given };
  };

  test('is told its order, also where its token cannot be put back', async () => {
    const { rateLimits, given } = counting(() => Promise.reject(new Error('away')));
    await expect(story({ rateLimits }).create(guess)).resolves.toEqual(topupOrder());
    expect(given).toEqual(['voucher.guesses']);
  });

  test('costs nothing where nobody knows whether it was right', async () => {
    const { rateLimits, given } = counting(async () => undefined);
    const busy = new TemporarilyUnavailable('busy', 1000);
    await expect(story({ rateLimits, placing: busy }).create(guess)).rejects.toBe(busy);
    expect(given).toEqual(['voucher.guesses']);
  });
});

describe('a product that fulfils inside the request', () => {
  const placed = topupOrder({ fulfilsInRequest: true });

  const fail = () => Promise.reject(new Error('a bug in an adapter'));

  test('is answered as it stands when the wait ends, answer or not', async () => {
    const sleep = (ms: number) => (ms > 5000 ? never() : Promise.resolve());
    const delivered = { ...placed, status: 'DELIVERED' };
    await expect(story({ placed, sleep, submit: never }).create()).resolves.toEqual(delivered);
    // Vitest fails a run in which a rejection is left unhandled.
    const late = () => new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('too late to matter')), 10);
    });
    await expect(story({ placed, sleep, submit: late }).create()).resolves.toEqual(delivered);
    await new Promise((resolve) => { setTimeout(resolve, 30); });
  });

  test('is answered as it stands when the process stops', async () => {
    const stopping = new AbortController();
    const { promise: isSent, resolve: send } = Promise.withResolvers<null>();
    const submit = () => (send(null), never());
    const untilAborted = (_ms: number, signal?: AbortSignal) => new Promise<void>((resolve) => {
      signal?.addEventListener('abort', () => resolve());
    });
    const created = story({
      placed, submit, sleep: untilAborted, stopping: stopping.signal,
    }).create();
    await isSent;
    stopping.abort();
    await expect(created).resolves.toMatchObject({ id: placed.id });
  });

  test('is answered with the placed order whatever happens to the try', async () => {
    await expect(story({ placed, submit: fail }).create()).resolves.toEqual(placed);
  });
});

describe('cancelTopupOrder', () => {
  const cancel = (result: Cancellation, found: TopupOrder | null = null) => {
    const store: Partial<Store> = {
      findOrder: async () => found, cancelOrder: async () => result,
    };
    return cancelTopupOrder(1, 9123456, { store: store as Store });
  };

  test('answers the order as it stands afterwards', async () => {
    const order = topupOrder({ status: 'CANCELLED' });
    await expect(cancel('CANCELLED', order)).resolves.toBe(order);
  });

  test.each([
    ['ORDER_NOT_FOUND', 'Order not found', 'NOT_FOUND'],
    ['NOT_CANCELLABLE', 'Order can no longer be cancelled', 'NOT_CANCELLABLE'],
  ] as const)('refuses %s', async (code, message, result) => {
    const rejection = await refusalOf(cancel(result));
    expect([rejection.code, rejection.message]).toEqual([code, message]);
  });
});
