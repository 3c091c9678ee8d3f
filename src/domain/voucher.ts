import { createHmac, randomBytes } from 'node:crypto';

/** Thirty-two signs that nobody takes for one another, so that each byte gives one of them. */
const SIGNS = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
const CODE_LENGTH = 16;
/** Bounded before it is normalised: that takes the square of the accents on one letter. */
const WRITTEN_LENGTH_MAX = 1024;

/** 80 random bits: ABCD-EFGH-JKLM-NPQR. Shown once, to who makes it. */
export function makeVoucherCode(): string {
  const signs = [...randomBytes(CODE_LENGTH)].map((byte) => SIGNS[byte % SIGNS.length] ?? '');
  return signs.join('').replaceAll(/(.{4})(?=.)/g, '$1-');
}

/** "demo-0499 aaaa" -> "DEMO0499AAAA"; null where that is not 4 to 64 visible ASCII. */
export function normaliseVoucherCode(code: string): string | null {
  if (code.length > WRITTEN_LENGTH_MAX) return null;
  // Dashes of all kinds, wide letters and marks that nobody sees, as programs put them in.
  const normal = code.normalize('NFKC').replaceAll(/[\s\p{Pd}\u2212\p{Cf}]/gu, '').toUpperCase();
  return /^[\x21-\x7e]{4,64}$/.test(normal) ? normal : null;
}

/** Keyed hash of a normalised code, hex: codes are never stored or compared in plain. */
export function hashVoucherCode(normalCode: string, key: string): string {
  return createHmac('sha256', key).update(`voucher:${normalCode}`).digest('hex');
}
