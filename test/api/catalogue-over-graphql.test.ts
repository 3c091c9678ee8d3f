import { describe, expect, test } from 'vitest';
import { globalId } from '../../src/graphql/global-id.ts';
import { graphql, graphqlRequest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

async function ask<Data>(query: string, variables: object = {}, clientId = 1): Promise<Data> {
  const { data, errors } = await graphqlRequest(world(), clientId, { query, variables });
  if (errors !== undefined) throw new Error(errors[0]?.message);
  return data as Data;
}

async function refusal(query: string): Promise<unknown> {
  const { errors } = await graphqlRequest(world(), 1, { query });
  return errors?.[0]?.extensions?.['code'];
}

interface Page {
  readonly topupProducts: {
    readonly totalCount: number;
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
    readonly edges: readonly { readonly node: { readonly productId: number } }[];
  };
}
const PAGE = `query ($first: Int!, $after: String, $filter: TopupProductFilter) {
  topupProducts(first: $first, after: $after, filter: $filter) {
    totalCount pageInfo { hasNextPage endCursor } edges { node { productId } } } }`;
const idsOf = ({ topupProducts: { edges } }: Page) => edges.map(({ node }) => node.productId);

describe('topupProducts', () => {
  test('goes through all by name, page after page', async () => {
    const seen: number[] = [];
    for (let after: string | null = null, hasNext = true; hasNext;) {
      const page: Page = await ask(PAGE, { first: 4, after });
      expect(page.topupProducts.totalCount).toBe(6);
      seen.push(...idsOf(page));
      ({ endCursor: after, hasNextPage: hasNext } = page.topupProducts.pageInfo);
    }
    expect(seen).toEqual([5001, 5002, 4219, 5101, 4218, 5201]);
  });

  test.each([
    [{ topupType: 'GAMING' }, [4219, 4218]],
    [{ countryCode: 'FRA' }, [5101]],
    [{ operator: 'jIO' }, [5002]],
    [{ search: 'INDIA' }, [5001, 5002]],
    [{ search: '%' }, []],
  ])('takes %j', async (filter, ids) => {
    expect(idsOf(await ask(PAGE, { first: 10, filter }))).toEqual(ids);
  });

  test('goes on behind a product that was delisted meanwhile', async () => {
    const { topupProducts: { pageInfo } } = await ask<Page>(PAGE, { first: 2 });
    await world().database.query('update product set is_active = false where id = 5002');
    await world().parts.store.refreshPricing();
    const next = await ask<Page>(PAGE, { first: 2, after: pageInfo.endCursor });
    expect(idsOf(next)).toEqual([4219, 5101]);
    await world().database.query('update product set is_active = true where id = 5002');
    await world().parts.store.refreshPricing();
  });

  test('knows no cursor of another client, and no page that is none', async () => {
    const { topupProducts: { pageInfo } } = await ask<Page>(PAGE, { first: 2 });
    const foreign = ask(PAGE, { first: 2, after: pageInfo.endCursor }, 2);
    await expect(foreign).rejects.toThrow(/cursor is not one of this list/);
    for (const first of [0, -1, 101]) {
      await expect(ask(PAGE, { first })).rejects.toThrow(/`first` must be 1 to 100/);
    }
  });
});

describe('topupProduct', () => {
  const PRODUCT = `{ id productId name topupType countryCode currency operator imageUrl
    inputFields { name label type isRequired pattern minLength maxLength placeholder helpText
      isSensitive options { value label } }
    variants { id variantId productId name category currency countryCode fixedAmounts
      range { min max step } fields { name value } validityDays isAvailable } }`;

  test('tells the form and the variants', async () => {
    const { topupProduct } = await ask<{ topupProduct: object }>(
      `{ topupProduct(by: { productId: 5001 }) ${PRODUCT} }`);
    expect(topupProduct).toMatchObject({
      productId: 5001, name: 'Airtel India', topupType: 'MOBILE', countryCode: 'IND',
      currency: 'INR', operator: 'Airtel',
      inputFields: [{ name: 'phone_number', type: 'PHONE', isRequired: true, options: [] }],
      variants: [
        { variantId: 7, category: 'AIRTIME', range: { min: '10', max: '5000', step: '1' } },
        {
          variantId: 8, currency: 'INR', countryCode: 'IND', fixedAmounts: ['299'], range: null,
          fields: [{ name: 'validity_days', value: '28' }], validityDays: 28, isAvailable: true,
        },
        { variantId: 9, category: 'BUNDLE', fixedAmounts: ['299', '499'] },
      ],
    });
  });

  test('is found by its global id, and as a node with its variants', async () => {
    const id = globalId('TopupProduct', 4218);
    const variantId = globalId('Variant', 2);
    const told = await ask(`{ topupProduct(by: { id: "${id}" }) { id name }
      nodes(ids: ["${id}", "${variantId}", "${globalId('TopupProduct', 6001)}",
        "${globalId('Variant', 13)}"]) { id ... on TopupProduct { name }
        ... on Variant { fixedAmounts } } }`);
    expect(told).toEqual({
      topupProduct: { id, name: 'PUBG Mobile UC' },
      nodes: [
        { id, name: 'PUBG Mobile UC' }, { id: variantId, fixedAmounts: ['4.99'] }, null, null,
      ],
    });
  });

  test.each(['{ productId: 6001 }', '{ productId: 1 }', '{ productId: -1 }', '{ id: "x" }'])(
    'is null for %s',
    async (by) => {
      expect(await ask(`{ topupProduct(by: ${by}) { id } }`)).toEqual({ topupProduct: null });
    },
  );

  test.each(['{}', '{ productId: 1, id: "x" }', '{ productId: null }'])(
    'asks for exactly one key: %s',
    async (by) => {
      expect(await refusal(`{ topupProduct(by: ${by}) { id } }`)).toBe('GRAPHQL_VALIDATION_FAILED');
    },
  );
});

test('an order tells its product and variant, and null once they are gone', async () => {
  const answer = await graphql.create(world(), 1, {
    product_id: 4218, amount: '24.99', input_data: { player_id: '5123456789', server: 'asia' },
  });
  if ('refused' in answer) throw new Error(answer.message);
  const read = () => ask(`{ topupOrder(by: { orderId: ${answer.order.id} }) {
    productName product { productId } variant { variantId name } } }`);
  expect(await read()).toEqual({ topupOrder: {
    productName: 'PUBG Mobile UC', product: { productId: 4218 },
    variant: { variantId: 4, name: '1800 UC' },
  } });
  await world().database.query('update product set is_active = false where id = 4218');
  await world().parts.store.refreshPricing();
  expect(await read()).toEqual({ topupOrder: {
    productName: 'PUBG Mobile UC', product: null, variant: null,
  } });
  await world().database.query('update product set is_active = true where id = 4218');
  await world().parts.store.refreshPricing();
});

describe('lookupMobileNumber', () => {
  test('tells the operator with what it sells, then the others', async () => {
    const told = await ask(`{ lookupMobileNumber(mobileNumber: "+918879685100") {
      isIdentified product { productId } variants { variantId } } }`);
    expect(told).toEqual({ lookupMobileNumber: [
      {
        isIdentified: true, product: { productId: 5001 },
        variants: [{ variantId: 7 }, { variantId: 8 }, { variantId: 9 }],
      },
      { isIdentified: false, product: { productId: 5002 }, variants: [{ variantId: 10 }] },
    ] });
  });

  test.each(['', '918879685100', '+91x'])('refuses "%s"', async (number) => {
    expect(await refusal(`{ lookupMobileNumber(mobileNumber: "${number}") { isIdentified } }`))
      .toBe('BAD_USER_INPUT');
  });
});

test('forexRate goes one way: nothing is inverted, nothing is chained', async () => {
  const rate = (from: string, to: string) =>
    ask<{ forexRate: unknown }>(`{ forexRate(from: "${from}", to: "${to}") { from to rate } }`)
      .then(({ forexRate }) => forexRate);
  expect(await rate('EUR', 'USD')).toEqual({ from: 'EUR', to: 'USD', rate: '1.17' });
  expect(await rate('USD', 'INR')).toBeNull();
  expect(await rate('EUR', 'JPY')).toBeNull();
  expect(await rate('USD', 'USD')).toBeNull();
});
