import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { followStandings } from '../../src/db/standings.ts';
import type { WakeUps } from '../../src/db/wake-ups.ts';
import { admitCaller, type AccessToken, type Standings } from '../../src/domain/access.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
const onError = (): void => undefined;
/** Wakes nobody: what is new is seen because it was asked for. */
const wakeUps: WakeUps =
  { on: () => () => undefined, send: () => undefined, close: async () => undefined };
const TOKEN_ID = '00000000-0000-4000-8000-000000000001';
let pool: pg.Pool;
let standings: Standings;
let nowMs = 0;
let isBroken = false;
beforeAll(async () => {
  pool = createPool({
    databaseUrl: database().databaseUrl, size: 2, applicationName: 'test', onError,
  });
  const query = (config: pg.QueryConfig) =>
    isBroken ? Promise.reject(new Error('broken')) : pool.query(config);
  const followed = await followStandings({
    pool: { query } as pg.Pool, wakeUps, onError, nowMs: () => nowMs,
  });
  // Nobody reads but this test.
  followed.close();
  standings = followed;
});
afterAll(() => pool.end());

it.each([
  ['deactivated', 'update client set is_active = false where client_id = 3', { isActive: false }],
  ['active again', 'update client set is_active = true where client_id = 3', { isActive: true }],
  ['not limited', 'update client set is_rate_limited = false where client_id = 3',
    { rates: null }],
  ['limited again', 'update client set is_rate_limited = true where client_id = 3',
    { rates: expect.not.objectContaining({ read: 7 }) }],
  ['of another rate', `insert into client_rate values (3, 'read', 7)
    on conflict (client_id, class) do update set per_minute = 7`,
  { rates: expect.objectContaining({ read: 7 }) }],
  ['of one network', "insert into client_network values (3, '10.1.2.0/24')",
    { networks: [expect.anything()] }],
  ['of any network', 'truncate client_network', { networks: [] }],
  ['without its tokens', `insert into token_generation values (3, 2)
    on conflict (client_id) do update set generation = 2`, { generation: 2 }],
])('tells that a client is %s', async (_, sql, standing) => {
  await database().query(sql);
  await standings.refresh();
  expect(standings.of(3)).toMatchObject(standing);
});

it('reads all clients anew where an older database has come back', async () => {
  const before = standings.of(3)?.isActive;
  await database().query(`begin;
    update client set is_active = not is_active where client_id = 3;
    update access_version set version = version - 5, clients_version = clients_version - 1;
    commit`);
  await standings.refresh();
  expect(standings.of(3)?.isActive).toBe(!before);
});

it.each([
  ['token', `insert into revoked_token values (1, '${TOKEN_ID}', now() + interval '1 hour')`,
    TOKEN_ID],
  ['key', `insert into api_key (client_id, id, secret_hash, secret_prefix, scopes)
      values (1, 'a-key', '', '', '{read}');
    update api_key set revoked_at = now() where id = 'a-key'`, 'a-key'],
])('tells that a %s is revoked, and reads no client anew for it', async (_, sql, id) => {
  const before = standings.of(1);
  expect(standings.isRevoked(id)).toBe(false);
  await database().query(sql);
  await standings.refresh();
  expect(standings.isRevoked(id)).toBe(true);
  expect(before).toBeDefined();
  expect(standings.of(1)).toBe(before);
});

describe('a process that stood still', () => {
  const token = {
    clientId: 2, scopes: [], generation: 9, keyId: null, familyId: null,
    tokenId: '00000000-0000-4000-8000-000000000009',
  } as unknown as AccessToken;
  const admit = () => admitCaller({ authorization: 'Bearer x', address: '127.0.0.1' },
    { standings, readToken: async () => token });

  it('admits nobody by what it knew before', async () => {
    await standings.refresh();
    expect(await admit()).toMatchObject({ clientId: 2 });
    await database().query(`insert into revoked_token
      values (2, '${token.tokenId}', now() + interval '1 hour')`);
    nowMs += 2_500;
    expect(await admit()).toMatchObject({ clientId: 2 });
    nowMs += 1_000;
    expect(standings.hasSlept()).toBe(true);
    expect(await admit()).toBeNull();
    expect(standings.hasSlept()).toBe(false);
  });

  it('knows nothing new by a look that began before', async () => {
    const before = standings.refresh();
    nowMs += 20_000;
    await before;
    expect(standings.hasSlept()).toBe(true);
    await standings.refresh();
    expect(standings.hasSlept()).toBe(false);
  });

  it('looks once where nothing can be read, and goes on by what it knew', async () => {
    isBroken = true;
    nowMs += 20_000;
    const look = standings.refresh();
    // As long as a database is waited for that does not answer.
    for (let second = 0; second < 6; second += 1) {
      nowMs += 1_000;
      void standings.refresh().catch(() => undefined);
    }
    expect(standings.hasSlept()).toBe(true);
    await expect(look).rejects.toThrow('broken');
    expect(standings.hasSlept()).toBe(false);
    isBroken = false;
    await standings.refresh();
  });

  it('is another one than a process whose database is silent', async () => {
    const looks: Promise<void>[] = [];
    for (let look = 0; look < 6; look += 1) {
      nowMs += 1_000;
      looks.push(standings.refresh());
      expect(standings.hasSlept()).toBe(false);
    }
    await Promise.all(looks);
  });
});
