import { createHmac } from 'node:crypto';

/** "demo-0499 aaaa" -> "DEMO0499AAAA"; null where that is not 4 to 64 visible ASCII. */
export function normaliseVoucherCode(code: string): string | null {
  const normal = code.replaceAll(/[\s-]/g, '').toUpperCase();
  return /^[\x21-\x7e]{4,64}$/.test(normal) ? normal : null;
}

/** Keyed hash of a normalised code, hex: codes are never stored or compared in plain. */
export function hashVoucherCode(normalCode: string, key: string): string {
  return createHmac('sha256', key).update(`voucher:${normalCode}`).digest('hex');
}
