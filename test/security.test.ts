import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { readSources } from './support/sources.ts';

interface Row {
  readonly item: string;
  readonly isTold: boolean;
  /** Each as `file: title`. */
  readonly tests: readonly string[];
}

const TEXT = readFileSync(join(import.meta.dirname, 'security.md'), 'utf8');
const sources = new Map(readSources('test/**/*.{test,processes}.ts').map(({ path, text }) => (
  [path.replace(/^test\//, ''), text]
)));

const rows: readonly Row[] = TEXT.split('\n')
  .filter((line) => /^\| (?!Item |---)/.test(line))
  .map((line) => {
    const [item = '', done = '', tests = ''] = line.split('|').slice(1).map((cell) => cell.trim());
    const named = [...tests.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    return { item, isTold: done !== '', tests: named };
  });

describe('the table of dangers', () => {
  test('has each item of the API top ten, and the sheet about GraphQL', () => {
    const numbers = rows.map(({ item }) => /^API(\d+) /.exec(item)?.[1]).filter(Boolean);
    expect(numbers).toEqual(Array.from({ length: 10 }, (_, index) => String(index + 1)));
    expect(rows.length - numbers.length).toBeGreaterThan(10);
  });

  test.each(rows)('$item: its tests are there', ({ isTold, tests }) => {
    expect(isTold).toBe(true);
    expect(tests).not.toEqual([]);
    const missing = tests.filter((name) => {
      const [file = '', title = ''] = name.split(/: (.*)/s);
      return title === '' || sources.get(file)?.includes(title) !== true;
    });
    expect(missing).toEqual([]);
  });
});
