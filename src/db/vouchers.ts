import type pg from 'pg';

export interface NewVouchers {
  readonly clientId: number;
  readonly value: string;
  readonly currency: string;
  readonly expiresAt: Date | null;
  readonly codes: readonly { readonly hash: string; readonly last4: string }[];
}

// Redeemable at once: whoever makes one hands it out.
const INSERT_SQL = `insert into voucher
    (client_id, code_hash, code_last4, value, currency, state, expires_at)
  select c.client_id, v.hash, v.last4, $2, m.code, 'DELIVERED', $4
  from client c join currency m on m.code = $3
  cross join unnest($5::text[], $6::text[]) v (hash, last4)
  where c.client_id = $1 and scale(trim_scale($2::numeric)) <= m.precision`;

/**
 * Keeps new vouchers, all or none. `owner` is connected as the owner of the tables.
 * @returns false where there is no such client, or no such currency of so many decimals
 */
export async function insertVouchers(owner: pg.Client, vouchers: NewVouchers): Promise<boolean> {
  const { clientId, value, currency, expiresAt, codes } = vouchers;
  const { rowCount } = await owner.query(INSERT_SQL, [
    clientId, value, currency, expiresAt, codes.map(({ hash }) => hash),
    codes.map(({ last4 }) => last4),
  ]);
  return rowCount === codes.length;
}
