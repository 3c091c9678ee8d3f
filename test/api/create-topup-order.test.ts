import { describe, expect, it } from 'vitest';
import type { RejectionCode } from '../../src/domain/rejection.ts';
import {
  doors,
  rest,
  untilTerminal,
  type Answer,
  type CreateRequest,
  type ToldOrder,
} from '../support/doors.ts';
import { setBalance } from '../support/set-balance.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld();

const SEED: CreateRequest = {
  product_id: 4218,
  amount: '4.99',
  input_data: { player_id: '5123456789', server: 'asia' },
};
const ORANGE: CreateRequest = {
  product_id: 5101,
  amount: '250.00',
  input_data: { phone_number: '+33612345600' },
  wallet_id: 1,
};
const AIRTEL: CreateRequest = {
  product_id: 5001,
  amount: '299',
  input_data: { phone_number: '+918879685100' },
};

let references = 0;
const newReference = (): string => `REF-${references++}`;

function placed(answer: Answer): ToldOrder {
  if ('refused' in answer) throw new Error(`${answer.refused}: ${answer.message}`);
  return answer.order;
}

async function orderCount(): Promise<number> {
  const [row] = await world().database.query<{ n: string }>(
    'select count(*) as n from topup_order',
  );
  return Number(row?.n);
}

async function balance(walletId: number): Promise<string> {
  const [row] = await world().database.query<{ balance: string }>(
    'select balance from wallet where id = $1',
    [walletId],
  );
  return row?.balance ?? '';
}

const PLACED: readonly [says: string, request: CreateRequest, told: Partial<ToldOrder>][] = [
  [
    'charges 5 % less, exactly (vector 1)',
    SEED,
    {
      amount: '4.7405',
      currency: 'USD',
      faceAmount: '4.99',
      productName: 'PUBG Mobile UC',
      variantName: '325 UC',
      countryCode: 'GLO',
      status: 'PENDING',
      statusText: 'Order submitted for fulfilment',
      fundingSource: 'WALLET',
      hasTransaction: true,
      forexRate: null,
      inputData: { player_id: '5123456789', server: 'asia' },
      isCompleted: false,
    },
  ],
  [
    'converts after the discount, rounded once (vector 2)',
    ORANGE,
    { amount: '282.26', currency: 'USD', forexRate: '1.17', faceAmount: '250' },
  ],
  [
    'pays in the variant currency where there is such a wallet',
    { ...ORANGE, wallet_id: undefined },
    { amount: '241.25', currency: 'EUR', forexRate: null },
  ],
  [
    'pays whole yen (vector 3)',
    { ...SEED, wallet_id: 3 },
    { amount: '712', currency: 'JPY', forexRate: '150.25' },
  ],
  ['takes 4.990 for 4.99 (vector 4)', { ...SEED, amount: '4.990' }, { faceAmount: '4.99' }],
  [
    'keeps a reference of 255 characters (vector 9)',
    { ...SEED, client_reference: 'x'.repeat(255) },
    { clientReference: 'x'.repeat(255) },
  ],
  [
    'keeps the bytes of a reference',
    { ...SEED, client_reference: " '; drop table-- <b>%_ " },
    { clientReference: " '; drop table-- <b>%_ " },
  ],
  [
    'echoes a phone number in E.164 (vector 15)',
    { ...AIRTEL, input_data: { phone_number: '+91 88796-85100' } },
    {
      inputData: { phone_number: '+918879685100' },
      amount: '3.38',
      variantName: '1.5 GB a day, 28 days',
    },
  ],
  [
    'takes the category asked for',
    { ...AIRTEL, category: 'Bundle' },
    { variantName: 'Unlimited, 28 days' },
  ],
  ['prefers a fixed amount to a range', AIRTEL, { variantName: '1.5 GB a day, 28 days' }],
  ['falls to the range', { ...AIRTEL, amount: '300' }, { variantName: 'Airtime' }],
  ['ignores keys it does not know', { ...SEED, ...{ note: 'hello' } }, { amount: '4.7405' }],
];

