import { idOf } from '../domain/order-request.ts';

/** Types that have a global id; the word is part of the id. */
export type GlobalIdType =
  | 'TopupOrder' | 'TopupOrderEvent' | 'TopupProduct' | 'Variant' | 'Wallet'
  | 'WalletTransaction' | 'Client';

/** The opaque, globally unique id of a node: base64url of `<type>:<key>`. */
export function globalId(type: GlobalIdType, key: number | string): string {
  return Buffer.from(`${type}:${key}`).toString('base64url');
}

/** What a global id names, or null where it is none of ours; a second spelling is none. */
export function readGlobalId(id: string): { type: string; key: string } | null {
  const [, type, key] = /^([A-Za-z]+):([0-9:]+)$/.exec(decode(id)) ?? [];
  if (type === undefined || key === undefined) return null;
  return globalId(type as GlobalIdType, key) === id ? { type, key } : null;
}

/** The integer id inside a global id of this type, or null for anything else. */
export function parseGlobalId(type: GlobalIdType, id: string): number | null {
  const named = readGlobalId(id);
  return named?.type === type ? parseKey(named.key)?.[0] ?? null : null;
}

/** The positive integers of a key, or null. */
export function parseKey(key: string, partCount = 1): readonly number[] | null {
  const ids = key.split(':').map(idOf);
  return ids.length === partCount && ids.every((id) => id !== null) ? ids : null;
}

function decode(id: string): string {
  // Longer than any id of ours: not even decoded.
  return id.length > 128 ? '' : Buffer.from(id, 'base64url').toString('latin1');
}
