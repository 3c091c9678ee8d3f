import type { Product, Variant } from '../domain/catalogue.ts';
import { countryOf } from '../domain/countries.ts';
import { asSent, rejected, type RouteExamples } from './examples.ts';
import {
  countryOut, currencyOut, matchOut, productOut, productWithFieldsOut, variantOut,
} from './wire-catalogue.ts';

/** The examples are samples as wire-catalogue.ts writes them, so they cannot drift. */

const PLAYER_ID = {
  name: 'player_id',
  label: 'Player ID',
  type: 'text',
  isRequired: true,
  pattern: '^[0-9]+$',
  minLength: 5,
  maxLength: 20,
  options: [],
  placeholder: '5123456789',
  helpText: null,
  isSensitive: false,
} as const;
const SERVER = {
  ...PLAYER_ID,
  name: 'server',
  label: 'Server',
  type: 'select',
  pattern: null,
  minLength: null,
  maxLength: null,
  options: [{ value: 'asia', label: 'Asia' }, { value: 'europe', label: 'Europe' }],
  placeholder: null,
} as const;

const PUBG: Product = {
  id: 4218,
  name: 'PUBG Mobile UC',
  topupType: 'GAMING',
  countryCode: 'GLO',
  currency: 'USD',
  operator: 'PUBG Mobile',
  imageUrl: null,
  inputFields: [PLAYER_ID, SERVER],
  inputFieldsVersion: 1,
  fulfilsInRequest: false,
  isActive: true,
  isRestricted: false,
  variants: [],
};
const AIRTEL: Product = {
  ...PUBG, id: 5001, name: 'Airtel India', topupType: 'MOBILE', countryCode: 'IND', currency: 'INR',
  operator: 'Airtel',
};
const JIO: Product = { ...AIRTEL, id: 5002, name: 'Jio India', operator: 'Jio' };

const AIRTIME: Variant = {
  id: 7,
  productId: 5001,
  name: 'Airtime',
  category: 'Airtime',
  fixedAmounts: [],
  range: { min: '10', max: '5000', step: '1' },
  fields: {},
  priority: 0,
  isActive: true,
  isAvailable: true,
  supplierHealth: 100,
  costPercent: null,
};
const DATA: Variant = {
  ...AIRTIME, id: 8, name: '1.5 GB a day, 28 days', category: 'Data', fixedAmounts: ['299'],
  range: null, fields: { validity_days: '28' },
};

const shown = (name: string, summary: string, value: unknown) =>
  ({ [name]: { summary, value: asSent(value) } });

const invalidId = (noun: string) => ({
  VALIDATION_FAILURE:
    rejected('VALIDATION_FAILURE', `${noun} ID must be a positive integer`, ['id']),
});
const absent = (noun: string) =>
  ({ PRODUCT_NOT_FOUND: rejected('PRODUCT_NOT_FOUND', `${noun} not found`) });

export const listProducts: RouteExamples = {
  answers: {
    200: shown('products', 'A page of products', [AIRTEL, PUBG].map(productOut)),
    400: {
      VALIDATION_FAILURE: rejected(
        'VALIDATION_FAILURE', 'type must be one of GAMING, MOBILE, UTILITY', ['type'],
      ),
    },
  },
};

export const getProduct: RouteExamples = {
  answers: {
    200: shown('gaming', 'A gaming product', productWithFieldsOut(PUBG)),
    400: invalidId('Product'),
    404: absent('Product'),
  },
};

export const listVariants: RouteExamples = {
  answers: {
    200: shown('mobile', 'A range, and a plan',
      [AIRTIME, DATA].map((each) => variantOut(AIRTEL, each))),
    400: invalidId('Product'),
    404: absent('Product'),
  },
};

export const getVariant: RouteExamples = {
  answers: {
    200: shown('plan', 'A plan of one amount', variantOut(AIRTEL, DATA)),
    400: invalidId('Variant'),
    404: absent('Variant'),
  },
};

export const lookupMobileNumber: RouteExamples = {
  request: shown('number', 'A number in E.164', { mobile_number: '+918879685100' }),
  answers: {
    200: {
      ...shown('identified', 'Known by its prefix, and the others of the country', [
        matchOut({ product: AIRTEL, isIdentified: true }),
        matchOut({ product: JIO, isIdentified: false }),
      ]),
      ...shown('nothing', 'A country in which nothing is sold', []),
    },
    400: {
      VALIDATION_FAILURE:
        rejected('VALIDATION_FAILURE', 'mobile_number is required', ['mobileNumber']),
    },
  },
};

export const listCurrencies: RouteExamples = {
  answers: {
    200: shown('currencies', 'Some of them', [
      currencyOut({ id: 392, code: 'JPY', name: 'Yen', precision: 0 }),
      currencyOut({ id: 840, code: 'USD', name: 'US Dollar', precision: 2 }),
    ]),
  },
};

export const listCountries: RouteExamples = {
  answers: {
    200: shown('countries', 'Some of them', ['GLO', 'FRA', 'IND'].map(countryOf).map(countryOut)),
  },
};
