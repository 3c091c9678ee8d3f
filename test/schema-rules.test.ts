import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import graphqlEslint from '@graphql-eslint/eslint-plugin';
import { CriticalityLevel, diff, type Change } from '@graphql-inspector/core';
import { ESLint } from 'eslint';
import { buildSchema, printSchema, type GraphQLSchema } from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildTopupSchema } from '../src/graphql/schema.ts';

const ROOT = resolve(import.meta.dirname, '..');
const inRoot = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

let current: GraphQLSchema;
let changes: readonly Change[] = [];

beforeAll(async () => {
  current = await buildTopupSchema();
  changes = await diff(buildSchema(inRoot('schema/released.graphql')), current);
});

describe('the schema', () => {
  it('breaks no client of the released one', () => {
    const breaking = changes.filter(({ criticality }) =>
      criticality.level === CriticalityLevel.Breaking);
    expect(breaking.map(({ message }) => message)).toEqual([]);
  });

  it('would be found to break them', async () => {
    const broken = printSchema(current).replace('statusText: String!', 'statusText: Int!');
    const less = buildSchema(broken);
    const found = await diff(current, less);
    expect(found.map(({ criticality }) => criticality.level)).toContain(CriticalityLevel.Breaking);
  });

  it('has a dated line in the changelog for whatever came after it', () => {
    const text = inRoot('schema/CHANGELOG.md');
    const dates = [...text.matchAll(/^## (\d{4}-\d\d-\d\d)$/gm)].map(([, date]) => date);
    expect(dates.length).toBeGreaterThan(0);
    expect(dates).toEqual(dates.toSorted().reverse());
    const named = new Set([...text.matchAll(/`([A-Za-z_.]+)`/g)].map(([, name]) => name));
    expect(added(changes).filter((path) => !named.has(path))).toEqual([]);
  });
});

/** What is new, without what is inside of it: 'Type', 'Type.field', 'Type.VALUE'. */
function added(all: readonly Change[]): readonly string[] {
  const paths = new Set(all
    .filter(({ type }) => type.endsWith('_ADDED') && !type.includes('DESCRIPTION'))
    .map(({ path }) => path ?? ''));
  const isInside = (path: string): boolean => {
    const end = path.lastIndexOf('.');
    return end !== -1 && (paths.has(path.slice(0, end)) || isInside(path.slice(0, end)));
  };
  return [...paths].filter((path) => !isInside(path)).sort();
}

describe('lint rules of the trade', () => {
  it('find nothing about Relay or descriptions', async () => {
    expect(await lint(printSchema(current))).toEqual([]);
  });

  it('would find a field that nobody described', async () => {
    const bare = printSchema(current).replace('"""The caller itself."""\n', '');
    expect(await lint(bare)).toEqual([expect.stringContaining('viewer')]);
  });
});

async function lint(sdl: string): Promise<readonly string[]> {
  const schema = 'schema.graphql';
  const eslint = new ESLint({
    cwd: ROOT,
    overrideConfigFile: true,
    overrideConfig: [{
      files: [schema],
      plugins: { '@graphql-eslint': graphqlEslint as unknown as ESLint.Plugin },
      languageOptions: {
        parser: graphqlEslint.parser,
        parserOptions: { graphQLConfig: { schema: sdl } },
      },
      rules: {
        // Lists are read forward, and only a list that can grow is a connection.
        '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
        '@graphql-eslint/relay-connection-types': 'error',
        '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
        '@graphql-eslint/relay-page-info': 'error',
        '@graphql-eslint/require-description': ['error', {
          types: true,
          rootField: true,
          FieldDefinition: true,
          InputValueDefinition: true,
          EnumValueDefinition: true,
          DirectiveDefinition: true,
        }],
        '@graphql-eslint/require-deprecation-reason': 'error',
        '@graphql-eslint/no-hashtag-description': 'error',
        '@graphql-eslint/no-unreachable-types': 'error',
      },
    }],
  });
  const results = await eslint.lintText(sdl, { filePath: join(ROOT, schema) });
  return results.flatMap(({ messages }) => messages.map(({ line, message }) =>
    `${line}: ${message}`));
}

const RELAY_SOURCE = `
import { graphql } from 'relay-runtime';
export const list = graphql\`
  fragment orders_list on Query
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" })
  @refetchable(queryName: "ordersListQuery") {
    topupOrders(first: $count, after: $cursor) @connection(key: "orders_topupOrders") {
      edges { node { ...orders_order } }
    }
  }\`;
export const order = graphql\`
  fragment orders_order on TopupOrder @refetchable(queryName: "ordersOrderQuery") {
    orderId status statusText charge { amount currency }
  }\`;
export const page = graphql\`query ordersQuery { ...orders_list }\`;
`;

describe("Relay's compiler", () => {
  it('compiles a paginated list and a refetchable order', () => {
    const folder = mkdtempSync(join(tmpdir(), 'topup-relay-'));
    try {
      mkdirSync(join(folder, 'src/artifacts'), { recursive: true });
      writeFileSync(join(folder, 'src/orders.ts'), RELAY_SOURCE);
      writeFileSync(join(folder, 'schema.graphql'), printSchema(current));
      writeFileSync(join(folder, 'relay.config.json'), JSON.stringify({
        src: './src', schema: './schema.graphql', language: 'typescript',
        artifactDirectory: './src/artifacts',
      }));
      execFileSync(process.execPath,
        [join(ROOT, 'node_modules/relay-compiler/cli.js'), 'relay.config.json'],
        { cwd: folder, stdio: 'pipe' });
      expect(readdirSync(join(folder, 'src/artifacts')).sort()).toEqual([
        'ordersListQuery.graphql.ts', 'ordersOrderQuery.graphql.ts', 'ordersQuery.graphql.ts',
        'orders_list.graphql.ts', 'orders_order.graphql.ts',
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
