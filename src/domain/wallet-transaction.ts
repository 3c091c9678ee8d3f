import { add, withDecimals, type Amount } from './money.ts';
import type { Transfer, Wallet } from './ports.ts';

const OCCASION: Readonly<Record<Transfer['reason'], string>> = {
  ORDER_DEBIT: 'Order',
  ORDER_REFUND: 'Refund of order',
  REVERSAL: 'Reversal of order',
  FUNDING: 'Funding',
  ADJUSTMENT: 'Adjustment',
};

/**
 * What a transaction was about, for people: "USD Wallet debited by amount 50.00 - Order #12345".
 * An operator's own words, where there are some, stand behind the amount instead.
 */
export function transactionRemarks(transfer: Transfer, precision: number): string {
  const { currency, direction, reason, topupOrderId } = transfer;
  const moved = direction === 'DEBIT' ? 'debited' : 'credited';
  const amount = withDecimals(transfer.amount, precision);
  const order = topupOrderId === null ? '' : ` #${topupOrderId}`;
  const occasion = transfer.remarks ?? `${OCCASION[reason]}${order}`;
  return `${currency} Wallet ${moved} by amount ${amount} - ${occasion}`;
}

/** What orders may take out of a wallet now; 0 of one that is frozen. */
export function availableOf(wallet: Wallet): Amount {
  return wallet.isFrozen ? '0' : add(wallet.balance, wallet.creditLimit);
}
