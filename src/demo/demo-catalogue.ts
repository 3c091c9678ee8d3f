import type { TopupType, VariantCategory } from '../domain/catalogue.ts';

// The catalogue on which examples, tests and the README rely. Money is a decimal string; keys are
// column names in camel case.

/** An element of `product.input_fields`, as it lies in the database. */
export interface DemoInputField {
  readonly name: string;
  readonly label: string;
  readonly type: 'text' | 'phone' | 'select';
  readonly required: boolean;
  readonly pattern?: string;
  readonly min_length?: number;
  readonly max_length?: number;
  readonly options?: readonly { readonly value: string; readonly label: string }[];
  readonly placeholder?: string;
  readonly help_text?: string;
}

export interface DemoProduct {
  readonly id: number;
  readonly name: string;
  readonly topupType: TopupType;
  readonly countryCode: string;
  readonly currency: string;
  readonly operator: string | null;
  readonly inputFields: readonly DemoInputField[];
  readonly fulfilsInRequest: boolean;
  readonly isActive: boolean;
}

/** Amounts: a list, or every step between two. */
export interface DemoVariant {
  readonly id: number;
  readonly productId: number;
  readonly name: string;
  readonly category: VariantCategory | null;
  readonly fixedAmounts: readonly string[];
  readonly minAmount: string | null;
  readonly maxAmount: string | null;
  readonly amountStep: string | null;
  readonly fields: Readonly<Record<string, string>>;
  /** Under which the suppliers of `supplierIds`, in this order, sell it. */
  readonly supplierSku: string;
  readonly supplierIds: readonly number[];
}

const SERVERS = [
  ['asia', 'Asia'],
  ['europe', 'Europe'],
  ['north_america', 'North America'],
  ['south_america', 'South America'],
  ['middle_east', 'Middle East'],
] as const;

const SERVER_FIELD: DemoInputField = {
  name: 'server',
  label: 'Server',
  type: 'select',
  required: true,
  options: SERVERS.map(([value, label]) => ({ value, label })),
};

const PLAYER_FIELD: DemoInputField = {
  ...digitsField({ name: 'player_id', label: 'Player ID' }),
  placeholder: '5123456789',
};

const ZONE_FIELD: DemoInputField = {
  ...digitsField({ name: 'zone_id', label: 'Zone ID' }),
  min_length: 4,
  max_length: 5,
  help_text: 'The digits in brackets behind the player ID',
};

const PHONE_FIELD: DemoInputField = {
  name: 'phone_number',
  label: 'Phone number',
  type: 'phone',
  required: true,
  help_text: 'With country code, or as it is dialled within the country',
};

export const DEMO_PRODUCTS: readonly DemoProduct[] = [
  game({
    id: 4218,
    name: 'PUBG Mobile UC',
    operator: 'PUBG Mobile',
    inputFields: [{ ...PLAYER_FIELD, min_length: 5, max_length: 20 }, SERVER_FIELD],
  }),
  {
    ...game({
      id: 4219,
      name: 'Mobile Legends Diamonds',
      operator: 'Mobile Legends',
      inputFields: [PLAYER_FIELD, ZONE_FIELD],
    }),
    fulfilsInRequest: true,
  },
  mobile({ id: 5001, name: 'Airtel India', operator: 'Airtel', place: ['IND', 'INR'] }),
  mobile({ id: 5002, name: 'Jio India', operator: 'Jio', place: ['IND', 'INR'] }),
  mobile({ id: 5101, name: 'Orange France', operator: 'Orange', place: ['FRA', 'EUR'] }),
  mobile({ id: 5201, name: 'Safaricom Kenya', operator: 'Safaricom', place: ['KEN', 'KES'] }),
  {
    ...game({ id: 6001, name: 'Delisted Game', operator: null, inputFields: [PLAYER_FIELD] }),
    isActive: false,
  },
];

export const DEMO_PREFIXES = [
  { prefix: '+9188', productId: 5001 },
  { prefix: '+9198', productId: 5001 },
  { prefix: '+9199', productId: 5001 },
  { prefix: '+9170', productId: 5002 },
  { prefix: '+9189', productId: 5002 },
  { prefix: '+336', productId: 5101 },
  { prefix: '+337', productId: 5101 },
  { prefix: '+2547', productId: 5201 },
] as const;

const MONTH = { validity_days: '28' };

export const DEMO_VARIANTS: readonly DemoVariant[] = [
  fixed(1, 4218, '60 UC', ['0.99'], 'pubg-uc-60'),
  fixed(2, 4218, '325 UC', ['4.99'], 'pubg-uc-325'),
  { ...fixed(3, 4218, '660 UC', ['9.99'], 'pubg-uc-660'), supplierIds: [1, 2] },
  fixed(4, 4218, '1800 UC', ['24.99'], 'pubg-uc-1800'),
  // The sandbox supplier answers these inside the call.
  fixed(5, 4219, '86 Diamonds', ['1.99'], 'mlbb-86-instant'),
  fixed(6, 4219, '172 Diamonds', ['3.99'], 'mlbb-172-instant'),
  airtime(7, 5001, ['10', '5000', '1'], 'airtel-in-airtime'),
  {
    ...fixed(8, 5001, '1.5 GB a day, 28 days', ['299'], 'airtel-in-data-28d'),
    category: 'Data',
    fields: MONTH,
  },
  {
    ...fixed(9, 5001, 'Unlimited, 28 days', ['299', '499'], 'airtel-in-unlimited-28d'),
    category: 'Bundle',
    fields: MONTH,
  },
  airtime(10, 5002, ['10', '3000', '1'], 'jio-in-airtime'),
  airtime(11, 5101, ['5.00', '250.00', '0.01'], 'orange-fr-airtime'),
  airtime(12, 5201, ['5', '10000', '1'], 'safaricom-ke-airtime'),
  fixed(13, 6001, 'Delisted', ['1.00'], 'delisted-game'),
];

function digitsField(of: { name: string; label: string }) {
  return { ...of, type: 'text', required: true, pattern: '^[0-9]+$' } as const;
}

function game(of: Pick<DemoProduct, 'id' | 'name' | 'operator' | 'inputFields'>): DemoProduct {
  const place = { topupType: 'GAMING', countryCode: 'GLO', currency: 'USD' } as const;
  return { ...of, ...place, fulfilsInRequest: false, isActive: true };
}

function mobile(of: {
  id: number;
  name: string;
  operator: string;
  place: readonly [countryCode: string, currency: string];
}): DemoProduct {
  const { place: [countryCode, currency], ...names } = of;
  const rest = { inputFields: [PHONE_FIELD], fulfilsInRequest: false, isActive: true };
  return { ...names, topupType: 'MOBILE', countryCode, currency, ...rest };
}

function fixed(
  id: number,
  productId: number,
  name: string,
  fixedAmounts: readonly string[],
  supplierSku: string,
): DemoVariant {
  const noRange = { minAmount: null, maxAmount: null, amountStep: null };
  const rest = { category: null, fields: {}, supplierIds: [1] };
  return { id, productId, name, fixedAmounts, supplierSku, ...noRange, ...rest };
}

function airtime(
  id: number,
  productId: number,
  [minAmount, maxAmount, amountStep]: readonly [min: string, max: string, step: string],
  supplierSku: string,
): DemoVariant {
  const of = fixed(id, productId, 'Airtime', [], supplierSku);
  return { ...of, category: 'Airtime', minAmount, maxAmount, amountStep };
}
