import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import ts from 'typescript';

export const ROOT = resolve(import.meta.dirname, '../..');

export interface Source {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

/** The files under the root that match, emitted ones left out, in order of their paths. */
export function readSources(pattern: string): Source[] {
  return globSync(pattern, { cwd: ROOT })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !/\.generated\.ts$|\/generated\//.test(path))
    .sort()
    .map((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8');
      return { path, text, lines: text.replace(/\n$/, '').split('\n') };
    });
}

/** Every node of a file for which `say` has something to say, as "path:line what". */
export function findNodes(
  source: Source,
  say: (node: ts.Node, file: ts.SourceFile) => string | undefined,
): string[] {
  const file = parse(source);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const what = say(node, file);
    if (what !== undefined) {
      found.push(`${source.path}:${lineOf(file, node.getStart(file))} ${what}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Names and words of strings in the code of a file; comments do not count. */
export function wordsOf(source: Source): Set<string> {
  const words = new Set<string>();
  findNodes(source, (node) => {
    if (ts.isIdentifier(node) || ts.isStringLiteralLike(node)) {
      for (const word of node.text.split(/\W+/)) words.add(word);
    }
    return undefined;
  });
  return words;
}

/** The names that a file exports at its top level. */
export function exportedNames(source: Source): string[] {
  return parse(source).statements.flatMap((statement) => {
    if (ts.isExportDeclaration(statement)) {
      const clause = statement.exportClause;
      return clause !== undefined && ts.isNamedExports(clause)
        ? clause.elements.map(({ name }) => name.text)
        : [];
    }
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
    if (!modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.map(({ name }) => name.getText());
    }
    const { name } = statement as ts.DeclarationStatement;
    return name === undefined ? [] : [name.text];
  });
}

/** Lines from the first of a node to its last. */
export function lineCount(file: ts.SourceFile, node: ts.Node): number {
  return lineOf(file, node.getEnd()) - lineOf(file, node.getStart(file)) + 1;
}

function lineOf(file: ts.SourceFile, position: number): number {
  return file.getLineAndCharacterOfPosition(position).line + 1;
}

function parse({ path, text }: Source): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}
