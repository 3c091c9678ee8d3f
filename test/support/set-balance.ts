import type { TestDatabase } from './database.ts';

/** Sets a wallet's balance by one transfer, as an operator's adjustment would. */
export async function setBalance(
  database: TestDatabase,
  wallet: { readonly clientId: number; readonly walletId: number; readonly to: string },
): Promise<void> {
  await database.query(
    `with w as (select balance, currency from wallet where client_id = $2 and id = $1),
    t as (insert into transfer (client_id, reason, debit_account, credit_account, wallet_id, amount,
        currency, balance_after)
      select $2, 'ADJUSTMENT', case when balance > $3 then 'WALLET' else 'EXTERNAL' end,
        case when balance > $3 then 'EXTERNAL' else 'WALLET' end, $1, abs(balance - $3),
        currency, $3
      from w where balance <> $3 returning 1)
    update wallet set balance = $3 where client_id = $2 and id = $1`,
    [wallet.walletId, wallet.clientId, wallet.to],
  );
}