const V = 'VALIDATION_FAILURE';
const FIELD = 'INVALID_INPUT_FIELD';
const REFUSED: readonly [
  says: string,
  request: CreateRequest,
  code: RejectionCode,
  message?: RegExp,
][] = [
  ['no product', { ...SEED, product_id: undefined }, V],
  ['product 0', { ...SEED, product_id: 0 }, V, /^Product ID is required$/],
  ['product -1', { ...SEED, product_id: -1 }, V],
  ['product 1.5', { ...SEED, product_id: 1.5 }, V],
  ['product "x"', { ...SEED, product_id: 'x' }, V],
  [
    'a product that nobody has',
    { ...SEED, product_id: 2147483648 },
    'PRODUCT_NOT_FOUND',
    /^Product not found$/,
  ],
  [
    'a delisted product',
    { ...SEED, product_id: 6001, amount: '1' },
    'PRODUCT_NOT_FOUND',
    /^Product not found$/,
  ],
  ['no amount', { ...SEED, amount: undefined }, V],
  ['amount 0', { ...SEED, amount: '0' }, V, /^Amount is required$/],
  ['amount -5', { ...SEED, amount: '-5' }, V, /^Amount is required$/],
  ['amount 4.99000000000000000001', { ...SEED, amount: '4.99000000000000000001' }, V],
  ['amount 4.990000000001', { ...SEED, amount: '4.990000000001' }, V],
  ['amount 0.00005', { ...SEED, amount: '0.00005' }, V],
  ['amount 1000000000', { ...SEED, amount: '1000000000' }, V],
  [
    'an amount nobody sells',
    { ...SEED, amount: '5' },
    'AMOUNT_NOT_AVAILABLE',
    /^Amount 5 is not available\. Nearest allowed amounts: 4\.99, 9\.99$/,
  ],
  ['an amount off the step', { ...AIRTEL, amount: '10.5' }, 'AMOUNT_NOT_AVAILABLE', /10, 11/],
  ['a category without such a variant', { ...SEED, category: 'Airtime' }, 'CATEGORY_NOT_AVAILABLE'],
  ['a category in other letters', { ...AIRTEL, category: 'airtime' }, V],
  ['a reference of 256 characters', { ...SEED, client_reference: 'x'.repeat(256) }, V],
  ['an empty reference', { ...SEED, client_reference: '' }, V],
  ['a tab in the reference', { ...SEED, client_reference: 'a\tb' }, V],
  ['a newline in the reference', { ...SEED, client_reference: 'a\n' }, V],
  ['a reference beyond ASCII', { ...SEED, client_reference: 'é' }, V],
  ['a reference with 0x7F', { ...SEED, client_reference: '\u007f' }, V],
  [
    'an unknown input key (vector 14)',
    { ...SEED, input_data: { player_id: '5123456789', server: 'asia', x: '1' } },
    FIELD,
    /^Unknown input field: x$/,
  ],
  [
    'a missing input key',
    { ...SEED, input_data: { player_id: '5123456789' } },
    FIELD,
    /^Missing required input field: server$/,
  ],
  [
    'a number instead of a string',
    { ...SEED, input_data: { player_id: 5123456789, server: 'asia' } },
    FIELD,
  ],
  [
    '__proto__ as an input key',
    {
      ...SEED,
      input_data: JSON.parse('{"player_id":"5123456789","server":"asia","__proto__":"x"}'),
    },
    FIELD,
    /__proto__/,
  ],
  [
    'a server that is no option',
    { ...SEED, input_data: { player_id: '5123456789', server: 'mars' } },
    FIELD,
  ],
  [
    'a phone of another country',
    { ...AIRTEL, input_data: { phone_number: '+33612345600' } },
    FIELD,
  ],
  [
    'a wallet of another client (vector 16)',
    { ...SEED, wallet_id: 4 },
    'WALLET_NOT_FOUND',
    /^Wallet not found$/,
  ],
  ['a wallet of nobody', { ...SEED, wallet_id: 99999 }, 'WALLET_NOT_FOUND', /^Wallet not found$/],
  [
    'no rate for the pair',
    {
      product_id: 5201,
      amount: '100',
      input_data: { phone_number: '+254712345600' },
    },
    'EXCHANGE_RATE_NOT_AVAILABLE',
    /^Exchange rate not available for the wallet currency$/,
  ],
  [
    'no rate in this direction',
    {
      ...SEED,
      wallet_id: 2,
      product_id: 5001,
      amount: '299',
      input_data: { phone_number: '+918879685100' },
    },
    'EXCHANGE_RATE_NOT_AVAILABLE',
    /^Exchange rate not available for the wallet currency$/,
  ],
  [
    'a voucher of another client',
    { ...SEED, redeem_voucher_code: 'DEMO-0499-FFFF' },
    'VOUCHER_INVALID',
    /^Voucher code is invalid or already redeemed$/,
  ],
  [
    'a voucher not delivered yet',
    { ...SEED, redeem_voucher_code: 'DEMO-0499-DDDD' },
    'VOUCHER_INVALID',
    /^Voucher code is invalid or already redeemed$/,
  ],
  [
    'an expired voucher',
    { ...SEED, redeem_voucher_code: 'DEMO-0499-EEEE' },
    'VOUCHER_INVALID',
    /^Voucher code is invalid or already redeemed$/,
  ],
  [
    'a voucher of another value',
    { ...SEED, redeem_voucher_code: 'DEMO-0999-CCCC' },
    'VOUCHER_VALUE_MISMATCH',
    /^Voucher value does not match the order amount$/,
  ],
  ['a voucher and a wallet', { ...SEED, wallet_id: 1, redeem_voucher_code: 'DEMO-0499-AAAA' }, V],
];

