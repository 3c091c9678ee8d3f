import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { generate } from '@graphql-codegen/cli';
import { printSchema } from 'graphql';
import { beforeAll, describe, expect, it, vi } from 'vitest';
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
  // Both outputs have fragments of the same names, in which a part of codegen suspects a slip.
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  files = await generate({ ...codegen, schema, cwd: ROOT, silent: true }, false) as Generated[];
});

const FOLDERS = ['src/client/generated', 'test/frontend/generated'];
const NAMES = ['gql.ts', 'graphql.ts', 'index.ts', 'persisted-documents.json'];
const PATHS = [
  ...FOLDERS.flatMap((folder) => NAMES.map((name) => `${folder}/${name}`)),
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
    const byHash = FOLDERS.map((folder) => (
      JSON.parse(contentOf(`${folder}/persisted-documents.json`)) as Record<string, string>
    ));
    const texts = [
      // As our own client sends them, and as it and a frontend do that send the hash alone.
      ...[...sent.matchAll(/new TypedDocumentString\(`([^`]*)`/g)].map(([, text = '']) => text)
        .filter((text) => /^\s*(?:query|mutation|subscription) /.test(text)),
      ...byHash.flatMap((documents) => Object.values(documents)),
    ];
    const entries = texts.map((text) => [createHash('sha256').update(text).digest('hex'), text]);
    const manifest = Object.fromEntries(entries.sort(([a = ''], [b = '']) => a < b ? -1 : 1));
    const ids = byHash.flatMap((documents) => Object.keys(documents));
    expect(new Set(ids).size).toBe(ids.length);
    expect(2 * entries.length).toBe(3 * ids.length);
    expect(Object.keys(manifest)).toEqual(expect.arrayContaining(
      ids.map((documentId) => documentId.replace('sha256:', '')),
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
