import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { findViolations } from '../../src/db/invariants.ts';
import { Milestones } from '../../src/db/milestones.ts';
import { openOrm } from '../../src/db/orm.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { createWalletReads } from '../../src/db/wallet-reads.ts';
import { followWallets } from '../../src/domain/follow-wallets.ts';
import type { Placement, PricedOrder } from '../../src/domain/ports.ts';
import { pricedOrder } from '../support/builders.ts';
import { useTestDatabase } from '../support/database.ts';
import { openTestFeed } from '../support/feed-writers.ts';
import { hashVoucherCode } from '../support/voucher-hash.ts';

/** Wallets are numbered by their operator: another client may well have one with the same id. */

const OTHER = 77;
const VOUCHER = hashVoucherCode('EQUAL-IDS');

const database = useTestDatabase();
let pool: pg.Pool;
let place: (order: PricedOrder) => Promise<Placement>;
let pricingVersion: number;

beforeAll(async () => {
  await database().query(`insert into client (client_id, name) values (${OTHER}, 'Same ids');
    insert into wallet (client_id, id, currency, balance, is_default)
      values (${OTHER}, 1, 'USD', 500, true);
    insert into transfer (client_id, reason, debit_account, credit_account, wallet_id, amount,
        currency, balance_after)
      values (${OTHER}, 'FUNDING', 'EXTERNAL', 'WALLET', 1, 500, 'USD', 500)`);
  await database().query(`insert into voucher (client_id, code_hash, code_last4, value, currency,
      state) values (1, $1, '-IDS', 4.99, 'USD', 'DELIVERED')`, [VOUCHER]);
  const [row] = await database().query<{ version: string }>('select version from pricing_version');
  pricingVersion = Number(row?.version);
  // One call at a time: what comes while it is under way goes together in the next.
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 1, applicationName: 'test', onError: () => undefined,
  });
  place = createPlaceOrder({ pool, onPlaced: () => undefined });
});
afterAll(() => pool.end());

async function balances(): Promise<readonly string[]> {
  const rows = await database().query<{ balance: string }>(
    'select balance from wallet where id = 1 order by client_id');
  return rows.map(({ balance }) => balance);
}

async function expectSound(): Promise<void> {
  const { query } = database();
  expect(await findViolations(query)).toEqual([]);
  const stray = await query(`select client_id from wallet w where id = 1 and balance <> (
    select t.balance_after from transfer t where t.client_id = w.client_id and t.wallet_id = w.id
      order by t.id desc limit 1)`);
  expect(stray).toEqual([]);
}

it.each(['plain', 'beside a voucher, one by one'])(
  'keeps orders and refunds of two clients apart: %s',
  async (way) => {
    const clientIds = [1, OTHER, 1, OTHER, OTHER, 1, OTHER];
    const orders = clientIds.map((clientId) => pricedOrder({ pricingVersion, clientId }));
    if (way !== 'plain') {
      orders.push(pricedOrder({
        pricingVersion, funding: { kind: 'VOUCHER', codeHash: VOUCHER }, discountPercent: '0',
        charge: { amount: '4.99', currency: 'USD' },
      }));
    }
    const placed = await Promise.all(orders.map((order) => place(order)));
    expect(placed.map(({ verdict }) => verdict)).toEqual(placed.map(() => 'PLACED'));
    // Three of the one and four of the other, of 4.7405 each.
    expect(await balances()).toEqual(['9985.7785', '481.0380']);
    await expectSound();
    const store = createFulfilmentStore({ pool, onMoved: () => undefined });
    const claims = await store.claimOrders({ limit: 100, rooms: {} });
    expect(claims).toHaveLength(placed.length);
    await Promise.all(claims.map(({ clientId, orderId, route, leaseToken }) => store.recordMove({
      clientId, orderId, route, leaseToken, callback: null,
      move: { kind: 'FAIL', failureCode: 'INVALID_RECIPIENT' },
    })));
    expect(await balances()).toEqual(['10000.0000', '500.0000']);
    await expectSound();
  },
);

it('keeps the money of cancelled orders apart', async () => {
  for (const clientId of [1, OTHER]) {
    const placed = await place(pricedOrder({ pricingVersion, clientId }));
    if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
    await pool.query('select cancel_order($1, $2)', [clientId, placed.order.id]);
    expect(await balances()).toEqual(['10000.0000', '500.0000']);
    await expectSound();
  }
});

it('goes on from the cursor of a wallet whose id another client has too', async () => {
  const { walletFeed, close } = openTestFeed(database(), { isDeaf: true });
  try {
    const follow = (after: string | null) => followWallets(1, { walletId: 1, after },
      { walletFeed, clock: systemClock, cursorKey: 'a key' });
    await place(pricedOrder({ pricingVersion, clientId: 1 }));
    await place(pricedOrder({ pricingVersion, clientId: OTHER }));
    const begun = await follow(null);
    const { value } = await begun.next();
    await begun.return?.();
    const resumed = await follow(value?.cursor ?? 'none');
    await resumed.return?.();
  } finally {
    await close();
  }
});

it('shows each client the transactions of its own wallet', async () => {
  const orm = await openOrm({ databaseUrl: database().databaseUrl, size: 1 });
  const milestones = new Milestones({ pool, onError: () => undefined });
  try {
    const reads = createWalletReads({ pool, orm, milestones });
    const pages = await reads.findTransferPages(
      OTHER, [{ walletId: 1, beforeId: null, limit: 500 }]);
    const own = await database().query<{ id: string }>(
      `select id from transfer where client_id = ${OTHER} and wallet_id = 1 order by id desc`);
    expect(pages.map((page) => page.map(({ id }) => String(id))))
      .toEqual([own.map(({ id }) => id)]);
  } finally {
    await orm.close();
  }
});

it('keeps the vouchers of two clients apart, though they have one id', async () => {
  const code = (clientId: number): string => hashVoucherCode(`EQUAL-ID-OF-${clientId}`);
  for (const clientId of [1, OTHER]) {
    await database().query(`insert into voucher (client_id, id, code_hash, code_last4, value,
        currency, state) values (${clientId}, 900, $1, 'SAME', 4.99, 'USD', 'DELIVERED')`,
    [code(clientId)]);
  }
  const order = (clientId: number): PricedOrder => pricedOrder({
    pricingVersion, clientId, funding: { kind: 'VOUCHER', codeHash: code(clientId) },
    discountPercent: '0', charge: { amount: '4.99', currency: 'USD' },
  });
  const placed = await Promise.all([1, OTHER].map((clientId) => place(order(clientId))));
  expect(placed.map(({ verdict }) => verdict)).toEqual(['PLACED', 'PLACED']);
  await expectSound();
});
