import { execFileSync } from 'node:child_process';

import { cruise, type ICruiseResult } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import ts from 'typescript';
import { beforeAll, describe, expect, test } from 'vitest';

import { REJECTION_CODES } from '../src/domain/rejection.ts';
import { FAILURE_CODES } from '../src/domain/topup-order.ts';
import {
  CRUISE_OPTIONS, FLOORS, FORBIDDEN, RESOLVE_OPTIONS,
} from './support/dependency-cruiser.config.js';
import {
  exportedNames, findNodes, lineCount, readSources, ROOT, wordsOf,
} from './support/sources.ts';

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 250;
const COLUMNS_MAX = 100;

const src = readSources('src/**/*.ts');
const tests = readSources('test/**/*.{ts,js}');
const migrations = readSources('migrations/[0-9]*.sql');

describe('floors', () => {
  let result: ICruiseResult;

  beforeAll(async () => {
    const { output } = await cruise(
      ['src'],
      { ...CRUISE_OPTIONS, baseDir: ROOT, validate: true, ruleSet: { forbidden: FORBIDDEN } },
      RESOLVE_OPTIONS,
      { tsConfig: extractTSConfig(`${ROOT}/tsconfig.json`) },
    );
    result = output as ICruiseResult;
  });

  // A cruiser that understands no TypeScript sees nothing, and finds nothing wrong with it.
  test('are walked over in every room and every file', () => {
    const seen = new Set(result.modules.map(({ source }) => source));
    expect(src.length).toBeGreaterThan(0);
    expect(src.map(({ path }) => path).filter((path) => !seen.has(path))).toEqual([]);
    const rooms = new Set(src.map(({ path }) => path.split('/')[1]));
    expect([...rooms].filter((room) => !Object.hasOwn(FLOORS, String(room)))).toEqual([]);
    expect(result.modules.some(({ source, dependencies }) => (
      source.startsWith('src/domain/') && dependencies.length > 0
    ))).toBe(true);
  });

  test('hold, and nothing goes round in circles', () => {
    const breaches = result.summary.violations.map(({ rule, from, to }) => (
      `${rule.name}: ${from} -> ${to}`
    ));
    expect(breaches).toEqual([]);
  });
});

describe('size', () => {
  test(`functions have at most ${FUNCTION_LINES_MAX} lines`, () => {
    const long = src.flatMap((source) => findNodes(source, (node, file) => {
      if (!ts.isFunctionLike(node)) return undefined;
      const lines = lineCount(file, node);
      return lines > FUNCTION_LINES_MAX ? `a function of ${lines} lines` : undefined;
    }));
    expect(long).toEqual([]);
  });

  test(`files have at most ${FILE_LINES_MAX} lines`, () => {
    const styles = readSources('src/**/*.{css,html}');
    expect(styles).not.toEqual([]);
    const long = [...src, ...styles].filter(({ lines }) => lines.length > FILE_LINES_MAX);
    expect(long.map(({ path, lines }) => `${path}: ${lines.length} lines`)).toEqual([]);
  });

  test(`lines have at most ${COLUMNS_MAX} columns`, () => {
    const wide = [...src, ...tests, ...migrations].flatMap(({ path, lines }) => lines
      .map((line, index) => ({ at: `${path}:${index + 1}`, columns: [...line].length }))
      .filter(({ columns }) => columns > COLUMNS_MAX)
      .map(({ at, columns }) => `${at} ${columns} columns`));
    expect(wide).toEqual([]);
  });
});

