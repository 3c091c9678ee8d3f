import * as voucher from '../../src/domain/voucher.ts';

/** Any key will do, as long as the seeded template and the app under test share it. */
export const VOUCHER_KEY = 'a key that only tests use, known to everybody';

/** The hash under which a voucher code is stored in a test database. */
export function hashVoucherCode(code: string): string {
  const normalCode = voucher.normaliseVoucherCode(code);
  if (normalCode === null) throw new Error(`Not a voucher code: ${code}`);
  return voucher.hashVoucherCode(normalCode, VOUCHER_KEY);
}
