import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { placementText } from '../../src/db/placement-text.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();

/** What PostgreSQL can keep: no NUL, and no half of a pair. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom(...'"\\,(){} \n\ta\u00e9') }),
  fc.constantFrom('', 'null', 'NULL', ' a ', '""', '\\"'),
).filter((value) => !value.includes('\0') && value.isWellFormed());
const texts = fc.record({
  clientReference: fc.option(text),
  productName: text,
  variantName: text,
  recipient: text,
  inputData: fc.dictionary(text, text),
});

it('is read by the database as it was meant, whatever stands in the texts', async () => {
  await fc.assert(fc.asyncProperty(fc.array(texts, { minLength: 1, maxLength: 4 }), async (all) => {
    const orders = all.map((each) => pricedOrder({ pricingVersion: 1, ...each }));
    const rows = await database().query(
      `select ordinal, client_reference as "clientReference", product_name as "productName",
          variant_name as "variantName", recipient, input_data::text as "inputData"
        from unnest($1::placement[])`,
      [orders.map((order, index) => placementText({ requestId: randomUUID(), order }, index))],
    );
    expect(rows).toEqual(all.map((each, index) => (
      { ...each, ordinal: index + 1, inputData: JSON.stringify(each.inputData) }
    )));
  }), { numRuns: 200 });
});

it('has each field in its place', async () => {
  const order = pricedOrder({
    pricingVersion: 9,
    productId: 11,
    variantId: 12,
    forexRate: '1.2',
    forexRateId: 7,
    inputFieldsVersion: 3,
    fulfilsInRequest: true,
    priceValidUntil: '2027-01-02T03:04:05.678Z',
  });
  const requestId = randomUUID();
  const asVoucher = { ...order, funding: { kind: 'VOUCHER', codeHash: 'hash' } } as const;
  const rows = await database().query(
    'select to_json(o) as o from unnest($1::placement[]) o',
    [[order, asVoucher].map((each, index) => placementText({ requestId, order: each }, index))],
  );
  const fields = {
    client_id: order.clientId,
    request_id: requestId,
    client_reference: order.clientReference,
    input_digest: order.inputDigest,
    product_id: 11,
    variant_id: 12,
    product_name: order.productName,
    variant_name: order.variantName,
    country_code: order.countryCode,
    face_value: 4.99,
    face_currency: order.faceValue.currency,
    discount_percent: Number(order.discountPercent),
    forex_rate: 1.2,
    forex_rate_id: 7,
    charge: Number(order.charge.amount),
    currency: order.charge.currency,
    input_data: order.inputData,
    recipient: order.recipient,
    input_fields_version: 3,
    fulfils_in_request: true,
    pricing_version: 9,
    price_valid_until: '2027-01-02T03:04:05.678+00:00',
  };
  expect(rows).toEqual([
    { o: { ...fields, ordinal: 1, wallet_id: 1, voucher_hash: null } },
    { o: { ...fields, ordinal: 2, wallet_id: null, voucher_hash: 'hash' } },
  ]);
});
