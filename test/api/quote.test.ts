import fc from 'fast-check';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { sealQuote, type QuotedTerms } from '../../src/domain/quote.ts';
import type { RejectionCode } from '../../src/domain/rejection.ts';
import {
  authorization, doors, graphqlRequest, JSON_TYPE, parseExact, rest, type Answer,
  type CreateRequest, type Door, type ToldOrder,
} from '../support/doors.ts';
import { setBalance } from '../support/set-balance.ts';
import { VOUCHER_KEY } from '../support/voucher-hash.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

/** A quote as both doors tell it, in one spelling. */
interface ToldQuote {
  readonly id: string;
  readonly faceAmount: string;
  readonly discountAmount: string;
  readonly total: string;
  readonly discountPercent: string;
  readonly charge: string;
  readonly source: string;
  readonly destination: string;
  readonly forexRate: string | null;
  readonly walletId: string;
  readonly variantName: string;
  readonly isEnough: boolean;
  readonly expiresAt: string;
}
type QuoteAnswer = { readonly quote: ToldQuote } | { readonly refused: string };
type Asked = Pick<CreateRequest, 'product_id' | 'amount' | 'wallet_id' | 'category'>;

async function charges(asked: Asked, clientId = 1): Promise<{ status: number; body: unknown }> {
  const { amount, ...rest } = asked;
  const text = JSON.stringify({ ...rest, amount: '@' }).replace('"@"', String(amount));
  const response = await fetch(`${world().gateway.url}/api/v1/topups/charges`, {
    method: 'POST', headers: { ...JSON_TYPE, ...authorization(world(), clientId) }, body: text,
  });
  return { status: response.status, body: parseExact(await response.text()) };
}

async function quoteByRest(asked: Asked, clientId = 1): Promise<QuoteAnswer> {
  const { status, body } = await charges(asked, clientId);
  if (status !== 200) {
    const { error } = body as { error: { name: string; code: string } };
    return { refused: `${error.name} ${error.code}` };
  }
  const told = body as Record<string, string> & {
    charges_details: Record<string, string | null>; sufficient_balance: boolean;
  };
  const { charges_details: details } = told;
  return {
    quote: {
      id: told['quote_id'] ?? '',
      faceAmount: told['non_discounted_total'] ?? '',
      discountAmount: told['discount_amount'] ?? '',
      total: told['total_amount'] ?? '',
      discountPercent: told['discount'] ?? '',
      charge: told['total_payable'] ?? '',
      source: details['source_currency'] ?? '',
      destination: details['destination_currency'] ?? '',
      forexRate: details['forex_rate'] ?? null,
      walletId: told['wallet_id'] ?? '',
      variantName: told['variant_name'] ?? '',
      isEnough: told.sufficient_balance,
      expiresAt: told['expires_at'] ?? '',
    },
  };
}

const placed = (answer: Answer): ToldOrder => {
  if ('refused' in answer) throw new Error(`${answer.refused}: ${answer.message}`);
  return answer.order;
};
const quoted = (answer: QuoteAnswer): ToldQuote => {
  if ('refused' in answer) throw new Error(answer.refused);
  return answer.quote;
};

const PUBG = {
  product_id: 4218, amount: '4.99', input_data: { player_id: '5123456789', server: 'asia' },
};
const ORANGE = {
  product_id: 5101, amount: '250.00', input_data: { phone_number: '+33612345600' }, wallet_id: 1,
};
const AIRTEL = {
  product_id: 5001, amount: '299', input_data: { phone_number: '+918879685100' },
};

/** Of a quote for PUBG, whose end a test chooses. */
const TERMS: Omit<QuotedTerms, 'expiresAtMs'> = {
  clientId: 1, productId: 4218, variantId: 2, walletId: 1,
  faceValue: { amount: '4.99', currency: 'USD' },
  discountPercent: '5', forexRate: null, forexRateId: null,
  charge: { amount: '4.7405', currency: 'USD' },
};

/** Lets the order of this reference be placed no earlier, with all that it has locked by then. */
async function lingering(reference: string, untilMs: number): Promise<void> {
  const owner = new pg.Client(world().database.ownerDatabaseUrl);
  await owner.connect();
  await owner.query(`create or replace function linger() returns trigger language plpgsql as $$
      begin
        if new.client_reference = '${reference}' then
          perform pg_sleep(${untilMs} / 1000.0 - extract(epoch from clock_timestamp())::float8);
        end if;
        return new;
      end $$;
    create or replace trigger linger before insert on topup_order
      for each row execute function linger()`);
  await owner.end();
}