describe('habits', () => {
  const inRoom = (...rooms: string[]) => src.filter(({ path }) => (
    rooms.some((room) => path.startsWith(`src/${room}/`))
  ));
  const except = (path: string) => src.filter((source) => source.path !== path);

  test('only config.ts reads the environment', () => {
    const reads = except('src/config.ts').flatMap((source) => findNodes(source, (node) => (
      ts.isIdentifier(node) && node.text === 'env' && isOfProcess(node) ? 'process.env' : undefined
    )));
    expect(reads).toEqual([]);
  });

  test('functions for others have a docstring', () => {
    const untold = src.flatMap((source) => findNodes(source, (node) => {
      const isShared = !ts.isSourceFile(node) && ts.isSourceFile(node.parent)
        && ts.canHaveModifiers(node)
        && (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
      const isFunction = ts.isFunctionDeclaration(node) || (ts.isVariableStatement(node)
        && node.declarationList.declarations.some(({ initializer }) => (
          initializer !== undefined && ts.isArrowFunction(initializer))));
      return isShared && isFunction && ts.getJSDocCommentsAndTags(node).length === 0
        ? 'has no docstring' : undefined;
    }));
    expect(untold).toEqual([]);
  });

  test('only clock.ts asks what time it is', () => {
    const asks = except('src/clock.ts').flatMap((source) => findNodes(source, (node) => {
      if (isCallOf(node, 'Date', 'now')) return 'Date.now()';
      const isNow = ts.isNewExpression(node) && isNamed(node.expression, 'Date')
        && (node.arguments ?? []).length === 0;
      return isNow ? 'new Date()' : undefined;
    }));
    expect(asks).toEqual([]);
  });

  test('no float is rounded or read where money is counted and stored', () => {
    const floats = inRoom('domain', 'db').flatMap((source) => findNodes(source, (node) => {
      if (!ts.isIdentifier(node)) return undefined;
      // Decimal's toFixed, without a number of digits, rounds nothing; only Money calls it.
      if (node.text === 'toFixed' && source.path !== 'src/domain/money.ts') return node.text;
      const isRound = node.text === 'round' && ts.isPropertyAccessExpression(node.parent)
        && isNamed(node.parent.expression, 'Math');
      return isRound || ['parseFloat', 'toNumber'].includes(node.text) ? node.text : undefined;
    }));
    expect(floats).toEqual([]);
  });

  test('names say what a thing is', () => {
    const vague = src.flatMap((source) => {
      const fileName = source.path.split('/').slice(1).join('/');
      return [fileName, ...exportedNames(source)]
        .filter((name) => isVague(name) || (name === fileName && endsVaguely(name)))
        .map((name) => `${source.path}: ${name}`);
    });
    expect(vague).toEqual([]);
  });

  test('the top level holds only what belongs there', () => {
    const listed = execFileSync(
      'git',
      ['ls-files', '--cached', '--others', '--exclude-standard'],
      { cwd: ROOT, encoding: 'utf8' },
    );
    const top = new Set(listed.trim().split('\n').map((path) => String(path.split('/')[0])));
    const strangers = [...top].filter((name) => !name.startsWith('.') && !TOP_LEVEL.has(name));
    expect(top).toContain('src');
    expect(strangers).toEqual([]);
  });
});

describe.each([
  ['rejection', REJECTION_CODES],
  ['failure', FAILURE_CODES],
] as const)('every %s code', (_kind, codes) => {
  const missingIn = (words: Set<string>) => codes.filter((code) => !words.has(code));

  test.each(['src/rest/errors.ts', 'src/graphql/errors.ts'])('has its row in %s', (path) => {
    const table = src.find((source) => source.path === path);
    expect(table, `${path} exists`).toBeDefined();
    expect(missingIn(table === undefined ? new Set() : wordsOf(table))).toEqual([]);
  });

  test('stands in a test', () => {
    const words = tests.filter(({ path }) => path.endsWith('.test.ts')).map(wordsOf);
    expect(missingIn(new Set(words.flatMap((each) => [...each])))).toEqual([]);
  });
});

const TOP_LEVEL = new Set([
  'src', 'schema', 'migrations', 'test', 'package.json', 'package-lock.json', 'tsconfig.json',
  'codegen.ts', 'README.md',
]);

const VAGUE = new Set([
  'util', 'utils', 'helper', 'helpers', 'common', 'manager', 'managers', 'dto', 'impl',
]);

function isVague(name: string): boolean {
  const words = name.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase().split(/[^a-z0-9]+/);
  return words.some((word) => VAGUE.has(word)) || /^I[A-Z][a-z]/.test(name);
}

/** Nothing is said by a file's name that ends so; a data directory is one, and PageInfo a type. */
const VAGUE_AT_THE_END = new Set(['data', 'info', 'process']);

function endsVaguely(fileName: string): boolean {
  return fileName.split('/').some((part) => (
    VAGUE_AT_THE_END.has(part.replace(/\..*$/, '').split('-').at(-1) ?? '')
  ));
}

function isNamed(node: ts.Node, name: string): boolean {
  return ts.isIdentifier(node) && node.text === name;
}

function isCallOf(node: ts.Node, object: string, method: string): boolean {
  return ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)
    && isNamed(node.expression.expression, object) && node.expression.name.text === method;
}

/** process.env, { env } = process and { env } from node:process alike. */
function isOfProcess(env: ts.Identifier): boolean {
  const { parent } = env;
  if (ts.isPropertyAccessExpression(parent)) return isNamed(parent.expression, 'process');
  if (ts.isImportSpecifier(parent)) {
    const from = parent.parent.parent.parent.moduleSpecifier;
    return ts.isStringLiteral(from) && /^(?:node:)?process$/.test(from.text);
  }
  if (!ts.isBindingElement(parent)) return false;
  const { parent: declaration } = parent.parent;
  return ts.isVariableDeclaration(declaration) && declaration.initializer !== undefined
    && isNamed(declaration.initializer, 'process');
}
