import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { patternFault } from '../../src/domain/linear-pattern.ts';

describe('patternFault', () => {
  test.each([
    '^[0-9]+$', '[0-9]{5,20}', '\\d+', '[A-Z]{2}-?[0-9]{4}', '(?:asia|europe)', '(foo|bar)?',
    'a*b*c', '(?:ab)*', '(?:ab|cd)+x?', '[^@]+@[^@]+', '\\+?[1-9]\\d{6,14}', '[a-z](?:-[a-z]+)*',
    '(?<zone>[0-9]{4})', '\\u0041{3}', '[\\w-]+', '', 'a{0,255}', '[\\]\\\\]+', '\\x41\\t', 'a+?b',
    '.{1,20}', '\\p{L}+', '(?:a?b)*', '(?:a?)+',
  ])('lets %j pass', (pattern) => {
    expect(patternFault(pattern)).toBeNull();
  });

  test.each([
    '(a+)+', '(a*)*', '(a|a)*', '(a|ab)(c|bcd)', '(?:a+a+)+', 'a*a', '\\d+\\d+', '(x+x+)+y',
    '([a-zA-Z]+)*', '(.*)(.*)', '(a?){64}a{64}', '(?:a|b|ab)*', '(.*a){20}', '[0-9]*[0-9a]*',
    '(?:\\p{L}|a)+', '(?:[^\\p{L}]|1)*', '(?:[^\\P{L}]|a)*', '(?:a|)(?:|)',
    '(?:a*|b*)', '(?:(?:a?)?)x',
  ])('refuses %j, which matches one text in several ways', (pattern) => {
    expect(patternFault(pattern)).toMatch(/several ways/);
  });

  test.each([
    ['(', /no regular expression/], ['[z-a]', /no regular expression/], ['a{2,1}', /no regular/],
    ['(a)\\1', /looks back/], ['(?<n>a)\\k<n>', /looks back/], ['(?=a)a', /looks around/],
    ['(?<!a)b', /looks around/], ['a\\b', /looks back or around/], ['a^b', /inside/],
    ['a{5000}', /too large/], ['(?:a{100}){100}', /too large/], ['x'.repeat(501), /too long/],
    ['(?:(?:){1000}){1000}', /too large/], ['(?:\\ud83d\\ude00|😀)*', /half of a character/],
    ['[\\u{dfff}]', /half of a character/],
  ])('refuses %j', (pattern, why) => {
    expect(patternFault(pattern)).toMatch(why);
  });

  // What is accepted is tried with texts that nearly match: each prefix of a matching text, spoilt.
  const atom = fc.constantFrom('a', 'b', '[ab]', '\\d', '.', '1', '[^\\p{L}]');
  const suffix = fc.constantFrom('', '', '*', '+', '?', '{2}', '{0,3}', '{2,}');
  const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
    pattern: fc.oneof(
      { maxDepth: 4 },
      fc.tuple(atom, suffix).map(([of, repeated]) => of + repeated),
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => a + b),
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(?:${a}|${b})`),
      fc.tuple(tie('pattern'), suffix).map(([of, repeated]) => `(?:${of})${repeated}`),
    ),
  }));

  test('accepts only what a hostile text of 128 characters does not hold up', () => {
    let acceptedCount = 0;
    fc.assert(fc.property(pattern, fc.constantFrom('a', 'ab', '1a', '11', 'ba1'), (text, unit) => {
      if (patternFault(text) !== null) return;
      acceptedCount += 1;
      const expression = new RegExp(`^(?:${text})$`, 'u');
      const hostile = `${unit.repeat(128).slice(0, 127)}!`;
      // The fastest of three: a machine that pauses is no fault of the pattern.
      const tookMs = [1, 2, 3].map(() => {
        const startedMs = performance.now();
        for (let round = 0; round < 7; round += 1) expression.test(hostile);
        return performance.now() - startedMs;
      });
      expect(Math.min(...tookMs), text).toBeLessThan(70);
    }), { numRuns: 2000 });
    expect(acceptedCount).toBeGreaterThan(50);
  });
});
