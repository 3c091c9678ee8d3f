import { createHmac, timingSafeEqual } from 'node:crypto';

/** 128 bits: nobody guesses that by asking. */
const MAC_BYTES = 16;

/** What a text is sealed with. */
export interface Seal {
  /** Keeps texts of one use apart from all else that is sealed with the same key. */
  readonly purpose: string;
  /** HMAC key, the same in every process. */
  readonly key: string;
}

/** An opaque text that only we can have written: base64url of MAC and payload. */
export function sealed(payload: string, seal: Seal): string {
  const bytes = Buffer.from(payload);
  return Buffer.concat([macOf(bytes, seal), bytes]).toString('base64url');
}

/** The payload of a text that we sealed; null for any other. A longer one is not even decoded. */
export function unsealed(text: string, seal: Seal & { readonly lengthMax: number }): string | null {
  if (text.length > seal.lengthMax) return null;
  const bytes = Buffer.from(text, 'base64url');
  // Decoding is lenient; a second spelling is not ours.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== text) return null;
  const payload = bytes.subarray(MAC_BYTES);
  const isOurs = timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(payload, seal));
  return isOurs ? payload.toString() : null;
}

function macOf(payload: Buffer, { purpose, key }: Seal): Buffer {
  const mac = createHmac('sha256', key).update(`${purpose}:`).update(payload).digest();
  return mac.subarray(0, MAC_BYTES);
}
