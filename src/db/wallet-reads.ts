import type { FilterQuery, MikroORM } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { canonical } from '../domain/money.ts';
import type { Store, Transfer, Wallet } from '../domain/ports.ts';
import type { WalletLists } from '../domain/wallet-list.ts';
import { WalletEntity, type WalletRow } from './entities.ts';
import { TRANSFERS_OF_WALLET, type Milestones } from './milestones.ts';
import { askUntilBack } from './pool.ts';

/** What `toTransfer` reads of `transfer t`, and of the order that it paid for. */
export const TRANSFER_COLUMNS = `t.id, t.wallet_id, t.topup_order_id, t.reason, t.debit_account,
  t.amount, t.currency, t.balance_after, t.remarks, t.created_at, o.face_currency, o.forex_rate`;
// The limits keep this and the joins below look-ups by key, whatever plan was made while the
// tables were small.
export const WITH_ORDER = `left join lateral (select face_currency, forex_rate from topup_order x
  where x.client_id = t.client_id and x.id = t.topup_order_id limit 1) o on true`;
const byId = (id: string): string => `cross join lateral (select * from transfer x
  where x.client_id = $1 and x.id = ${id} limit 1) t`;

/** A client's wallets and what moved in them; a page deep in a wallet costs what the first does. */
export function createWalletReads(options: {
  readonly pool: pg.Pool;
  readonly orm: MikroORM;
  readonly milestones: Milestones;
}): WalletLists & Pick<Store, 'findWalletsByIds' | 'findTransfersByIds'> {
  const { pool, orm, milestones } = options;
  const read = async <Row>(query: Named, toRow: (raw: object) => Row): Promise<Row[]> => {
    const { rows } = await askUntilBack(() => pool.query<object>(query));
    return rows.map(toRow);
  };
  const findWallets = async (where: FilterQuery<WalletRow>): Promise<Wallet[]> => {
    const rows = await askUntilBack(() =>
      orm.em.fork().find(WalletEntity, where, { orderBy: { id: 'asc' } }));
    return rows.map(toWallet);
  };
  return {
    listWallets: (clientId) => findWallets({ clientId }),
    findWalletsByIds: (clientId, ids) => findWallets({ clientId, id: { $in: [...ids] } }),
    findTransfersByIds: (clientId, ids) => read({
      name: 'transfers_by_ids',
      text: `select ${TRANSFER_COLUMNS} from unnest($2::bigint[]) k(id)
        ${byId('k.id')} ${WITH_ORDER} where t.wallet_id is not null`,
      values: [clientId, [...new Set(ids)]],
    }, toTransfer),
    async listTransfers(clientId, walletId, { offset, limit }) {
      const { totalCount, fromId, skip } = await milestones.find(
        TRANSFERS_OF_WALLET, [clientId, walletId], offset,
      );
      if (offset >= totalCount) return { items: [], totalCount, hasMore: false };
      const items = await read(transfersOf({
        clientId, walletId, fromId: fromId ?? Number.MAX_SAFE_INTEGER, skip, limit,
      }), toTransfer);
      return { items, totalCount, hasMore: offset + items.length < totalCount };
    },
    async findTransferPages(clientId, pages) {
      const rows = await read(pagesOf(clientId, pages), (raw) => raw);
      const found: Transfer[][] = pages.map(() => []);
      for (const row of rows) found[(row as { page: number }).page - 1]?.push(toTransfer(row));
      return found;
    },
  };
}

interface Named {
  readonly name: string;
  readonly text: string;
  readonly values: unknown[];
}

/** The ids alone are counted off, out of an index; only the page itself is read. */
function transfersOf(of: {
  readonly clientId: number;
  readonly walletId: number;
  readonly fromId: number;
  readonly skip: number;
  readonly limit: number;
}): Named {
  return {
    name: 'transfers_of_wallet',
    text: `select ${TRANSFER_COLUMNS} from (select n.id from transfer n
        where n.client_id = $1 and n.wallet_id = $2 and n.id <= $3
        order by n.id desc offset $4 limit $5) page
      ${byId('page.id')} ${WITH_ORDER} order by t.id desc`,
    values: [of.clientId, of.walletId, of.fromId, of.skip, of.limit],
  };
}

function pagesOf(
  clientId: number,
  pages: Parameters<WalletLists['findTransferPages']>[1],
): Named {
  return {
    name: 'transfer_pages',
    text: `select p.page, ${TRANSFER_COLUMNS}
      from unnest($2::bigint[], $3::bigint[], $4::int[])
        with ordinality p(wallet_id, before_id, size, page)
      cross join lateral (select n.* from transfer n
        where n.client_id = $1 and n.wallet_id = p.wallet_id and n.id < p.before_id
        order by n.id desc limit p.size) t
      ${WITH_ORDER} order by p.page, t.id desc`,
    values: [
      clientId,
      pages.map(({ walletId }) => walletId),
      pages.map(({ beforeId }) => beforeId ?? Number.MAX_SAFE_INTEGER),
      pages.map(({ limit }) => limit),
    ],
  };
}

function toWallet(row: WalletRow): Wallet {
  return {
    id: row.id,
    currency: row.currency,
    type: row.type,
    balance: canonical(row.balance),
    creditLimit: canonical(row.creditLimit),
    isDefault: row.isDefault,
    isFrozen: row.isFrozen,
  };
}

interface TransferRow {
  readonly id: number;
  readonly wallet_id: number;
  readonly topup_order_id: number | null;
  readonly reason: Transfer['reason'];
  readonly debit_account: string;
  readonly amount: string;
  readonly currency: string;
  readonly balance_after: string;
  readonly remarks: string | null;
  readonly created_at: Date;
  readonly face_currency: string | null;
  readonly forex_rate: string | null;
}

/** A row of TRANSFER_COLUMNS as the domain knows it. */
export function toTransfer(raw: object): Transfer {
  const row = raw as TransferRow;
  return {
    id: row.id,
    walletId: row.wallet_id,
    topupOrderId: row.topup_order_id,
    reason: row.reason,
    direction: row.debit_account === 'WALLET' ? 'DEBIT' : 'CREDIT',
    amount: canonical(row.amount),
    currency: row.currency,
    sourceCurrency: row.face_currency ?? row.currency,
    forexRate: row.forex_rate === null ? null : canonical(row.forex_rate),
    balanceAfter: canonical(row.balance_after),
    remarks: row.remarks,
    createdAt: row.created_at,
  };
}

/** Whether each of these wallets, by its id, has the transfer of this id. */
export async function hasTransfers(
  pool: pg.Pool,
  clientId: number,
  transferIds: ReadonlyMap<number, number>,
): Promise<boolean> {
  const { rows: [found] } = await pool.query<{ count: number }>({
    name: 'wallet_transfers_there',
    text: `select count(*)::int as count from unnest($2::bigint[], $3::bigint[]) p(wallet_id, id)
      cross join lateral (select from transfer t where t.client_id = $1
        and t.wallet_id = p.wallet_id and t.id = p.id limit 1) t`,
    values: [clientId, [...transferIds.keys()], [...transferIds.values()]],
  });
  return found?.count === transferIds.size;
}