async function orderCount(): Promise<number> {
  const [row] = await world().database.query<{ n: string }>(
    'select count(*) as n from topup_order',
  );
  return Number(row?.n);
}

describe('POST /topups/charges', () => {
  test('answers the documented fields, same currency and forex', async () => {
    const { status, body } = await charges({ product_id: 4218, amount: '4.99' });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      non_discounted_total: '4.99', discount_amount: '0.2495', total_amount: '4.7405',
      discount: '5', gst_amount: '0', total_payable: '4.7405', net_amount: '4.7405',
      handling_fee_amount: '0', sufficient_balance: true, variant_name: '325 UC',
      charges_details: {
        source_currency: 'USD', destination_currency: 'USD', forex_rate: null,
        conversion_fee: null,
      },
    });
    const forex = await charges({ product_id: 5101, amount: '250.00', wallet_id: 1 });
    expect(forex.body).toMatchObject({
      non_discounted_total: '250', total_amount: '241.25', net_amount: '282.26',
      total_payable: '282.26', discount: '3.5',
      charges_details: {
        source_currency: 'EUR', destination_currency: 'USD', forex_rate: '1.17',
        conversion_fee: '0',
      },
    });
    const yen = await charges({ product_id: 4218, amount: '4.99', wallet_id: 3 });
    expect(yen.body).toMatchObject({ total_amount: '4.7405', total_payable: '712' });
  });

  test('tells a lack of funds, and debits nothing', async () => {
    const before = await orderCount();
    await setBalance(world().database, { clientId: 2, walletId: 4, to: '4.98' });
    const poor = await charges({ product_id: 4218, amount: '4.99' }, 2);
    expect(poor.body).toMatchObject({ total_payable: '4.99', sufficient_balance: false });
    await setBalance(world().database, { clientId: 2, walletId: 4, to: '4.99' });
    const rich = await charges({ product_id: 4218, amount: '4.99' }, 2);
    expect(rich.body).toMatchObject({ sufficient_balance: true });
    expect(await orderCount()).toBe(before);
  });

  test.each([
    ['no product', { amount: '4.99' }, 400, 'Product ID is required'],
    ['no amount', { product_id: 4218 }, 400, 'Amount is required'],
    ['an amount in quotes', { product_id: 4218, amount: '"4.99"' }, 400, 'Amount is required'],
    ['a product that nobody has', { product_id: 1, amount: '4.99' }, 404, 'Product not found'],
    ['a delisted product', { product_id: 6001, amount: '1' }, 404, 'Product not found'],
    ['an amount that is not sold', { product_id: 4218, amount: '5' }, 400, /^Amount 5 is not/],
    ['a foreign wallet', { ...ORANGE, wallet_id: 4 }, 404, 'Wallet not found'],
    ['a category nobody knows', { ...AIRTEL, category: 'airtime' }, 400, /^Category must/],
    ['a pair without a rate', { product_id: 5201, amount: '100' }, 400,
      'Exchange rate not available for the wallet currency'],
  ])('refuses %s', async (_case, asked, status, message) => {
    const told = await charges({ amount: 'null', ...asked } as Asked);
    const { error } = told.body as { error: { message: string } };
    expect(told.status).toBe(status);
    if (typeof message === 'string') expect(error.message).toBe(message);
    else expect(error.message).toMatch(message);
  });
});

