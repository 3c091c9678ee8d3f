import { expect, it } from 'vitest';
import { readCommandLine, toClientId, toExpiry } from '../src/command-line.ts';
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

it('takes days up to ten years, and ids that a number can hold', () => {
  const now = new Date('2026-11-03T09:30:00Z');
  expect(toExpiry(undefined, now)).toBeNull();
  expect(toExpiry('3650', now)).toEqual(new Date('2036-10-31T09:30:00Z'));
  for (const days of ['0', '3651', '-1', '1.5', '']) {
    expect(() => toExpiry(days, now)).toThrow('--days is a whole number from 1 to 3650');
  }
  expect([toClientId(undefined), toClientId('12')]).toEqual([null, 12]);
  for (const id of ['0', '01', '1e3', '']) expect(() => toClientId(id)).toThrow(StartRefused);
});
