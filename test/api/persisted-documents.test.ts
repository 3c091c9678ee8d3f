import { createHash } from 'node:crypto';

import { buildSchema } from 'graphql';
import { describe, expect, test } from 'vitest';

import { readConfig } from '../../src/config.ts';
import { readParameters } from '../../src/graphql/graphql-request.ts';
import { createGuard } from '../../src/graphql/guard.ts';
import { buildTopupSchema } from '../../src/graphql/schema.ts';
import { readTrustedDocuments } from '../../src/trusted-documents.ts';

const schema = buildSchema('type Query { a: Int }');
const QUERY = '{ a }';
const OTHER = 'query Other { a }';
const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const apq = (hash: unknown, version: unknown = 1) =>
  ({ extensions: { persistedQuery: { version, sha256Hash: hash } } });

/** The text that would be executed, or the code of the refusal. */
function asking(trusted: readonly string[] = [], isOnly = false): (body: object) => string {
  const texts = new Map(trusted.map((text) => [hashOf(text), text]));
  const guard = createGuard(schema, {
    isIntrospectionAllowed: true,
    trustedDocuments: { texts, isOnly },
    variantCountMax: () => 0,
  });
  return (body) => {
    const verdict = guard(readParameters({ ...body }));
    return verdict.kind === 'ALLOWED'
      ? verdict.source
      : String(verdict.errors[0]?.extensions['code']);
  };
}

test.each([[true, 'FORBIDDEN'], [false, 'GRAPHQL_PARSE_FAILED']])(
  'a text too deep for the parser is refused like any other, only trusted ones executed: %s',
  (isOnly, code) => {
    const ask = asking([QUERY], isOnly);
    // As the first request of a process, whose frames are the greatest.
    const askDeepDown = (levels: number): string =>
      levels > 0 ? askDeepDown(levels - 1) : ask({ query: `{ a(b: ${'['.repeat(1990)}) }` });
    expect(askDeepDown(3000)).toBe(code);
  },
);

describe('a trusted document', () => {
  const ask = asking([QUERY]);

  test.each([
    ['by documentId', { documentId: `sha256:${hashOf(QUERY)}` }],
    ['by the older hash', apq(hashOf(QUERY))],
    ['by the older hash as codegen writes it', apq(`sha256:${hashOf(QUERY)}`)],
    ['by an empty query beside its id', { query: '', documentId: `sha256:${hashOf(QUERY)}` }],
  ])('is found %s', (_way, body) => {
    expect(ask(body)).toBe(QUERY);
  });

  test.each([
    ['an unknown id', { documentId: `sha256:${hashOf(OTHER)}` }, 'PERSISTED_QUERY_NOT_FOUND'],
    ['an id of another kind', { documentId: 'x-own:1' }, 'PERSISTED_QUERY_NOT_FOUND'],
    ['an unknown hash', apq(hashOf(OTHER)), 'PERSISTED_QUERY_NOT_FOUND'],
    ['another version', apq(hashOf(QUERY), 2), 'BAD_USER_INPUT'],
    ['a hash that is none', apq('__proto__'), 'BAD_USER_INPUT'],
    ['a hash that is no text', apq(7), 'BAD_USER_INPUT'],
    ['a hash of another algorithm', apq(`sha512:${hashOf(QUERY)}`), 'BAD_USER_INPUT'],
    ['a hash of another text', { query: QUERY, ...apq(hashOf(OTHER)) }, 'BAD_USER_INPUT'],
    ['an id of another text', { query: QUERY, documentId: `sha256:${hashOf(OTHER)}` },
      'BAD_USER_INPUT'],
    ['nothing at all', {}, 'BAD_REQUEST'],
  ])('is not found by %s', (_way, body, code) => {
    expect(ask(body)).toBe(code);
  });
});

describe.each([false, true])('a text beside a trusted one\'s hash (only those: %s)', (isOnly) => {
  // As Apollo's link for sockets prints it anew, beside the hash that codegen gave the document.
  const TRUSTED = 'query Both { a b: a }';
  const ask = asking([TRUSTED, QUERY], isOnly);

  test.each([
    ['its print', 'query Both {\n  a\n  b: a\n}'],
    ['its print with type names', 'query Both {\n  a\n  b: a\n  __typename\n}'],
  ])('is executed as it is where it is %s', (_what, query) => {
    for (let nth = 0; nth < 2; nth += 1) {
      expect(ask({ query, ...apq(`sha256:${hashOf(TRUSTED)}`) })).toBe(query);
      expect(ask({ query, documentId: hashOf(TRUSTED) })).toBe(query);
    }
    // It is not remembered under that hash.
    expect(ask({ documentId: hashOf(TRUSTED) })).toBe(TRUSTED);
    expect(ask({ documentId: hashOf(query) })).toBe('PERSISTED_QUERY_NOT_FOUND');
  });

  test.each([
    ['asks for less', 'query Both { a }'],
    ['is another trusted one', QUERY],
    ['has another name', 'query Other { a b: a }'],
    ['is no document', 'query Both {'],
    ['is too deep to be read', `{ a(b: ${'['.repeat(1990)}) }`],
  ])('is refused where it %s', (_what, query) => {
    expect(ask({ query, ...apq(hashOf(TRUSTED)) })).toBe('BAD_USER_INPUT');
  });
});

