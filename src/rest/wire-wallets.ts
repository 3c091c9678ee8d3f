import { shownMoment } from '../domain/moment.ts';
import type { Transfer, Wallet } from '../domain/ports.ts';
import type { Currency } from '../domain/pricing-snapshot.ts';
import { availableOf, transactionRemarks } from '../domain/wallet-transaction.ts';
import { exactNumber } from './wire.ts';

/** Wallets and transactions as they are documented, then ours. */

type Wire = Readonly<Record<string, unknown>>;

/** Balances are numbers in units of the currency. */
export function walletOut(wallet: Wallet, currency: Currency): Wire {
  return {
    id: wallet.id,
    currency_id: currency.id,
    amount: exactNumber(wallet.balance),
    type: wallet.type,
    currency: wallet.currency,
    is_default: wallet.isDefault,
    is_frozen: wallet.isFrozen,
    credit_limit: exactNumber(wallet.creditLimit),
    available: exactNumber(availableOf(wallet)),
  };
}

/** What is not there is null in a transaction, as documented; it is left out everywhere else. */
export function transactionOut(transfer: Transfer, currency: Currency): Wire {
  const { forexRate } = transfer;
  return {
    id: transfer.id,
    wallet_id: transfer.walletId,
    currency_id: currency.id,
    amount: exactNumber(transfer.amount),
    transaction_type: transfer.direction,
    // A movement is booked with its cause, in one transaction of the database, or not at all.
    status: 'COMPLETED',
    source_currency: transfer.sourceCurrency,
    destination_currency: transfer.currency,
    forex_rate: forexRate === null ? null : exactNumber(forexRate),
    conversion_charges: forexRate === null ? null : 0,
    remarks: transactionRemarks(transfer, currency.precision),
    created_at: shownMoment(transfer.createdAt),
    order_id: transfer.topupOrderId,
    balance_after: exactNumber(transfer.balanceAfter),
    reason: transfer.reason,
  };
}
