import { expect, it } from 'vitest';
import { readCommandLine } from '../src/command-line.ts';
import { StartRefused } from '../src/start-refused.ts';

it.each([
  [[], { command: null, words: [] }],
  [['--migrate'], { command: '--migrate', words: [] }],
  [['--import', 'a.jsonl'], { command: '--import', words: ['a.jsonl'] }],
  [['--keys', 'list', '--client', '1'], { command: '--keys', words: ['list', '--client', '1'] }],
])('reads %j', (args, expected) => {
  expect(readCommandLine(args)).toEqual(expected);
});

it.each([
  [['--import', 'a.jsonl', 'b.jsonl'], 'b.jsonl means nothing here; nothing was done'],
  [['--import', 'a.jsonl', '--dry-run'], '--dry-run means nothing here; nothing was done'],
  [['--import'], 'npm run import -- FILE'],
  [['--migrate', '--reset'], '--reset means nothing here'],
  [['--rest'], '--rest means nothing here'],
  [['--help'], '--help means nothing here'],
  [['toString'], 'toString means nothing here'],
])('refuses %j rather than pass over what it would not look at', (args, why) => {
  expect(() => readCommandLine(args)).toThrow(StartRefused);
  expect(() => readCommandLine(args)).toThrow(why);
});