describe('a text that came with its hash', () => {
  test('is found by hash and id from then on', () => {
    const ask = asking();
    expect(ask(apq(hashOf(OTHER)))).toBe('PERSISTED_QUERY_NOT_FOUND');
    expect(ask({ query: OTHER, ...apq(hashOf(OTHER)) })).toBe(OTHER);
    expect(ask(apq(hashOf(OTHER)))).toBe(OTHER);
    expect(ask({ documentId: `sha256:${hashOf(OTHER)}` })).toBe(OTHER);
  });

  test('is not remembered where it is refused', () => {
    const ask = asking();
    const invalid = '{ nothing }';
    expect(ask({ query: invalid, ...apq(hashOf(invalid)) })).toBe('GRAPHQL_VALIDATION_FAILED');
    expect(ask(apq(hashOf(invalid)))).toBe('PERSISTED_QUERY_NOT_FOUND');
  });

  test('is forgotten when many others came after it', () => {
    const ask = asking([QUERY]);
    ask({ query: OTHER, ...apq(hashOf(OTHER)) });
    for (let index = 0; index < 40; index += 1) {
      const long = `{ a } #${String(index).padStart(10_000, '-')}`;
      expect(ask({ query: long, ...apq(hashOf(long)) })).toBe(long);
    }
    expect(ask(apq(hashOf(OTHER)))).toBe('PERSISTED_QUERY_NOT_FOUND');
    expect(ask(apq(hashOf(QUERY)))).toBe(QUERY);
  });
});

describe('where only trusted documents are executed', () => {
  const ask = asking([QUERY], true);

  test('they are, by id or by text', () => {
    expect(ask({ documentId: `sha256:${hashOf(QUERY)}` })).toBe(QUERY);
    expect(ask({ query: QUERY })).toBe(QUERY);
  });

  test.each([
    ['printed anew', 'query {\n  a\n}\n'],
    ['with a comment', '# Ours\n{ a }'],
    ['with type names', '{ a __typename }'],
  ])('they are by their text %s, under its own hash from then on', (_how, query) => {
    const own = apq(hashOf(query));
    expect(ask(own)).toBe('PERSISTED_QUERY_NOT_FOUND');
    expect(ask({ query })).toBe(query);
    expect(ask({ query, ...own })).toBe(query);
    expect(ask(own)).toBe(query);
  });

  test('they are with their fragments in any order, and no other ones', () => {
    const spread = 'query Spread { ...F ...G }';
    const [f, g] = ['fragment F on Query { a }', 'fragment G on Query { a }'];
    const of = asking([`${spread} ${f} ${g}`], true);
    expect(of({ query: `${g} ${f} ${spread}` })).toBe(`${g} ${f} ${spread}`);
    expect(of({ query: `${spread} ${f} fragment G on Query { b: a }` })).toBe('FORBIDDEN');
    expect(of({ query: `${spread} ${f}` })).toBe('FORBIDDEN');
  });

  test.each([
    OTHER, '{ b: a }', '{ a a }', '{ a @skip(if: true) }', '{ a t: __typename }',
    '{ a __typename @skip(if: true) }', '{ a ... { __typename } }', '{ a } query Second { a }',
    '{ __schema { description } }', '{ a',
    // Within what may be parsed nobody asks for as much.
    `{ a ${'__typename '.repeat(2_000)}}`,
  ])('nothing else is: %s', (query) => {
    expect(ask({ query })).toBe('FORBIDDEN');
    expect(ask({ query, ...apq(hashOf(query)) })).toBe('FORBIDDEN');
    expect(ask(apq(hashOf(query)))).toBe('PERSISTED_QUERY_NOT_FOUND');
  });

  test('what is recognised is held to the limits like anything else', () => {
    expect(ask({ query: `{ a ${'__typename '.repeat(11)}}` })).toBe('GRAPHQL_VALIDATION_FAILED');
  });
});

describe('the manifest', () => {
  test('holds what the guard lets through, each under its own hash', async () => {
    const trustedDocuments = readTrustedDocuments(true);
    expect(trustedDocuments.texts.size).toBeGreaterThan(0);
    const guard = createGuard(await buildTopupSchema(), {
      isIntrospectionAllowed: false, trustedDocuments, variantCountMax: () => 50,
    });
    for (const hash of trustedDocuments.texts.keys()) {
      const verdict = guard(readParameters({ documentId: `sha256:${hash}` }));
      expect(verdict.kind, hash).toBe('ALLOWED');
    }
  });

  test('is all there is by one setting, and the HTTP text is another', () => {
    const read = (env: Record<string, string>): unknown => {
      const { isTrustedOnly, httpText } = readConfig(env, true);
      return { isTrustedOnly, httpText };
    };
    expect(read({})).toEqual({ isTrustedOnly: false, httpText: 'draft' });
    expect(read({ TRUSTED_DOCUMENTS_ONLY: '1', GRAPHQL_HTTP: 'legacy' }))
      .toEqual({ isTrustedOnly: true, httpText: 'legacy' });
    expect(() => read({ TRUSTED_DOCUMENTS_ONLY: 'yes', GRAPHQL_HTTP: 'new' }))
      .toThrow(/2 fault\(s\)/);
  });
});
