// The fixed figures on which examples, tests and the README rely. Money is a decimal string; keys
// are column names in camel case.

export const DEMO_CLIENTS = [
  { clientId: 1, name: 'Demo Games', isRateLimited: false },
  { clientId: 2, name: 'Corner Shop', isRateLimited: false },
  { clientId: 3, name: 'Limited Ltd', isRateLimited: true },
] as const;

/** `opening` is paid in when the wallet is opened. */
export const DEMO_WALLETS = [
  { clientId: 1, id: 1, currency: 'USD', isDefault: true, opening: '10000.0000' },
  { clientId: 1, id: 2, currency: 'EUR', isDefault: false, opening: '5000.00' },
  { clientId: 1, id: 3, currency: 'JPY', isDefault: false, opening: '500000' },
  { clientId: 2, id: 4, currency: 'USD', isDefault: true, opening: '10.00' },
  { clientId: 3, id: 5, currency: 'EUR', isDefault: true, opening: '100.00' },
] as const;

/** Without a product it is the client's default. */
export const DEMO_DISCOUNTS = [
  { clientId: 1, productId: null, percent: '5' },
  { clientId: 1, productId: 5101, percent: '3.5' },
] as const;

export const DEMO_FOREX_RATES = [
  { fromCurrency: 'EUR', toCurrency: 'USD', rate: '1.17', updatedBy: 'demo' },
  { fromCurrency: 'USD', toCurrency: 'EUR', rate: '0.92', updatedBy: 'demo' },
  { fromCurrency: 'USD', toCurrency: 'JPY', rate: '150.25', updatedBy: 'demo' },
  { fromCurrency: 'INR', toCurrency: 'USD', rate: '0.0119', updatedBy: 'demo' },
] as const;

/** Only the last four characters and a keyed hash of `code` reach the database. */
export const DEMO_VOUCHERS = [
  { clientId: 1, code: 'DEMO-0499-AAAA', value: '4.99', state: 'DELIVERED', expiresAt: null },
  { clientId: 1, code: 'DEMO-0499-BBBB', value: '4.99', state: 'COMPLETED', expiresAt: null },
  { clientId: 1, code: 'DEMO-0999-CCCC', value: '9.99', state: 'DELIVERED', expiresAt: null },
  { clientId: 1, code: 'DEMO-0499-DDDD', value: '4.99', state: 'ISSUED', expiresAt: null },
  {
    clientId: 1,
    code: 'DEMO-0499-EEEE',
    value: '4.99',
    state: 'DELIVERED',
    expiresAt: '2024-01-01T00:00:00Z',
  },
  { clientId: 2, code: 'DEMO-0499-FFFF', value: '4.99', state: 'DELIVERED', expiresAt: null },
] as const;

export const DEMO_VOUCHER_CURRENCY = 'USD';

// Short times, so that every magic recipient without a long delay ends within 30 s. A lease
// outlives the call it covers.
const DEMO_TIMINGS = {
  callDeadlineMs: 2000,
  leaseMs: 4000,
  settleWindowMs: 1000,
  retryWindowMs: 20_000,
  backoffMs: [500, 1000, 2000],
} as const;

export const DEMO_SUPPLIERS = [
  { id: 1, code: 'sandbox-a', ...DEMO_TIMINGS },
  { id: 2, code: 'sandbox-b', ...DEMO_TIMINGS },
] as const;
