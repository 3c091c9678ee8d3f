import 'reflect-metadata';
import { resolve } from 'node:path';

import { MikroORM } from '@mikro-orm/postgresql';
import { describe, expect, test } from 'vitest';

import { entities } from '../src/db/entities.ts';
import { schemaText } from '../src/graphql/schema-file.ts';
import { buildTopupSchema } from '../src/graphql/schema.ts';
import { openApiYaml } from '../src/rest/open-api.ts';
import { useTestDatabase } from './support/database.ts';
import { openApiDocument } from './support/open-api.ts';
import { postmanCollection } from './support/postman.ts';
import { dumpSchema } from './support/schema-dump.ts';

const root = resolve(import.meta.dirname, '..');
const SDL_HEADER = "# Emitted by `npm run schema` from the types in src/graphql.\n\n";

const database = useTestDatabase();

describe('committed contracts', () => {
  test('migrations/schema.sql is what the migrations make', async () => {
    const dump = await dumpSchema(database().query);
    await expect(dump).toMatchFileSnapshot(resolve(root, 'migrations/schema.sql'));
  });

  test('schema/schema.graphql is what the gateway serves', async () => {
    const file = resolve(root, 'schema/schema.graphql');
    await expect(`${SDL_HEADER}${schemaText(await buildTopupSchema())}`).toMatchFileSnapshot(file);
  });

  test('schema/openapi.yaml is what the routes say of themselves', async () => {
    const yaml = openApiYaml(await openApiDocument());
    await expect(yaml).toMatchFileSnapshot(resolve(root, 'schema/openapi.yaml'));
  });

  test('schema/postman.json is the same as a Postman collection', async () => {
    const collection = await postmanCollection(await openApiDocument());
    await expect(`${JSON.stringify(collection, null, 2)}\n`)
      .toMatchFileSnapshot(resolve(root, 'schema/postman.json'));
  });
});

describe('entities', () => {
  const orm = new MikroORM({ entities: [...entities], dbName: 'never connected' });
  const tables = [...orm.getMetadata().getAll().values()].map((entity) => ({
    table: entity.tableName,
    columns: entity.props
      .filter((property) => property.persist !== false)
      .flatMap((property) => property.fieldNames.map((column) => ({
        column,
        nullable: property.nullable === true,
      }))),
  }));

  test('exist', () => {
    expect(tables.length).toBeGreaterThan(0);
  });

  test.each(tables)('of $table have its columns', async ({ table, columns }) => {
    const migrated = await database().query(
      `select column_name as column, is_nullable = 'YES' as nullable
       from information_schema.columns
       where table_schema = 'public' and table_name = $1 order by column_name`,
      [table],
    );
    expect(columns.sort((a, b) => (a.column < b.column ? -1 : 1))).toEqual(migrated);
  });
});
