import type { ClientWallet, PricingClient } from './pricing-snapshot.ts';
import { Rejection } from './rejection.ts';

export interface WalletChoice {
  /** The wallet that the caller named; null where it left the choice to us. */
  readonly walletId: number | null;
  /** The currency of the variant. */
  readonly currency: string;
  readonly allowForexFallback: boolean;
}

/**
 * Which wallet pays: the named one, the one in the variant's currency, the default one.
 * @throws Rejection WALLET_NOT_FOUND, also for a wallet of another client
 */
export function chooseWallet(client: PricingClient, choice: WalletChoice): ClientWallet {
  if (choice.walletId !== null) {
    const named = client.wallets.find((wallet) => wallet.id === choice.walletId);
    if (named === undefined) throw notFound();
    return named;
  }
  const sameCurrency = client.wallets.find((wallet) => wallet.currency === choice.currency);
  if (sameCurrency !== undefined) return sameCurrency;
  const fallback = client.wallets.find((wallet) => wallet.isDefault);
  if (fallback === undefined || !choice.allowForexFallback) throw notFound();
  return fallback;
}

function notFound(): Rejection {
  return new Rejection('WALLET_NOT_FOUND', 'Wallet not found', { field: ['walletId'] });
}
