import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';

/** As the README says to make one: openssl rand -base64 32. */
const newSecret = () => randomBytes(32).toString('base64');

const ownDatabase = {
  DATABASE_URL: 'postgresql://topup_app:word@127.0.0.1/topup',
  TOKEN_SIGNING_KEY: newSecret(),
  KEY_HASHING_KEY: newSecret(),
  SUPPLIER_SIGNING_KEYS: `acme=${newSecret()}`,
};

describe("suppliers' signing keys", () => {
  const read = (text: string) =>
    readConfig({ ...ownDatabase, SUPPLIER_SIGNING_KEYS: text }, true).supplierKeys;

  it('are taken whatever base64 they are made of', () => {
    const plain = newSecret();
    const withSigns = `${'+/'.repeat(20)}==`;
    expect(read(`acme=${withSigns}:${plain},other=${plain}`))
      .toEqual({ acme: [withSigns, plain], other: [plain] });
  });

  it('are refused with an example where they are too short', () => {
    expect(() => read('acme=short')).toThrow(/SUPPLIER_SIGNING_KEYS must .*, e\.g\. SUPPLIER_S/);
  });
});