describe.each(doors)('$name', (door) => {
  it.each(PLACED)('%s', async (_says, request, told) => {
    const reference =
      request.client_reference === undefined
        ? {}
        : {
            client_reference:
              door.name === 'REST'
                ? request.client_reference
                : `${String(request.client_reference).slice(1)}~`,
          };
    const order = placed(await door.create(world(), 1, { ...request, ...reference }));
    const expected =
      'client_reference' in reference
        ? { ...told, clientReference: reference.client_reference }
        : told;
    expect(order).toMatchObject(expected);
    expect(await door.find(world(), 1, order.id)).toMatchObject({
      id: order.id,
      amount: order.amount,
    });
  });

  it.each(REFUSED)('refuses %s, and nothing happens', async (_says, request, code, message) => {
    const before = [await orderCount(), await balance(1), await balance(2), await balance(3)];
    const client_reference = request.client_reference ?? newReference();
    const answer = await door.create(world(), 1, { ...request, client_reference });
    expect(answer).toMatchObject({ refused: door.codeOf(code) });
    if (message !== undefined && 'message' in answer) {
      const isTold = door.name === 'REST' || !answer.isCoercion;
      if (isTold) expect(answer.message).toMatch(message);
    }
    expect([await orderCount(), await balance(1), await balance(2), await balance(3)]).toEqual(
      before,
    );
    // The reference stays free.
    if (typeof request.client_reference !== 'string') {
      placed(await door.create(world(), 1, { ...SEED, client_reference }));
    }
  });

  it('lets two clients use one reference (vector 8)', async () => {
    const client_reference = newReference();
    placed(await door.create(world(), 1, { ...SEED, client_reference }));
    placed(await door.create(world(), 2, { ...SEED, client_reference, amount: '0.99' }));
  });

  it('gives one of twenty equal references, and one debit (vector 7)', async () => {
    const client_reference = newReference();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => door.create(world(), 1, { ...SEED, client_reference })),
    );
    expect(answers.filter((answer) => 'order' in answer)).toHaveLength(1);
    const refusals = answers.filter((answer) => 'refused' in answer);
    expect(new Set(refusals.map((each) => `${each.refused}: ${each.message}`))).toEqual(
      new Set([`${door.codeOf('DUPLICATE_CLIENT_REFERENCE')}: Duplicate client_reference`]),
    );
    const debits = await world().database.query(
      `select 1 from transfer t join topup_order o
      on o.id = t.topup_order_id where o.client_reference = $1 and t.reason = 'ORDER_DEBIT'`,
      [client_reference],
    );
    expect(debits).toHaveLength(1);
  });

  it('tells a duplicate before anything that may have changed since', async () => {
    const client_reference = newReference();
    placed(await door.create(world(), 1, { ...SEED, client_reference }));
    const answer = await door.create(world(), 1, {
      ...SEED,
      client_reference,
      product_id: 77,
      amount: '5',
    });
    expect(answer).toMatchObject({ message: 'Duplicate client_reference' });
  });

  it('answers fifty rivals for money for ten with ten orders (vector 6)', async () => {
    await setBalance(world().database, { clientId: 3, walletId: 5, to: '54.9' });
    // Client 3 has no discount and pays in EUR.
    const request: CreateRequest = {
      product_id: 5101,
      amount: '5',
      input_data: { phone_number: '+33612345600' },
    };
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => door.create(world(), 3, request)),
    );
    expect(answers.filter((answer) => 'order' in answer)).toHaveLength(10);
    expect(
      new Set(answers.filter((answer) => 'refused' in answer).map((each) => each.message)),
    ).toEqual(new Set(['Insufficient wallet balance']));
    expect(await balance(5)).toBe('4.9000');
  });

  it('redeems a voucher once and frees it when the order fails (vector 11)', async () => {
    const request = {
      ...SEED,
      input_data: { player_id: '5123456702', server: 'asia' },
      redeem_voucher_code: 'demo 0499-aaaa',
    };
    const answers = await Promise.all([
      door.create(world(), 1, request),
      door.create(world(), 1, request),
    ]);
    const orders = answers.filter((answer) => 'order' in answer);
    // The first order may have failed, and freed the voucher, before the second one came.
    expect(orders.length).toBeGreaterThan(0);
    for (const { order } of orders) {
      expect(order).toMatchObject({
        amount: '4.99',
        currency: 'USD',
        fundingSource: 'VOUCHER',
        hasTransaction: false,
      });
      const ended = await untilTerminal(door, world(), { clientId: 1, orderId: order.id });
      expect(ended).toMatchObject({ status: 'FAILED', failureCode: 'INVALID_RECIPIENT' });
    }
    const [voucher] = await world().database.query(
      "select redeemed_order_id from voucher where code_last4 = 'AAAA'",
    );
    expect(voucher).toEqual({ redeemed_order_id: null });
  });

  it('refunds what was charged, even after the rate changed (vector 10)', async () => {
    const setRate = (rate: string): Promise<unknown> => world().database.query(
      "update forex_rate set rate = $1 where from_currency = 'USD' and to_currency = 'JPY'",
      [rate],
    );
    const before = await balance(3);
    // Refused a second later, when the rate is another one.
    const order = placed(
      await door.create(world(), 1, {
        ...SEED,
        wallet_id: 3,
        input_data: { player_id: '5123456202', server: 'asia' },
      }),
    );
    await setRate('300');
    const ended = await untilTerminal(door, world(), { clientId: 1, orderId: order.id });
    await setRate('150.25');
    await world().parts.store.refreshPricing();
    expect(ended).toMatchObject({
      status: 'FAILED',
      statusText: 'Invalid recipient',
      failureCode: 'INVALID_RECIPIENT',
      failureReason:
        'The player ID you entered could not be found. Please double-check and try again.',
      isUserFixable: true,
      refundAmount: '712',
      isCompleted: true,
    });
    expect(await balance(3)).toBe(before);
  });

  it('ends a product that is fulfilled inside the request in its answer', async () => {
    const request = (player: string): CreateRequest => ({
      product_id: 4219,
      amount: '1.99',
      input_data: { player_id: player, zone_id: '1234' },
    });
    expect(placed(await door.create(world(), 1, request('51234500')))).toMatchObject({
      status: 'DELIVERED',
      statusText: 'Top-up delivered',
      isCompleted: true,
    });
    expect(placed(await door.create(world(), 1, request('51234502')))).toMatchObject({
      status: 'FAILED',
      failureCode: 'INVALID_RECIPIENT',
      isUserFixable: true,
    });
  });

  it("does not find another client's order (vector 16)", async () => {
    const order = placed(await door.create(world(), 1, SEED));
    expect(await door.find(world(), 2, order.id)).toBeNull();
    expect(await door.find(world(), 1, 999_999_999)).toBeNull();
  });

  it('renders an order whose product is gone (vector 20)', async () => {
    const order = placed(
      await door.create(world(), 1, {
        ...SEED,
        product_id: 5002,
        amount: '10',
        input_data: { phone_number: '+917087654000' },
      }),
    );
    await untilTerminal(door, world(), { clientId: 1, orderId: order.id });
    await world().database.query(
      'update product set is_active = false, name = $1 where id = 5002',
      ['Gone'],
    );
    expect(await door.find(world(), 1, order.id)).toMatchObject({ productName: 'Jio India' });
    await world().database.query(
      "update product set is_active = true, name = 'Jio India' where id = 5002",
    );
    await world().parts.store.refreshPricing();
  });
});

describe('the two doors', () => {
  it('tell the same order with the same figures', async () => {
    const { id } = placed(await rest.create(world(), 1, ORANGE));
    await untilTerminal(rest, world(), { clientId: 1, orderId: id });
    const told = await Promise.all(doors.map((door) => door.find(world(), 1, id)));
    expect(told[0]).toEqual(told[1]);
  });
});
