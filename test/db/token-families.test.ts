import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { expect, it } from 'vitest';
import { untilWaiting, useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();

interface Family {
  readonly clientId: string;
  readonly id: string;
  readonly first: string;
  /** When its key ends, as the database writes it. */
  readonly keyEndsAt: string;
}

/** A family of a key that ends in ten minutes, sooner than any token would. */
async function openFamily(): Promise<Family> {
  const [key] = await database().query<{ id: string; client_id: string; ends: string }>(
    `update api_key set expires_at = now() + interval '10 minutes' where (client_id, id) = (
        select client_id, id from api_key where revoked_at is null order by client_id limit 1)
      returning id, client_id, expires_at::text as ends`);
  if (key === undefined) throw new Error('There is no key');
  const family = {
    clientId: key.client_id, id: randomUUID(), first: randomUUID(), keyEndsAt: key.ends,
  };
  expect(await database().query(
    "select family_ends_at::text as ends from open_token_family($1, $2, $3, $4, '1 day')",
    [family.clientId, key.id, family.id, family.first])).toEqual([{ ends: key.ends }]);
  return family;
}

const rotate = ({ clientId, id }: Family, shown: string, next: string) => database().query<{
  verdict: string; ends: string;
}>(`select verdict, family_ends_at::text as ends
  from rotate_token_family($1, $2, $3, $4, '1 day')`, [clientId, id, shown, next]);

it('takes the same rotation twice, as where its answer was lost, and no other', async () => {
  const family = await openFamily();
  const next = randomUUID();
  for (let time = 0; time < 2; time += 1) {
    expect(await rotate(family, family.first, next)).toMatchObject([{ verdict: 'ROTATED' }]);
  }
  expect(await rotate(family, family.first, randomUUID())).toMatchObject([{ verdict: 'REUSED' }]);
});

it('keeps what else was taken back of the client where a token is shown again', async () => {
  const [one, other] = [await openFamily(), await openFamily()];
  for (const family of [one, other]) {
    await rotate(family, family.first, randomUUID());
    expect(await rotate(family, family.first, randomUUID())).toMatchObject([{ verdict: 'REUSED' }]);
  }
  // For as long as an access token of theirs may live.
  expect(await database().query(`select from revoked_token where id in ($1, $2)
    and expires_at > now() + interval '1 hour'`, [one.id, other.id])).toHaveLength(2);
});

it('keeps neither families nor tokens that ended, once others come', async () => {
  const ended = await openFamily();
  await database().query(`with f as (update token_family set expires_at = now() - interval '1 s'
    where id = $2) insert into revoked_token values ($1, $2, now() - interval '1 s')`,
  [ended.clientId, ended.id]);
  const family = await openFamily();
  await rotate(family, family.first, randomUUID());
  await rotate(family, family.first, randomUUID());
  expect(await database().query(`select from token_family where id = $1
    union all select from revoked_token where id = $1`, [ended.id])).toEqual([]);
});

it('tells of a key that its tokens are renewed, to the minute', async () => {
  const family = await openFamily();
  await database().query(`update api_key set last_used_at = now() - interval '1 hour'
    where client_id = $1`, [family.clientId]);
  await rotate(family, family.first, randomUUID());
  expect(await database().query(`select id = (select key_id from token_family where id = $2) as its
    from api_key where client_id = $1 and last_used_at > now() - interval '1 minute'`,
  [family.clientId, family.id])).toEqual([{ its: true }]);
});

it('lets no family outlive its key, rotated or not', async () => {
  const family = await openFamily();
  expect(await rotate(family, family.first, randomUUID()))
    .toEqual([{ verdict: 'ROTATED', ends: family.keyEndsAt }]);
});

it('lets a family live on from each rotation, where its key has no end', async () => {
  const family = await openFamily();
  await database().query(`with k as (update api_key set expires_at = null where client_id = $1)
    update token_family set expires_at = now() + interval '1 minute' where id = $2`,
  [family.clientId, family.id]);
  await rotate(family, family.first, randomUUID());
  expect(await database().query(`select from token_family
    where id = $1 and expires_at > now() + interval '23 hours'`, [family.id])).toHaveLength(1);
});

it.each([
  ['a client that is switched off', 'update client set is_active = false where client_id = $1',
    'update client set is_active = true where client_id = $1'],
  ['a key that was revoked', 'update api_key set revoked_at = now() where client_id = $1',
    'update api_key set revoked_at = null where client_id = $1'],
  ['a key whose end was brought forward',
    "update api_key set expires_at = now() - interval '1 second' where client_id = $1",
    'update api_key set expires_at = null where client_id = $1'],
  ['a family that has ended',
    "update token_family set expires_at = now() - interval '1 second' where client_id = $1",
    "update token_family set expires_at = now() + interval '1 minute' where client_id = $1"],
])('takes no rotation for %s', async (_what, spoil, mend) => {
  const family = await openFamily();
  await database().query(spoil, [family.clientId]);
  expect(await rotate(family, family.first, randomUUID())).toMatchObject([{ verdict: 'REFUSED' }]);
  await database().query(mend, [family.clientId]);
  expect(await rotate(family, family.first, randomUUID())).toMatchObject([{ verdict: 'ROTATED' }]);
});

it('is ended by a logout that comes while it is being opened', async () => {
  const { clientId } = await openFamily();
  const [key] = await database().query<{ id: string }>(
    'select id from api_key where client_id = $1 and revoked_at is null limit 1', [clientId]);
  const family = { clientId, id: randomUUID(), first: randomUUID(), keyEndsAt: '' };
  const login = new pg.Client(database().ownerDatabaseUrl);
  await login.connect();
  await login.query('begin');
  await login.query("select open_token_family($1, $2, $3, $4, '1 day')",
    [clientId, key?.id, family.id, family.first]);
  const logout = database().query('select end_tokens($1)', [clientId]);
  await untilWaiting(database());
  await login.query('commit');
  await login.end();
  await logout;
  expect(await rotate(family, family.first, randomUUID())).toMatchObject([{ verdict: 'REFUSED' }]);
});

it('is ended by each logout of its client, and by that of no other', async () => {
  const family = await openFamily();
  const [key] = await database().query<{ client_id: string; id: string }>(`select client_id, id
    from api_key where client_id <> $1 and revoked_at is null limit 1`, [family.clientId]);
  if (key === undefined) throw new Error('There is no other client');
  const beside = {
    clientId: key.client_id, id: randomUUID(), first: randomUUID(), keyEndsAt: '',
  };
  const open = async ({ clientId, id, first }: Family, keyId: string) => (await database().query<{
    generation: number;
  }>("select generation from open_token_family($1, $2, $3, $4, '1 day')",
    [clientId, keyId, id, first]))[0]?.generation ?? 0;
  await open(beside, key.id);
  const [own] = await database().query<{ id: string }>(
    'select key_id as id from token_family where id = $1', [family.id]);
  const generations: number[] = [];
  for (let time = 0; time < 3; time += 1) {
    generations.push(await open(family, own?.id ?? ''));
    await database().query('select end_tokens($1)', [family.clientId]);
    expect(await rotate(family, family.first, randomUUID()))
      .toMatchObject([{ verdict: 'REFUSED' }]);
  }
  // Access tokens of an earlier one are not taken.
  expect(new Set(generations).size).toBe(3);
  expect(await rotate(beside, beside.first, randomUUID())).toMatchObject([{ verdict: 'ROTATED' }]);
});