describe.each(doors)('an order with a quote ($name)', (door: Door) => {
  const create = (request: CreateRequest, clientId = 1) => door.create(world(), clientId, request);
  const quoteOf = async (asked: Asked) => quoted(await quoteByRest(asked));

  test('costs what was quoted, though every figure changed', async () => {
    const { query } = world().database;
    const yen = await quoteOf({ product_id: 4218, amount: '4.99', wallet_id: 3 });
    await query("update forex_rate set rate = 300 where to_currency = 'JPY'");
    await query("update discount set percent = 1 where client_id = 1 and product_id is null");
    // Without a wait: the placing call finds the figures stale, and what is quoted stands.
    const order = placed(await create({ ...PUBG, wallet_id: 3, quote_id: yen.id }));
    expect(order).toMatchObject({ amount: '712', currency: 'JPY', forexRate: '150.25' });
    const today = placed(await create({ ...PUBG, wallet_id: 3 }));
    expect(today.amount).toBe('1482');
    await query("update forex_rate set rate = 150.25 where to_currency = 'JPY'");
    await query("update discount set percent = 5 where client_id = 1 and product_id is null");
    await world().parts.store.refreshPricing();
  });

  test('is paid by the quoted wallet, also where none is named', async () => {
    const yen = await quoteOf({ product_id: 4218, amount: '4.99', wallet_id: 3 });
    const order = placed(await create({ ...PUBG, amount: '4.990', quote_id: yen.id }));
    expect(order).toMatchObject({ amount: '712', currency: 'JPY' });
  });

  test.each<[string, CreateRequest, RegExp]>([
    ['product', { product_id: 4219, amount: '3.99',
      input_data: { player_id: '5123456789', zone_id: '1234' } }, /another product/],
    ['amount', { ...PUBG, amount: '9.99' }, /another amount/],
    ['wallet', { ...PUBG, wallet_id: 2 }, /another wallet/],
    ['category', { ...PUBG, category: 'Data' }, /another category/],
  ])('is refused for another %s', async (_what, request, message) => {
    const { id } = await quoteOf({ product_id: 4218, amount: '4.99' });
    const before = await orderCount();
    const answer = await create({ ...request, quote_id: id });
    expect(answer).toMatchObject({ refused: door.codeOf('QUOTE_INVALID') });
    expect('message' in answer ? answer.message : '').toMatch(message);
    expect(await orderCount()).toBe(before);
  });

  test('is refused alike for a quote that is another client\'s, made up or nobody\'s', async () => {
    const { id } = await quoteOf({ product_id: 4218, amount: '4.99' });
    const flipped = `${id.slice(0, -2)}${id.endsWith('AA') ? 'BB' : 'AA'}`;
    const answers = [
      await create({ ...PUBG, quote_id: id }, 2),
      await create({ ...PUBG, quote_id: flipped }),
      await create({ ...PUBG, quote_id: 'x' }),
    ];
    for (const answer of answers) {
      expect(answer).toEqual({
        refused: door.codeOf('QUOTE_INVALID'), message: 'Quote not found', isCoercion: false,
      });
    }
  });

  test('is refused once the product, or the variant, is delisted', async () => {
    const { query } = world().database;
    const { id } = await quoteOf({ product_id: 4218, amount: '24.99' });
    const ask = () => create({ ...PUBG, amount: '24.99', quote_id: id });
    await query('update variant set is_active = false where id = 4');
    expect(await ask()).toMatchObject({ refused: door.codeOf('QUOTE_INVALID') });
    await query('update variant set is_active = true where id = 4');
    await world().parts.store.refreshPricing();
    await query('update product set is_active = false where id = 4218');
    expect(await ask()).toMatchObject({ refused: door.codeOf('PRODUCT_NOT_FOUND') });
    await query('update product set is_active = true where id = 4218');
    await world().parts.store.refreshPricing();
    expect(placed(await ask()).amount).toBe('23.7405');
  });

  test('is refused together with a voucher', async () => {
    const { id } = await quoteOf({ product_id: 4218, amount: '4.99' });
    const answer = await create({ ...PUBG, quote_id: id, redeem_voucher_code: 'DEMO-0499-AAAA' });
    expect(answer).toMatchObject({ refused: door.codeOf('VALIDATION_FAILURE') });
  });

  test('tells a duplicate before what is wrong with its quote', async () => {
    const reference = `QUOTED-${door.name}`;
    placed(await create({ ...PUBG, client_reference: reference }));
    const answer = await create({ ...PUBG, client_reference: reference, quote_id: 'x' });
    expect(answer).toMatchObject({ refused: door.codeOf('DUPLICATE_CLIENT_REFERENCE') });
  });

  test('is told a first copy that is being placed, though the quote has ended', async () => {
    const other = await world().startProcess('gateway');
    if (other === null) throw new Error('no gateway');
    const reference = `ENDING-${door.name}`;
    const endsAtMs = Date.now() + 2500;
    // With the lock of its wallet, which it got in time.
    await lingering(reference, endsAtMs + 1500);
    const request = {
      ...PUBG, client_reference: reference,
      quote_id: sealQuote({ ...TERMS, expiresAtMs: endsAtMs }, VOUCHER_KEY),
    };
    const first = create(request);
    await expect.poll(() => Date.now()).toBeGreaterThan(endsAtMs);
    const again = await door.create({ ...world(), gateway: other }, 1, request);
    // On a machine that pauses the first one may have come to its wallet too late: so do both.
    expect(again).toMatchObject({
      message: 'order' in await first ? 'Duplicate client_reference' : 'Quote expired',
    });
    const late = await create({ ...request, client_reference: `LATE-${door.name}` });
    expect(late).toMatchObject({ refused: door.codeOf('QUOTE_INVALID'), message: 'Quote expired' });
  });

  test('places nothing that had to wait for its wallet until the quote had ended', async () => {
    const reference = `LATE-AT-ITS-WALLET-${door.name}`;
    const endsAtMs = Date.now() + 2000;
    const owner = new pg.Client(world().database.ownerDatabaseUrl);
    await owner.connect();
    let waiting: Promise<Answer>;
    try {
      await owner.query('begin; select from wallet where client_id = 1 and id = 1 for update');
      waiting = create({
        ...PUBG, client_reference: reference,
        quote_id: sealQuote({ ...TERMS, expiresAtMs: endsAtMs }, VOUCHER_KEY),
      });
      await expect.poll(() => Date.now()).toBeGreaterThan(endsAtMs);
    } finally {
      await owner.end();
    }
    expect(await waiting)
      .toMatchObject({ refused: door.codeOf('QUOTE_INVALID'), message: 'Quote expired' });
  });

  test('may be placed in any process of the database', async () => {
    const { id } = await quoteOf({ product_id: 4218, amount: '4.99' });
    const other = await world().startProcess('gateway');
    if (other === null) throw new Error('no gateway');
    const there = { ...world(), gateway: other };
    expect(placed(await door.create(there, 1, { ...PUBG, quote_id: id })).amount).toBe('4.7405');
  });
});

