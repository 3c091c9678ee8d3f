import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { useTestDatabase } from '../support/database.ts';

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
        select client_id, id from api_key where revoked_at is null limit 1)
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

it('lets no family outlive its key, rotated or not', async () => {
  const family = await openFamily();
  expect(await rotate(family, family.first, randomUUID()))
    .toEqual([{ verdict: 'ROTATED', ends: family.keyEndsAt }]);
});

it('takes no rotation for a client that is switched off', async () => {
  const family = await openFamily();
  const setActive = (isActive: boolean) => database().query(
    'update client set is_active = $2 where client_id = $1', [family.clientId, isActive]);
  await setActive(false);
  expect(await rotate(family, family.first, randomUUID())).toMatchObject([{ verdict: 'REFUSED' }]);
  await setActive(true);
  expect(await rotate(family, family.first, randomUUID())).toMatchObject([{ verdict: 'ROTATED' }]);
});
