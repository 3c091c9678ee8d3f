import { readOptions, toClientId, toExpiry } from './command-line.ts';
import { withSingleConnection } from './db/single-connection.ts';
import { insertVouchers } from './db/vouchers.ts';
import { isPositive, WRITTEN_AMOUNT } from './domain/money.ts';
import { hashVoucherCode, makeVoucherCode, normaliseVoucherCode } from './domain/voucher.ts';
import { StartRefused } from './start-refused.ts';

const USAGE = `Usage:
  npm run vouchers -- create --client 1 --value 4.99 --currency USD [--count 10] [--days 365]`;

const COUNT_MAX = 1000;

export interface VouchersCommand {
  /** create, and what follows. */
  readonly args: readonly string[];
  readonly ownerDatabaseUrl: string;
  readonly hashingKey: string;
  readonly now: Date;
}

/**
 * Makes vouchers, as the owner of the tables. Answers their codes, a line each, which are in it
 * once, and nowhere else.
 * @throws StartRefused
 */
export async function runVouchersCommand(command: VouchersCommand): Promise<string> {
  const [verb = '', ...rest] = command.args;
  if (verb !== 'create') throw new StartRefused(USAGE);
  const { values } = readOptions(rest, {
    options: ['client', 'value', 'currency', 'count', 'days'], wordCount: 0, usage: USAGE,
  });
  const clientId = toClientId(values.client);
  const { value, currency, count = '1' } = values;
  if (clientId === null || value === undefined || currency === undefined) {
    throw new StartRefused(`Name the client, the value and the currency.\n${USAGE}`);
  }
  if (!WRITTEN_AMOUNT.test(value) || !isPositive(value)) {
    throw new StartRefused('--value is an amount over 0 like 4.99, with at most 4 decimals');
  }
  if (!/^[1-9][0-9]{0,3}$/.test(count) || Number(count) > COUNT_MAX) {
    throw new StartRefused(`--count is a whole number from 1 to ${COUNT_MAX}`);
  }
  const codes = Array.from({ length: Number(count) }, makeVoucherCode);
  const isKept = await withSingleConnection(command.ownerDatabaseUrl, (owner) =>
    insertVouchers(owner, {
      clientId,
      value,
      currency,
      expiresAt: toExpiry(values.days, command.now),
      codes: codes.map((code) => keptOf(code, command.hashingKey)),
    }));
  if (!isKept) {
    throw new StartRefused(
      `There is no client ${clientId}, or no currency ${currency} of so many decimals`);
  }
  return codes.map((code) => `${code}\n`).join('');
}

/** What is kept of a code: without the key it can be neither redeemed nor guessed at. */
function keptOf(code: string, key: string): { readonly hash: string; readonly last4: string } {
  const normal = normaliseVoucherCode(code);
  if (normal === null) throw new Error('A code of ours is no voucher code');
  return { hash: hashVoucherCode(normal, key), last4: normal.slice(-4) };
}
