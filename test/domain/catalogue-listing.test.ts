import { describe, expect, test, vi } from 'vitest';
import {
  buyerOf, compareProducts, findProduct, findVariant, listProducts, listVariants,
  type ProductFilter,
} from '../../src/domain/catalogue-listing.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { client, product, rejectionOf, snapshot, variant } from './builders.ts';

describe('findProduct', () => {
  const sold = product();
  const restricted = product({ isRestricted: true });

  test.each([
    ['a product for everybody', client(), sold, true],
    ['a restricted product, granted', client({ enabledProducts: new Set([4218]) }), restricted,
      true],
    ['a restricted product', client(), restricted, false],
    ['a product taken away', client({ disabledProducts: new Set([4218]) }), sold, false],
    ['a product taken away and granted', client({
      disabledProducts: new Set([4218]), enabledProducts: new Set([4218]),
    }), restricted, false],
    ['an inactive product', client(), product({ isActive: false }), false],
    ['another product', client(), product({ id: 1 }), false],
  ])('looks at %s', (_case, who, what, isFound) => {
    const figures = snapshot({ clients: [who], products: [what] });
    const find = () => findProduct(figures, { clientId: 1, productId: 4218 });
    if (isFound) {
      expect(find()).toEqual({ client: who, product: what });
      return;
    }
    const { code, message } = rejectionOf(find);
    expect([code, message]).toEqual(['PRODUCT_NOT_FOUND', 'Product not found']);
  });
});

test('a client that is not among the prices yet is told to come again, and nothing else', () => {
  const figures = snapshot({ clients: [] });
  for (const ask of [
    () => listProducts(figures, 1),
    () => findProduct(figures, { clientId: 1, productId: 4218 }),
    () => findVariant(figures, { clientId: 1, variantId: 2 }),
    () => buyerOf(figures, 1),
  ]) expect(ask).toThrow(TemporarilyUnavailable);
});

describe('listProducts', () => {
  const products = [
    product({ id: 1, name: '100%_Sure', operator: 'Sure' }),
    product({ id: 2, name: 'Airtel India', topupType: 'MOBILE', countryCode: 'IND',
      operator: 'Airtel' }),
    product({ id: 3, name: 'Jio India', topupType: 'MOBILE', countryCode: 'IND', operator: 'Jio' }),
    product({ id: 4, name: 'Orange France', topupType: 'MOBILE', countryCode: 'FRA' }),
    product({ id: 5, name: 'Hidden', isRestricted: true }),
    product({ id: 6, name: 'Gone', isActive: false }),
  ];

  test.each<[string, ProductFilter, number[]]>([
    ['all that is sold', {}, [1, 2, 3, 4]],
    ['a type', { type: 'MOBILE' }, [2, 3, 4]],
    ['a country', { countryCode: 'IND' }, [2, 3]],
    ['an operator in any case', { operator: 'aIRTEL' }, [2]],
    ['part of a name in any case', { search: 'iNDI' }, [2, 3]],
    ['% as a character', { search: '%' }, [1]],
    ['_ as a character', { search: '_' }, [1]],
    ['nothing as everything', { search: '' }, [1, 2, 3, 4]],
    ['all filters together', { type: 'MOBILE', countryCode: 'IND', search: 'jio' }, [3]],
  ])('takes %s', (_case, filter, ids) => {
    const found = listProducts(snapshot({ products }), 1, filter);
    expect(found.map(({ id }) => id)).toEqual(ids);
  });

  test.each([
    ['ΚΑΡΤΟΣΥΜΒΟΛΑΙΟ', ['ΚΑΡΤΟΣ', 'καρτος', 'καρτοσ']], ['İstanbul Kart', ['istanbul', 'İSTAN']],
    ['Cafe\u0301 Ge\u0301ant', ['café', 'GÉANT', 'Cafe\u0301']],
    ['Free\u00a0Fire', ['free fire']], ['ＡＢＣ ﬁre', ['abc', 'fire']],
    ['Straße', ['STRASSE', 'straße', 'STRAẞE']], ['ΚΟΣΜΟΣ', ['κοσμος', 'ΚΟΣΜΟΣ', 'σμοσ']],
  ])('finds %s in any case: %j', (name, searches) => {
    const figures = snapshot({ products: [product({ id: 1, name, operator: name })] });
    for (const search of searches) expect(listProducts(figures, 1, { search })).toHaveLength(1);
    expect(listProducts(figures, 1, { operator: name.toLowerCase() })).toHaveLength(1);
  });

  test('finds nothing by texts that no name is as long as, and folds none of them', () => {
    // Folding this takes some 0.4 seconds.
    const accents = `a${'\u0301'.repeat(15_500)}${'\u0316'.repeat(15_500)}`;
    const folds = vi.spyOn(String.prototype, 'normalize');
    expect(listProducts(snapshot({ products }), 1, { search: accents })).toEqual([]);
    expect(listProducts(snapshot({ products }), 1, { operator: accents })).toEqual([]);
    expect(folds).not.toHaveBeenCalled();
  });

  test('shows a client what was granted to it, and not what was taken from it', () => {
    const granted = client({ enabledProducts: new Set([5]), disabledProducts: new Set([1, 2, 3]) });
    const figures = snapshot({ products, clients: [granted] });
    expect(listProducts(figures, 1).map(({ id }) => id)).toEqual([4, 5]);
  });

  test('is sorted by name, then id', () => {
    const rows = [{ name: 'b', id: 1 }, { name: 'a', id: 3 }, { name: 'a', id: 2 }];
    expect(rows.sort(compareProducts).map(({ id }) => id)).toEqual([2, 3, 1]);
  });
});

describe('variants', () => {
  const variants = [
    variant({ id: 1 }), variant({ id: 2, isActive: false }),
    variant({ id: 3, isAvailable: false }), variant({ id: 4 }),
  ];
  const sold = product({ variants });
  const who = client({ disabledVariants: new Set([4]) });

  test('are listed where they are active and not taken away, out of stock or not', () => {
    expect(listVariants(who, sold).map(({ id }) => id)).toEqual([1, 3]);
  });

  test.each([[1, true], [2, false], [3, true], [4, false], [5, false]])(
    'variant %i is there: %s',
    (variantId, isFound) => {
      const find = () =>
        findVariant(snapshot({ clients: [who], products: [sold] }), { clientId: 1, variantId });
      if (isFound) expect(find().variant.id).toBe(variantId);
      else expect(rejectionOf(find).code).toBe('PRODUCT_NOT_FOUND');
    },
  );

  test('of a product that is not sold are not there', () => {
    const figures = snapshot({ products: [{ ...sold, isActive: false }] });
    const find = () => findVariant(figures, { clientId: 1, variantId: 1 });
    expect(rejectionOf(find).code).toBe('PRODUCT_NOT_FOUND');
  });
});
