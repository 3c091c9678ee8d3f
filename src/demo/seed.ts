import type { Client } from 'pg';

import { SCOPES } from '../domain/access.ts';
import { hashApiSecret, secretPrefix, type Environment } from '../domain/api-key.ts';
import { hashVoucherCode, normaliseVoucherCode } from '../domain/voucher.ts';
import { DEMO_PREFIXES, DEMO_PRODUCTS, DEMO_VARIANTS } from './demo-catalogue.ts';
import {
  DEMO_CLIENTS,
  DEMO_DISCOUNTS,
  DEMO_FOREX_RATES,
  DEMO_SUPPLIERS,
  DEMO_VOUCHER_CURRENCY,
  DEMO_VOUCHERS,
  DEMO_WALLETS,
} from './demo-figures.ts';
import { demoApiKeysOf } from './demo-keys.ts';
import { withSingleConnection } from './single-connection.ts';

/** Column names in camel case; all rows of a table have the same. */
type Row = Readonly<Record<string, unknown>>;

interface Table {
  readonly name: string;
  /** The columns by which a row is found again, whatever an operator changed in the others. */
  readonly key: readonly string[];
  readonly rows: readonly Row[];
}

// Any number that nothing else locks.
const SEED_LOCK = 7_304_218;

// All that a discount can be about; the columns that the demo leaves out are null in its rows.
const DISCOUNT_KEY = ['client_id', 'variant_id', 'product_id', 'category', 'topup_type'];

const FUND_WALLETS = `
  with opening as (
    select * from jsonb_to_recordset($1) as o (client_id bigint, id bigint, opening numeric)
  ), funded as (
    update wallet w set balance = w.balance + o.opening
    from opening o where w.client_id = o.client_id and w.id = o.id
    returning w.client_id, w.id, w.currency, w.balance, o.opening
  )
  insert into transfer (client_id, reason, debit_account, credit_account, wallet_id, amount,
    currency, balance_after, remarks)
  select client_id, 'FUNDING', 'EXTERNAL', 'WALLET', id, opening, currency, balance,
    'Demo funding'
  from funded order by client_id, id`;

/**
 * Inserts what is absent of the demo rows, in one transaction; over a complete seed nothing is
 * written, so that prices keep their version. A row that exists stays as it is, but for the
 * suppliers' addresses: `<supplierUrl>/<supplierCode>`. Several programs may seed at once.
 * Of voucher codes and of keys' secrets only hashes under `hashingKey` reach the database.
 */
export async function seedDemo(options: {
  ownerDatabaseUrl: string;
  supplierUrl: string;
  hashingKey: string;
  /** Whose keys are seeded; the sandbox by default. */
  environment?: Environment;
}): Promise<void> {
  const { hashingKey, environment = 'sandbox' } = options;
  const supplierUrl = options.supplierUrl.replace(/\/+$/, '');
  await withSingleConnection(options.ownerDatabaseUrl, async (client) => {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [SEED_LOCK]);
    for (const table of catalogueTables(supplierUrl)) await insertAbsent(client, table);
    await moveSuppliers(client, supplierUrl);
    for (const table of clientTables(hashingKey, environment)) {
      await insertAbsent(client, table);
    }
    await openWallets(client);
    await client.query('commit');
  });
}

/** Whether the demo was ever made there, by what a role of the program may see. */
export async function isDemoSeeded(databaseUrl: string): Promise<boolean> {
  return withSingleConnection(databaseUrl, async (client) => {
    const { rowCount } = await client.query(
      'select from client where client_id = $1', [DEMO_CLIENTS[0].clientId]);
    return rowCount === 1;
  });
}

function catalogueTables(supplierUrl: string): readonly Table[] {
  const suppliers = DEMO_SUPPLIERS.map((supplier) => ({
    ...supplier,
    baseUrl: `${supplierUrl}/${supplier.code}`,
  }));
  const variants = DEMO_VARIANTS.map((row) => without(row, ['supplierSku', 'supplierIds']));
  // The route is the place in the order in which suppliers are tried.
  const offers = DEMO_VARIANTS.flatMap(({ id, supplierSku, supplierIds }) =>
    supplierIds.map((supplierId, at) => ({
      variantId: id,
      route: at + 1,
      supplierId,
      supplierSku,
    })));
  return [
    { name: 'supplier', key: ['id'], rows: suppliers },
    { name: 'product', key: ['id'], rows: DEMO_PRODUCTS.map((product) => ({ ...product })) },
    { name: 'variant', key: ['id'], rows: variants },
    { name: 'offer', key: ['variant_id', 'route'], rows: offers },
    { name: 'operator_prefix', key: ['prefix', 'product_id'], rows: DEMO_PREFIXES },
    { name: 'forex_rate', key: ['from_currency', 'to_currency'], rows: DEMO_FOREX_RATES },
  ];
}

