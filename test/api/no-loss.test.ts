import { afterAll, describe, expect, test } from 'vitest';
import { graphql, rest, type CreateRequest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld();
// Two variants at one amount: 299 of 5001 is sold as Airtime, as Data and as a Bundle.
const AIRTEL: CreateRequest = {
  product_id: 5001, amount: '299', input_data: { phone_number: '+918879685100' }, wallet_id: 1,
};
const change = async (sql: string): Promise<void> => {
  await world().database.query(sql);
  await world().parts.store.refreshPricing();
};

afterAll(() => change(
  'update variant set cost_percent = null; update discount set may_lose = false'));

describe.each([['REST', rest], ['GraphQL', graphql]] as const)('%s', (_name, door) => {
  const create = (over: Partial<CreateRequest> = {}) =>
    door.create(world(), 1, { ...AIRTEL, ...over });

  test('a variant is sold down to its cost, and for less only where that was said', async () => {
    await change('update discount set may_lose = false; update variant set cost_percent = 95');
    expect(await create()).toMatchObject({ order: { variantName: '1.5 GB a day, 28 days' } });
    // The best one would lose, the next one does not.
    await change("update variant set cost_percent = 95.5 where category = 'Data'");
    expect(await create()).toMatchObject({ order: { variantName: 'Unlimited, 28 days' } });
    await change('update variant set cost_percent = 96');
    const refused = await create();
    expect(refused).toMatchObject({ refused: door.codeOf('AMOUNT_NOT_AVAILABLE') });
    await change('update discount set may_lose = true where client_id = 1 and percent = 5');
    expect(await create()).toMatchObject({ order: { variantName: '1.5 GB a day, 28 days' } });
  });
});

test('what costs more than its face value a voucher buys only where that was said', async () => {
  const create = () => rest.create(world(), 1, {
    product_id: 4218, amount: '4.99', input_data: { player_id: '5123456789', server: 'asia' },
    redeem_voucher_code: 'DEMO-0499-BBBB',
  });
  await change('update discount set may_lose = false; update variant set cost_percent = 100.01');
  expect(await create()).toMatchObject({ refused: rest.codeOf('AMOUNT_NOT_AVAILABLE') });
  await change('update discount set may_lose = true where client_id = 1 and percent = 5');
  expect(await create()).toMatchObject({ order: { amount: '4.99' } });
});

test('a voucher pays the face value, and loses nothing by a discount', async () => {
  await change('update discount set may_lose = false; update variant set cost_percent = 99');
  const answer = await rest.create(world(), 1, {
    product_id: 4218, amount: '4.99', input_data: { player_id: '5123456789', server: 'asia' },
    redeem_voucher_code: 'DEMO-0499-AAAA',
  });
  expect(answer).toMatchObject({ order: { amount: '4.99' } });
});
