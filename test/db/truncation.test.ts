import { describe, expect, it } from 'vitest';
import pg from 'pg';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();

interface Versions {
  readonly pricing: string;
  readonly removed: string;
  readonly access: string;
}

/** What the versions say before and after the owner emptied a table; it is taken back. */
async function emptied(table: string): Promise<{ before: Versions; after: Versions }> {
  const owner = new pg.Client(database().ownerDatabaseUrl);
  await owner.connect();
  const read = async (): Promise<Versions> => {
    const { rows: [row] } = await owner.query<Versions>(`select p.version as pricing,
      p.removed_in as removed, a.version as access from pricing_version p, access_version a`);
    if (row === undefined) throw new Error('There are no versions');
    return row;
  };
  try {
    await owner.query('begin');
    const before = await read();
    await owner.query(`truncate ${table} cascade`);
    return { before, after: await read() };
  } finally {
    await owner.end();
  }
}

describe('a table that is emptied', () => {
  it.each(['discount', 'entitlement', 'forex_rate', 'operator_prefix', 'offer', 'variant',
    'product', 'supplier'])('raises the version of prices: %s', async (table) => {
    const { before, after } = await emptied(table);
    expect(Number(after.pricing)).toBe(Number(before.pricing) + 1);
  });

  it.each(['offer', 'variant', 'product'])('has the rest read anew: %s', async (table) => {
    const { after } = await emptied(table);
    expect(after.removed).toBe(after.pricing);
  });

  it.each(['client_network', 'client_rate', 'revoked_token', 'token_generation'])(
    'raises the version of access: %s', async (table) => {
      const { before, after } = await emptied(table);
      expect(Number(after.access)).toBe(Number(before.access) + 1);
    },
  );

  // The last two take wallets with them.
  it.each(['topup_order', 'wallet', 'client', 'currency'])('is never: %s', async (table) => {
    await expect(emptied(table)).rejects.toThrow('is never emptied');
  });
});
