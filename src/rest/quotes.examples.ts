import type { Product, Variant } from '../domain/catalogue.ts';
import type { Wallet } from '../domain/ports.ts';
import type { TopupQuote } from '../domain/quote-topup.ts';
import { asSent, rejected, type RouteExamples } from './examples.ts';
import { quoteOut } from './wire-catalogue.ts';

const QUOTE: TopupQuote = {
  id: 'Wm1N2sVb0kq3yQ',
  product: { id: 5101 } as Product,
  variant: { id: 11, name: 'Airtime' } as Variant,
  wallet: { id: 1 } as Wallet,
  faceValue: { amount: '250', currency: 'EUR' },
  discountPercent: '3.5',
  discount: { amount: '8.75', currency: 'EUR' },
  total: { amount: '241.25', currency: 'EUR' },
  forexRate: '1.17',
  charge: { amount: '282.26', currency: 'USD' },
  hasSufficientBalance: true,
  expiresAt: new Date('2026-05-19T14:35:00Z'),
};
const SAME_CURRENCY: TopupQuote = {
  ...QUOTE,
  wallet: { id: 2 } as Wallet,
  forexRate: null,
  charge: { amount: '241.25', currency: 'EUR' },
};

export const quoteTopup: RouteExamples = {
  request: {
    forex: {
      summary: 'Paid from a wallet in another currency',
      value: { product_id: 5101, amount: 250, wallet_id: 1 },
    },
    plain: { summary: 'Paid from the wallet we choose', value: { product_id: 5101, amount: 250 } },
  },
  answers: {
    200: {
      forex: { summary: 'With forex', value: asSent(quoteOut(QUOTE)) },
      plain: { summary: 'In one currency', value: asSent(quoteOut(SAME_CURRENCY)) },
    },
    400: {
      VALIDATION_FAILURE: rejected('VALIDATION_FAILURE', 'Amount is required', ['amount']),
      AMOUNT_NOT_AVAILABLE: rejected(
        'AMOUNT_NOT_AVAILABLE', 'Amount 1 is not available. Nearest allowed amounts: 5', ['amount'],
      ),
      EXCHANGE_RATE_NOT_AVAILABLE: rejected(
        'EXCHANGE_RATE_NOT_AVAILABLE', 'Exchange rate not available for the wallet currency',
        ['walletId'],
      ),
    },
    404: {
      PRODUCT_NOT_FOUND: rejected('PRODUCT_NOT_FOUND', 'Product not found'),
      WALLET_NOT_FOUND: rejected('WALLET_NOT_FOUND', 'Wallet not found'),
    },
  },
};