const QUOTE = `query ($input: TopupQuoteInput!) { topupQuote(input: $input) {
  quote { id product { productId } variant { variantId name } wallet { walletId }
    faceValue { amount currency } discountPercent discount { amount } total { amount } forexRate
    charge { amount currency } hasSufficientBalance expiresAt }
  userErrors { code field } } }`;

interface GraphqlQuote {
  readonly id: string;
  readonly variant: { readonly name: string };
  readonly wallet: { readonly walletId: number };
  readonly faceValue: { readonly amount: string; readonly currency: string };
  readonly discountPercent: string;
  readonly discount: { readonly amount: string };
  readonly total: { readonly amount: string };
  readonly forexRate: string | null;
  readonly charge: { readonly amount: string; readonly currency: string };
  readonly hasSufficientBalance: boolean;
  readonly expiresAt: string;
}

async function quoteByGraphql(asked: Asked): Promise<QuoteAnswer> {
  const { product_id: productId, amount, wallet_id: walletId, category } = asked;
  const named = typeof category === 'string' ? category.toUpperCase() : undefined;
  const { data, errors } = await graphqlRequest(world(), 1, {
    query: QUOTE, variables: { input: { productId, amount, walletId, category: named } },
  });
  if (errors !== undefined) throw new Error(errors[0]?.message);
  const { quote, userErrors } = data?.['topupQuote'] as {
    quote: GraphqlQuote | null; userErrors: { code: RejectionCode }[];
  };
  if (quote === null) return { refused: rest.codeOf(userErrors[0]?.code as RejectionCode) };
  return {
    quote: {
      id: quote.id,
      faceAmount: quote.faceValue.amount,
      discountAmount: quote.discount.amount,
      total: quote.total.amount,
      discountPercent: quote.discountPercent,
      charge: quote.charge.amount,
      source: quote.faceValue.currency,
      destination: quote.charge.currency,
      forexRate: quote.forexRate,
      walletId: String(quote.wallet.walletId),
      variantName: quote.variant.name,
      isEnough: quote.hasSufficientBalance,
      expiresAt: quote.expiresAt,
    },
  };
}

/** Two quotes may stand on either side of a second. */
const figuresOf = (answer: QuoteAnswer) =>
  'refused' in answer ? answer : { ...answer.quote, id: '', expiresAt: '' };

// Amounts on and off the denominations, in every currency that is sold.
const asked = fc.record({
  request: fc.constantFrom<CreateRequest>(PUBG, ORANGE, AIRTEL, { ...PUBG, product_id: 6001 }),
  amount: fc.oneof(
    fc.constantFrom('0.99', '4.99', '9.99', '24.99', '299', '499', '5000', '5001'),
    fc.integer({ min: 1, max: 30_000 }).map((cents) =>
      `${Math.trunc(cents / 100)}.${String(cents % 100).padStart(2, '0')}`),
  ),
  wallet_id: fc.constantFrom(undefined, 1, 2, 3, 4),
  category: fc.constantFrom(undefined, undefined, 'Airtime', 'Data', 'Bundle'),
});

