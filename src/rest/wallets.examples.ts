import type { Transfer, Wallet } from '../domain/ports.ts';
import type { Currency } from '../domain/pricing-snapshot.ts';
import { asSent, refused, rejected, type RouteExamples } from './examples.ts';
import { transactionOut, walletOut } from './wire-wallets.ts';

/** Samples as wire-wallets.ts writes them, so they cannot drift from the truth. */

const USD: Currency = { id: 840, code: 'USD', name: 'US Dollar', precision: 2 };

const WALLET: Wallet = {
  id: 1,
  currency: 'USD',
  type: 'PREPAID',
  balance: '9995.2595',
  creditLimit: '0',
  isDefault: true,
  isFrozen: false,
};

const DEBIT: Transfer = {
  id: 7401123,
  walletId: 1,
  topupOrderId: 9123456,
  reason: 'ORDER_DEBIT',
  direction: 'DEBIT',
  amount: '4.7405',
  currency: 'USD',
  sourceCurrency: 'USD',
  forexRate: null,
  balanceAfter: '9995.2595',
  remarks: null,
  createdAt: new Date('2026-05-19T14:30:00Z'),
};
const CONVERTED: Transfer =
  { ...DEBIT, id: 7401130, amount: '282.26', sourceCurrency: 'EUR', forexRate: '1.17' };

const sent = (transfer: Transfer): unknown => asSent(transactionOut(transfer, USD));
const wallet = asSent(walletOut(WALLET, USD));

const noSuchWallet = { WALLET_NOT_FOUND: rejected('WALLET_NOT_FOUND', 'Wallet not found') };
const invalid = (name: string, message: string) => ({
  VALIDATION_FAILURE: rejected('VALIDATION_FAILURE', message, [name]),
});

export const listWallets: RouteExamples = {
  answers: { 200: { wallets: { summary: 'One wallet', value: [wallet] } } },
};

export const getWallet: RouteExamples = {
  answers: {
    200: { wallet: { summary: 'A wallet', value: wallet } },
    400: invalid('id', 'Wallet ID must be a positive integer'),
    404: noSuchWallet,
  },
};

export const listTransactions: RouteExamples = {
  answers: {
    200: {
      page: { summary: 'Two debits, one of them converted', value: [sent(CONVERTED), sent(DEBIT)] },
      none: { summary: 'A page past the end', value: [] },
    },
    400: invalid('wallet_id', 'wallet_id must be a positive integer'),
    404: noSuchWallet,
  },
};

export const getTransaction: RouteExamples = {
  answers: {
    200: { debit: { summary: 'The debit of an order', value: sent(DEBIT) } },
    400: invalid('id', 'Transaction ID must be a positive integer'),
    404: refused(404, 'Transaction not found'),
  },
};
