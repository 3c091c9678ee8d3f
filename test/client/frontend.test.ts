import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { placeAndWatch } from '../frontend/place-and-watch.ts';
import { useWorld } from '../support/world.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const world = useWorld();

it('the frontend of the README places an order and sees it delivered', async () => {
  const graphqlUrl = `${world().gateway.url}/graphql`;
  const statuses: string[] = [];
  await placeAndWatch(
    { graphqlUrl, wsUrl: graphqlUrl.replace('http', 'ws'), token: world().token(1) },
    (status) => statuses.push(status),
  );
  expect(statuses[0]).toBe('PENDING');
  expect(statuses.at(-1)).toBe('DELIVERED');
});

it('the README shows the frontend that was compiled and run', () => {
  const source = readFileSync(join(ROOT, 'test/frontend/place-and-watch.ts'), 'utf8');
  expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(source.trim());
});