test('both doors quote the same, and orders placed right after cost it to the last digit', () =>
  fc.assert(fc.asyncProperty(asked, async ({ request, ...of }) => {
    const whole = { ...request, ...of };
    const { input_data: _, ...priced } = whole;
    const [byRest, byGraphql] = await Promise.all([quoteByRest(priced), quoteByGraphql(priced)]);
    expect(figuresOf(byGraphql)).toEqual(figuresOf(byRest));
    if ('refused' in byRest) {
      for (const door of doors) {
        const answer = await door.create(world(), 1, whole);
        const refused = 'refused' in answer ? answer.refused : 'placed';
        expect(door === rest ? refused : rest.codeOf(refused as RejectionCode))
          .toBe(byRest.refused);
      }
      return;
    }
    const { charge, destination, forexRate, variantName, id } = byRest.quote;
    for (const door of doors) {
      for (const quote_id of [undefined, id]) {
        const answer = await door.create(world(), 1, { ...whole, quote_id });
        expect(placed(answer)).toMatchObject({
          amount: charge, currency: destination, forexRate, variantName,
        });
      }
    }
  }), { numRuns: 40 }), 60_000);

test('a frozen wallet cannot pay, whatever it holds', async () => {
  const asked = { product_id: 4218, amount: '4.99' };
  const isEnough = async (): Promise<readonly boolean[]> => [
    quoted(await quoteByRest(asked)).isEnough, quoted(await quoteByGraphql(asked)).isEnough,
  ];
  await world().database.query('update wallet set is_frozen = true where id = 1');
  try {
    expect(await isEnough()).toEqual([false, false]);
  } finally {
    await world().database.query('update wallet set is_frozen = false where id = 1');
  }
  expect(await isEnough()).toEqual([true, true]);
});

describe('what holds for a time', () => {
  const query = (sql: string) => world().database.query(sql);
  const percentOf = async (asked: Asked) => quoted(await quoteByRest(asked, 2)).discountPercent;

  test('discounts of a category and a type count within their dates', async () => {
    const data = { product_id: 5001, amount: '299', category: 'Data' };
    const add = (what: string, percent: number, dates: string) =>
      query(`insert into discount (client_id, ${what.split('=')[0]}, percent, valid_from, valid_to)
        values (2, '${what.split('=')[1]}', ${percent}, ${dates})`);
    await add('category=Data', 40, "now() - interval '2 days', now() - interval '1 day'");
    await add('category=Data', 30, "now() + interval '1 day', null");
    expect(await percentOf(data)).toBe('0');
    await add('topup_type=MOBILE', 3, "now() - interval '1 day', null");
    expect(await percentOf(data)).toBe('3');
    await add('category=Data', 4, "now() - interval '1 day', now() + interval '1 day'");
    expect(await percentOf(data)).toBe('4');
    expect(await percentOf({ ...data, category: 'Bundle' })).toBe('3');
    expect(await percentOf({ product_id: 4218, amount: '4.99' })).toBe('0');
    await query('delete from discount where client_id = 2');
  });

  test('a rate holds from start to end; quote and order see its edges together', async () => {
    const asked = { product_id: 5201, amount: '100' };
    const whole = { ...asked, input_data: { phone_number: '+254712345678' } };
    await query(`insert into forex_rate (from_currency, to_currency, rate, valid_from, valid_to,
      updated_by) values ('KES', 'USD', 0.01, clock_timestamp() + interval '1 second',
      clock_timestamp() + interval '2500 ms', 'test')`);
    const seen: string[] = [];
    const deadline = performance.now() + 10_000;
    while (seen.join() !== 'none,0.95,none' && performance.now() < deadline) {
      const quote = await quoteByRest(asked);
      const price = 'refused' in quote ? 'none' : quote.quote.charge;
      if (price !== seen.at(-1)) {
        seen.push(price);
        // The order right after costs the same, and has a moment to spare before the next edge.
        const order = await rest.create(world(), 1, whole);
        expect('refused' in order ? 'none' : order.order.amount).toBe(price);
      }
    }
    expect(seen).toEqual(['none', '0.95', 'none']);
  });
});