function clientTables(hashingKey: string, environment: Environment): readonly Table[] {
  const vouchers = DEMO_VOUCHERS.map(({ code, ...voucher }) => {
    const normalCode = normaliseVoucherCode(code);
    if (normalCode === null) throw new Error(`Demo voucher ${code} is no voucher code`);
    return {
      ...voucher,
      currency: DEMO_VOUCHER_CURRENCY,
      codeHash: hashVoucherCode(normalCode, hashingKey),
      codeLast4: normalCode.slice(-4),
    };
  });
  const apiKeys = demoApiKeysOf(environment).map(({ clientId, apiKey, apiSecret }) => ({
    clientId,
    id: apiKey,
    secretHash: hashApiSecret(apiSecret, hashingKey),
    secretPrefix: secretPrefix(apiSecret),
    scopes: SCOPES,
  }));
  return [
    { name: 'client', key: ['client_id'], rows: DEMO_CLIENTS },
    { name: 'discount', key: DISCOUNT_KEY, rows: DEMO_DISCOUNTS },
    { name: 'voucher', key: ['client_id', 'code_hash'], rows: vouchers },
    { name: 'api_key', key: ['client_id', 'id'], rows: apiKeys },
  ];
}

/** Answers the rows that were inserted. */
async function insertAbsent(client: Client, { name, key, rows }: Table): Promise<Row[]> {
  const columns = Object.keys(rows[0] ?? {}).map(toColumn);
  const isSame = key.map((column) => `t.${column} is not distinct from r.${column}`);
  const absent = `
    from jsonb_populate_recordset(null::${name}, $1) r
    where not exists (select from ${name} t where ${isSame.join(' and ')})`;
  const given = [JSON.stringify(rows.map(toColumns))];
  // Asked first: the triggers that move the version of the prices fire even when an insert finds
  // nothing to insert.
  const found = await client.query(`select ${absent} limit 1`, given);
  if (found.rowCount === 0) return [];
  const inserted = await client.query<Row>(
    `insert into ${name} (${columns.join(', ')})
     select ${columns.map((column) => `r.${column}`).join(', ')} ${absent}
     on conflict do nothing returning *`,
    given,
  );
  return inserted.rows;
}

/** The sandbox may have another port than at the last start. */
async function moveSuppliers(client: Client, supplierUrl: string): Promise<void> {
  const moved = await client.query<{ id: string; code: string }>(
    `select id, code from supplier
     where id = any ($1) and base_url is distinct from $2 || '/' || code`,
    [DEMO_SUPPLIERS.map(({ id }) => id), supplierUrl],
  );
  for (const { id, code } of moved.rows) {
    const baseUrl = `${supplierUrl}/${code}`;
    await client.query('update supplier set base_url = $1 where id = $2', [baseUrl, id]);
  }
}

/** Money comes in by a transfer, and only into a wallet that was just opened. */
async function openWallets(client: Client): Promise<void> {
  const wallets = DEMO_WALLETS.map((row) => without(row, ['opening']));
  const table = { name: 'wallet', key: ['client_id', 'id'], rows: wallets };
  const opened = await insertAbsent(client, table);
  if (opened.length === 0) return;
  const isOpened = (id: number) => opened.some((wallet) => Number(wallet['id']) === id);
  const openings = DEMO_WALLETS.filter(({ id }) => isOpened(id)).map(toColumns);
  await client.query(FUND_WALLETS, [JSON.stringify(openings)]);
}

function without(row: object, keys: readonly string[]): Row {
  return Object.fromEntries(Object.entries(row).filter(([key]) => !keys.includes(key)));
}

function toColumns(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [toColumn(key), value]));
}

function toColumn(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
