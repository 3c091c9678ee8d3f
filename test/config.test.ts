import { randomBytes } from 'node:crypto';
import { describe, expect, it, test } from 'vitest';
import { readConfig, type ConfigError } from '../src/config.ts';

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

  it('are refused where one has two entries, as an old key belongs behind a colon', () => {
    expect(() => read(`acme=${newSecret()},other=${newSecret()},acme=${newSecret()}`))
      .toThrow(/SUPPLIER_SIGNING_KEYS must read code=KEY\[:OLDKEY\],\.\.\., each code once/);
  });
});

describe('a wrong variable', () => {
  const faultsOf = (env: Record<string, string>): readonly string[] => {
    try {
      readConfig(env, true);
      return [];
    } catch (error) {
      return (error as ConfigError).faults;
    }
  };

  it.each([
    [{ HOST: '999.1.1.1' }, 'HOST must be an IP address or the name of a host, '
      + 'e.g. HOST=127.0.0.1'],
    [{ HOST: 'a b' }, 'HOST must be an IP address or the name of a host, e.g. HOST=127.0.0.1'],
    [{ DEMO: 'yes' }, 'DEMO must be 1 or 0 or left out, e.g. DEMO=1'],
    [{ PAGES: 'no' }, 'PAGES must be 1 or 0 or left out, e.g. PAGES=1'],
    [{ INTROSPECTION: '2' }, 'INTROSPECTION must be 1 or 0 or left out, e.g. INTROSPECTION=1'],
    [{ ENVIRONMENT: 'prod' }, 'ENVIRONMENT must be sandbox or production or left out, '
      + 'e.g. ENVIRONMENT=sandbox'],
    [{ SUPPLIER_PORT: 'x' }, 'SUPPLIER_PORT must be a whole number from 0 to 65535, '
      + 'e.g. SUPPLIER_PORT=4001'],
    [{ SUPPLIER_PORT: '4000' }, 'SUPPLIER_PORT must be another one than PORT, '
      + 'e.g. SUPPLIER_PORT=4001'],
    [{ MIGRATION_DATABASE_URL: ownDatabase.DATABASE_URL },
      'MIGRATION_DATABASE_URL needs beside it the address with the role that the program uses, '
      + 'e.g. DATABASE_URL=postgresql://topup_app:password@127.0.0.1:5432/topup'],
    [{ ...ownDatabase, SMTP_URL: 'smtp://mail.example.com:587' },
      'MAIL_FROM is needed with SMTP_URL, e.g. MAIL_FROM=no-reply@example.com'],
    [{ ...ownDatabase, DATABASE_URL: 'postgresql://app:50%@db/topup' },
      'DATABASE_URL must be a PostgreSQL address, '
      + 'e.g. DATABASE_URL=postgresql://user:password@127.0.0.1:5432/topup'],
  ])('%o is told with an example', (env, fault) => {
    expect(faultsOf(env as Record<string, string>)).toEqual([fault]);
  });

  it.each(['TOKEN_SIGNING_KEY', 'KEY_HASHING_KEY'])('is %s where it can be guessed', (name) => {
    expect(faultsOf({ ...ownDatabase, [name]: 'x'.repeat(31) })).toEqual([
      `${name} must have at least 32 characters, e.g. from: openssl rand -base64 32`,
    ]);
    expect(faultsOf({ ...ownDatabase, [name]: 'x'.repeat(32) })).toEqual([]);
  });

  it.each(['10.0.0.0/33', 'fd00::/129', '10.0.0.0/8/8', '10.0.0.0/', 'proxy', '127.0.0.1,x'])(
    'is a list of proxies with %s', (TRUSTED_PROXIES) => {
      expect(faultsOf({ TRUSTED_PROXIES })).toEqual(['TRUSTED_PROXIES must list addresses or '
        + 'networks, e.g. TRUSTED_PROXIES=127.0.0.1,10.0.0.0/8']);
    },
  );

  it.each(['127.0.0.1', '::', '::1', 'localhost', 'gateway-1.internal', '0.0.0.0'])(
    'is none where HOST is %s', (HOST) => {
      expect(readConfig({ HOST }, true).host).toBe(HOST);
    });

  it('is none where PORT is the last there is: the supplier takes any free one', () => {
    expect(readConfig({ PORT: '65535' }, true).supplierPort).toBe(0);
  });

  it("is the demo's secret outside the demo: it is published", () => {
    const { tokenSigningKey, keyHashingKey, supplierKeys } = readConfig({}, true);
    const ofSuppliers = Object.entries(supplierKeys).map(([code, keys]) => `${code}=${keys[0]}`);
    const published = {
      TOKEN_SIGNING_KEY: tokenSigningKey,
      KEY_HASHING_KEY: keyHashingKey,
      SUPPLIER_SIGNING_KEYS: `acme=${newSecret()},${ofSuppliers[0]}`,
    };
    expect(faultsOf({ ...ownDatabase, ...published })).toEqual(Object.keys(published).map((name) =>
      `${name} is the demo's, which everybody knows; one of your own: openssl rand -base64 32`));
    expect(faultsOf({ ...ownDatabase, ...published, DEMO: '1' })).toEqual([]);
  });

  it("is none where a command wants only the owner's address", () => {
    const { DATABASE_URL } = ownDatabase;
    expect(readConfig({ MIGRATION_DATABASE_URL: DATABASE_URL }, false).migrationDatabaseUrl)
      .toBe(DATABASE_URL);
  });
});

test('the schema is shown by introspection in the demo, or where a setting says so', () => {
  const isAllowed = (env: Record<string, string>): boolean =>
    readConfig(env, true).isIntrospectionAllowed;
  expect([isAllowed({}), isAllowed({ INTROSPECTION: '0' })]).toEqual([true, false]);
  expect([isAllowed(ownDatabase), isAllowed({ ...ownDatabase, INTROSPECTION: '1' })])
    .toEqual([false, true]);
});
