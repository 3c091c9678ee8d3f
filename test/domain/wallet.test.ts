import { describe, expect, test } from 'vitest';
import { chooseWallet, type WalletChoice } from '../../src/domain/wallet.ts';
import { client, rejectionOf } from './builders.ts';

const USD = { id: 1, currency: 'USD', isDefault: true };
const EUR = { id: 2, currency: 'EUR', isDefault: false };

function choice(over: Partial<WalletChoice>): WalletChoice {
  return { walletId: null, currency: 'USD', allowForexFallback: true, ...over };
}

describe('chooseWallet', () => {
  test.each([
    ['the named wallet', choice({ walletId: 2 }), EUR],
    ['the named wallet, though forex is not to be chosen for the caller',
      choice({ walletId: 2, allowForexFallback: false }), EUR],
    ['the wallet in the currency of the variant', choice({ currency: 'EUR' }), EUR],
    ['the default wallet, which is also in that currency', choice({}), USD],
    ['the default wallet for another currency', choice({ currency: 'INR' }), USD],
    ['the wallet in that currency where forex is not allowed',
      choice({ currency: 'EUR', allowForexFallback: false }), EUR],
  ])('takes %s', (_case, asked, expected) => {
    expect(chooseWallet(client({ wallets: [USD, EUR] }), asked)).toBe(expected);
  });

  test.each([
    ['a wallet of another client', [USD, EUR], choice({ walletId: 4 })],
    ['another client\'s wallet, though an own one would do', [USD], choice({ walletId: 99 })],
    ['forex where the caller forbids it', [USD, EUR],
      choice({ currency: 'INR', allowForexFallback: false })],
    ['a client without a default wallet', [EUR], choice({ currency: 'INR' })],
    ['a client without wallets', [], choice({})],
  ])('refuses %s', (_case, wallets, asked) => {
    const rejection = rejectionOf(() => chooseWallet(client({ wallets }), asked));
    expect(rejection.code).toBe('WALLET_NOT_FOUND');
    expect(rejection.message).toBe('Wallet not found');
    expect(rejection.problems.map((each) => each.field)).toEqual([['walletId']]);
  });
});
