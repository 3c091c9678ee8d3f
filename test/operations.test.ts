import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { generate } from '@graphql-codegen/cli';
import { printSchema } from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import codegen from '../codegen.ts';
import { buildTopupSchema } from '../src/graphql/schema.ts';

const ROOT = resolve(import.meta.dirname, '..');

interface Generated {
  readonly filename: string;
  readonly content: string;
}

let files: readonly Generated[] = [];

beforeAll(async () => {
  // From the types themselves: the emitted schema may be older than they are.
  const schema = printSchema(await buildTopupSchema());
  files = await generate({ ...codegen, schema, cwd: ROOT, silent: true }, false) as Generated[];
});

const FOLDERS = ['src/client/generated', 'test/frontend/generated'];
const NAMES = ['gql.ts', 'graphql.ts', 'index.ts'];
const PATHS = [
  ...FOLDERS.flatMap((folder) => NAMES.map((name) => `${folder}/${name}`)),
  'src/client/generated/persisted-documents.json',
  'test/frontend/generated/fragment-masking.ts',
];

describe('typed operations', () => {
  it('are made into the files that are compared here', () => {
    expect(files.map(({ filename }) => filename.replace(`${ROOT}/`, '')).sort())
      .toEqual(PATHS.toSorted());
  });

  it.each(PATHS)('%s is what codegen makes of schema/operations', async (path) => {
    await expect(contentOf(path)).toMatchFileSnapshot(resolve(ROOT, path));
  });

  it('are documents that a gateway can be told to trust, and nothing else', async () => {
    const sent = contentOf('src/client/generated/graphql.ts');
    const byHash = JSON.parse(
      contentOf('src/client/generated/persisted-documents.json'),
    ) as Record<string, string>;
    const texts = [
      // As our own client sends them, and as a frontend does that sends the hash alone.
      ...[...sent.matchAll(/new TypedDocumentString\(`([^`]*)`/g)].map(([, text = '']) => text)
        .filter((text) => /^\s*(?:query|mutation|subscription) /.test(text)),
      ...Object.values(byHash),
    ];
    const entries = texts.map((text) => [createHash('sha256').update(text).digest('hex'), text]);
    const manifest = Object.fromEntries(entries.sort(([a = ''], [b = '']) => a < b ? -1 : 1));
    expect(entries.length).toBe(2 * Object.keys(byHash).length);
    expect(Object.keys(manifest)).toEqual(expect.arrayContaining(
      Object.keys(byHash).map((documentId) => documentId.replace('sha256:', '')),
    ));
    await expect(`${JSON.stringify(manifest, null, 2)}\n`)
      .toMatchFileSnapshot(resolve(ROOT, 'schema/operations/persisted.json'));
  });
});

function contentOf(path: string): string {
  const found = files.find(({ filename }) => filename.replace(`${ROOT}/`, '') === path);
  if (found === undefined) throw new Error(`codegen made no ${path}`);
  return found.content;
}
