/** Types that have a global id; the word is part of the id. */
export type GlobalIdType =
  'TopupOrder' | 'TopupOrderEvent' | 'Wallet' | 'WalletTransaction' | 'Client';

/** The opaque, globally unique id of a node: base64url of `<type>:<key>`. */
export function globalId(type: GlobalIdType, key: number | string): string {
  return Buffer.from(`${type}:${key}`).toString('base64url');
}

/** The integer id inside a global id of this type, or null for anything else. */
export function parseGlobalId(type: GlobalIdType, id: string): number | null {
  const [, name, key = ''] = /^([A-Za-z]+):([1-9][0-9]{0,15})$/.exec(decode(id)) ?? [];
  const number = Number(key);
  const isCanonical = name === type && globalId(type, key) === id;
  return isCanonical && Number.isSafeInteger(number) ? number : null;
}

function decode(id: string): string {
  return Buffer.from(id, 'base64url').toString('latin1');
}
